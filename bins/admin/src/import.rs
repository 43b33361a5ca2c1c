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
/// Records that are taken over at once where everybody else who writes waits for it: some 10 ms.
const PIECE: usize = 50;
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
    let report = Report { dry_run: how.dry_run, ..Report::default() };
    let mut import =
        Import { take, kind, pauses: how.pauses, table: None, lines: Vec::new(), batch: Vec::new(), report };
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

impl Import<'_> {
    fn record(&mut self, line: u64, record: Result<Record, String>) -> Result<(), AdminError> {
        match record {
            Ok(record) => {
                self.lines.push(line);
                self.batch.push(record);
                let full = if self.pauses { PIECE } else { MAX_BATCH };
                if self.batch.len() >= full { self.flush() } else { Ok(()) }
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
        if self.pauses {
            thread::sleep(started.elapsed().min(MAX_PAUSE));
        }
        Ok(())
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
