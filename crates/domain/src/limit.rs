//! Which limits apply to a request: the user's, the key's, or both.

use crate::{Tier, Tiers, User, window::WindowKind};

/// The highest limit that can be given; the lowest is 1.
pub const MAX_LIMIT: u64 = 1_000_000_000_000;

/// Limits given in place of a tier's, a window each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitOverrides {
    /// Requests in any 60 seconds.
    pub minute: Option<u64>,
    /// Requests in any 3,600 seconds.
    pub hour: Option<u64>,
    /// Requests in any 86,400 seconds.
    pub day: Option<u64>,
}

impl LimitOverrides {
    /// The limit given for `window`.
    pub const fn of(&self, window: WindowKind) -> Option<u64> {
        match window {
            WindowKind::Minute => self.minute,
            WindowKind::Hour => self.hour,
            WindowKind::Day => self.day,
        }
    }
}

/// Which of a key's limits an administrator gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GivenByAdmin {
    /// The minute's.
    pub minute: bool,
    /// The hour's.
    pub hour: bool,
    /// The day's.
    pub day: bool,
    /// The tier that stands for all three.
    pub tier: bool,
}

impl GivenByAdmin {
    /// Whether the limit for `window` was given by an administrator.
    pub const fn of(&self, window: WindowKind) -> bool {
        match window {
            WindowKind::Minute => self.minute,
            WindowKind::Hour => self.hour,
            WindowKind::Day => self.day,
        }
    }

    /// As bits, for storage: minute 1, hour 2, day 4, tier 8.
    pub const fn bits(&self) -> i32 {
        (self.minute as i32) | (self.hour as i32) << 1 | (self.day as i32) << 2 | (self.tier as i32) << 3
    }

    /// From stored bits.
    pub const fn from_bits(bits: i32) -> Self {
        Self { minute: bits & 1 != 0, hour: bits & 2 != 0, day: bits & 4 != 0, tier: bits & 8 != 0 }
    }
}

/// A key's own limits and who gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyLimits {
    /// The tier that stands for limits where none is given singly.
    pub tier: Option<Tier>,
    /// Limits given singly.
    pub limits: LimitOverrides,
    /// Who gave each.
    pub by_admin: GivenByAdmin,
}

impl KeyLimits {
    /// The key's limit for `window`, and whether an administrator gave it.
    pub fn of(&self, window: WindowKind, tiers: &Tiers) -> Option<(u64, bool)> {
        self.limits
            .of(window)
            .map(|limit| (limit, self.by_admin.of(window)))
            .or_else(|| self.tier.map(|tier| (tiers.window(tier, window), self.by_admin.tier)))
    }

    /// The tier as which the key counts while its user has `users`: the one that an administrator gave it; one that its
    /// user gave it only as far as the user's own still reaches; the user's where it has none.
    pub fn tier_under(&self, users: Tier) -> Tier {
        match self.tier {
            Some(given) if self.by_admin.tier => given,
            Some(chosen) => chosen.min(users),
            None => users,
        }
    }
}

impl Tiers {
    /// Requests that `user` may make in `window`: what an administrator gave the user, else what the tier allows.
    pub fn of_user(&self, user: &User, window: WindowKind) -> u64 {
        user.limits.of(window).unwrap_or_else(|| self.window(user.tier, window))
    }

    /// Requests that `tier` allows in `window`.
    pub const fn window(&self, tier: Tier, window: WindowKind) -> u64 {
        let limits = self.of(tier);
        match window {
            WindowKind::Minute => limits.minute,
            WindowKind::Hour => limits.hour,
            WindowKind::Day => limits.day,
        }
    }
}

/// What is checked for one window: against the user's count, the key's, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Check {
    /// The limit of the user's window, unless an administrator's limit of the key takes its place.
    pub user: Option<u64>,
    /// The limit of the key's own window.
    pub key: Option<u64>,
}

/// What is checked for a request, in the order of [`WindowKind::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checks(pub [Check; 3]);

impl Checks {
    /// The limits that apply to a request of `user` with a key of `key` limits.
    ///
    /// A limit that the user gave a key applies beside the user's own; one that an administrator gave
    /// it is the only one checked for its window.
    pub fn of(user: &User, key: &KeyLimits, tiers: &Tiers) -> Self {
        Self(WindowKind::ALL.map(|window| {
            let users = tiers.of_user(user, window);
            match key.of(window, tiers) {
                None => Check { user: Some(users), key: None },
                Some((limit, true)) => Check { user: None, key: Some(limit) },
                Some((limit, false)) => Check { user: Some(users), key: Some(limit) },
            }
        }))
    }
}
