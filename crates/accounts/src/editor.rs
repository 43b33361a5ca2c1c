//! The `Editor` key: one per user, the same at every call, the only key kept recoverably.

use tollgate_domain::{AuditAction, AuditSubject, Environment, KeyKind, KeyText, Permission, User, UserId};
use tollgate_store::{EditorKey, NewKey};

use crate::{Accounts, AccountsError, key::caller_ended, session::Identity};

/// What the key is called.
pub const EDITOR_KEY_NAME: &str = "Editor";
/// What binds the sealed secret to its use.
const PURPOSE: &str = "editor key";
/// Times that a key which does not open is replaced before giving up: another server may have made one
/// with secrets that this one lacks.
const ATTEMPTS: u32 = 2;

impl Accounts {
    /// The user's `Editor` key, made at the first call. One that no secret opens any more is revoked and
    /// made anew.
    ///
    /// # Errors
    /// [`AccountsError::CallerEnded`], the store's, or [`AccountsError::Internal`] where what was just sealed does not
    /// open.
    pub fn editor_key(&self, caller: &Identity) -> Result<KeyText, AccountsError> {
        let user = &*caller.user;
        for _ in 0..ATTEMPTS {
            let editor = match self.stores.keys.editor(user.id)? {
                Some(editor) => editor,
                None => self.make_editor_key(caller)?,
            };
            if let Some(secret) = self.opened(&editor) {
                return Ok(secret);
            }
            tracing::warn!(key = %editor.key.id, "an Editor key can no longer be opened and is made anew");
            let id = editor.key.id;
            let audit = [self.entry(&caller.by(), AuditAction::KeyRevoked, AuditSubject::Key(id))];
            self.stores.keys.revoke(id, Some(user.id), self.now(), &audit)?;
        }
        Err(AccountsError::Internal("an Editor key that was just sealed does not open"))
    }

    fn make_editor_key(&self, caller: &Identity) -> Result<EditorKey, AccountsError> {
        let by = caller.by();
        let new = NewKey { maker: by.maker, ..self.new_editor_key(&caller.user)? };
        let audit = [self.entry(&by, AuditAction::KeyCreated, AuditSubject::Key(new.key.id))];
        self.stores.keys.create_editor(&new, &audit).map_err(caller_ended)
    }

    fn new_editor_key(&self, user: &User) -> Result<NewKey, AccountsError> {
        let permissions = self.settings.default_permissions.without(&Permission::KeysManage);
        let (mut new, secret) = self.blank_key(
            user.id,
            EDITOR_KEY_NAME,
            KeyKind::Editor,
            Environment::Live,
            permissions,
            self.now(),
        );
        new.sealed = Some(self.sealed_editor_secret(user.id, &secret)?);
        Ok(new)
    }

    /// The secret of an `Editor` key as it is kept.
    pub(crate) fn sealed_editor_secret(
        &self,
        user: UserId,
        secret: &KeyText,
    ) -> Result<Vec<u8>, AccountsError> {
        self.seal.seal(PURPOSE, user, secret.expose().as_bytes(), &*self.random)
    }

    fn opened(&self, editor: &EditorKey) -> Option<KeyText> {
        let plain = self.seal.open(PURPOSE, editor.key.user_id, &editor.sealed)?;
        std::str::from_utf8(&plain).ok().and_then(|text| KeyText::parse(text).ok())
    }
}
