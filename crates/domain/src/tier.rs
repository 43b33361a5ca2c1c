//! Subscription tiers and what each allows.

use std::{fmt, str::FromStr};

/// A subscription tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Tier {
    /// What everybody starts with.
    #[default]
    Free,
    /// Paid.
    Pro,
    /// Paid, and large.
    Enterprise,
}

/// A text that names no tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be free, pro or enterprise")]
pub struct UnknownTier;

impl Tier {
    /// Every tier, the smallest first.
    pub const ALL: [Self; 3] = [Self::Free, Self::Pro, Self::Enterprise];

    /// The name by which clients know it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Tier {
    type Err = UnknownTier;

    fn from_str(text: &str) -> Result<Self, UnknownTier> {
        Self::ALL.into_iter().find(|tier| tier.as_str() == text).ok_or(UnknownTier)
    }
}

/// What a tier allows: requests in each window, and tokens in a calendar month (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierLimits {
    /// Requests in any 60 seconds.
    pub minute: u64,
    /// Requests in any 3,600 seconds.
    pub hour: u64,
    /// Requests in any 86,400 seconds.
    pub day: u64,
    /// Tokens in a calendar month.
    pub monthly_tokens: u64,
}

/// What each tier allows here; the default is the contract's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiers {
    /// What `free` allows.
    pub free: TierLimits,
    /// What `pro` allows.
    pub pro: TierLimits,
    /// What `enterprise` allows.
    pub enterprise: TierLimits,
}

impl Tiers {
    /// What `tier` allows.
    pub const fn of(&self, tier: Tier) -> &TierLimits {
        match tier {
            Tier::Free => &self.free,
            Tier::Pro => &self.pro,
            Tier::Enterprise => &self.enterprise,
        }
    }
}

impl Default for Tiers {
    fn default() -> Self {
        Self {
            free: TierLimits { minute: 60, hour: 1_000, day: 10_000, monthly_tokens: 10_000 },
            pro: TierLimits { minute: 600, hour: 20_000, day: 500_000, monthly_tokens: 100_000 },
            enterprise: TierLimits {
                minute: 6_000,
                hour: 200_000,
                day: 10_000_000,
                monthly_tokens: 1_000_000,
            },
        }
    }
}
