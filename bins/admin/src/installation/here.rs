//! The installation on this machine: its use cases, on its database.

use std::collections::HashMap;

use chrono::TimeDelta;
use tollgate_accounts::{
    Accounts, AccountsError, By,
    admin::{KeyChanges, ProvisionWish, UserChanges},
};
use tollgate_domain::{Environment, KeyId, Tier, Time, UserId};
use tollgate_store::{AuditFilter, KeyTotals, ListedKey, PageRequest, UsageScope};

use super::{Installation, KeysAsked, Place};
use crate::{
    error::AdminError,
    json::{
        answer::{Answer, Page},
        entry::EntryView,
        key::{KeyView, ListedKeyView, ProvisionedView},
        stats::{QuotaView, StatsView},
        user::UserView,
    },
};

/// Days of the sums that stand beside keys.
const DAYS: i64 = 7;
/// Sums are kept by quarter-hour: the running one is asked for as a whole.
const QUARTER: TimeDelta = TimeDelta::minutes(15);

/// The installation on this machine.
pub struct Here {
    /// Its use cases.
    pub accounts: Accounts,
}

impl Installation for Here {
    fn now(&self) -> Time {
        self.accounts.clock.now()
    }

    fn keys(&self, asked: &KeysAsked, place: Place<'_>) -> Result<Page<ListedKeyView>, AdminError> {
        let KeysAsked { user, include_inactive } = *asked;
        let page = request(place)?;
        let (keys, totals) = self.accounts.list_all_keys(user, include_inactive, &page, DAYS)?;
        let next_cursor = keys.next.map(|id| id.to_string());
        Ok(Page { items: self.listed(&keys.items, &totals), next_cursor })
    }

    fn keys_like(&self, digits: &str, limit: u32) -> Result<Vec<Answer<ListedKeyView>>, AdminError> {
        let (keys, totals) = self.accounts.keys_like(digits, limit, DAYS)?;
        Ok(self.listed(&keys, &totals))
    }

    fn key_stats(&self, id: KeyId, days: u16) -> Result<Answer<StatsView>, AdminError> {
        let stores = &self.accounts.stores;
        let key = stores.keys.by_id(id)?.ok_or(AccountsError::NotFound("key"))?.key;
        let user = stores.users.by_id(key.user_id)?.ok_or(AccountsError::NotFound("user"))?;
        let now = self.now();
        let scope =
            UsageScope { user: Some(key.user_id), key: Some(key.id), environment: Some(key.environment) };
        let stats = stores.usage.stats(&scope, now - TimeDelta::days(days.into()), now + QUARTER)?;
        let quota = self.accounts.quota(&user, key.environment)?;
        Ok(StatsView::new(&stats, &quota).into())
    }

    fn provision(&self, wish: &ProvisionWish) -> Result<Answer<ProvisionedView>, AdminError> {
        let made = self.accounts.provision(&By::program(), wish)?;
        Ok(ProvisionedView::new(&made, self.now()).into())
    }

    fn switch_key(&self, id: KeyId, on: bool) -> Result<Answer<KeyView>, AdminError> {
        let changes = KeyChanges { is_active: Some(on), ..KeyChanges::default() };
        let key = self.accounts.edit_key(&By::program(), id, &changes)?;
        Ok(KeyView::listed(&key, self.now()).into())
    }

    fn revoke_key(&self, id: KeyId) -> Result<(), AdminError> {
        self.accounts.revoke_any_key(&By::program(), id, false)?;
        Ok(())
    }

    fn users(&self, search: Option<&str>, place: Place<'_>) -> Result<Page<UserView>, AdminError> {
        let page = self.accounts.list_users(&request(place)?, search)?;
        let now = self.now();
        let items = page.items.iter().map(|user| UserView::new(user, now).into()).collect();
        Ok(Page { items, next_cursor: page.next.map(|id| id.to_string()) })
    }

    fn user(&self, named: &str) -> Result<Option<Answer<UserView>>, AdminError> {
        let user = self.accounts.user_named(named)?;
        Ok(user.map(|user| UserView::new(&user, self.now()).into()))
    }

    fn quota(&self, id: UserId) -> Result<QuotaView, AdminError> {
        let user = self.accounts.stores.users.by_id(id)?.ok_or(AccountsError::NotFound("user"))?;
        Ok(QuotaView::new(&self.accounts.quota(&user, Environment::Live)?))
    }

    fn set_tier(&self, id: UserId, tier: Tier) -> Result<Answer<UserView>, AdminError> {
        let changes = UserChanges { tier: Some(tier), ..UserChanges::default() };
        let user = self.accounts.edit_user(&By::program(), id, changes)?;
        Ok(UserView::new(&user, self.now()).into())
    }

    fn delete_user(&self, id: UserId) -> Result<(), AdminError> {
        Ok(self.accounts.delete_user(&By::program(), id)?)
    }

    fn unlock_user(&self, id: UserId) -> Result<(), AdminError> {
        Ok(self.accounts.unlock_user(&By::program(), id)?)
    }

    fn entries(&self, filter: &AuditFilter, place: Place<'_>) -> Result<Page<EntryView>, AdminError> {
        let before = place.cursor.map(|cursor| cursor.parse().map_err(no_place)).transpose()?;
        let entries = self.accounts.stores.audit.list(before, place.limit, filter)?;
        let is_full = u32::try_from(entries.len()) == Ok(place.limit);
        let next_cursor = entries.last().filter(|_| is_full).map(|entry| entry.row.seq.to_string());
        let items = entries.iter().map(|entry| EntryView::new(entry).into()).collect();
        Ok(Page { items, next_cursor })
    }
}

impl Here {
    fn listed(&self, keys: &[ListedKey], totals: &HashMap<KeyId, KeyTotals>) -> Vec<Answer<ListedKeyView>> {
        let now = self.now();
        let of = |listed: &ListedKey| totals.get(&listed.key.id).copied().unwrap_or_default();
        keys.iter().map(|listed| ListedKeyView::new(listed, of(listed), now).into()).collect()
    }
}

fn request(place: Place<'_>) -> Result<PageRequest, AdminError> {
    // A cursor is the id of a page's last item, whatever kind of thing that is.
    let after = place.cursor.map(|cursor| cursor.parse::<KeyId>().map_err(no_place)).transpose()?;
    Ok(PageRequest { limit: place.limit, after: after.map(|id| id.as_uuid()) })
}

fn no_place<E>(_no_cursor: E) -> AccountsError {
    AccountsError::Internal("a cursor that was made here names no place")
}
