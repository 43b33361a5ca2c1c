//! A user's own keys: made, changed, rotated, revoked, and never worth more than who did it.

use std::net::IpAddr;

use proptest::prelude::*;
use tollgate_domain::{ApiKey, KeyId, LimitOverrides, Tiers, window::WindowKind};

use super::*;
use crate::{
    admin::Change,
    key::{CreatedKey, change::OwnKeyChanges, rotate::MAX_GRACE_SECONDS},
};

impl House {
    fn by(&self, user: &User, key: Option<&ApiKey>) -> Actor {
        let key = key.cloned().map(Arc::new);
        Actor { user: Arc::new(user.clone()), key, session: None, client: client() }
    }

    fn make(&self, actor: &Actor, wish: KeyWish) -> CreatedKey {
        self.accounts.create_key(actor, &wish).unwrap()
    }

    fn key(&self, id: KeyId) -> ApiKey {
        self.stores.keys.by_id(id).unwrap().unwrap().key
    }

    fn opens(&self, secret: &tollgate_domain::KeyText) -> Option<ApiKey> {
        let hash = self.accounts.settings().pepper.hash(secret);
        self.stores.keys.by_hash(&hash).unwrap()
    }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn faults<T: std::fmt::Debug>(refused: Result<T, AccountsError>) -> Vec<(&'static str, &'static str)> {
    match refused {
        Err(AccountsError::Invalid(faults)) => faults.iter().map(|fault| (fault.field, fault.code)).collect(),
        other => panic!("{other:?}"),
    }
}

fn beyond<T: std::fmt::Debug>(refused: Result<T, AccountsError>) -> Beyond {
    match refused {
        Err(AccountsError::Beyond(beyond)) => beyond,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_bound_to_networks_and_models() {
    on_each_with(&fixture::settings(), |house| {
        let owner = house.by(&house.register("ann@example.com").user, None);
        let wish = KeyWish {
            allowed_ips: Some(texts(&["10.0.0.0/8", "10.0.0.0/8", "2001:db8::1"])),
            allowed_models: Some(texts(&["fast", "fast", "slow"])),
            ..named("bound")
        };
        let key = house.key(house.make(&owner, wish).key.id);
        assert_eq!(key.allowed_ips.len(), 2);
        assert_eq!(key.allowed_models, texts(&["fast", "slow"]));
        let from = |text: &str| key.may_be_used_from(Some(text.parse::<IpAddr>().unwrap()));
        assert!(from("10.1.2.3") && from("::ffff:10.9.9.9") && from("2001:db8::1"));
        assert!(!from("11.0.0.1") && !from("2001:db8::2") && !key.may_be_used_from(None));
        assert!(key.may_ask("slow") && !key.may_ask("Slow"));
        let wrong = |networks: &[&str]| {
            let wish = KeyWish { allowed_ips: Some(texts(networks)), ..named("x") };
            faults(house.accounts.create_key(&owner, &wish))
        };
        for networks in [&["10.0.0.1/8"][..], &["somewhere"], &[""]] {
            assert_eq!(wrong(networks), [("allowed_ips", "invalid_network")], "{networks:?}");
        }
        let many: Vec<String> = (0..101).map(|n| format!("10.0.0.{n}")).collect();
        let wish = KeyWish { allowed_ips: Some(many), ..named("x") };
        assert_eq!(faults(house.accounts.create_key(&owner, &wish)), [("allowed_ips", "too_many")]);
        let wish = KeyWish { allowed_models: Some(vec![String::new(), "a\nb".into()]), ..named("x") };
        assert_eq!(
            faults(house.accounts.create_key(&owner, &wish)),
            [("allowed_models", "invalid_model"); 2]
        );
    });
}

#[test]
fn a_bound_key_makes_bound_keys() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.register("ann@example.com").user;
        let owner = house.by(&ann, None);
        let wish = KeyWish {
            allowed_ips: Some(texts(&["10.0.0.0/8"])),
            allowed_models: Some(texts(&["fast", "slow"])),
            permissions: Some(Permissions::from_text("chat,keys:manage").unwrap()),
            ..named("maker")
        };
        let maker = house.make(&owner, wish).key;
        let by_key = house.by(&ann, Some(&maker));
        // What is left open is cut down to what the maker has.
        let child = house.make(&by_key, named("child")).key;
        assert_eq!((&child.allowed_ips, &child.allowed_models), (&maker.allowed_ips, &maker.allowed_models));
        for (networks, models, expected) in [
            (Some(&["10.1.0.0/16"][..]), Some(&["fast"][..]), None),
            (Some(&["11.0.0.0/8"][..]), None, Some(Beyond::Addresses)),
            (Some(&["0.0.0.0/0"][..]), None, Some(Beyond::Addresses)),
            (Some(&[][..]), None, Some(Beyond::Addresses)),
            (None, Some(&["fast", "other"][..]), Some(Beyond::Models)),
            (None, Some(&[][..]), Some(Beyond::Models)),
        ] {
            let wish = KeyWish {
                allowed_ips: networks.map(texts),
                allowed_models: models.map(texts),
                ..named("narrow")
            };
            let made = house.accounts.create_key(&by_key, &wish);
            match expected {
                None => {
                    house.accounts.revoke_key(&owner, made.unwrap().key.id, false).unwrap();
                }
                Some(expected) => assert_eq!(beyond(made), expected, "{wish:?}"),
            }
        }
    });
}

