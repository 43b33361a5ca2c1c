//! Changing one's own keys: narrower always, wider up to what the caller has.

use std::sync::{Arc, Mutex, PoisonError};

use tollgate_domain::{
    ApiKey, AuditAction, AuditSubject, KeyId, Network, Permission, Permissions, Role, Time, limit::KeyLimits,
    window::WindowKind,
};
use tollgate_store::ListedKey;

use super::{ceiling, compare};
use crate::{
    Accounts, AccountsError, AccountsSettings, Actor, Beyond,
    admin::{Change, LimitChanges},
    error::WindowName,
    field::Faults,
};

/// Changes to a key; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct OwnKeyChanges {
    /// What it is called.
    pub name: Option<String>,
    /// Its owner's notes.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// What it may do.
    pub permissions: Option<Permissions>,
    /// Its own limits.
    pub limits: LimitChanges,
    /// The networks from which alone it may be used.
    pub allowed_ips: Change<Vec<String>>,
    /// The models that alone it may ask.
    pub allowed_models: Change<Vec<String>>,
    /// Whether it is switched on.
    pub is_active: Option<bool>,
}

/// The same, judged by themselves.
#[derive(Clone)]
struct Judged {
    name: Option<String>,
    metadata: Option<String>,
    permissions: Option<Permissions>,
    limits: LimitChanges,
    allowed_ips: Option<Vec<Network>>,
    allowed_models: Option<Vec<String>>,
    is_active: Option<bool>,
}

impl Accounts {
    /// Changes one of the actor's own keys.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`], [`AccountsError::NotFound`] for another user's key and for none alike,
    /// [`AccountsError::KeyRevoked`], [`AccountsError::Beyond`] for a key that holds more than the actor or would,
    /// [`AccountsError::CallerEnded`], or the store's.
    pub fn change_key(
        &self,
        actor: &Actor,
        id: KeyId,
        changes: &OwnKeyChanges,
    ) -> Result<ListedKey, AccountsError> {
        actor.require(Permission::KeysManage)?;
        let judged = judge(changes)?;
        let listed = self.own_key(actor, id)?;
        self.check_caller(actor, id)?;
        let action = match judged.is_active {
            Some(true) => AuditAction::KeyActivated,
            Some(false) => AuditAction::KeyDeactivated,
            None => AuditAction::KeyUpdated,
        };
        let audit = [self.entry(&actor.by(), action, AuditSubject::Key(id))];
        // The verdict on what the transaction reads, which may be another key than was read above.
        let verdict = Arc::new(Mutex::new(Ok(())));
        let now = self.now();
        let edit = {
            let (verdict, actor, settings) = (Arc::clone(&verdict), actor.clone(), self.settings.clone());
            move |key: &mut ApiKey| {
                let judgement = changed(key, &actor, &settings, &judged, now);
                let mut verdict = verdict.lock().unwrap_or_else(PoisonError::into_inner);
                *verdict = judgement.map(|after| *key = after);
            }
        };
        let key = self.stores.keys.edit(id, Arc::new(edit), now, &audit)?;
        let mut verdict = verdict.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *verdict, Ok(()))?;
        Ok(ListedKey { key: key.ok_or(AccountsError::NotFound("key"))?, ..listed })
    }

    /// That the actor is still what it was when it was recognised, perhaps from memory: what has ended or was narrowed
    /// since then, here or through another process, leaves no other key wider. A key that changes itself is judged with
    /// the change.
    fn check_caller(&self, actor: &Actor, id: KeyId) -> Result<(), AccountsError> {
        let now = self.now();
        let is_same =
            |by: &ApiKey, found: &ApiKey| found.check(now).is_ok() && found.updated_at == by.updated_at;
        let is_good = match (&actor.key, actor.session) {
            (Some(by), _) if by.id == id => true,
            (Some(by), _) => self.stores.keys.by_id(by.id)?.is_some_and(|found| is_same(by, &found.key)),
            (None, Some(session)) => {
                self.stores.sessions.by_id(session)?.is_some_and(|session| session.is_open(now))
            }
            (None, None) => true,
        };
        if is_good { Ok(()) } else { Err(AccountsError::CallerEnded) }
    }
}

