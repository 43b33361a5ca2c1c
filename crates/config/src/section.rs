//! A group of keys of the file with the environment laid over it: how every section reads its values.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;

use secrecy::SecretString;

use crate::nearest;
use crate::report::{Report, quoted};
use crate::source::{REDACTED, Source, UNSET};
use crate::variable::not_text;
use crate::yaml::{Node, Value};

/// A key of a section, and the environment variable that stands for it, if any.
pub(crate) struct Field {
    key: &'static str,
    variable: Option<Cow<'static, str>>,
}

impl From<&'static str> for Field {
    fn from(key: &'static str) -> Self {
        Self { key, variable: None }
    }
}

impl From<(&'static str, &'static str)> for Field {
    fn from((key, variable): (&'static str, &'static str)) -> Self {
        Self { key, variable: Some(Cow::Borrowed(variable)) }
    }
}

impl From<(&'static str, String)> for Field {
    fn from((key, variable): (&'static str, String)) -> Self {
        Self { key, variable: Some(Cow::Owned(variable)) }
    }
}

/// A single value that was found.
pub(crate) struct Found {
    pub(crate) text: String,
    /// False for quoted text of the file.
    pub(crate) plain: bool,
    /// What a problem with the value is reported under: the dotted key, or the variable.
    pub(crate) named: String,
    pub(crate) source: Source,
}

/// How the entries of a map are called in problems and in what is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// By their key.
    Key,
    /// By their position, because the key is a secret.
    Position,
}

/// One group of keys. Every key that is asked for is known; what is left over in the end is a problem.
pub(crate) struct Section<'r, 'n> {
    pub(crate) report: &'r mut Report,
    entries: &'n [(String, Node)],
    path: String,
    line: usize,
    /// How much had been shown before this section.
    shown_before: usize,
    known: Vec<&'static str>,
}

impl<'r, 'n> Section<'r, 'n> {
    /// Reads the group at `path` with `read`; then whatever `read` did not ask for is reported.
    pub(crate) fn read<T>(
        report: &'r mut Report,
        path: &str,
        node: Option<&'n Node>,
        read: impl FnOnce(&mut Section<'_, 'n>) -> T,
    ) -> T {
        let entries: &[(String, Node)] = match node.map(|node| &node.value) {
            None | Some(Value::Null) => &[],
            Some(Value::Map(entries)) => entries,
            Some(other) => {
                let shown = if path.is_empty() { "the file" } else { path };
                report.problem(
                    shown,
                    format!("is {}, where a group of keys is expected", other.kind()),
                    "put `key: value` lines under it, indented",
                );
                &[]
            }
        };
        let (line, shown_before) = (node.map_or(1, |node| node.line), report.shown.len());
        let mut section =
            Section { report, entries, path: path.to_owned(), line, shown_before, known: Vec::new() };
        let value = read(&mut section);
        section.report_unknown();
        value
    }

    /// The dotted name of a key of this section.
    pub(crate) fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The file's value of `key`, whatever it is; null counts as absent.
    pub(crate) fn raw(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let entries = self.entries;
        entries
            .iter()
            .find(|(name, node)| name == key && !matches!(node.value, Value::Null))
            .map(|(_, node)| node)
    }