#[test]
fn an_owner_changes_a_key_and_null_takes_bounds_away() {
    on_each_with(&fixture::settings(), |house| {
        let owner = house.by(&house.register("ann@example.com").user, None);
        let id = house.make(&owner, named("before")).key.id;
        let changes = OwnKeyChanges {
            name: Some(" after ".into()),
            metadata: serde_json::from_str(r#"{"team": "research"}"#).ok(),
            permissions: Some(Permissions::from_text("chat").unwrap()),
            limits: LimitChanges { minute: Some(Some(5)), ..LimitChanges::default() },
            allowed_ips: Some(Some(texts(&["10.0.0.0/8"]))),
            allowed_models: Some(Some(texts(&["fast"]))),
            is_active: Some(false),
        };
        house.clock.advance(TimeDelta::seconds(1));
        let listed = house.accounts.change_key(&owner, id, &changes).unwrap();
        let key = house.key(id);
        assert_eq!(listed.key, key);
        assert_eq!((key.name.as_str(), key.metadata.as_str()), ("after", r#"{"team":"research"}"#));
        assert_eq!((key.permissions.to_text().as_str(), key.limits.limits.minute), ("chat", Some(5)));
        assert_eq!((key.allowed_ips.len(), key.allowed_models.len(), key.is_active), (1, 1, false));
        assert_eq!(key.updated_at, house.clock.now());
        let none = OwnKeyChanges {
            limits: LimitChanges { minute: Some(None), ..LimitChanges::default() },
            allowed_ips: Some(None),
            allowed_models: Some(Some(Vec::new())),
            is_active: Some(true),
            ..OwnKeyChanges::default()
        };
        let key = house.accounts.change_key(&owner, id, &none).unwrap().key;
        assert_eq!((key.allowed_ips.len(), key.allowed_models.len(), key.is_active), (0, 0, true));
        assert_eq!((key.limits.limits.minute, key.name.as_str()), (None, "after"));
        let untouched = house.accounts.change_key(&owner, id, &OwnKeyChanges::default()).unwrap().key;
        assert_eq!(untouched, key);
    });
}

#[test]
fn an_owner_widens_nothing_that_an_administrator_gave() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.register("ann@example.com").user;
        let owner = house.by(&ann, None);
        let id = house.make(&owner, named("key")).key.id;
        let limits = LimitChanges { hour: Some(Some(50)), ..LimitChanges::default() };
        let given = KeyChanges { limits, is_active: Some(false), ..KeyChanges::default() };
        house.accounts.edit_key(&By::program(), id, &given).unwrap();
        let change = |changes: OwnKeyChanges| house.accounts.change_key(&owner, id, &changes);
        let hour = |limit| OwnKeyChanges {
            limits: LimitChanges { hour: Some(limit), ..LimitChanges::default() },
            ..OwnKeyChanges::default()
        };
        assert_eq!(
            beyond(change(OwnKeyChanges { is_active: Some(true), ..OwnKeyChanges::default() })),
            Beyond::DisabledByAdmin
        );
        for raised in [Some(51), None] {
            assert!(matches!(beyond(change(hour(raised))), Beyond::Limit(_, 50)), "{raised:?}");
        }
        let lowered = change(hour(Some(40))).unwrap().key;
        assert_eq!((lowered.limits.limits.hour, lowered.limits.by_admin.hour), (Some(40), true));
        // A tier that an administrator gave bounds as well.
        let by_tier = KeyChanges { tier: Some(Some(Tier::Free)), ..KeyChanges::default() };
        house.accounts.edit_key(&By::program(), id, &by_tier).unwrap();
        let rich = UserChanges { tier: Some(Tier::Enterprise), ..UserChanges::default() };
        let ann = house.accounts.edit_user(&By::program(), ann.id, rich).unwrap();
        let minute = |limit: Option<u64>| {
            let limits = LimitChanges { minute: Some(limit), ..LimitChanges::default() };
            let changes = OwnKeyChanges { limits, ..OwnKeyChanges::default() };
            house.accounts.change_key(&house.by(&ann, None), id, &changes)
        };
        assert!(matches!(beyond(minute(Some(61))), Beyond::Limit(_, 60)));
        // Having lowered it first changes nothing in that.
        minute(Some(30)).unwrap();
        assert!(matches!(beyond(minute(Some(61))), Beyond::Limit(_, 60)));
        minute(Some(60)).unwrap();
        assert_eq!(
            minute(None).unwrap().key.limits.of(WindowKind::Minute, &Tiers::default()),
            Some((60, true))
        );
        house
            .accounts
            .edit_key(&By::program(), id, &KeyChanges { is_active: Some(true), ..KeyChanges::default() })
            .unwrap();
        assert!(house.key(id).check(house.clock.now()).is_ok());
    });
}