fn judge(changes: &OwnKeyChanges) -> Result<Judged, AccountsError> {
    let mut faults = Faults::default();
    let name = changes.name.as_deref().map(|name| faults.name("name", name));
    let metadata = changes.metadata.as_ref().map(|notes| faults.metadata(Some(notes)));
    faults.permissions(changes.permissions.as_ref());
    faults.overrides(&changes.limits.given());
    let allowed_ips = changes
        .allowed_ips
        .as_ref()
        .map(|networks| faults.networks("allowed_ips", networks.as_deref().unwrap_or_default()));
    let allowed_models = changes
        .allowed_models
        .as_ref()
        .map(|models| faults.models("allowed_models", models.as_deref().unwrap_or_default()));
    faults.none()?;
    let (permissions, limits, is_active) = (changes.permissions.clone(), changes.limits, changes.is_active);
    Ok(Judged { name, metadata, permissions, limits, allowed_ips, allowed_models, is_active })
}

/// The key as it is after the changes. One that changes itself does so as it is now, which may be less than it was when
/// it was recognised.
fn changed(
    before: &ApiKey,
    actor: &Actor,
    settings: &AccountsSettings,
    changes: &Judged,
    now: Time,
) -> Result<ApiKey, AccountsError> {
    let after = changed_by(before, actor, settings, changes)?;
    if actor.key.as_ref().is_some_and(|by| by.id == before.id) {
        if before.check(now).is_err() || !before.permissions.allow(&Permission::KeysManage) {
            return Err(AccountsError::CallerEnded);
        }
        compare::no_more(&after, before, &actor.user, &settings.tiers)?;
    }
    Ok(after)
}

/// The same by an actor that is as it was when it was recognised.
fn changed_by(
    before: &ApiKey,
    actor: &Actor,
    settings: &AccountsSettings,
    changes: &Judged,
) -> Result<ApiKey, AccountsError> {
    let (user, tiers) = (&*actor.user, &settings.tiers);
    if before.revoked_at.is_some() {
        return Err(AccountsError::KeyRevoked);
    }
    if let Some(by) = &actor.key {
        compare::no_more(before, by, user, tiers)?;
    }
    let mut after = before.clone();
    after.name = changes.name.clone().unwrap_or(after.name);
    after.metadata = changes.metadata.clone().unwrap_or(after.metadata);
    if let Some(asked) = &changes.permissions {
        // What it holds already, and one of the services where it holds all, an administrator gave it.
        let new: Permissions =
            asked.iter().filter(|asked| !before.permissions.allow(asked)).cloned().collect();
        ceiling::may_grant(user, actor.key.as_deref(), &settings.default_permissions, &new)?;
        after.permissions = asked.clone();
    }
    for window in WindowKind::ALL {
        limit(&mut after, before, actor, settings, window, of(&changes.limits, window))?;
    }
    after.allowed_ips = changes.allowed_ips.clone().unwrap_or(after.allowed_ips);
    after.allowed_models = changes.allowed_models.clone().unwrap_or(after.allowed_models);
    if let Some(active) = changes.is_active {
        if active && before.disabled_by_admin && user.role != Role::Admin {
            return Err(Beyond::DisabledByAdmin.into());
        }
        after.is_active = active;
        after.disabled_by_admin &= !active;
    }
    if let Some(by) = &actor.key {
        compare::no_more(&after, by, user, tiers)?;
    }
    Ok(after)
}

const fn of(limits: &LimitChanges, window: WindowKind) -> Change<u64> {
    match window {
        WindowKind::Minute => limits.minute,
        WindowKind::Hour => limits.hour,
        WindowKind::Day => limits.day,
    }
}

/// Gives a key another limit in a window. What an administrator gave it may be lowered, never raised or taken away.
fn limit(
    after: &mut ApiKey,
    before: &ApiKey,
    actor: &Actor,
    settings: &AccountsSettings,
    window: WindowKind,
    change: Change<u64>,
) -> Result<(), Beyond> {
    let Some(asked) = change else { return Ok(()) };
    let user = &*actor.user;
    let users = settings.tiers.of_user(user, window);
    let KeyLimits { limits: own, tier, by_admin } = before.limits;
    let singly = own.of(window).filter(|_| by_admin.of(window));
    // An administrator's tier stands behind whatever its owner gave the key since.
    let by_tier = tier.filter(|_| by_admin.tier).map(|tier| settings.tiers.window(tier, window));
    let ceiling = singly.or(by_tier).unwrap_or(users);
    let beyond = asked.map_or(singly.is_some(), |asked| asked > ceiling);
    if beyond && user.role != Role::Admin {
        return Err(Beyond::Limit(WindowName(window), ceiling));
    }
    let own = match window {
        WindowKind::Minute => &mut after.limits.limits.minute,
        WindowKind::Hour => &mut after.limits.limits.hour,
        WindowKind::Day => &mut after.limits.limits.day,
    };
    *own = asked;
    Ok(())
}
