//! `ExternalIdentityStore`.

use diesel::prelude::*;
use tollgate_domain::{AuditEntry, User, UserId};
use tollgate_store::{
    Change, ExternalIdentityStore, Link, LinkedIdentity, NewKey, NewMail, NewUser, StoreError,
};

use crate::{
    both::Conn,
    database::{Database, Effects},
    failure::Failure,
    key, mail, pg,
    rows::user::UserRow,
    schema::{external_identities, users},
    types::{Id, Ts},
};

impl ExternalIdentityStore for Database {
    fn user(&self, issuer: &str, subject: &str) -> Result<Option<User>, StoreError> {
        if issuer.contains('\0') || subject.contains('\0') {
            return Ok(None);
        }
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        self.read(move |conn| {
            let owner = external_identities::table
                .find((issuer, subject))
                .select(external_identities::user_id)
                .first::<Id>(conn)
                .optional()?;
            let Some(owner) = owner else { return Ok(None) };
            let row = users::table.find(owner).select(UserRow::as_select()).first(conn).optional()?;
            Ok(row.map(User::try_from).transpose()?)
        })
    }

    fn create_user(
        &self,
        user: &NewUser,
        first_key: &NewKey,
        identity: &LinkedIdentity,
        audit: &[AuditEntry],
    ) -> Result<(), StoreError> {
        let (row, hash) = (UserRow::from(&user.user), user.password_hash.clone());
        let (first, identity, audit) = (first_key.clone(), identity.clone(), audit.to_vec());
        self.change(move |conn| {
            diesel::insert_into(users::table).values((&row, users::password_hash.eq(hash))).execute(conn)?;
            key::insert(conn, &first)?;
            insert(conn, &identity)?;
            let changes = vec![Change::User(identity.user_id), Change::Key(first.key.id)];
            Ok(((), Effects::new(changes, audit)))
        })
    }

    fn link(
        &self,
        identity: &LinkedIdentity,
        max_per_user: u32,
        mail: Option<&NewMail>,
        audit: &[AuditEntry],
    ) -> Result<Link, StoreError> {
        let (identity, mail, audit) = (identity.clone(), mail.cloned(), audit.to_vec());
        self.change(move |conn| {
            let link = link(conn, &identity, max_per_user)?;
            if let (Link::Made, Some(mail)) = (link, &mail) {
                mail::insert(conn, mail)?;
            }
            // Nobody remembers identities: no memory has anything to forget.
            let told = if link == Link::Made { audit } else { Vec::new() };
            Ok((link, Effects::new(Vec::new(), told)))
        })
    }

    fn list(&self, user: UserId) -> Result<Vec<LinkedIdentity>, StoreError> {
        self.read(move |conn| {
            let rows: Vec<(String, String, Ts)> = external_identities::table
                .filter(external_identities::user_id.eq(Id::from(user)))
                .order((
                    external_identities::created_at,
                    external_identities::issuer,
                    external_identities::subject,
                ))
                .select((
                    external_identities::issuer,
                    external_identities::subject,
                    external_identities::created_at,
                ))
                .load(conn)?;
            let identity = |(issuer, subject, created_at): (_, _, Ts)| LinkedIdentity {
                issuer,
                subject,
                user_id: user,
                created_at: created_at.time(),
            };
            Ok(rows.into_iter().map(identity).collect())
        })
    }
}

fn link(conn: &mut Conn, identity: &LinkedIdentity, max_per_user: u32) -> Result<Link, Failure> {
    let user = Id::from(identity.user_id);
    pg::lock_user(conn, user)?;
    if users::table.find(user).select(users::id).first::<Id>(conn).optional()?.is_none() {
        return Ok(Link::NoUser);
    }
    let owner = external_identities::table
        .find((&identity.issuer, &identity.subject))
        .select(external_identities::user_id)
        .first::<Id>(conn)
        .optional()?;
    if let Some(owner) = owner {
        return Ok(if owner == user { Link::Known } else { Link::Taken });
    }
    let linked: i64 =
        external_identities::table.filter(external_identities::user_id.eq(user)).count().get_result(conn)?;
    if linked >= i64::from(max_per_user) {
        return Ok(Link::TooMany);
    }
    insert(conn, identity)?;
    Ok(Link::Made)
}

fn insert(conn: &mut Conn, identity: &LinkedIdentity) -> Result<(), Failure> {
    diesel::insert_into(external_identities::table)
        .values((
            external_identities::issuer.eq(&identity.issuer),
            external_identities::subject.eq(&identity.subject),
            external_identities::user_id.eq(Id::from(identity.user_id)),
            external_identities::created_at.eq(Ts::from(identity.created_at)),
        ))
        .execute(conn)?;
    Ok(())
}