#[test]
fn a_key_touches_no_stronger_key_and_nobody_elses() {
    on_each_with(&fixture::settings(), |house| {
        let (ann, bob) = (house.register("ann@example.com"), house.register("bob@example.com"));
        let owner = house.by(&ann.user, None);
        let wish = KeyWish {
            permissions: Some(Permissions::from_text("chat,keys:manage").unwrap()),
            ..named("weak")
        };
        let weak = house.make(&owner, wish).key;
        let by_weak = house.by(&ann.user, Some(&weak));
        let rename = OwnKeyChanges { name: Some("mine now".into()), ..OwnKeyChanges::default() };
        let primary = ann.key.id;
        assert!(matches!(beyond(house.accounts.change_key(&by_weak, primary, &rename)), Beyond::NotHeld(_)));
        assert!(matches!(beyond(house.accounts.rotate_key(&by_weak, primary, 0)), Beyond::NotHeld(_)));
        assert_eq!(house.key(primary).name, "Primary API Key");
        // A tier is told to other services, whatever its limits come to.
        let pro = UserChanges { tier: Some(Tier::Pro), ..UserChanges::default() };
        let rich = house.accounts.edit_user(&By::program(), ann.user.id, pro).unwrap();
        let wish =
            KeyWish { permissions: Some(Permissions::from_text("keys:manage").unwrap()), ..named("free") };
        let wish = KeyWish { tier: Some(Tier::Free), ..wish };
        let free = house.make(&house.by(&rich, None), wish).key;
        let few = LimitOverrides { minute: Some(1), hour: Some(1), day: Some(1) };
        let wish = KeyWish { limits: few, permissions: Some(Permissions::default()), ..named("few") };
        let few = house.make(&house.by(&rich, None), wish).key;
        let by_free = house.by(&rich, Some(&free));
        assert_eq!(beyond(house.accounts.rotate_key(&by_free, few.id, 0)), Beyond::Tier);
        assert_eq!(beyond(house.accounts.change_key(&by_free, few.id, &rename)), Beyond::Tier);
        house.accounts.change_key(&by_weak, weak.id, &rename).unwrap();
        house.accounts.rotate_key(&by_weak, weak.id, 0).unwrap();
        for actor in [&by_weak, &owner] {
            for refused in [
                house.accounts.change_key(actor, bob.key.id, &rename).map(drop),
                house.accounts.rotate_key(actor, bob.key.id, 0).map(drop),
                house.accounts.show_key(actor, bob.key.id).map(drop),
                house.accounts.revoke_key(actor, bob.key.id, true).map(drop),
                house.accounts.key_of_usage(&house.by(&ann.user, None), bob.key.id).map(drop),
            ] {
                assert!(matches!(refused, Err(AccountsError::NotFound("key"))), "{refused:?}");
            }
        }
    });
}

