//! Where records come from: a file, or a table of another database.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    rc::Rc,
};

use tollgate_accounts::import::Record;
use tollgate_persistence::{
    Url,
    foreign::{ForeignTable, TableName},
};

use super::{csv, json, table};
use crate::error::AdminError;

/// The most bytes of one record; what is longer is a file whose quotes or brackets do not close.
const MAX_RECORD_BYTES: u64 = 4 * 1_024 * 1_024;
/// What some programs put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Is given each record with its line (or what is wrong with it), and how far the source was read.
pub type Each<'a> = dyn FnMut(u64, Result<Record, String>, i64) -> Result<(), AdminError> + 'a;

/// Where records come from.
#[derive(Debug)]
pub enum Source {
    /// A file, by its ending.
    File(PathBuf),
    /// Tables of the database at a URL: all of these that there are.
    Tables {
        /// Where.
        url: Url,
        /// Which, in this order.
        names: Vec<TableName>,
    },
}

/// What makes a table one that is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Tables {
    /// The columns that it must have.
    pub needed: &'static [&'static str],
    /// The columns that are read.
    pub wanted: &'static [&'static str],
}

/// A source that can be read.
pub enum Opened {
    /// Values separated by commas.
    Csv(Input),
    /// An array, or an object a line.
    Json(Input),
    /// A table.
    Table(Box<ForeignTable>),
}

impl Source {
    /// Opens it: a file, or at least one table.
    pub fn open(&self, tables: &Tables) -> Result<Vec<Opened>, AdminError> {
        match self {
            Self::File(path) => {
                let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
                match ending.to_ascii_lowercase().as_str() {
                    "csv" => Ok(vec![Opened::Csv(Input::open(path)?)]),
                    "json" | "jsonl" | "ndjson" => Ok(vec![Opened::Json(Input::open(path)?)]),
                    _ => Err(AdminError::Usage(format!(
                        "--file {}: must end in .csv, .jsonl or .json",
                        path.display()
                    ))),
                }
            }
            Self::Tables { url, names } => {
                let mut opened = Vec::new();
                for name in names {
                    let table = ForeignTable::open(url, name, tables.needed, tables.wanted);
                    opened.extend(
                        table.map_err(AdminError::Source)?.map(|table| Opened::Table(Box::new(table))),
                    );
                }
                if opened.is_empty() {
                    return Err(AdminError::NoTable {
                        at: url.to_string(),
                        names: names.iter().map(TableName::to_string).collect::<Vec<_>>().join(", "),
                        columns: tables.needed.join(", "),
                    });
                }
                Ok(opened)
            }
        }
    }
}

impl Opened {
    /// The table's name, if it is one.
    pub fn table(&self) -> Option<String> {
        match self {
            Self::Csv(_) | Self::Json(_) => None,
            Self::Table(table) => Some(table.name().to_string()),
        }
    }

    /// How much there is to read, in its unit.
    pub fn size(&self) -> i64 {
        match self {
            Self::Csv(input) | Self::Json(input) => input.size,
            Self::Table(table) => table.rows(),
        }
    }

    /// What is counted.
    pub const fn unit(&self) -> &'static str {
        match self {
            Self::Csv(_) | Self::Json(_) => "bytes",
            Self::Table(_) => "rows",
        }
    }

    /// Gives each record.
    pub fn each(&mut self, each: &mut Each<'_>) -> Result<(), AdminError> {
        match self {
            Self::Csv(input) => csv::each(input, each),
            Self::Json(input) => json::each(input, each),
            Self::Table(table) => table::each(table, each),
        }
    }
}

/// A file that is read from its beginning to its end.
pub struct Input {
    /// Its text.
    pub text: BufReader<Counted>,
    /// How far it was read.
    pub gauge: Gauge,
    size: i64,
    path: PathBuf,
}

impl Input {
    fn open(path: &Path) -> Result<Self, AdminError> {
        let failed = |error| AdminError::File { at: path.to_owned(), error };
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_or(0, |metadata| i64::try_from(metadata.len()).unwrap_or(i64::MAX));
        let gauge = Gauge::default();
        let mut text = BufReader::new(Counted { file, gauge: gauge.clone() });
        gauge.next();
        if text.fill_buf().map_err(failed)?.starts_with(BYTE_ORDER_MARK) {
            text.consume(BYTE_ORDER_MARK.len());
        }
        Ok(Self { text, gauge, size, path: path.to_owned() })
    }

    /// The failure to read it.
    pub fn failed(&self, error: io::Error) -> AdminError {
        AdminError::File { at: self.path.clone(), error }
    }
}

/// How far a file was read, and how far the present record may go.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Rc<Cell<(u64, u64)>>);

impl Gauge {
    /// The next record begins.
    pub fn next(&self) {
        let (read, _) = self.0.get();
        self.0.set((read, read.saturating_add(MAX_RECORD_BYTES)));
    }

    /// Bytes read.
    pub fn read(&self) -> i64 {
        i64::try_from(self.0.get().0).unwrap_or(i64::MAX)
    }
}

/// A file whose records are bounded.
pub struct Counted {
    file: File,
    gauge: Gauge,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (read, until) = self.gauge.0.get();
        if read >= until {
            let reason =
                format!("a record has more than {MAX_RECORD_BYTES} bytes: is a quote or bracket open?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let bytes = self.file.read(buffer)?;
        self.gauge.0.set((read.saturating_add(u64::try_from(bytes).unwrap_or(0)), until));
        Ok(bytes)
    }
}
