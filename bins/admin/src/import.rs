//! Imports: records are read one by one from wherever they are, taken over in batches, and told of in the end.

mod csv;
mod json;
mod source;
mod table;

use std::{
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;
use tollgate_accounts::import::{Outcome, Record};
use tollgate_store::{Imported, import::MAX_BATCH};

use crate::{error::AdminError, json as print, output, progress::Progress};

use source::Opened;
pub use source::{Source, Tables};

/// The most refused records that are named one by one.
const MAX_NAMED: usize = 1_000;
/// The most records that are taken over at once where everybody else who writes waits for it: some 10 ms.
const PIECE: usize = 50;
/// How long a batch should take at most, however far away or busy the database is: others wait for parts of it, and
/// one that takes seconds is given up.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// The longest pause between two batches.
const MAX_PAUSE: Duration = Duration::from_millis(200);

/// Takes a batch over.
pub type Take<'a> = dyn Fn(&[Record]) -> Result<Vec<Outcome>, AdminError> + 'a;

/// What became of everything.
#[derive(Debug, Default, Serialize)]
struct Report {
    dry_run: bool,
    imported: u64,
    new_users: u64,
    known: u64,
    skipped: u64,
    /// The first of those that were skipped.
    reasons: Vec<Skipped>,
}

/// A record that was not taken.
#[derive(Debug, Serialize)]
struct Skipped {
    /// Which of several tables it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    line: u64,
    reason: String,
}

/// What is imported, and how it is told.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Such as `keys`.
    pub what: &'static str,
    /// Whether each makes a user: they are users.
    pub are_users: bool,
}

/// An import under way.
struct Import<'a> {
    take: &'a Take<'a>,
    kind: Kind,
    pauses: bool,
    /// How many records the next batch has.
    size: usize,
    /// The table that is being read, where there are several.
    table: Option<String>,
    lines: Vec<u64>,
    batch: Vec<Record>,
    report: Report,
}

/// How an import is done.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Whether nothing is written.
    pub dry_run: bool,
    /// Whether others are let through between two batches: where one alone can write.
    pub pauses: bool,
    /// Whether the report is for programs.
    pub json: bool,
}

/// Imports everything from `source`, and tells what became of it; an error where something was skipped.
pub fn run(
    source: &Source,
    tables: &Tables,
    kind: Kind,
    how: How,
    take: &Take<'_>,
) -> Result<(), AdminError> {
    let opened = source.open(tables)?;
    let mut import = Import::new(take, kind, how);
    // What was taken before a file turns out to be broken is told all the same.
    let read = read(opened, &mut import);
    import.tell(how.json)?;
    read?;
    match import.report.skipped {
        0 => Ok(()),
        skipped => Err(AdminError::Skipped { skipped, what: kind.what }),
    }
}

fn read(opened: Vec<Opened>, import: &mut Import<'_>) -> Result<(), AdminError> {
    let are_several = opened.len() > 1;
    for mut opened in opened {
        import.table = opened.table().filter(|_| are_several);
        let first = import.report.reasons.len();
        let progress = Progress::over(opened.size(), opened.unit());
        let read = opened.each(&mut |line, record, done| {
            progress.at(done);
            import.record(line, record)
        });
        progress.end();
        let flushed = import.flush();
        // Whole batches come behind single lines that could not be read.
        if let Some(reasons) = import.report.reasons.get_mut(first..) {
            reasons.sort_by_key(|skipped| skipped.line);
        }
        read.and(flushed)?;
    }
    Ok(())
}

impl<'a> Import<'a> {
    fn new(take: &'a Take<'a>, kind: Kind, how: How) -> Self {
        let report = Report { dry_run: how.dry_run, ..Report::default() };
        let (lines, batch) = (Vec::new(), Vec::new());
        Self { take, kind, pauses: how.pauses, size: 1, table: None, lines, batch, report }
    }