#[test]
fn a_rotated_key_keeps_its_id_and_its_old_secret_for_the_grace() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.register("ann@example.com");
        let owner = house.by(&ann.user, None);
        let first = house.make(&owner, named("ci"));
        let second = house.accounts.rotate_key(&owner, first.key.id, 3_600).unwrap();
        assert_eq!(second.listed.key.id, first.key.id);
        assert_ne!(second.secret, first.secret);
        let end = house.clock.now() + TimeDelta::hours(1);
        assert_eq!(house.opens(&first.secret).unwrap().expires_at, Some(end));
        assert_eq!(house.opens(&second.secret).unwrap().expires_at, None);
        house.clock.advance(TimeDelta::seconds(3_600));
        assert!(house.opens(&first.secret).is_none());
        let third = house.accounts.rotate_key(&owner, first.key.id, 0).unwrap();
        assert!(house.opens(&second.secret).is_none() && house.opens(&third.secret).is_some());
        let long = house.accounts.rotate_key(&owner, first.key.id, MAX_GRACE_SECONDS + 1);
        assert_eq!(faults(long), [("grace_period_seconds", "out_of_range")]);
        house.accounts.revoke_key(&owner, first.key.id, false).unwrap();
        let late = house.accounts.rotate_key(&owner, first.key.id, 0);
        assert!(matches!(late, Err(AccountsError::KeyRevoked)), "{late:?}");
        let rename = OwnKeyChanges { name: Some("x".into()), ..OwnKeyChanges::default() };
        let late = house.accounts.change_key(&owner, first.key.id, &rename);
        assert!(matches!(late, Err(AccountsError::KeyRevoked)), "{late:?}");
    });
}

#[test]
fn the_editor_key_is_the_same_after_it_was_rotated() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.register("ann@example.com");
        let caller = house.session(&house.login("ann@example.com", "testpass123").unwrap());
        let before = house.accounts.editor_key(&caller).unwrap();
        let id = house.opens(&before).unwrap().id;
        let rotated = house.accounts.rotate_key(&house.by(&ann.user, None), id, 0).unwrap();
        assert!(house.opens(&before).is_none());
        assert_eq!(house.accounts.editor_key(&caller).unwrap(), rotated.secret);
    });
}

#[test]
fn a_key_ends_itself_and_its_descendants() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.register("ann@example.com");
        let owner = house.by(&ann.user, None);
        let child = house.make(&house.by(&ann.user, Some(&ann.key)), named("child")).key;
        house.accounts.revoke_key(&owner, ann.key.id, true).unwrap();
        assert!(house.key(child.id).revoked_at.is_some());
        let weak = KeyWish { permissions: Some(Permissions::from_text("chat").unwrap()), ..named("weak") };
        let weak = house.make(&owner, weak).key;
        house.accounts.revoke_self(&house.by(&ann.user, Some(&weak))).unwrap();
        assert!(house.key(weak.id).revoked_at.is_some());
        assert_eq!(beyond(house.accounts.revoke_self(&owner)), Beyond::NoKey);
    });
}

