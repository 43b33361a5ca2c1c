//! Usage.

pub mod logs;
pub mod stats;

use tollgate_accounts::Actor;
use tollgate_domain::{Environment, Permission};
use tollgate_store::UsageScope;

/// What a caller sees of their own usage: with a key, that of its environment, and without `keys:manage` its
/// own requests only; with an access token all that is live.
fn own(actor: &Actor) -> UsageScope {
    let environment = actor.key.as_ref().map_or(Environment::Live, |key| key.environment);
    let own = actor.key.as_ref().filter(|key| !key.permissions.allow(&Permission::KeysManage));
    UsageScope { user: Some(actor.user.id), key: own.map(|key| key.id), environment: Some(environment) }
}
