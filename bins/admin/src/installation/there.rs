//! An installation that a server answers for: the calls of its API.

use std::sync::Arc;

use serde_json::{Value, json};
use tollgate_accounts::admin::ProvisionWish;
use tollgate_domain::{Clock, KeyId, Tier, Time, UserId};
use tollgate_store::AuditFilter;

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
    server::{Server, Verb},
};

const KEYS: &str = "/api/v1/admin/keys";
const USERS: &str = "/api/v1/admin/users";
const AUDIT: &str = "/api/v1/admin/audit";

/// An installation that a server answers for.
pub struct There {
    /// The server.
    pub server: Server,
    /// The time here, for what depends on the present day.
    pub clock: Arc<dyn Clock>,
}

impl Installation for There {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn keys(&self, asked: &KeysAsked, place: Place<'_>) -> Result<Page<ListedKeyView>, AdminError> {
        let mut query = part(place);
        query.extend(asked.user.map(|user| ("user_id", user.to_string())));
        query.push(("include_inactive", asked.include_inactive.to_string()));
        Ok(self.server.get(KEYS, &query)?)
    }

    fn keys_like(&self, digits: &str, limit: u32) -> Result<Vec<Answer<ListedKeyView>>, AdminError> {
        let query = [("id", digits.to_owned()), ("limit", limit.to_string())];
        let page: Page<ListedKeyView> = self.server.get(KEYS, &query)?;
        Ok(page.items)
    }

    fn key_stats(&self, id: KeyId, days: u16) -> Result<Answer<StatsView>, AdminError> {
        // Of a user or of a key, by whichever id it is.
        Ok(self.server.get(&format!("{USERS}/{id}/stats"), &[("days", days.to_string())])?)
    }

    fn provision(&self, wish: &ProvisionWish) -> Result<Answer<ProvisionedView>, AdminError> {
        Ok(self.server.send(Verb::Post, &format!("{USERS}/create"), &body(wish))?)
    }

    fn switch_key(&self, id: KeyId, on: bool) -> Result<Answer<KeyView>, AdminError> {
        let changes = json!({"is_active": on});
        Ok(self.server.send(Verb::Patch, &format!("{KEYS}/{id}"), &changes)?)
    }

    fn revoke_key(&self, id: KeyId) -> Result<(), AdminError> {
        Ok(self.server.delete(&format!("{KEYS}/{id}"))?)
    }

    fn users(&self, search: Option<&str>, place: Place<'_>) -> Result<Page<UserView>, AdminError> {
        let mut query = part(place);
        query.extend(search.map(|search| ("search", search.to_owned())));
        Ok(self.server.get(USERS, &query)?)
    }

    fn user(&self, named: &str) -> Result<Option<Answer<UserView>>, AdminError> {
        if named.is_empty() {
            return Ok(None);
        }
        let page: Page<UserView> = self.server.get(USERS, &[("user", named.to_owned())])?;
        Ok(page.items.into_iter().next())
    }

    fn quota(&self, id: UserId) -> Result<QuotaView, AdminError> {
        let path = format!("{USERS}/{id}/stats");
        let stats: StatsView = self.server.get(&path, &[("days", "1".to_owned())])?;
        Ok(stats.quota)
    }

    fn set_tier(&self, id: UserId, tier: Tier) -> Result<Answer<UserView>, AdminError> {
        let changes = json!({"tier": tier.as_str()});
        Ok(self.server.send(Verb::Patch, &format!("{USERS}/{id}"), &changes)?)
    }

    fn delete_user(&self, id: UserId) -> Result<(), AdminError> {
        Ok(self.server.delete(&format!("{USERS}/{id}"))?)
    }

    fn unlock_user(&self, id: UserId) -> Result<(), AdminError> {
        Ok(self.server.post(&format!("{USERS}/{id}/unlock"))?)
    }

    fn entries(&self, filter: &AuditFilter, place: Place<'_>) -> Result<Page<EntryView>, AdminError> {
        let mut query = part(place);
        query.extend(filter.action.clone().map(|action| ("action", action)));
        query.extend(filter.about.map(|about| ("about", about.to_string())));
        Ok(self.server.get(AUDIT, &query)?)
    }
}

fn part(place: Place<'_>) -> Vec<(&'static str, String)> {
    let mut query = vec![("limit", place.limit.to_string())];
    query.extend(place.cursor.map(|cursor| ("cursor", cursor.to_owned())));
    query
}

/// The body of `POST /api/v1/admin/users`. The command line has no flags for the rest of a wish: keys are live, and have no
/// limit in any minute.
fn body(wish: &ProvisionWish) -> Value {
    let ProvisionWish { user_id, external_id, email, user_name, key_name, permissions, .. } = wish;
    let permissions =
        permissions.as_ref().map(|some| some.iter().map(ToString::to_string).collect::<Vec<_>>());
    json!({
        "name": user_name,
        "key_name": key_name,
        "user_id": user_id,
        "external_id": external_id,
        "email": email,
        "tier": wish.tier.map(Tier::as_str),
        "expires_in_days": wish.expires_in_days,
        "permissions": permissions,
        "hourly_limit": wish.limits.hour,
        "daily_limit": wish.limits.day,
        "metadata": wish.metadata,
    })
}