#[test]
fn what_ended_or_was_changed_after_it_was_recognised_makes_no_key() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.register("ann@example.com");
        let owner = house.by(&ann.user, None);
        let ended = |late: Result<(), AccountsError>| {
            assert!(matches!(late, Err(AccountsError::CallerEnded)), "{late:?}");
        };
        let create = |actor: &Actor| house.accounts.create_key(actor, &named("late")).map(drop);

        let narrowed = house.by(&ann.user, Some(&ann.key));
        create(&narrowed).unwrap();
        let permissions = Permissions::from_text("chat,keys:manage").ok();
        let fewer = OwnKeyChanges { permissions, ..OwnKeyChanges::default() };
        house.clock.advance(TimeDelta::seconds(1));
        house.accounts.change_key(&owner, ann.key.id, &fewer).unwrap();
        ended(create(&narrowed));
        let rotated = house.by(&ann.user, Some(&house.key(ann.key.id)));
        create(&rotated).unwrap();
        house.clock.advance(TimeDelta::seconds(1));
        house.accounts.rotate_key(&owner, ann.key.id, 0).unwrap();
        ended(create(&rotated));
        ended(house.accounts.rotate_key(&rotated, ann.key.id, 0).map(drop));
        let leaked = house.by(&ann.user, Some(&house.key(ann.key.id)));
        house.accounts.revoke_key(&owner, ann.key.id, true).unwrap();
        ended(create(&leaked));

        let caller = house.session(&house.login("ann@example.com", "testpass123").unwrap());
        let by_session = Actor { session: Some(caller.session.id), ..owner.clone() };
        let kept = house.make(&by_session, named("in time")).key.id;
        house.accounts.log_out(&caller, true).unwrap();
        ended(create(&by_session));
        ended(house.accounts.rotate_key(&by_session, kept, 0).map(drop));
        ended(house.accounts.editor_key(&caller).map(drop));
        assert!(house.stores.keys.editor(ann.user.id).unwrap().is_none());
    });
}

#[test]
fn a_key_that_was_narrowed_after_it_was_recognised_does_not_undo_it() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.register("ann@example.com");
        let owner = house.by(&ann.user, None);
        let id = ann.key.id;
        let itself = house.by(&ann.user, Some(&ann.key));
        let change = |actor: &Actor, changes: OwnKeyChanges| house.accounts.change_key(actor, id, &changes);
        let ended = |late: Result<_, AccountsError>| assert!(matches!(late, Err(AccountsError::CallerEnded)));
        let holding = |text| OwnKeyChanges {
            permissions: Permissions::from_text(text).ok(),
            ..OwnKeyChanges::default()
        };
        let active = |is_active| OwnKeyChanges { is_active: Some(is_active), ..OwnKeyChanges::default() };
        change(&owner, holding("chat,keys:manage")).unwrap();
        let embeddings = beyond(change(&itself, holding("chat,embeddings,keys:manage")));
        assert_eq!(embeddings, Beyond::NotHeld(Permission::Embeddings));
        change(&owner, holding("chat")).unwrap();
        ended(change(&itself, holding("chat,keys:manage")));
        change(&owner, OwnKeyChanges { is_active: Some(false), ..holding("keys:manage") }).unwrap();
        ended(change(&itself, active(true)));
        change(&owner, active(true)).unwrap();
        change(&itself, active(false)).unwrap();
        assert!(!house.key(id).is_active);
    });
}

#[test]
fn what_ended_or_was_narrowed_after_it_was_recognised_changes_no_other_key() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.register("ann@example.com");
        let owner = house.by(&ann.user, None);
        let chat = KeyWish { permissions: Some(Permissions::from_text("chat").unwrap()), ..named("other") };
        let other = house.make(&owner, chat).key;
        let holding = |text| OwnKeyChanges {
            permissions: Some(Permissions::from_text(text).unwrap()),
            ..OwnKeyChanges::default()
        };
        let change =
            |actor: &Actor| house.accounts.change_key(actor, other.id, &holding("chat,embeddings")).map(drop);
        let ended = |late: Result<(), AccountsError>| {
            assert!(matches!(late, Err(AccountsError::CallerEnded)), "{late:?}");
            assert_eq!(house.key(other.id), other);
        };
        let narrowed = house.by(&ann.user, Some(&ann.key));
        house.clock.advance(TimeDelta::seconds(1));
        house.accounts.change_key(&owner, ann.key.id, &holding("chat,keys:manage")).unwrap();
        ended(change(&narrowed));
        let leaked = house.make(&owner, named("leaked")).key;
        let leaked = Arc::new(ApiKey { permissions: ann.key.permissions.clone(), ..leaked });
        house.accounts.revoke_key(&owner, leaked.id, false).unwrap();
        ended(change(&Actor { key: Some(leaked), ..owner.clone() }));
        let caller = house.session(&house.login("ann@example.com", "testpass123").unwrap());
        let by_session = Actor { session: Some(caller.session.id), ..owner.clone() };
        house.accounts.log_out(&caller, true).unwrap();
        ended(change(&by_session));
        change(&house.by(&ann.user, None)).unwrap();
    });
}

