//! The list of what may be longer than the limits. It only shrinks: an entry names the exact length, and one that
//! is no longer needed, or no longer exact, is a problem itself.
//!
//! A line is `PATH file LINES # reason` or `PATH fn:NAME LINES # reason`.

use super::{EXCEPTIONS, Problem};

/// An entry of the list.
pub struct Exception<'a> {
    line: usize,
    path: &'a str,
    what: &'a str,
    lines: usize,
    used: bool,
}

/// The list, which remembers what was needed.
pub struct Exceptions<'a> {
    entries: Vec<Exception<'a>>,
    problems: Vec<Problem>,
}

impl<'a> Exceptions<'a> {
    /// Reads the list; what it does not understand becomes a problem.
    pub fn parse(text: &'a str) -> Self {
        let mut list = Self { entries: Vec::new(), problems: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            match entry(index + 1, line) {
                Some(entry) => list.entries.push(entry),
                None => list.problems.push(Problem::new(
                    format!("{EXCEPTIONS}:{}", index + 1),
                    "not an entry",
                    "write `PATH file LINES # reason` or `PATH fn:NAME LINES # reason`",
                )),
            }
        }
        list
    }

    /// Whether the list covers something of that length, which is over its limit.
    pub fn cover(&mut self, path: &str, what: &str, lines: usize) -> bool {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.path == path && entry.what == what)
        else {
            return false;
        };
        entry.used = true;
        if lines < entry.lines {
            self.problems.push(Problem::new(
                format!("{EXCEPTIONS}:{}", entry.line),
                format!("{path} {what} has shrunk from {} to {lines} lines", entry.lines),
                format!("write {lines} here, so that it does not grow again"),
            ));
        }
        lines <= entry.lines
    }

    /// What is wrong with the list itself, once everything was looked at.
    pub fn finish(mut self) -> Vec<Problem> {
        let unused = self.entries.iter().filter(|entry| !entry.used).map(|entry| {
            Problem::new(
                format!("{EXCEPTIONS}:{}", entry.line),
                format!("{} {} keeps the limit now", entry.path, entry.what),
                "remove the entry",
            )
        });
        self.problems.extend(unused);
        self.problems
    }
}

fn entry(line: usize, text: &str) -> Option<Exception<'_>> {
    let (entry, reason) = text.split_once('#')?;
    let mut words = entry.split_whitespace();
    let (path, what, lines) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
    let known = what == "file" || what.strip_prefix("fn:").is_some_and(|name| !name.is_empty());
    let whole = words.next().is_none() && !reason.trim().is_empty();
    (known && whole).then_some(Exception { line, path, what, lines, used: false })
}

#[cfg(test)]
mod tests {
    use super::Exceptions;

    #[test]
    fn an_entry_covers_up_to_its_length() {
        let mut list = Exceptions::parse("# head\n\na.rs file 450 # a table\na.rs fn:long 80 # one match\n");
        assert!(list.cover("a.rs", "file", 450));
        assert!(list.cover("a.rs", "fn:long", 80));
        assert!(!list.cover("b.rs", "file", 450));
        assert_eq!(list.finish(), []);
    }

    #[test]
    fn growing_is_not_covered() {
        let mut list = Exceptions::parse("a.rs file 450 # a table");
        assert!(!list.cover("a.rs", "file", 451));
    }

    #[test]
    fn an_entry_that_is_too_generous_or_not_needed_is_a_problem() {
        let mut list = Exceptions::parse("a.rs file 450 # a table\nb.rs file 500 # once");
        assert!(list.cover("a.rs", "file", 420));
        let problems = list.finish();
        assert_eq!(problems.len(), 2);
        assert!(problems[0].remedy.contains("write 420"), "{}", problems[0]);
        assert!(problems[1].remedy.contains("remove"), "{}", problems[1]);
    }

    #[test]
    fn an_entry_needs_a_reason_and_a_length() {
        for line in
            ["a.rs file 450", "a.rs file 450 #", "a.rs file long # x", "a.rs 450 # x", "a.rs fn: 80 # x"]
        {
            assert_eq!(Exceptions::parse(line).finish().len(), 1, "{line}");
        }
    }
}
