//! Keys that stand in plain in the configuration file.

use std::thread;

use tollgate_domain::{ApiKey, KeyHash, KeyId, KeyKind, KeyText, Pepper};
use tollgate_store::{AuditFilter, DeletionProof};

use super::*;
use crate::legacy::{Followed, LegacyKey, LegacyState};

const PRINTED: &str = "V2C-8UkDpfeuisiWxMCkf-5cFpY9zvRxy5MoZ47PVLY";
const OTHER: &str = "an other key: of {words}!";

fn given(text: &str, name: &str, permissions: &str, hourly_limit: Option<u64>) -> LegacyKey {
    let permissions = Permissions::from_text(permissions).unwrap();
    LegacyKey { text: text.to_owned().into(), name: name.into(), permissions, hourly_limit }
}

fn printed() -> LegacyKey {
    given(PRINTED, "Continue/Roo Code", "chat,code_generation", Some(100))
}

fn follow(accounts: &Accounts, keys: &[LegacyKey]) -> LegacyState {
    let Followed { states, left } = accounts.follow_file(keys).unwrap();
    assert_eq!(left, []);
    assert_eq!(states.len(), 1);
    states[0]
}

fn hash(pepper: &Pepper, text: &str) -> KeyHash {
    pepper.hash(&KeyText::parse(text).unwrap())
}

impl House {
    fn by_text(&self, text: &str) -> Option<ApiKey> {
        self.stores.keys.by_hash(&hash(&self.accounts.settings().pepper, text)).unwrap()
    }

    fn works(&self, text: &str) -> bool {
        self.by_text(text).is_some_and(|key| key.check(self.clock.now()).is_ok())
    }

    fn owner(&self, key: &ApiKey) -> User {
        self.stores.users.by_id(key.user_id).unwrap().unwrap()
    }

    fn log(&self) -> Vec<String> {
        let log = self.stores.audit.list(None, 100, &AuditFilter::default()).unwrap();
        log.into_iter().map(|listed| format!("{} {}", listed.row.actor, listed.row.action)).collect()
    }

    /// What the file brings after a rotation of `SECRET_KEY`.
    fn under(&self, secrets: &[&str]) -> Accounts {
        self.again(AccountsSettings { pepper: Pepper::new(secrets).unwrap(), ..fixture::settings() })
    }
}