#[test]
fn all_services_are_narrowed_to_one_of_them() {
    let given = |text| Some(Permissions::from_text(text).unwrap());
    let settings = AccountsSettings { default_permissions: given("chat").unwrap(), ..fixture::settings() };
    on_each_with(&settings, |house| {
        let owner = house.by(&house.register("ann@example.com").user, None);
        let id = house.make(&owner, named("any")).key.id;
        let all = KeyChanges { permissions: given("services"), ..KeyChanges::default() };
        house.accounts.edit_key(&By::program(), id, &all).unwrap();
        let change = |permissions| {
            let changes = OwnKeyChanges { permissions: given(permissions), ..OwnKeyChanges::default() };
            house.accounts.change_key(&owner, id, &changes)
        };
        change("services:stocks").unwrap();
        let services = Permission::Service("bonds".to_owned());
        assert_eq!(beyond(change("services:bonds")), Beyond::UsersMayNotGrant(services));
        assert_eq!(beyond(change("services")), Beyond::UsersMayNotGrant(Permission::Services));
    });
}

#[test]
fn a_key_has_so_many_permissions() {
    on_each_with(&fixture::settings(), |house| {
        let owner = house.by(&house.register("ann@example.com").user, None);
        let many = |count| Some((0..count).map(|n| Permission::Service(format!("s{n}"))).collect());
        let id = house.make(&owner, KeyWish { permissions: many(100), ..named("most") }).key.id;
        let refused = [("permissions", "too_many")];
        let made = house.accounts.create_key(&owner, &KeyWish { permissions: many(101), ..named("more") });
        assert_eq!(faults(made), refused);
        let changes = OwnKeyChanges { permissions: many(101), ..OwnKeyChanges::default() };
        assert_eq!(faults(house.accounts.change_key(&owner, id, &changes)), refused);
        let changes = KeyChanges { permissions: many(101), ..KeyChanges::default() };
        assert_eq!(faults(house.accounts.edit_key(&By::program(), id, &changes)), refused);
        let wish = ProvisionWish { permissions: many(101), ..ProvisionWish::default() };
        assert_eq!(faults(house.accounts.provision(&By::program(), &wish)), refused);
    });
}

/// What somebody does; keys and actors are chosen among those that there are.
#[derive(Debug, Clone)]
enum Step {
    Create { by: usize, wish: Wish },
    Change { by: usize, key: usize, wish: Wish, active: Option<bool> },
    Rotate { by: usize, key: usize },
    Revoke { by: usize, key: usize },
    Administer { key: usize, wish: Wish, active: Option<bool> },
}

/// Parts of a wish, each left open or not.
#[derive(Debug, Clone)]
struct Wish {
    permissions: Option<&'static str>,
    limit: Change<u64>,
    networks: Option<&'static [&'static str]>,
    models: Option<&'static [&'static str]>,
    days: Option<i64>,
    tier: Option<Tier>,
}

const PERMISSIONS: [&str; 5] =
    ["chat", "chat,keys:manage", "chat,embeddings,keys:manage", "keys:verify", "admin"];
const NETWORKS: [&[&str]; 4] = [&[], &["10.0.0.0/8"], &["10.1.0.0/16"], &["0.0.0.0/0"]];
const MODELS: [&[&str]; 3] = [&[], &["a"], &["a", "b"]];

fn wish() -> impl Strategy<Value = Wish> {
    let limit = prop_oneof![4 => Just(None), 1 => Just(Some(None)), 3 => proptest::sample::select(&[10, 30, 100][..]).prop_map(|n| Some(Some(n)))];
    let some = |all: &'static [&'static str]| proptest::option::weighted(0.4, proptest::sample::select(all));
    (
        some(&PERMISSIONS),
        limit,
        proptest::option::weighted(0.2, proptest::sample::select(&NETWORKS[..])),
        proptest::option::weighted(0.2, proptest::sample::select(&MODELS[..])),
        proptest::option::weighted(0.2, 1_i64..30),
        proptest::option::weighted(0.3, proptest::sample::select(&Tier::ALL[..])),
    )
        .prop_map(|(permissions, limit, networks, models, days, tier)| Wish {
            permissions,
            limit,
            networks,
            models,
            days,
            tier,
        })
}

