//! What is administered: the installation on this machine, or one that a server answers for. Commands know neither
//! database nor API: what they print is the same from either.

mod here;
mod there;

use tollgate_accounts::admin::ProvisionWish;
use tollgate_domain::{KeyId, Tier, Time, UserId};
use tollgate_store::{AuditFilter, page::MAX_PAGE};

use crate::{
    error::AdminError,
    json::{
        answer::{Answer, Page},
        entry::EntryView,
        key::{KeyView, ListedKeyView, ProvisionedView},
        stats::{QuotaView, StatsView},
        user::UserView,
    },
};

pub use here::Here;
pub use there::There;

/// The most pages of a list: 100 million items.
const MAX_PAGES: u32 = 1_000_000;

/// Which keys a list has.
#[derive(Debug, Clone, Copy)]
pub struct KeysAsked {
    /// Only this user's.
    pub user: Option<UserId>,
    /// Also those that are disabled, revoked or expired.
    pub include_inactive: bool,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// What the page before said of this one.
    pub cursor: Option<&'a str>,
    /// How many items at most, up to [`MAX_PAGE`].
    pub limit: u32,
}

/// What an administrator can do with an installation, wherever it is.
///
/// Everything fails with what a use case or the server refuses, or with why neither could be asked.
pub trait Installation {
    /// The present time.
    fn now(&self) -> Time;

    /// A page of everybody's keys, newest first.
    fn keys(&self, asked: &KeysAsked, place: Place<'_>) -> Result<Page<ListedKeyView>, AdminError>;

    /// Keys whose ids begin with `digits`, in the order of their ids.
    fn keys_like(&self, digits: &str, limit: u32) -> Result<Vec<Answer<ListedKeyView>>, AdminError>;

    /// What the key did in the last `days`, and where its owner's month stands.
    fn key_stats(&self, id: KeyId, days: u16) -> Result<Answer<StatsView>, AdminError>;

    /// Makes a key for somebody, and the somebody where needed.
    fn provision(&self, wish: &ProvisionWish) -> Result<Answer<ProvisionedView>, AdminError>;

    /// Switches a key on or off.
    fn switch_key(&self, id: KeyId, on: bool) -> Result<Answer<KeyView>, AdminError>;

    /// Revokes a key.
    fn revoke_key(&self, id: KeyId) -> Result<(), AdminError>;

    /// A page of users, newest first; with `search`, of those whose email, name or external id contains it.
    fn users(&self, search: Option<&str>, place: Place<'_>) -> Result<Page<UserView>, AdminError>;

    /// The user with this external id, id or email, looked for in this order.
    fn user(&self, named: &str) -> Result<Option<Answer<UserView>>, AdminError>;

    /// Where a user's month stands.
    fn quota(&self, id: UserId) -> Result<QuotaView, AdminError>;

    /// Gives a user another tier.
    fn set_tier(&self, id: UserId, tier: Tier) -> Result<Answer<UserView>, AdminError>;

    /// Deletes a user.
    fn delete_user(&self, id: UserId) -> Result<(), AdminError>;

    /// Ends a user's lockout.
    fn unlock_user(&self, id: UserId) -> Result<(), AdminError>;

    /// A page of the audit log, newest first.
    fn entries(&self, filter: &AuditFilter, place: Place<'_>) -> Result<Page<EntryView>, AdminError>;
}

/// Gets a list page by page, and shows each as it comes: `most` items, or all.
///
/// # Errors
/// Those of `get` and `show`, and [`AdminError::EndlessList`].
pub fn each_page<V>(
    most: Option<u32>,
    mut get: impl FnMut(Place<'_>) -> Result<Page<V>, AdminError>,
    mut show: impl FnMut(&[Answer<V>]) -> Result<(), AdminError>,
) -> Result<(), AdminError> {
    let (mut cursor, mut left) = (None::<String>, most);
    for _page in 0..MAX_PAGES {
        let limit = left.map_or(MAX_PAGE, |left| left.min(MAX_PAGE));
        if limit == 0 {
            return Ok(());
        }
        let page = get(Place { cursor: cursor.as_deref(), limit })?;
        if !page.items.is_empty() {
            show(&page.items)?;
        }
        left = left.map(|left| left.saturating_sub(limit));
        if page.next_cursor.is_none() {
            return Ok(());
        }
        if page.next_cursor == cursor {
            break;
        }
        cursor = page.next_cursor;
    }
    Err(AdminError::EndlessList)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(items: u32, next: Option<&str>) -> Page<u32> {
        Page { items: (0..items).map(Answer::from).collect(), next_cursor: next.map(str::to_owned) }
    }

    #[test]
    fn pages_are_got_until_there_is_none_or_enough() {
        for (most, wanted) in [
            (None, &[(None, 100), (Some("1"), 100), (Some("2"), 100)][..]),
            (Some(150), &[(None, 100), (Some("1"), 50)]),
            (Some(100), &[(None, 100)]),
            (Some(7), &[(None, 7)]),
            (Some(0), &[]),
        ] {
            let (mut asked, mut shown) = (Vec::new(), 0);
            let get = |place: Place<'_>| {
                let number = asked.len() + 1;
                asked.push((place.cursor.map(str::to_owned), place.limit));
                Ok(page(place.limit, (number < 3).then(|| number.to_string()).as_deref()))
            };
            each_page(most, get, |items| {
                shown += items.len();
                Ok(())
            })
            .unwrap();
            let wanted: Vec<_> =
                wanted.iter().map(|(cursor, limit)| (cursor.map(str::to_owned), *limit)).collect();
            assert_eq!(asked, wanted);
            assert_eq!(shown, wanted.iter().map(|(_, limit)| *limit as usize).sum::<usize>());
        }
    }

    #[test]
    fn a_list_that_goes_in_a_circle_ends() {
        let endless = each_page(None, |_| Ok(page(1, Some("same"))), |_| Ok(()));
        assert!(matches!(endless, Err(AdminError::EndlessList)));
        let (mut count, mut turn) = (0_u32, 0_u32);
        let get = |_: Place<'_>| {
            turn = 1 - turn;
            Ok(page(1, Some(if turn == 0 { "a" } else { "b" })))
        };
        let endless = each_page(None, get, |_| {
            count += 1;
            Ok(())
        });
        assert!(matches!(endless, Err(AdminError::EndlessList)));
        assert_eq!(count, MAX_PAGES);
    }
}
