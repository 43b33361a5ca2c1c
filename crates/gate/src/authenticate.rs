//! Who asks: from the text of an API key to the key and its user.

use std::{net::IpAddr, sync::Arc};

use tollgate_domain::{
    ApiKey, Clock, KeyHash, KeyText, Pepper, Permission, Role, Time, User, key::is_access_token,
};
use tollgate_store::{Directory, Lookup, StoreError, Stores};

use crate::{Blocking, Credential, Refusal, blocking, unknown_keys::UnknownKeys};

/// Who asks. Only authentication makes one.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key, good at the time of asking.
    pub key: Arc<ApiKey>,
    /// Its user, active at the time of asking.
    pub user: Arc<User>,
}

impl Caller {
    /// Whether the key may do this: to administer takes an administrator's.
    pub(crate) fn may(&self, permission: &Permission) -> bool {
        let administers = *permission != Permission::Admin || self.user.role == Role::Admin;
        administers && self.key.permissions.allow(permission)
    }
}

/// Turns presented keys into callers. What is remembered is not asked for again.
pub struct Authenticator {
    directory: Arc<Directory>,
    stores: Stores,
    pepper: Pepper,
    clock: Arc<dyn Clock>,
    lookups: Arc<dyn Blocking>,
    unknown: UnknownKeys,
    /// The hashes of the key as which requests without one run; empty where there is no such key.
    anonymous: Vec<KeyHash>,
}

impl Authenticator {
    /// An authenticator that asks `stores` on the threads of `lookups` for what `directory` does not
    /// remember, for an address as long as less than `unknown_keys_per_hour` of what it presented was nobody's.
    pub fn new(
        directory: Arc<Directory>,
        stores: Stores,
        pepper: Pepper,
        clock: Arc<dyn Clock>,
        lookups: Arc<dyn Blocking>,
        unknown_keys_per_hour: u64,
    ) -> Self {
        let unknown = UnknownKeys::new(unknown_keys_per_hour);
        Self { directory, stores, pepper, clock, lookups, unknown, anonymous: Vec::new() }
    }

    /// The same, letting requests without a key run as the anonymous user.
    #[must_use]
    pub fn with_anonymous(self) -> Self {
        let anonymous = self.pepper.anonymous_hashes();
        Self { anonymous, ..self }
    }

    /// Who presents this, from this address.
    ///
    /// # Errors
    /// Those of [`authenticate`](Self::authenticate); without a key [`Refusal::UserDisabled`] where the anonymous user
    /// is not let in.
    pub async fn caller_of(&self, credential: &Credential, from: Option<IpAddr>) -> Result<Caller, Refusal> {
        match credential {
            Credential::ApiKey(text) => self.authenticate(text, from).await,
            Credential::Anonymous => self.anonymous().await,
        }
    }

    /// Who presents this key, from this address.
    ///
    /// # Errors
    /// A 401 that says what is wrong with the key, a 429 where too many from this address were unknown, or a 503 where
    /// that cannot be told now.
    pub async fn authenticate(&self, presented: &str, from: Option<IpAddr>) -> Result<Caller, Refusal> {
        self.admit(self.find(presented, from).await?).await
    }

    /// The key that was presented from this address, good or not.
    ///
    /// # Errors
    /// The same, but for what is wrong with a key that is known.
    pub(crate) async fn find(&self, presented: &str, from: Option<IpAddr>) -> Result<Arc<ApiKey>, Refusal> {
        if is_access_token(presented) {
            return Err(Refusal::AccessToken);
        }
        let text = KeyText::parse(presented).map_err(Refusal::MalformedKey)?;
        let now = self.clock.now();
        let hashes: Vec<KeyHash> = self.pepper.hashes(&text).collect();
        if let Some(key) = self.remembered(&hashes, now) {
            return Ok(key);
        }
        self.unknown.check(&hashes, from, now)?;
        let Some(key) = self.key(hashes.clone(), now).await? else {
            self.unknown.count(from, now);
            return Err(Refusal::UnknownKey);
        };
        self.unknown.found(&hashes);
        Ok(key)
    }

    /// Who has this key.
    ///
    /// # Errors
    /// A 401 that says what is wrong with the key or its user, or a 503 where that cannot be told now.
    pub(crate) async fn admit(&self, key: Arc<ApiKey>) -> Result<Caller, Refusal> {
        let now = self.clock.now();
        key.check(now).map_err(Refusal::Key)?;
        self.with_user(key, now).await
    }

    /// The anonymous user. Who sends no key is told of the user alone, whatever became of the key.
    async fn anonymous(&self) -> Result<Caller, Refusal> {
        let now = self.clock.now();
        let key = match self.remembered(&self.anonymous, now) {
            Some(key) => key,
            None => self.key(self.anonymous.clone(), now).await?.ok_or(Refusal::UserDisabled)?,
        };
        key.check(now).map_err(|_ended| Refusal::UserDisabled)?;
        self.with_user(key, now).await
    }