    /// Whether the file has a value for `key`.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, node)| name == key && !matches!(node.value, Value::Null))
    }

    /// Says that the file holds a secret here under `key`, without saying which.
    pub(crate) fn show_secret(&mut self, key: &str) {
        let (name, source) = (self.name(key), Source::File { line: self.line });
        self.report.show(name, REDACTED, source);
    }

    /// The section `key` of this one.
    pub(crate) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_, 'n>) -> T,
    ) -> T {
        let node = self.raw(key);
        let path = self.name(key);
        Section::read(self.report, &path, node, read)
    }

    /// The entries of the map `key`, in their order. `read` gets an entry's key and its section.
    pub(crate) fn map<T>(
        &mut self,
        key: &'static str,
        naming: Naming,
        mut read: impl FnMut(&str, &mut Section<'_, 'n>) -> T,
    ) -> Vec<T> {
        let mut values = Vec::new();
        for (index, (name, node)) in self.map_entries(key).iter().enumerate() {
            let path = match naming {
                Naming::Key => format!("{}.{name}", self.name(key)),
                Naming::Position => format!("{}.#{}", self.name(key), index + 1),
            };
            values.push(Section::read(self.report, &path, Some(node), |section| read(name, section)));
        }
        values
    }

    /// The entries of the map `key` as they stand in the file.
    pub(crate) fn map_entries(&mut self, key: &'static str) -> &'n [(String, Node)] {
        let node = self.raw(key);
        match node.map(|node| &node.value) {
            None => &[],
            Some(Value::Map(entries)) => entries,
            Some(other) => {
                let name = self.name(key);
                self.report.problem(
                    name,
                    format!("is {}, where a map of names is expected", other.kind()),
                    "put one `name:` a line under it, indented",
                );
                &[]
            }
        }
    }

    /// The single value of a key: the variable's, else the file's.
    pub(crate) fn found(&mut self, field: Field) -> Option<Found> {
        let node = self.raw(field.key);
        if let Some(variable) = field.variable
            && let Some((text, source)) = self.report.variables.get(&variable)
        {
            if text.contains('\u{fffd}') {
                self.report.problems.push(not_text(&variable));
                return None;
            }
            let (text, source) = (text.to_owned(), source.clone());
            return Some(Found { text, plain: true, named: variable.into_owned(), source });
        }
        let node = node?;
        let named = self.name(field.key);
        match &node.value {
            Value::Scalar { text, plain } => Some(Found {
                text: text.clone(),
                plain: *plain,
                named,
                source: Source::File { line: node.line },
            }),
            other => {
                let problem = format!("is {}, where a single value is expected", other.kind());
                self.report.problem(named, problem, "give one value after the colon");
                None
            }
        }
    }

    /// A value that `parse` reads; its error completes "is …". `None`: nothing is set, or it is a problem.
    pub(crate) fn parsed<T>(
        &mut self,
        field: impl Into<Field>,
        remedy: &str,
        parse: impl FnOnce(&Found) -> Result<T, String>,
    ) -> Option<T> {
        let field = field.into();
        let key = field.key;
        let found = self.found(field)?;
        match parse(&found) {
            Ok(value) => {
                let name = self.name(key);
                self.report.show(name, found.text, found.source);
                Some(value)
            }
            Err(problem) => {
                self.report.problem(found.named, problem, remedy);
                None
            }
        }
    }

    /// Says that `key` has its default, unless a value of it has been shown.
    pub(crate) fn show_default(&mut self, key: &str, value: impl Display) {
        let name = self.name(key);
        if !self.report.shown.iter().skip(self.shown_before).any(|shown| shown.key == name) {
            self.report.show(name, value.to_string(), Source::Default);
        }
    }

    /// A whole number within `range`, if one is set.
    pub(crate) fn optional_integer<T: TryFrom<u64>>(
        &mut self,
        field: impl Into<Field>,
        range: RangeInclusive<u64>,
    ) -> Option<T> {
        let remedy = format!("give a whole number from {} to {}", range.start(), range.end());
        self.parsed(field, &remedy, |found| {
            let digits = found.plain && found.text.bytes().all(|byte| byte.is_ascii_digit());
            if !digits || found.text.is_empty() {
                return Err(format!("{} is not a whole number", quoted(&found.text)));
            }
            let number = found.text.parse::<u64>().ok().filter(|number| range.contains(number));
            number
                .and_then(|number| T::try_from(number).ok())
                .ok_or_else(|| format!("{} is out of range", quoted(&found.text)))
        })
    }

    /// A whole number within `range`.
    pub(crate) fn integer<T: TryFrom<u64> + Display>(
        &mut self,
        field: impl Into<Field>,
        default: T,
        range: RangeInclusive<u64>,
    ) -> T {
        let field = field.into();
        let key = field.key;
        self.optional_integer(field, range).unwrap_or_else(|| {
            self.show_default(key, &default);
            default
        })
    }

    /// A truth value.
    pub(crate) fn boolean(&mut self, field: impl Into<Field>, default: bool) -> bool {
        let truth =
            [("true", true), ("false", false), ("yes", true), ("no", false), ("on", true), ("off", false)];
        self.choice(field, default, &truth)
    }

    /// One of a few words, in any case. The default is shown under its first word.
    pub(crate) fn choice<T: Copy + PartialEq>(
        &mut self,
        field: impl Into<Field>,
        default: T,
        choices: &[(&str, T)],
    ) -> T {
        let field = field.into();
        let key = field.key;
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let chosen = self.parsed(field, &format!("give one of: {}", words.join(", ")), |found| {
            let word = found.text.trim();
            choices
                .iter()
                .find(|(choice, _)| choice.eq_ignore_ascii_case(word))
                .map(|(_, value)| *value)
                .ok_or_else(|| format!("{} is none of the words that it takes", quoted(&found.text)))
        });
        chosen.unwrap_or_else(|| {
            let word = choices.iter().find(|(_, value)| *value == default).map_or("", |(word, _)| word);
            self.show_default(key, word);
            default
        })
    }

    /// Text of at most `max_chars` characters, not empty and without control characters.
    pub(crate) fn text(&mut self, field: impl Into<Field>, max_chars: usize) -> Option<String> {
        let remedy = format!("give a text of 1 to {max_chars} characters on one line");
        self.parsed(field, &remedy, |found| plain_text(&found.text, max_chars))
    }

    /// A secret: the variable's, the one in the file that `<variable>_FILE` names, else the file's own.
    pub(crate) fn secret(&mut self, field: impl Into<Field>) -> Option<SecretString> {
        let Field { key, variable } = field.into();
        let name = self.name(key);
        let from_file = self.found(Field { key, variable: None });
        let from_variable = match variable {
            None => None,
            Some(variable) => match self.report.variables.secret(&variable, &mut self.report.warnings) {
                Ok(found) => found,
                Err(problem) => {
                    self.report.problems.push(problem);
                    return None;
                }
            },
        };
        let found = from_variable.or_else(|| {
            let found = from_file?;
            Some((SecretString::from(found.text), found.source))
        });
        match found {
            Some((secret, source)) => {
                self.report.show(name, REDACTED, source);
                Some(secret)
            }
            None => {
                self.show_default(key, UNSET);
                None
            }
        }
    }

    /// The texts of a list in the file, or of a comma-separated variable or single value.
    pub(crate) fn texts(&mut self, field: impl Into<Field>) -> Option<Texts> {
        let field = field.into();
        let key = field.key;
        let variable_set =
            field.variable.as_ref().is_some_and(|variable| self.report.variables.get(variable).is_some());
        if !variable_set && let Some(Node { line, value: Value::List(nodes) }) = self.raw(key) {
            let named = self.name(key);
            let mut texts = Vec::new();
            for node in nodes {
                match &node.value {
                    Value::Scalar { text, .. } => texts.push(text.clone()),
                    other => {
                        let problem = format!("has {} in the list, where texts are expected", other.kind());
                        self.report.problem(&named, problem, "list one text an entry");
                    }
                }
            }
            let source = Source::File { line: *line };
            self.report.show(&named, texts.join(", "), source);
            return Some(Texts { texts, named });
        }
        let found = self.found(field)?;
        let texts: Vec<String> = found
            .text
            .split(',')
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
            .collect();
        let name = self.name(key);
        self.report.show(name, texts.join(", "), found.source);
        Some(Texts { texts, named: found.named })
    }

    fn report_unknown(self) {
        for (key, node) in self.entries {
            if !self.known.contains(&key.as_str()) {
                let (problem, remedy) = nearest::unknown_key(key, node.line, &self.path, &self.known);
                self.report.problem(self.name(key), problem, remedy);
            }
        }
    }
}

/// Several texts, and what problems with them are reported under.
pub(crate) struct Texts {
    pub(crate) texts: Vec<String>,
    pub(crate) named: String,
}

/// Checks a text: not empty, at most `max_chars` characters, none of them a control character.
pub(crate) fn plain_text(text: &str, max_chars: usize) -> Result<String, String> {
    if text.is_empty() || text.chars().count() > max_chars || text.chars().any(char::is_control) {
        return Err("is empty, too long, or has control characters".to_owned());
    }
    Ok(text.to_owned())
}
