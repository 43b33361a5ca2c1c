//! `tiers`: what each tier allows.

use tollgate_domain::{Tier, TierLimits, Tiers};

use crate::section::Section;

/// The highest limit that can be given.
pub(crate) const MAX_LIMIT: u64 = tollgate_domain::limit::MAX_LIMIT;

pub(crate) fn read(root: &mut Section<'_, '_>) -> Tiers {
    let defaults = Tiers::default();
    root.section("tiers", |section| {
        let mut tier = |tier: Tier| limits(section, tier, defaults.of(tier));
        Tiers { free: tier(Tier::Free), pro: tier(Tier::Pro), enterprise: tier(Tier::Enterprise) }
    })
}

fn limits(tiers: &mut Section<'_, '_>, tier: Tier, defaults: &TierLimits) -> TierLimits {
    tiers.section(tier.as_str(), |section| TierLimits {
        minute: section.integer("minute", defaults.minute, 1..=MAX_LIMIT),
        hour: section.integer("hour", defaults.hour, 1..=MAX_LIMIT),
        day: section.integer("day", defaults.day, 1..=MAX_LIMIT),
        monthly_tokens: section.integer("monthly_tokens", defaults.monthly_tokens, 1..=MAX_LIMIT),
    })
}