    fn record(&mut self, line: u64, record: Result<Record, String>) -> Result<(), AdminError> {
        match record {
            Ok(record) => {
                self.lines.push(line);
                self.batch.push(record);
                if self.batch.len() >= self.size { self.flush() } else { Ok(()) }
            }
            Err(reason) => {
                self.skip(line, reason);
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> Result<(), AdminError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let outcomes = (self.take)(&self.batch)?;
        self.batch.clear();
        for (line, outcome) in std::mem::take(&mut self.lines).into_iter().zip(outcomes) {
            self.count(line, outcome);
        }
        let took = started.elapsed();
        self.resize(took);
        if self.pauses {
            thread::sleep(took.min(MAX_PAUSE));
        }
        Ok(())
    }

    /// Makes the next batch larger where the last was quick, and smaller where it was slow.
    fn resize(&mut self, took: Duration) {
        let most = if self.pauses { PIECE } else { MAX_BATCH };
        if took > BATCH_TIME {
            self.size = (self.size / 2).max(1);
        } else if took.saturating_mul(2) <= BATCH_TIME {
            self.size = self.size.saturating_mul(2).min(most);
        }
    }

    fn count(&mut self, line: u64, outcome: Outcome) {
        match outcome {
            Outcome::Became(Imported::Known) => add(&mut self.report.known),
            Outcome::Became(Imported::Made) => {
                add(&mut self.report.imported);
                if self.kind.are_users {
                    add(&mut self.report.new_users);
                }
            }
            Outcome::Became(Imported::MadeWithOwner) => {
                add(&mut self.report.imported);
                add(&mut self.report.new_users);
            }
            Outcome::Became(Imported::IdTaken) => {
                self.skip(line, "its id is that of a user who has another email address here".to_owned());
            }
            Outcome::Became(Imported::Contended) => {
                self.skip(line, "its user was changed at the same time: import it again".to_owned());
            }
            Outcome::Refused(reason) => self.skip(line, reason),
        }
    }

    fn skip(&mut self, line: u64, reason: String) {
        add(&mut self.report.skipped);
        if self.report.reasons.len() < MAX_NAMED {
            self.report.reasons.push(Skipped { table: self.table.clone(), line, reason });
        }
    }

    fn tell(&self, json: bool) -> Result<(), AdminError> {
        let report = &self.report;
        if json {
            return print::print(report);
        }
        if report.dry_run {
            output::line(&"This was a dry run: nothing was written.")?;
        }
        output::details(&[
            ("Imported", format!("{} {}", report.imported, self.kind.what)),
            ("New users", report.new_users.to_string()),
            ("Known before", report.known.to_string()),
            ("Skipped", report.skipped.to_string()),
        ])?;
        for Skipped { table, line, reason } in &report.reasons {
            let table = table.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
            output::line(&format_args!("  {table}line {line}: {}", output::printable(reason)))?;
        }
        let named = u64::try_from(report.reasons.len()).unwrap_or(u64::MAX);
        match report.skipped.saturating_sub(named) {
            0 => Ok(()),
            more => output::line(&format_args!("  and {more} more")),
        }
    }
}

fn add(count: &mut u64) {
    *count = count.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const KEYS: Kind = Kind { what: "keys", are_users: false };
    const HOW: How = How { dry_run: false, pauses: false, json: false };

    #[test]
    fn a_database_that_is_far_away_gets_small_batches() {
        let sizes = RefCell::new(Vec::new());
        let take = |batch: &[Record]| {
            sizes.borrow_mut().push(batch.len());
            batch.iter().for_each(|_| thread::sleep(Duration::from_millis(20)));
            Ok(vec![Outcome::Became(Imported::Made); batch.len()])
        };
        let mut import = Import::new(&take, KEYS, HOW);
        (1..=100).for_each(|line| import.record(line, Ok(Record::default())).unwrap());
        import.flush().unwrap();
        assert_eq!(import.report.imported, 100);
        assert!(sizes.borrow().iter().all(|size| *size <= 50), "{sizes:?}");
    }

    #[test]
    fn a_database_that_is_near_gets_large_ones() {
        let take = |_: &[Record]| Ok(Vec::new());
        let mut import = Import::new(&take, KEYS, HOW);
        (0..20).for_each(|_| import.resize(Duration::from_millis(10)));
        assert_eq!(import.size, MAX_BATCH);
        import.resize(Duration::from_secs(3));
        assert_eq!(import.size, MAX_BATCH / 2);
        (0..20).for_each(|_| import.resize(Duration::from_secs(3)));
        assert_eq!(import.size, 1);
    }
}
