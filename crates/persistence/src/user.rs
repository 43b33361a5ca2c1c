//! `UserStore`.

use diesel::prelude::*;
use tollgate_domain::{AuditEntry, Email, KeyId, Permission, Permissions, Role, Time, User, UserId};
use tollgate_store::{
    Change, Credentials, Deletion, Edit, Imported, NewKey, NewUser, Page, PageRequest, PasswordChange,
    StoreError, UserImport, UserStore,
};

use crate::{
    account,
    both::{Conn, MultiBackend},
    database::{Database, Effects, UPKEEP},
    failure::Failure,
    import, password, pg,
    rows::user::UserRow,
    schema::{api_keys, users},
    second_factor,
    types::{Id, Ts},
};

impl UserStore for Database {
    fn create(
        &self,
        user: &NewUser,
        first_key: Option<&NewKey>,
        audit: &[AuditEntry],
    ) -> Result<(), StoreError> {
        let (user, first_key, audit) = (user.clone(), first_key.cloned(), audit.to_vec());
        self.change(move |conn| {
            let changes = account::insert(conn, &user, first_key.as_ref())?;
            Ok(((), Effects::new(changes, audit)))
        })
    }

    fn by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.lookup(move |conn| account::find(conn, id.into()))
    }

    fn by_email(&self, email: &Email) -> Result<Option<Credentials>, StoreError> {
        let email = email.clone();
        self.read(move |conn| {
            let row: Option<(UserRow, Option<String>)> = users::table
                .filter(users::email.eq(email.as_str()))
                .select((UserRow::as_select(), users::password_hash))
                .first(conn)
                .optional()?;
            let credentials =
                |(row, password_hash): (UserRow, _)| Ok(Credentials { user: row.try_into()?, password_hash });
            row.map(credentials).transpose()
        })
    }

    fn credentials(&self, id: UserId) -> Result<Option<Credentials>, StoreError> {
        self.read(move |conn| password::credentials(conn, id.into()))
    }

    fn by_external_id(&self, external_id: &str) -> Result<Option<User>, StoreError> {
        if external_id.contains('\0') {
            return Ok(None);
        }
        let external_id = external_id.to_owned();
        self.read(move |conn| {
            let row = users::table
                .filter(users::external_id.eq(external_id))
                .select(UserRow::as_select())
                .first(conn)
                .optional()?;
            Ok(row.map(User::try_from).transpose()?)
        })
    }

    fn edit(
        &self,
        id: UserId,
        edit: Edit<User>,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<Option<User>, StoreError> {
        let audit = audit.to_vec();
        self.change(move |conn| {
            pg::lock_user(conn, id.into())?;
            let Some(before) = account::find(conn, id.into())? else {
                return Ok((None, Effects::NONE));
            };
            let mut after = before.clone();
            edit(&mut after);
            after.id = before.id;
            after.created_at = before.created_at;
            if after == before {
                return Ok((Some(before), Effects::NONE));
            }
            after.updated_at = now;
            diesel::update(users::table.find(Id::from(id))).set(UserRow::from(&after)).execute(conn)?;
            if !after.is_active {
                second_factor::forget_first(conn, id)?;
            }
            let mut changes = vec![Change::User(id)];
            if before.role == Role::Admin && after.role != Role::Admin {
                changes.extend(strip_admin(conn, id, now)?.into_iter().map(Change::Key));
            }
            Ok((account::find(conn, id.into())?, Effects::new(changes, audit)))
        })
    }

    fn set_password(
        &self,
        id: UserId,
        hash: &str,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<bool, StoreError> {
        let audit = audit.to_vec();
        let hash = hash.to_owned();
        self.change(move |conn| {
            pg::lock_user(conn, id.into())?;
            second_factor::forget_first(conn, id)?;
            let values = (users::password_hash.eq(Some(hash)), users::updated_at.eq(Ts::from(now)));
            let found = diesel::update(users::table.find(Id::from(id))).set(values).execute(conn)? > 0;
            Ok((found, if found { Effects::new(vec![Change::User(id)], audit) } else { Effects::NONE }))
        })
    }

    fn change_password(&self, change: &PasswordChange) -> Result<bool, StoreError> {
        let change = change.clone();
        self.change(move |conn| password::change(conn, &change))
    }

    fn delete(&self, deletion: &Deletion) -> Result<bool, StoreError> {
        let deletion = deletion.clone();
        self.change(move |conn| account::delete_proved(conn, &deletion))
    }

    fn import(&self, batch: &[UserImport], dry_run: bool) -> Result<Vec<Imported>, StoreError> {
        let batch = batch.to_vec();
        if dry_run {
            return self.within(UPKEEP, move |conn| import::judge_users(conn, &batch));
        }
        self.change_within(UPKEEP, move |conn| import::users(conn, &batch))
    }

    fn list(&self, page: &PageRequest, search: Option<&str>) -> Result<Page<User>, StoreError> {
        if search.is_some_and(|search| search.contains(['\0', '\n'])) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let (page, search) = (*page, search.map(containing));
        self.report(move |conn| {
            let mut query = users::table.select(UserRow::as_select()).into_boxed::<MultiBackend>();
            if let Some(after) = page.after {
                query = query.filter(users::id.lt(Id(after)));
            }
            if let Some(search) = search {
                query = query.filter(users::search.like(search).escape('\\'));
            }
            let rows: Vec<UserRow> =
                query.order(users::id.desc()).limit(i64::from(page.limit).saturating_add(1)).load(conn)?;
            let users = rows.into_iter().map(User::try_from).collect::<Result<Vec<_>, _>>()?;
            Ok(Page::from_overfull(users, page.limit, |user| user.id.as_uuid()))
        })
    }
}

/// Takes the permission `admin` from a user's keys, in the order of their ids; gives those that had it.
fn strip_admin(conn: &mut Conn, user: UserId, now: Time) -> Result<Vec<KeyId>, Failure> {
    let held: Vec<Id> = api_keys::table
        .filter(api_keys::user_id.eq(Id::from(user)))
        .filter(api_keys::permissions.like("%admin%"))
        .order(api_keys::id)
        .select(api_keys::id)
        .load(conn)?;
    let mut stripped = Vec::new();
    for id in held {
        pg::lock_key(conn, id)?;
        let text: String = api_keys::table.find(id).select(api_keys::permissions).first(conn)?;
        let permissions = Permissions::from_text(&text)
            .map_err(|_unknown| StoreError::Corrupt { table: "api_keys", what: "permission" })?;
        if permissions.allow(&Permission::Admin) {
            let rest = permissions.without(&Permission::Admin).to_text();
            diesel::update(api_keys::table.find(id))
                .set((api_keys::permissions.eq(rest), api_keys::updated_at.eq(Ts::from(now))))
                .execute(conn)?;
            stripped.push(id.into());
        }
    }
    Ok(stripped)
}

/// A pattern for what contains `search`, whatever characters it has, without case.
fn containing(search: &str) -> String {
    let mut pattern = String::from("%");
    for c in search.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