    async fn with_user(&self, key: Arc<ApiKey>, now: Time) -> Result<Caller, Refusal> {
        let user = self.user(&key, now).await?.filter(|user| user.is_active).ok_or(Refusal::UserDisabled)?;
        Ok(Caller { key, user })
    }

    fn remembered(&self, hashes: &[KeyHash], now: Time) -> Option<Arc<ApiKey>> {
        hashes.iter().find_map(|hash| match self.directory.key(hash, now) {
            Lookup::Known(key) => Some(key),
            Lookup::Absent | Lookup::Ask => None,
        })
    }

    async fn key(&self, hashes: Vec<KeyHash>, now: Time) -> Result<Option<Arc<ApiKey>>, Refusal> {
        let Some(newest) = hashes.first().copied() else { return Ok(None) };
        let mut older_asked_for = false;
        for hash in hashes {
            let found = match self.directory.key(&hash, now) {
                Lookup::Known(key) => Some(key),
                Lookup::Absent => None,
                Lookup::Ask => {
                    older_asked_for |= hash != newest;
                    self.load_key(hash, now).await?
                }
            };
            if found.is_some() {
                self.renew(hash, newest);
                return Ok(found);
            }
        }
        // It may have been kept under the newest since it was found to be absent there.
        if older_asked_for { self.load_key(newest, now).await } else { Ok(None) }
    }

    /// Keeps a secret that was found under an older pepper's hash under the newest's. Nobody waits for it: where it
    /// cannot be done now, the next time that the key is looked up will do.
    fn renew(&self, found: KeyHash, newest: KeyHash) {
        if found == newest {
            return;
        }
        let stores = self.stores.clone();
        let taken = self.lookups.submit(Box::new(move || {
            if let Err(error) = stores.keys.rehash(&found, &newest) {
                tracing::warn!(cause = ?error, "a key could not be kept under the newest pepper");
            }
        }));
        if !taken {
            tracing::debug!("too many look-ups wait for a key to be kept under the newest pepper");
        }
    }

    async fn load_key(&self, hash: KeyHash, now: Time) -> Result<Option<Arc<ApiKey>>, Refusal> {
        self.load(move |directory, stores| directory.load_key(stores, &hash, now)).await
    }

    async fn user(&self, key: &ApiKey, now: Time) -> Result<Option<Arc<User>>, Refusal> {
        let id = key.user_id;
        match self.directory.user(id, now) {
            Lookup::Known(user) => Ok(Some(user)),
            Lookup::Absent => Ok(None),
            Lookup::Ask => self.load(move |directory, stores| directory.load_user(stores, id, now)).await,
        }
    }

    async fn load<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Directory, &Stores) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (directory, stores) = (Arc::clone(&self.directory), self.stores.clone());
        match blocking::run(&*self.lookups, move || read(&directory, &stores)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => {
                tracing::warn!(cause = ?error, "a caller could not be looked up");
                Err(Refusal::StoreUnavailable)
            }
            Err(blocking::Overloaded) => Err(Refusal::Overloaded),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tollgate_store::{Change, ChangeListener};

    use super::*;
    use crate::fixture::House;

    #[test]
    fn a_key_that_was_kept_under_the_newest_pepper_is_found_there() {
        let house = House::plain();
        let directory = Arc::new(Directory::new(1_000_000));
        let pepper = Pepper::new(&["newer", "pepper"]).unwrap();
        let stores = house.line.shared.stores.clone();
        let lookups = Arc::clone(&house.lookups) as Arc<dyn Blocking>;
        let clock = Arc::clone(&house.clock) as Arc<dyn Clock>;
        let authenticator = Authenticator::new(Arc::clone(&directory), stores, pepper, clock, lookups, 1_000);
        let present = |text: &str| authenticator.authenticate(text, None).now_or_never().unwrap();

        let before = *house.rows.hash.lock().unwrap();
        let key = present(&house.secret).unwrap().key;
        assert_ne!(*house.rows.hash.lock().unwrap(), before, "it was kept anew at its first use");
        // A change of the key lets what is remembered of it go, but not that it was absent a moment ago.
        directory.changed(&[Change::Key(key.id)]);
        assert_eq!(present(&house.secret).unwrap().key.id, key.id);
        assert_eq!(present("some-old-key").unwrap_err(), Refusal::UnknownKey);
        // What nobody has is looked up once for each pepper, and once more; then not at all for a while.
        let asked = house.lookups.jobs.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(present("another-old-key").unwrap_err(), Refusal::UnknownKey);
        assert_eq!(present("another-old-key").unwrap_err(), Refusal::UnknownKey);
        assert_eq!(house.lookups.jobs.load(std::sync::atomic::Ordering::SeqCst), asked + 3);
    }
}
