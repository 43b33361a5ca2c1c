//! The load: wrk, saturating and one at a time.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::subject::Subject;
use crate::{failure::Failure, test::machine};

const BODY: &str = r#"{"model":"bench","max_tokens":16,"messages":[{"role":"user","content":"How much wood would a woodchuck chuck if a woodchuck could chuck wood?"}]}"#;

/// One subject in one round.
pub struct Reading {
    /// Requests a second at saturation.
    pub per_second: f64,
    /// The median of one request at a time, in microseconds.
    pub median_us: f64,
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8.0} req/s   {:>6.0} us", self.per_second, self.median_us)
    }
}

/// Loads a subject to saturation, then with one request at a time.
pub fn measure(folder: &Path, subject: &Subject, seconds: u32, connections: u32) -> Result<Reading, Failure> {
    let output = wrk(folder, subject, seconds, connections)?;
    if let Some(line) = output.lines().find(|line| line.contains("Non-2xx")) {
        return Err(Failure::failed(format!("{} refused requests: {}", subject.name, line.trim())));
    }
    let per_second = after(&output, "Requests/sec:").and_then(|text| text.parse().ok());
    let median_us = latency(folder, subject, seconds.div_ceil(2))?;
    let missing = || Failure::failed(format!("wrk said nothing of requests a second:\n{output}"));
    Ok(Reading { per_second: per_second.ok_or_else(missing)?, median_us })
}

/// The median latency of one request at a time, in microseconds.
pub fn latency(folder: &Path, subject: &Subject, seconds: u32) -> Result<f64, Failure> {
    let output = wrk(folder, subject, seconds, 1)?;
    let median = after(&output, "50%").and_then(|text| micros(&text));
    median.ok_or_else(|| Failure::failed(format!("wrk said nothing of latency:\n{output}")))
}

fn wrk(folder: &Path, subject: &Subject, seconds: u32, connections: u32) -> Result<String, Failure> {
    let script = script(folder, subject)?;
    let mut command = Command::new("taskset");
    command.args(["-c", "1", "wrk", "-t1", "--latency"]);
    command.arg(format!("-c{connections}")).arg(format!("-d{seconds}s")).arg("-s").arg(script);
    command.arg(format!("http://127.0.0.1:{}/v1/chat/completions", subject.port));
    machine::output(&mut command)
}

fn script(folder: &Path, subject: &Subject) -> Result<PathBuf, Failure> {
    let path = folder.join(format!("{}.lua", subject.name));
    let authorization = subject
        .key
        .as_ref()
        .map_or_else(String::new, |key| format!("wrk.headers[\"Authorization\"] = \"Bearer {key}\"\n"));
    let script = format!(
        "wrk.method = \"POST\"\nwrk.body = '{BODY}'\nwrk.headers[\"Content-Type\"] = \"application/json\"\n{authorization}"
    );
    fs::write(&path, script).map_err(|error| Failure::io(&path, &error))?;
    Ok(path)
}

/// The word after `label` at the beginning of a line.
fn after(output: &str, label: &str) -> Option<String> {
    let line = output.lines().find_map(|line| line.trim().strip_prefix(label))?;
    line.split_whitespace().next().map(str::to_owned)
}

/// wrk's `123.00us`, `1.23ms` or `1.23s` in microseconds.
fn micros(text: &str) -> Option<f64> {
    let (number, factor) = if let Some(number) = text.strip_suffix("us") {
        (number, 1.0)
    } else if let Some(number) = text.strip_suffix("ms") {
        (number, 1_000.0)
    } else {
        (text.strip_suffix('s')?, 1_000_000.0)
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrks_words_are_read() {
        let output =
            "  Latency Distribution\n     50%  123.50us\n     99%    1.20ms\nRequests/sec:  51234.56\n";
        assert_eq!(after(output, "50%").and_then(|text| micros(&text)), Some(123.5));
        assert_eq!(after(output, "Requests/sec:").as_deref(), Some("51234.56"));
        assert_eq!(micros("1.20ms"), Some(1_200.0));
        assert_eq!(micros("2s"), Some(2_000_000.0));
        assert_eq!(micros("x"), None);
    }
}
