//! The user as whom requests without a key run.

use std::thread;

use tollgate_domain::{ApiKey, Pepper};

use super::*;
use crate::anonymous::Anonymous;

impl House {
    fn anonymous(&self) -> (ApiKey, User) {
        let hash = self.accounts.settings().pepper.anonymous_hashes()[0];
        let key = self.stores.keys.by_hash(&hash).unwrap().unwrap();
        let user = self.stores.users.by_id(key.user_id).unwrap().unwrap();
        (key, user)
    }
}

fn generous() -> AccountsSettings {
    let every = "chat,services,keys:manage,keys:verify,usage:read,admin";
    AccountsSettings { default_permissions: Permissions::from_text(every).unwrap(), ..fixture::settings() }
}

#[test]
fn there_is_one_and_it_may_little() {
    on_each_with(&generous(), |house| {
        let made = house.accounts.ensure_anonymous().unwrap();
        let (key, user) = house.anonymous();
        assert_eq!(made, Anonymous { key: key.id, is_open: true });
        assert_eq!(key.permissions.to_text(), "chat,services,usage:read");
        assert_eq!(
            (user.external_id.as_deref(), user.name.as_deref()),
            (Some("anonymous"), Some("Anonymous"))
        );
        assert_eq!((user.tier, user.role, user.email.clone()), (Tier::Free, Role::User, None));
        assert_eq!((key.prefix.as_str(), key.preview.as_str()), ("", ""));
        // At every further start the same, with what is allowed by then.
        assert_eq!(house.accounts.ensure_anonymous().unwrap(), made);
        let narrow = Permissions::from_text("embeddings,admin").unwrap();
        let later = house.again(AccountsSettings { default_permissions: narrow, ..fixture::settings() });
        assert_eq!(later.ensure_anonymous().unwrap(), made);
        assert_eq!(house.anonymous().0.permissions.to_text(), "embeddings");
        assert_eq!(house.stores.users.list(&PageRequest::default(), None).unwrap().items.len(), 1);
    });
}

#[test]
fn what_an_administrator_decided_of_it_stays() {
    on_each(|house| {
        let made = house.accounts.ensure_anonymous().unwrap();
        let (key, user) = house.anonymous();
        let pro = UserChanges { tier: Some(Tier::Pro), ..UserChanges::default() };
        house.accounts.edit_user(&By::program(), user.id, pro).unwrap();
        assert!(house.accounts.ensure_anonymous().unwrap().is_open);
        assert_eq!(house.anonymous().1.tier, Tier::Pro);

        let shut = |open| UserChanges { is_active: Some(open), ..UserChanges::default() };
        house.accounts.edit_user(&By::program(), user.id, shut(false)).unwrap();
        assert_eq!(house.accounts.ensure_anonymous().unwrap(), Anonymous { is_open: false, ..made });
        house.accounts.edit_user(&By::program(), user.id, shut(true)).unwrap();
        house.accounts.revoke_any_key(&By::program(), key.id, false).unwrap();
        assert_eq!(house.accounts.ensure_anonymous().unwrap(), Anonymous { is_open: false, ..made });
    });
}

#[test]
fn whoever_has_its_external_id_keeps_it() {
    on_each(|house| {
        let wish = ProvisionWish { external_id: Some("anonymous".into()), ..ProvisionWish::default() };
        let somebody = house.accounts.provision(&By::program(), &wish).unwrap().user.id;
        let made = house.accounts.ensure_anonymous().unwrap();
        let (key, user) = house.anonymous();
        assert_eq!(made, Anonymous { key: key.id, is_open: true });
        assert_ne!(user.id, somebody);
        assert!(user.external_id.unwrap().starts_with("anonymous:"));
        assert_eq!(house.accounts.ensure_anonymous().unwrap(), made);
        let theirs = house.stores.users.by_external_id("anonymous").unwrap().unwrap();
        assert_eq!(theirs.id, somebody);
    });
}

#[test]
fn servers_that_start_at_once_have_one() {
    on_each(|house| {
        let servers: Vec<Accounts> = (0..4).map(|_| house.again(fixture::settings())).collect();
        let made: Vec<Anonymous> = thread::scope(|scope| {
            let start = |accounts| scope.spawn(move || Accounts::ensure_anonymous(accounts).unwrap());
            let running: Vec<_> = servers.iter().map(start).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(|one| *one == made[0]), "{made:?}");
        assert_eq!(house.stores.users.list(&PageRequest::default(), None).unwrap().items.len(), 1);
    });
}

#[test]
fn a_newer_pepper_keeps_finding_it() {
    on_each(|house| {
        let made = house.accounts.ensure_anonymous().unwrap();
        for secrets in [&["next", "pepper"][..], &["next"]] {
            let pepper = Pepper::new(secrets).unwrap();
            let later = house.again(AccountsSettings { pepper, ..fixture::settings() });
            assert_eq!(later.ensure_anonymous().unwrap(), made, "{secrets:?}");
        }
    });
}
