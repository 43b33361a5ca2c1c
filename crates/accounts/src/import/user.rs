//! A user of another system, from its record.

use bcrypt::HashParts;
use tollgate_domain::{AuditAction, AuditSubject, Email, Tier, User, UserId};
use tollgate_store::UserImport;

use super::record::{Fields, Record};
use crate::{Accounts, AccountsError, By, password::IMPORTED, register::blank_user};

/// The rounds of bcrypt that are taken: a sign-in with many more would hold everybody up.
const ROUNDS: std::ops::RangeInclusive<u32> = 4..=16;

impl Accounts {
    pub(super) fn imported_user(&self, by: &By, record: &Record) -> Result<UserImport, AccountsError> {
        let now = self.now();
        let mut fields = Fields::of(record);
        let external_id = fields.id(&["external_id", "_id", "id", "user_id"]);
        let email: Option<Email> = fields.parsed(&["email"]);
        let name = fields.name(&["name", "full_name", "username"]);
        let tier: Option<Tier> = fields.named(&["tier", "subscription", "subscription_tier"]);
        let is_verified = fields.flag(&["is_verified", "verified", "email_verified"]).unwrap_or(false);
        let is_active = fields.flag(&["is_active"]).unwrap_or(true);
        let created_at = fields.time(&["created_at"]).map_or(now, |time| time.min(now));
        let password_hash = password_hash(&mut fields);
        if email.is_none() && external_id.is_none() {
            fields.faults.add("email", "missing", "or an id is needed");
        }
        fields.faults.none()?;
        let id = UserId::new(created_at, &*self.random);
        let user = User {
            email,
            external_id,
            name,
            tier: tier.unwrap_or_default(),
            is_verified,
            is_active,
            created_at,
            ..blank_user(id, now)
        };
        let audit = self.entry(by, AuditAction::UserImported, AuditSubject::User(id));
        Ok(UserImport { user, password_hash, audit })
    }
}

/// The hash of the password, marked as another system's.
fn password_hash(fields: &mut Fields<'_>) -> Option<String> {
    let (name, hash) = fields.text(&["password_hash", "hashed_password", "password"])?;
    let known = hash.parse::<HashParts>().is_ok_and(|parts| ROUNDS.contains(&parts.get_cost()));
    if !known {
        let rule =
            "must be a hash by bcrypt of 4 to 16 rounds; without it, the user is taken without a password";
        fields.faults.add(name, "not_bcrypt", rule);
        return None;
    }
    Some(format!("{IMPORTED}{hash}"))
}