fn step() -> impl Strategy<Value = Step> {
    let active = || proptest::option::of(any::<bool>());
    prop_oneof![
        3 => (any::<usize>(), wish()).prop_map(|(by, wish)| Step::Create { by, wish }),
        4 => (any::<usize>(), any::<usize>(), wish(), active())
            .prop_map(|(by, key, wish, active)| Step::Change { by, key, wish, active }),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(by, key)| Step::Rotate { by, key }),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(by, key)| Step::Revoke { by, key }),
        2 => (any::<usize>(), wish(), active())
            .prop_map(|(key, wish, active)| Step::Administer { key, wish, active }),
    ]
}

/// The user's tier, and the requests in a minute that come with it.
const USERS: (Tier, u64) = (Tier::Pro, 600);

/// The tier as which the key counts, by the rules of the contract: what an administrator gave it, else the lesser of its
/// own and its user's.
fn tier(key: &ApiKey) -> Tier {
    let own = key.limits.tier.unwrap_or(USERS.0);
    if key.limits.by_admin.tier { own } else { own.min(USERS.0) }
}

/// Requests in a minute that the key may make, likewise; a limit of its own goes before its tier's.
fn per_minute(key: &ApiKey) -> u64 {
    let by_tier = key.limits.tier.map(|tier| Tiers::default().of(tier).minute);
    let (own, by_admin) = match key.limits.limits.minute {
        Some(own) => (own, key.limits.by_admin.minute),
        None => (by_tier.unwrap_or(USERS.1), key.limits.by_admin.tier),
    };
    if by_admin { own } else { own.min(USERS.1) }
}

/// Every address that is tried, with whether the key may be used from there; and so with models.
fn reach(key: &ApiKey) -> Vec<bool> {
    let addresses = ["10.0.0.1", "10.1.0.1", "11.0.0.1", "2001:db8::1"];
    let from = addresses.iter().map(|text| key.may_be_used_from(Some(text.parse().unwrap())));
    from.chain(["a", "b", "c"].iter().map(|model| key.may_ask(model))).collect()
}

fn holds_no_more(key: &ApiKey, than: &ApiKey) -> bool {
    let permissions = key.permissions.iter().all(|held| than.permissions.iter().any(|other| other == held));
    let longer = match (key.expires_at, than.expires_at) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(end), Some(other)) => end > other,
    };
    let further = reach(key).into_iter().zip(reach(than)).any(|(key, other)| key && !other);
    permissions && !longer && !further && per_minute(key) <= per_minute(than) && tier(key) <= tier(than)
}

struct History<'a> {
    house: &'a House,
    user: User,
    keys: Vec<KeyId>,
}

