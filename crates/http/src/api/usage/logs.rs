//! `GET /api/v1/usage/logs`.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use chrono::DateTime;
use tollgate_domain::{Pepper, Permission};
use tollgate_store::LogMark;

use super::own;
use crate::{
    extract::{After, PageQuery, Params, Principal},
    problem::Problem,
    state::State,
    view::event::EventsView,
};

/// Keeps the hashes of cursors apart from all others.
const PURPOSE: &str = "log cursor";
/// Characters of a cursor's time: microseconds since 1970.
const TIME_CHARS: usize = 16;
/// Characters of its time and id.
const PLACE_CHARS: usize = TIME_CHARS + 32;
/// Characters of the hash behind them.
const HASH_CHARS: usize = 16;

/// One's own requests
///
/// Newest first, refused ones too. A key needs `usage:read`, and without `keys:manage` sees its own requests
/// only. Test keys see test requests. A page may be short although `next_cursor` says that there is more.
#[utoipa::path(
    tag = "usage",
    security(("bearer" = []), ("api_key" = [])),
    params(PageQuery),
    responses((status = 200, description = "A page of requests.", body = EventsView)),
)]
#[get("/logs")]
pub async fn logs(
    state: Data<State>,
    After(Principal(actor), params): After<Principal, Params>,
) -> Result<HttpResponse, Problem> {
    actor.require(Permission::UsageRead)?;
    let (accounts, folder) = (Arc::clone(&state.accounts), Arc::clone(&state.folder));
    let page = PageQuery::try_from(&params)?;
    let after = page.after(|cursor| read(cursor, &accounts.settings().pepper))?;
    let job = move || {
        // Not for what the events say, which is found folded or not, but for how fast it is found.
        folder.join();
        let found = accounts.stores.usage.events(&own(&actor), page.limit, after)?;
        let next = found.next.map(|mark| written(mark, &accounts.settings().pepper));
        Ok::<_, Problem>(EventsView::new(&found.items, next))
    };
    let view = state.pools.reports.run(job).await??;
    Ok(HttpResponse::Ok().json(view))
}

/// A place as clients get it: with a keyed hash behind it, so that only what a page gave is taken back.
fn written(mark: LogMark, pepper: &Pepper) -> String {
    let place = format!("{:016x}{}", mark.time.timestamp_micros(), mark.id);
    let hash = hashes(&place, pepper).into_iter().next().unwrap_or_default();
    place + &hash
}

/// The place that a cursor names; `None` for a text that no page gave.
fn read(cursor: &str, pepper: &Pepper) -> Option<LogMark> {
    let (place, hash) = cursor.split_at_checked(PLACE_CHARS)?;
    hashes(place, pepper).iter().any(|good| good == hash).then_some(())?;
    let (micros, id) = place.split_at_checked(TIME_CHARS)?;
    let micros = i64::from_str_radix(micros, 16).ok()?;
    Some(LogMark { time: DateTime::from_timestamp_micros(micros)?, id: id.parse().ok()? })
}

/// The newest pepper's hash first.
fn hashes(place: &str, pepper: &Pepper) -> Vec<String> {
    let hex = |hash: &[u8; 32]| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let short = |hash: [u8; 32]| hex(&hash).chars().take(HASH_CHARS).collect();
    pepper.token_hashes(PURPOSE, place.as_bytes()).into_iter().map(short).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pepper(secrets: &[&str]) -> Pepper {
        Pepper::new(secrets).unwrap()
    }

    fn mark() -> LogMark {
        LogMark {
            time: "2026-11-21T12:00:00.123456Z".parse().unwrap(),
            id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
        }
    }

    #[test]
    fn a_cursor_leads_back_to_its_place_whatever_pepper_came_since() {
        let cursor = written(mark(), &pepper(&["old"]));
        assert_eq!(cursor.len(), PLACE_CHARS + HASH_CHARS);
        assert_eq!(read(&cursor, &pepper(&["old"])), Some(mark()));
        assert_eq!(read(&cursor, &pepper(&["new", "old"])), Some(mark()));
        assert_eq!(read(&cursor, &pepper(&["new"])), None);
    }

    #[test]
    fn nothing_else_is_taken_for_a_cursor() {
        let pepper = pepper(&["pepper"]);
        let cursor = written(mark(), &pepper);
        for place in 0..cursor.len() {
            let mut other = cursor.clone().into_bytes();
            other[place] = if other[place] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(read(&other, &pepper), None, "{other}");
        }
        for wrong in
            ["", "x", &cursor[1..], &cursor[..cursor.len() - 1], &format!("{cursor}0"), &"é".repeat(40)]
        {
            assert_eq!(read(wrong, &pepper), None, "{wrong}");
        }
        assert_eq!(read(&cursor.to_uppercase(), &pepper), None);
    }
}