fn made(state: LegacyState) -> KeyId {
    match state {
        LegacyState::Made(id) => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_of_the_file_is_a_user_of_its_own() {
    on_each(|house| {
        let id = made(follow(&house.accounts, &[printed()]));
        let key = house.by_text(PRINTED).unwrap();
        assert_eq!((key.id, key.kind, key.name.as_str()), (id, KeyKind::Legacy, "Continue/Roo Code"));
        assert_eq!(key.permissions.to_text(), "chat,code_generation");
        assert_eq!((key.limits.limits.hour, key.limits.by_admin.hour), (Some(100), true));
        assert_eq!((key.limits.limits.minute, key.limits.limits.day, key.limits.tier), (None, None, None));
        assert_eq!((key.preview.as_str(), key.prefix.as_str()), ("V2C-…", "V2C-"));
        let user = house.owner(&key);
        assert_eq!((user.name.as_deref(), user.email.clone()), (Some("Continue/Roo Code"), None));
        assert_eq!((user.role, user.tier), (Role::User, Tier::Free));
        let external_id = user.external_id.unwrap();
        assert!(external_id.starts_with("legacy:") && external_id.len() == 23, "{external_id}");
        assert!(house.log().contains(&"system key.imported".to_owned()), "{:?}", house.log());

        // Every further start finds it, and writes nothing.
        let told = house.log();
        for _ in 0..2 {
            assert_eq!(follow(&house.accounts, &[printed()]), LegacyState::Unchanged(id));
        }
        assert_eq!(house.log(), told);
        assert_eq!(house.by_text(PRINTED), Some(key));
    });
}

#[test]
fn what_the_file_says_holds_from_the_next_start() {
    on_each(|house| {
        let id = made(follow(&house.accounts, &[printed()]));
        let administrator = KeyChanges {
            limits: LimitChanges { hour: Some(Some(7)), minute: Some(Some(3)), ..LimitChanges::default() },
            allowed_models: Some(Some(vec!["echo".into()])),
            ..KeyChanges::default()
        };
        house.accounts.edit_key(&By::program(), id, &administrator).unwrap();
        let changed = given(PRINTED, "Roo", "admin,keys:verify", None);
        assert_eq!(follow(&house.accounts, std::slice::from_ref(&changed)), LegacyState::Changed(id));
        let key = house.by_text(PRINTED).unwrap();
        assert_eq!((key.name.as_str(), key.permissions.to_text().as_str()), ("Roo", "keys:verify,admin"));
        assert_eq!((key.limits.limits.hour, key.limits.by_admin.hour), (None, false), "the file's");
        assert_eq!((key.limits.limits.minute, key.limits.by_admin.minute), (Some(3), true), "not the file's");
        assert_eq!(key.allowed_models, ["echo"]);
        let user = house.owner(&key);
        assert_eq!((user.name.as_deref(), user.role), (Some("Roo"), Role::Admin), "`admin` needs the role");
        assert_eq!(follow(&house.accounts, &[changed]), LegacyState::Unchanged(id));

        assert_eq!(follow(&house.accounts, &[printed()]), LegacyState::Changed(id));
        let key = house.by_text(PRINTED).unwrap();
        assert_eq!(key.permissions.to_text(), "chat,code_generation");
        assert_eq!(house.owner(&key).role, Role::User, "and loses it again");
    });
}

#[test]
fn a_key_that_leaves_the_file_ends_and_comes_back_with_it() {
    on_each(|house| {
        let other = given(&OTHER.replace(' ', "-"), "Other", "chat", None);
        let both = house.accounts.follow_file(&[printed(), other.clone()]).unwrap();
        let [LegacyState::Made(first), LegacyState::Made(_)] = both.states[..] else { panic!("{both:?}") };
        let left = house.accounts.follow_file(std::slice::from_ref(&other)).unwrap();
        assert_eq!(left.left, [first]);
        assert!(!house.works(PRINTED) && house.works(&OTHER.replace(' ', "-")));
        assert_eq!(house.by_text(PRINTED).unwrap().status(house.clock.now()), "expired");
        assert_eq!(house.accounts.follow_file(&[other]).unwrap().left, [], "told once");

        assert_eq!(follow_both(house), LegacyState::Changed(first));
        assert!(house.works(PRINTED), "as before, under the same id");
    });
}

fn follow_both(house: &House) -> LegacyState {
    let other = given(&OTHER.replace(' ', "-"), "Other", "chat", None);
    house.accounts.follow_file(&[printed(), other]).unwrap().states[0]
}

#[test]
fn what_an_administrator_ended_stays_ended() {
    on_each(|house| {
        let id = made(follow(&house.accounts, &[printed()]));
        let off = KeyChanges { is_active: Some(false), ..KeyChanges::default() };
        house.accounts.edit_key(&By::program(), id, &off).unwrap();
        assert_eq!(follow(&house.accounts, &[printed()]), LegacyState::Ended(id));
        house.accounts.follow_file(&[]).unwrap();
        assert_eq!(follow(&house.accounts, &[printed()]), LegacyState::Ended(id), "taken out and put back");
        assert!(!house.works(PRINTED));
        let on = KeyChanges { is_active: Some(true), ..KeyChanges::default() };
        house.accounts.edit_key(&By::program(), id, &on).unwrap();
        assert_eq!(follow(&house.accounts, &[printed()]), LegacyState::Unchanged(id));

        let user = house.by_text(PRINTED).unwrap().user_id;
        let shut = UserChanges { is_active: Some(false), ..UserChanges::default() };
        house.accounts.edit_user(&By::program(), user, shut).unwrap();
        assert_eq!(follow(&house.accounts, &[printed()]), LegacyState::Ended(id));

        house.accounts.revoke_any_key(&By::program(), id, false).unwrap();
        house.accounts.follow_file(&[]).unwrap();
        assert_eq!(follow(&house.accounts, &[printed()]), LegacyState::Ended(id));
        assert!(house.by_text(PRINTED).unwrap().revoked_at.is_some());
    });
}

#[test]
fn a_rotated_or_deleted_key_is_not_brought_back() {
    on_each(|house| {
        let id = made(follow(&house.accounts, &[printed()]));
        let rotated = house.accounts.rotate_any_key(&By::program(), id, 60).unwrap();
        let by_old = follow(&house.accounts, &[printed()]);
        assert_eq!(
            by_old,
            LegacyState::Gone,
            "good beside the new one for a while, but no longer the file's"
        );
        house.accounts.rotate_any_key(&By::program(), id, 0).unwrap();
        assert_eq!(follow(&house.accounts, &[printed()]), LegacyState::Gone);
        assert_eq!(house.by_text(PRINTED), None);
        // The key itself is an ordinary one, which the file does not end.
        house.accounts.follow_file(&[]).unwrap();
        let now = house.stores.keys.by_id(id).unwrap().unwrap().key;
        assert_eq!((now.kind, now.check(house.clock.now())), (KeyKind::Ordinary, Ok(())));
        assert!(rotated.secret.expose().starts_with("sk_live_tg_") && now.prefix == "sk_live_tg_");
        // Nor by the pepper that comes next, nor once the old one is gone.
        assert_eq!(follow(&house.under(&["next", "pepper"]), &[printed()]), LegacyState::Gone);
        assert_eq!(follow(&house.under(&["next"]), &[printed()]), LegacyState::Gone);

        let text = OTHER.replace(' ', "-");
        let other = [given(&text, "Other", "chat", None)];
        made(follow(&house.accounts, &other));
        let user = house.by_text(&text).unwrap().user_id;
        let deletion = tollgate_store::Deletion {
            user,
            proof: DeletionProof::Trusted,
            mail: None,
            now: house.clock.now(),
            audit: Vec::new(),
        };
        assert!(house.stores.users.delete(&deletion).unwrap());
        assert_eq!(follow(&house.accounts, &other), LegacyState::Gone);
    });
}

#[test]
fn a_newer_pepper_keeps_finding_it() {
    on_each(|house| {
        let id = made(follow(&house.accounts, &[printed()]));
        let rotating = house.under(&["next", "pepper"]);
        assert_eq!(follow(&rotating, &[printed()]), LegacyState::Unchanged(id));
        assert_eq!(house.by_text(PRINTED), None, "kept under the newest from now on");
        assert_eq!(follow(&house.under(&["next"]), &[printed()]), LegacyState::Unchanged(id));

        // With nothing that knows the old one, it is a key that nobody has seen; the other one ends.
        let strange = house.under(&["strange"]).follow_file(&[printed()]).unwrap();
        assert!(matches!(strange.states[..], [LegacyState::Made(new)] if new != id), "{strange:?}");
        assert_eq!(strange.left, [id]);
    });
}

#[test]
fn a_text_that_is_somebodys_key_stays_theirs() {
    on_each(|house| {
        let ann = house.register("ann@example.com");
        let hers = [given(ann.secret.expose(), "Stolen", "admin", Some(1))];
        assert_eq!(follow(&house.accounts, &hers), LegacyState::Taken(ann.key.id));
        assert_eq!(house.by_text(ann.secret.expose()), Some(ann.key.clone()));
        house.accounts.follow_file(&[]).unwrap();
        assert!(house.works(ann.secret.expose()), "nor does leaving the file end it");
    });
}

#[test]
fn servers_that_start_at_once_agree() {
    on_each(|house| {
        let all: Vec<LegacyKey> =
            (0..5).map(|n| given(&format!("{PRINTED}{n}"), "Many", "chat", None)).collect();
        let servers: Vec<Accounts> = (0..4).map(|_| house.again(fixture::settings())).collect();
        let told: Vec<Followed> = thread::scope(|scope| {
            let running: Vec<_> = servers
                .iter()
                .map(|accounts| {
                    let all = &all;
                    scope.spawn(move || accounts.follow_file(all).unwrap())
                })
                .collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut made = 0;
        for followed in &told {
            assert_eq!(followed.left, []);
            for state in &followed.states {
                match state {
                    LegacyState::Made(_) => made += 1,
                    LegacyState::Unchanged(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(made, all.len());
        let filter = KeyFilter {
            user: None,
            include_inactive: true,
            now: house.clock.now(),
            kind: Some(KeyKind::Legacy),
        };
        let kept = house.stores.keys.list(&filter, &PageRequest::default()).unwrap().items;
        assert_eq!(kept.len(), all.len());
        assert_eq!(house.stores.users.list(&PageRequest::default(), None).unwrap().items.len(), all.len());
    });
}

#[test]
fn what_could_never_be_presented_is_refused() {
    on_each(|house| {
        for text in ["", "two words", "ключ", &"k".repeat(257), "sk_live_tg_0123456789"] {
            let refused = house.accounts.follow_file(&[given(text, "n", "chat", None)]);
            assert!(matches!(refused, Err(AccountsError::Invalid(_))), "{text}: {refused:?}");
        }
        for (name, limit) in [("", None), ("a\nb", None), ("n", Some(0))] {
            let refused = house.accounts.follow_file(&[given(PRINTED, name, "chat", limit)]);
            assert!(matches!(refused, Err(AccountsError::Invalid(_))), "{name} {limit:?}: {refused:?}");
        }
        assert_eq!(house.by_text(PRINTED), None);
    });
}

#[test]
fn more_keys_than_a_page_end_together() {
    on_each(|house| {
        let all: Vec<LegacyKey> =
            (0..101).map(|n| given(&format!("{PRINTED}{n}"), "Many", "chat", None)).collect();
        assert_eq!(house.accounts.follow_file(&all).unwrap().states.len(), 101);
        assert_eq!(house.accounts.follow_file(&[]).unwrap().left.len(), 101);
    });
}