impl History<'_> {
    /// The user, or one of the keys that is good.
    fn actor(&self, by: usize) -> Actor {
        let key = (by % (self.keys.len() + 1)).checked_sub(1).map(|at| self.house.key(self.keys[at]));
        let key = key.filter(|key| key.check(self.house.clock.now()).is_ok());
        self.house.by(&self.user, key.as_ref())
    }

    fn some(&self, key: usize) -> KeyId {
        self.keys[key % self.keys.len()]
    }

    fn create(&mut self, by: usize, wish: &Wish) {
        let actor = self.actor(by);
        let wish = KeyWish {
            permissions: wish.permissions.map(|text| Permissions::from_text(text).unwrap()),
            limits: LimitOverrides { minute: wish.limit.flatten(), ..LimitOverrides::default() },
            allowed_ips: wish.networks.map(texts),
            allowed_models: wish.models.map(texts),
            expires_in_days: wish.days,
            tier: wish.tier,
            ..named("made")
        };
        let Ok(made) = self.house.accounts.create_key(&actor, &wish) else { return };
        let made = self.house.key(made.key.id);
        if let Some(maker) = &actor.key {
            assert!(holds_no_more(&made, maker), "{made:#?} was made by {maker:#?}");
        }
        self.within_the_user(&made, None);
        self.keys.push(made.id);
    }

    fn change(&self, by: usize, key: usize, wish: &Wish, active: Option<bool>) {
        let (actor, id) = (self.actor(by), self.some(key));
        let before = self.house.key(id);
        let changes = OwnKeyChanges {
            permissions: wish.permissions.map(|text| Permissions::from_text(text).unwrap()),
            limits: LimitChanges { minute: wish.limit, ..LimitChanges::default() },
            allowed_ips: wish.networks.map(|networks| Some(texts(networks))),
            allowed_models: wish.models.map(|models| Some(texts(models))),
            is_active: active,
            ..OwnKeyChanges::default()
        };
        let changed = self.house.accounts.change_key(&actor, id, &changes);
        let after = self.house.key(id);
        if changed.is_err() {
            assert_eq!(after, before);
            return;
        }
        if let Some(by) = &actor.key {
            assert!(holds_no_more(&before, by) && holds_no_more(&after, by), "{after:#?} by {by:#?}");
        }
        self.within_the_user(&after, Some(&before));
        assert!(!(before.disabled_by_admin && after.is_active), "an administrator switched it off");
        assert_eq!(after.revoked_at, None);
    }

    /// Whoever it was, the user gave it no more than the user may give or it had before.
    fn within_the_user(&self, key: &ApiKey, before: Option<&ApiKey>) {
        let grantable = Permissions::defaults().with(Permission::KeysManage);
        for held in key.permissions.iter() {
            let had = before.is_some_and(|before| before.permissions.iter().any(|other| other == held));
            assert!(had || grantable.iter().any(|other| other == held), "{held} in {key:#?}");
        }
        // An administrator's tier stands behind the limit that the user gave the key since.
        let given = key.limits.tier.filter(|_| key.limits.by_admin.tier);
        let given = given.map_or(0, |tier| Tiers::default().of(tier).minute);
        assert!(per_minute(key) <= before.map_or(0, per_minute).max(USERS.1).max(given), "{key:#?}");
        assert!(tier(key) <= before.map_or(USERS.0, tier).max(USERS.0), "{key:#?}");
    }

    fn administer(&self, key: usize, wish: &Wish, active: Option<bool>) {
        let permissions = wish.permissions.filter(|text| *text != "admin");
        let changes = KeyChanges {
            permissions: permissions.map(|text| Permissions::from_text(text).unwrap()),
            limits: LimitChanges { minute: wish.limit, ..LimitChanges::default() },
            tier: wish.tier.map(Some),
            is_active: active,
            ..KeyChanges::default()
        };
        let before = self.house.key(self.some(key));
        let comes_back = active == Some(true) && before.revoked_at.is_some();
        match self.house.accounts.edit_key(&By::program(), before.id, &changes) {
            Err(AccountsError::KeyRevoked) if comes_back => assert_eq!(self.house.key(before.id), before),
            edited => assert!(edited.is_ok() && !comes_back, "{edited:?}"),
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Create { by, wish } => self.create(*by, wish),
            Step::Change { by, key, wish, active } => self.change(*by, *key, wish, *active),
            Step::Rotate { by, key } => {
                let (actor, id) = (self.actor(*by), self.some(*key));
                let before = self.house.key(id);
                if self.house.accounts.rotate_key(&actor, id, 0).is_ok()
                    && let Some(by) = &actor.key
                {
                    assert!(holds_no_more(&before, by), "{before:#?} was rotated by {by:#?}");
                }
            }
            Step::Revoke { by, key } => {
                let actor = self.actor(*by);
                // A key that may not manage keys is refused.
                drop(self.house.accounts.revoke_key(&actor, self.some(*key), false));
            }
            Step::Administer { key, wish, active } => self.administer(*key, wish, *active),
        }
    }
}

#[test]
fn no_history_gives_a_key_more_than_its_maker_had() {
    let cases = ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(cases, |(steps in proptest::collection::vec(step(), 20..60))| {
        let house = House::on(TestDb::sqlite(), fixture::settings());
        let ann = house.register("ann@example.com");
        let pro = UserChanges { tier: Some(USERS.0), ..UserChanges::default() };
        let user = house.accounts.edit_user(&By::program(), ann.user.id, pro).unwrap();
        let mut history = History { house: &house, user, keys: vec![ann.key.id] };
        for step in &steps {
            history.take(step);
        }
    });
}
