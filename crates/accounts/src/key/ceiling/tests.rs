//! What users and keys may give, and what not.

use std::sync::Arc;

use tollgate_domain::{KeyId, UserId};

use super::*;
use crate::{fixture, register::blank_user};

fn user(tier: Tier) -> User {
    let id = UserId::new(Time::UNIX_EPOCH, &fixture::Counting::default());
    User { tier, ..blank_user(id, Time::UNIX_EPOCH) }
}

fn key(permissions: &str) -> ApiKey {
    let id = KeyId::new(Time::UNIX_EPOCH, &fixture::Counting::default());
    ApiKey {
        name: "maker".into(),
        permissions: Permissions::from_text(permissions).unwrap(),
        ..ApiKey::blank(id, user(Tier::Free).id, Time::UNIX_EPOCH)
    }
}

fn given(user: User, by: Option<ApiKey>, wish: &KeyWish) -> Result<Given, Beyond> {
    let (user, key) = (Arc::new(user), by.map(Arc::new));
    let actor = Actor { user, key, session: None, client: crate::Client::default() };
    under(&actor, &fixture::settings(), wish, None, Bounds::default())
}

fn asking(permissions: &str) -> KeyWish {
    KeyWish { permissions: Some(Permissions::from_text(permissions).unwrap()), ..KeyWish::default() }
}

#[test]
fn users_grant_the_defaults_and_managing_keys() {
    let wish = asking("chat,services:stocks,keys:manage");
    assert_eq!(given(user(Tier::Free), None, &wish).unwrap().permissions, wish.permissions.unwrap());
    for permission in ["admin", "keys:verify", "usage:write"] {
        let refused = given(user(Tier::Free), None, &asking(permission));
        assert_eq!(refused, Err(Beyond::UsersMayNotGrant(permission.parse().unwrap())));
    }
    let admin = User { role: Role::Admin, ..user(Tier::Free) };
    assert!(given(admin.clone(), None, &asking("admin")).is_ok());
    let refused = given(admin, Some(key("chat,keys:manage")), &asking("admin"));
    assert_eq!(refused, Err(Beyond::NotHeld(Permission::Admin)));
}

#[test]
fn a_key_gives_only_what_it_holds() {
    let by = || Some(key("chat,keys:manage"));
    let defaults = given(user(Tier::Free), by(), &KeyWish::default()).unwrap();
    assert_eq!(defaults.permissions, Permissions::from_text("chat").unwrap());
    let refused = given(user(Tier::Free), by(), &asking("chat,embeddings"));
    assert_eq!(refused, Err(Beyond::NotHeld(Permission::Embeddings)));
}

#[test]
fn tiers_stay_at_or_below_the_users() {
    let wish = |tier| KeyWish { tier: Some(tier), ..KeyWish::default() };
    assert_eq!(given(user(Tier::Pro), None, &wish(Tier::Pro)).unwrap().tier, Some(Tier::Pro));
    assert_eq!(given(user(Tier::Pro), None, &wish(Tier::Enterprise)), Err(Beyond::Tier));
}

#[test]
fn tiers_stay_at_or_below_the_keys() {
    let by = |tier, by_admin| {
        let mut by = key("keys:manage");
        (by.limits.tier, by.limits.by_admin.tier) = (Some(tier), by_admin);
        Some(by)
    };
    let wish = |tier| KeyWish { tier, ..KeyWish::default() };
    for by_admin in [false, true] {
        let free = || by(Tier::Free, by_admin);
        assert_eq!(given(user(Tier::Pro), free(), &wish(Some(Tier::Pro))), Err(Beyond::Tier));
        // Left open, it is no more than the calling key's.
        let made = given(user(Tier::Pro), free(), &wish(None)).unwrap();
        assert_eq!((made.tier, made.limits), (Some(Tier::Free), LimitOverrides::default()));
        // What the user has no more, no key gives.
        let enterprise = || by(Tier::Enterprise, by_admin);
        assert_eq!(given(user(Tier::Pro), enterprise(), &wish(Some(Tier::Enterprise))), Err(Beyond::Tier));
        assert_eq!(
            given(user(Tier::Pro), enterprise(), &wish(Some(Tier::Pro))).unwrap().tier,
            Some(Tier::Pro)
        );
        assert_eq!(given(user(Tier::Pro), enterprise(), &wish(None)).unwrap().tier, None);
    }
}

#[test]
fn limits_stay_at_or_below_the_users_and_the_keys() {
    let wish = |minute| KeyWish {
        limits: LimitOverrides { minute: Some(minute), ..LimitOverrides::default() },
        ..KeyWish::default()
    };
    assert_eq!(given(user(Tier::Free), None, &wish(60)).unwrap().limits.minute, Some(60));
    let beyond = |limit| Err(Beyond::Limit(WindowName(WindowKind::Minute), limit));
    assert_eq!(given(user(Tier::Free), None, &wish(61)), beyond(60));
    let by = || {
        let mut by = key("keys:manage");
        by.limits.limits.minute = Some(10);
        Some(by)
    };
    assert_eq!(given(user(Tier::Free), by(), &wish(11)), beyond(10));
    // Named or not, by tier or not, what a limited key makes is no less limited.
    assert_eq!(given(user(Tier::Free), by(), &KeyWish::default()).unwrap().limits.minute, Some(10));
    let by_tier = KeyWish { tier: Some(Tier::Free), ..KeyWish::default() };
    assert_eq!(given(user(Tier::Free), by(), &by_tier).unwrap().limits.minute, Some(10));
    assert_eq!(given(user(Tier::Free), by(), &by_tier).unwrap().limits.hour, None);
}

#[test]
fn a_key_makes_none_that_outlives_it_or_leaves_its_environment() {
    let end = "2026-12-01T00:00:00Z".parse::<Time>().unwrap();
    assert_eq!(expiry(Some(end), None), Ok(Some(end)));
    assert_eq!(expiry(Some(end), Some(end + chrono::TimeDelta::seconds(1))), Err(Beyond::Expiry));
    assert_eq!(expiry(None, Some(end)), Ok(Some(end)));
    let live = key("keys:manage");
    assert_eq!(environment(Some(&live), Some(Environment::Test)), Err(Beyond::Environment));
    assert_eq!(environment(None, Some(Environment::Test)), Ok(Environment::Test));
    let test = ApiKey { environment: Environment::Test, ..live };
    assert_eq!(environment(Some(&test), None), Ok(Environment::Test));
}
