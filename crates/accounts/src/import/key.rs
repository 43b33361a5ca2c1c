//! A key of another system, from its record.

use tollgate_domain::{
    ApiKey, AuditAction, AuditSubject, Email, KeyId, LimitOverrides, Permission, Permissions, Tier, User,
    UserId,
    limit::{GivenByAdmin, KeyLimits},
};
use tollgate_store::{KeyImport, UserImport};

use super::record::{Fields, Record};
use crate::{Accounts, AccountsError, By, register::blank_user};

/// What a key without a name is called.
const KEY_NAME: &str = "API Key";
/// What the key is called that came with an account.
const PRIMARY_NAME: &str = "Primary API Key";
/// How much is kept of what is shown of a key.
const PREFIX_CHARS: usize = 16;
/// The note that keeps the id which the key had.
const ID_NOTE: &str = "imported_id";

impl Accounts {
    pub(super) fn imported_key(&self, by: &By, record: &Record) -> Result<KeyImport, AccountsError> {
        let now = self.now();
        let mut fields = Fields::of(record);
        let digest = digest(&mut fields);
        let external_id = fields.id(&["user_id"]);
        let email: Option<Email> = fields.parsed(&["email"]);
        let name = fields.name(&["name"]);
        let tier: Option<Tier> = fields.named(&["tier"]);
        let permissions = self.imported_permissions(&mut fields, name.as_deref());
        let limits = limits(&mut fields, tier);
        let is_active = fields.flag(&["is_active"]).unwrap_or(true);
        let expires_at = fields.time(&["expires_at"]);
        let created_at = fields.time(&["created_at"]).map_or(now, |time| time.min(now));
        let last_used_at = fields.time(&["last_used_at", "last_used"]).map(|time| time.min(now));
        let prefix = prefix(&mut fields);
        let mut notes = fields.notes();
        if let Some(id) = fields.id(&["key_id", "id", "_id"]) {
            notes.entry(ID_NOTE).or_insert_with(|| id.into());
        }
        let mut faults = fields.faults;
        let metadata = faults.metadata(Some(&notes));
        faults.none()?;
        let digest = digest.ok_or(AccountsError::Internal("a key without a hash was read"))?;

        let owner = User {
            email,
            // As where such a key is made here: without a user's id, the name is the person's.
            name: name.clone().filter(|_| external_id.is_none()),
            external_id,
            tier: tier.unwrap_or_default(),
            ..blank_user(UserId::new(now, &*self.random), now)
        };
        let key = ApiKey {
            name: name.unwrap_or_else(|| KEY_NAME.to_owned()),
            preview: format!("{prefix}…"),
            prefix,
            permissions,
            limits,
            is_active,
            disabled_by_admin: !is_active,
            expires_at,
            metadata,
            created_at,
            ..ApiKey::blank(KeyId::new(created_at, &*self.random), owner.id, now)
        };
        let audit = self.entry(by, AuditAction::KeyImported, AuditSubject::Key(key.id));
        let owner_audit = self.entry(by, AuditAction::UserImported, AuditSubject::User(owner.id));
        Ok(KeyImport {
            key,
            hashes: self.settings.pepper.hashes_of_digest(&digest),
            last_used_at,
            owner: UserImport { user: owner, password_hash: None, audit: owner_audit },
            audit,
        })
    }

    /// What the record names, else the defaults. A system whose keys had a user and a tier, but no permissions, let
    /// each of them manage its user's keys; so did the key that came with an account.
    fn imported_permissions(&self, fields: &mut Fields<'_>, name: Option<&str>) -> Permissions {
        if let Some(named) = fields.permissions() {
            if named.allow(&Permission::Admin) {
                let rule = "must not hold `admin`, which goes with the role admin here";
                fields.faults.add("permissions", "admin", rule);
            }
            return named;
        }
        let managed = fields.has("user_id") && fields.has("tier") && !fields.has("permissions");
        let defaults = self.settings.default_permissions.clone();
        if managed || name == Some(PRIMARY_NAME) { defaults.with(Permission::KeysManage) } else { defaults }
    }
}

/// The limits that the record names, as an administrator's.
fn limits(fields: &mut Fields<'_>, tier: Option<Tier>) -> KeyLimits {
    let (hour, day) = (fields.limit(&["hourly_limit"]), fields.limit(&["daily_limit"]));
    KeyLimits {
        tier,
        limits: LimitOverrides { minute: None, hour, day },
        by_admin: GivenByAdmin {
            minute: false,
            hour: hour.is_some(),
            day: day.is_some(),
            tier: tier.is_some(),
        },
    }
}

/// The SHA-256 of the key.
fn digest(fields: &mut Fields<'_>) -> Option<[u8; 32]> {
    let read = fields.text(&["key_hash"]).and_then(|(_, text)| from_hex(&text));
    if read.is_none() {
        let rule = "must be the SHA-256 of the key, as 64 hexadecimal digits";
        fields.faults.add("key_hash", "not_a_hash", rule);
    }
    read
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| u8::try_from(high.checked_mul(16)?.checked_add(*low)?).ok()).collect();
    bytes?.try_into().ok().filter(|_| rest.is_empty())
}

/// What was shown of the key; no more than that, in case it was shown whole.
fn prefix(fields: &mut Fields<'_>) -> String {
    let shown = fields.text(&["key_prefix", "key_preview"]).map(|(_, shown)| shown).unwrap_or_default();
    shown
        .trim_end_matches(['.', '…', '*'])
        .chars()
        .filter(char::is_ascii_graphic)
        .take(PREFIX_CHARS)
        .collect()
}
