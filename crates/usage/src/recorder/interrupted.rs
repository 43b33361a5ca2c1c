//! What a killed server leaves behind: rows of requests that were running become events.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tollgate_domain::{Clock, EventId, Time, UsageEvent};
use tollgate_store::event::MAX_GROUP;

use super::{
    RecorderStores, Stopped,
    stream::{Stream, ids},
};

/// Rows of one step.
const PIECE: u32 = 500;
/// The most rows that a spool can have: more requests than this were never open.
const MAX_SPOOLED: u32 = 10_000_000;
/// How long one append may take, and forgetting its rows.
const PATIENCE: Duration = Duration::from_secs(3);
/// What such an event says.
const INTERRUPTED: &str = "interrupted";

/// Records every request that left a row before `before`, as far as its latest row says; how many there
/// were. Of one that was recorded before its row was forgotten, the event is there already and stays what
/// it is: it has the same id and time.
pub fn record(stores: &RecorderStores, clock: &Arc<dyn Clock>, before: Time) -> Result<usize, Stopped> {
    let spooled: HashMap<EventId, UsageEvent> = stores
        .spool
        .kept(before, MAX_SPOOLED)
        .map_err(Stopped::Spool)?
        .into_iter()
        .map(|event| (event.id, event))
        .collect();
    let mut found: HashSet<EventId> = spooled.keys().copied().collect();
    let mut stream = Stream::new(Arc::clone(&stores.events), Arc::clone(clock));
    let mut append = |rows: &[UsageEvent]| {
        let latest = |row: &UsageEvent| {
            let further = spooled.get(&row.id).filter(|other| other.duration_ms > row.duration_ms);
            UsageEvent { error_code: Some(INTERRUPTED.to_owned()), ..further.unwrap_or(row).clone() }
        };
        let events: Vec<_> = rows.iter().map(latest).collect();
        stream.append_isolating(&events.into(), &*stores.spool, PATIENCE).map_err(Stopped::Database)
    };
    loop {
        let rows = stores.open_requests.kept(before, PIECE).map_err(Stopped::Database)?;
        if rows.is_empty() {
            break;
        }
        append(&rows)?;
        let ids = ids(&rows);
        found.extend(&ids);
        stores.open_requests.forget(ids.into(), PATIENCE).map_err(Stopped::Database)?;
    }
    let rows: Vec<_> = spooled.values().cloned().collect();
    for rows in rows.chunks(MAX_GROUP) {
        append(rows)?;
    }
    stores.spool.forget(ids(&rows).into(), PATIENCE).map_err(Stopped::Spool)?;
    Ok(found.len())
}
