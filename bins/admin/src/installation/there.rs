//! An installation that a server answers for: the calls of its API.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use tollgate_accounts::admin::ProvisionWish;
use tollgate_domain::{Clock, KeyId, LimitOverrides, Tier, Time, UserId};
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

/// The body of `POST /api/v1/admin/users`: what is not wished for is left out.
#[derive(Serialize)]
struct Wish<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_days: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hourly_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    daily_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Map<String, Value>>,
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
        Ok(self.server.send(Verb::Post, &format!("{USERS}/create"), &Wish::from(wish))?)
    }

    fn switch_key(&self, id: KeyId, on: bool) -> Result<Answer<KeyView>, AdminError> {
        let changes = serde_json::json!({"is_active": on});
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
        let changes = serde_json::json!({"tier": tier.as_str()});
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

impl<'a> From<&'a ProvisionWish> for Wish<'a> {
    fn from(wish: &'a ProvisionWish) -> Self {
        // The command line has no flags for the rest: keys are live, and have no limit in any minute.
        let ProvisionWish { user_id, external_id, email, user_name, key_name, permissions, .. } = wish;
        let LimitOverrides { minute: _, hour, day } = wish.limits;
        Self {
            name: user_name.as_deref(),
            key_name: key_name.as_deref(),
            user_id: user_id.as_deref(),
            external_id: external_id.as_deref(),
            email: email.as_deref(),
            tier: wish.tier.as_ref().map(|tier| tier.as_str()),
            expires_in_days: wish.expires_in_days,
            permissions: permissions
                .as_ref()
                .map(|permissions| permissions.iter().map(ToString::to_string).collect()),
            hourly_limit: hour,
            daily_limit: day,
            metadata: wish.metadata.as_ref(),
        }
    }
}
