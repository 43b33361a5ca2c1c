//! Why a server did not do what it was asked.

use std::fmt;

use serde::Deserialize;

use crate::{error::named_by_flags, output::printable};

/// Why a server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// There is no connection, or it broke off.
    #[error("{server} cannot be reached: {}\nIs the server running, and is that its address?", printable(.why))]
    Unreachable {
        /// Its address.
        server: String,
        /// Why.
        why: String,
    },
    /// It took too long.
    #[error("{server} did not answer in time; a change that was asked for may have been made all the same")]
    Late {
        /// Its address.
        server: String,
    },
    /// Something else answers there.
    #[error("what answers at {server} is no Tollgate of this version: {}\nIs that its address?", printable(.what))]
    NoTollgate {
        /// The address.
        server: String,
        /// What it answered.
        what: String,
    },
    /// It refused.
    #[error("{0}")]
    Refused(Refusal),
}

/// A refusal of Tollgate's (RFC 9457).
#[derive(Debug, Deserialize)]
pub struct Refusal {
    #[serde(skip)]
    status: u16,
    #[serde(skip)]
    retry_after: Option<u64>,
    detail: String,
    #[serde(default)]
    errors: Vec<Fault>,
}

/// A field that is wrong.
#[derive(Debug, Deserialize)]
struct Fault {
    field: String,
    message: String,
}

impl Refusal {
    /// The refusal in a body, if it is one.
    pub fn read(body: &[u8], status: u16, retry_after: Option<u64>) -> Option<Self> {
        let refusal: Self = serde_json::from_slice(body).ok()?;
        Some(Self { status, retry_after, ..refusal })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.errors.is_empty() {
            f.write_str(&printable(&self.detail))?;
        } else {
            let faults = self.errors.iter().map(|fault| (fault.field.as_str(), fault.message.as_str()));
            f.write_str(&named_by_flags(faults))?;
        }
        match (self.status, self.retry_after) {
            (401 | 403, _) => f.write_str(
                "\nCheck TOLLGATE_TOKEN: it must be an API key that holds `admin`, or an access token of an administrator.",
            ),
            (_, Some(seconds)) => write!(f, "\nThe server takes further calls in {seconds} seconds."),
            _ => Ok(()),
        }
    }
}
