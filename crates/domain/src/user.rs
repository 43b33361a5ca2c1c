//! Users.

use std::{fmt, str::FromStr};

use crate::{Email, LimitOverrides, Month, Tier, Tiers, Time, UserId};

/// What a user may do beyond their own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Role {
    /// Their own account only.
    #[default]
    User,
    /// Everybody's.
    Admin,
}

/// A text that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be user or admin")]
pub struct UnknownRole;

impl Role {
    /// The name by which clients know it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        match text {
            "user" => Ok(Self::User),
            "admin" => Ok(Self::Admin),
            _ => Err(UnknownRole),
        }
    }
}

/// Tokens of one calendar month; they mean nothing in any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthTokens {
    /// The month for which they hold.
    pub month: Month,
    /// Tokens.
    pub tokens: u64,
}

impl MonthTokens {
    /// Its tokens where it is of `month`, else 0.
    pub fn within(&self, month: Month) -> u64 {
        if self.month == month { self.tokens } else { 0 }
    }
}

/// A user, without the password's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its address; users of other systems may have none.
    pub email: Option<Email>,
    /// The id by which another system knows the user.
    pub external_id: Option<String>,
    /// What to call the user.
    pub name: Option<String>,
    /// What the user may do beyond the own account.
    pub role: Role,
    /// The subscription.
    pub tier: Tier,
    /// Whether the account is open; a deactivated one is refused everywhere.
    pub is_active: bool,
    /// Whether the address was confirmed.
    pub is_verified: bool,
    /// What an administrator gave in place of the tier's windows.
    pub limits: LimitOverrides,
    /// What an administrator gave in place of the tier's tokens a month.
    pub monthly_token_limit: Option<u64>,
    /// The limit below which a month does not fall, because a tier was lowered during it.
    pub quota_floor: Option<MonthTokens>,
    /// Tokens of a month that an administrator gave beyond its limit.
    pub quota_grant: Option<MonthTokens>,
    /// The user's own notes: a JSON object as text.
    pub metadata: String,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

impl User {
    /// Tokens that the user may use in `month`: what an administrator gave, else the tier's, but not
    /// less than the floor that a tier left during that month set; and what was granted for that month.
    pub fn monthly_tokens(&self, tiers: &Tiers, month: Month) -> u64 {
        let limit = self.monthly_token_limit.unwrap_or_else(|| {
            let floor = self.quota_floor.map_or(0, |floor| floor.within(month));
            tiers.of(self.tier).monthly_tokens.max(floor)
        });
        limit.saturating_add(self.granted_tokens(month))
    }

    /// Tokens that an administrator granted for `month`.
    pub fn granted_tokens(&self, month: Month) -> u64 {
        self.quota_grant.map_or(0, |grant| grant.within(month))
    }
}
