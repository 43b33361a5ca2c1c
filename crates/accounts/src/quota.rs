//! What is left of a user's tokens this month, as of the last fold.

use tollgate_domain::{Environment, Month, User, quota::QuotaState};

use crate::{Accounts, AccountsError};

impl Accounts {
    /// The user's quota of the running month, without what running requests hold.
    ///
    /// # Errors
    /// The store's.
    pub fn quota(&self, user: &User, environment: Environment) -> Result<QuotaState, AccountsError> {
        let month = Month::of(self.now());
        let used = self.stores.usage.quota_used(user.id, environment, month)?;
        Ok(QuotaState { limit: user.monthly_tokens(&self.settings.tiers, month), used, held: 0, month })
    }
}
