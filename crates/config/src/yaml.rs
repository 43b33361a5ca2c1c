//! Reads the text of a configuration file into a tree that keeps the order of keys, the line of each value
//! and the text of numbers, so that amounts of money never pass through a binary float.

use granit_parser::{Event, Parser, ScalarStyle, Span};

/// Deepest nesting of a configuration file.
const MAX_DEPTH: usize = 32;
/// Most values (keys not counted) in a configuration file.
const MAX_NODES: usize = 50_000;

/// A value of the file, with the line at which it starts (from 1).
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    /// `plain` is false for quoted text, which is never a number or a truth value.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Value {
    /// How the kind of this value is called in problems.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Scalar { .. } => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a group of keys",
        }
    }
}

/// Why a text is not the YAML that a configuration may be; line and column count from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) what: String,
}

/// Parses one document. An empty text is [`Value::Null`].
pub(crate) fn parse(text: &str) -> Result<Node, YamlError> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut tree = Tree { events: Parser::new_from_str_with_options(text, options), nodes: 0 };
    let mut root = None;
    while let Some((event, span)) = tree.next()? {
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(..) if root.is_some() => {
                return Err(error(&span, "a second document (`---`) starts here; one is allowed"));
            }
            Event::DocumentStart(..) => {}
            other => root = Some(tree.node(other, &span, 0)?),
        }
    }
    Ok(root.unwrap_or(Node { line: 1, value: Value::Null }))
}

fn error(span: &Span, what: &str) -> YamlError {
    YamlError { line: span.start.line(), column: span.start.col() + 1, what: what.to_owned() }
}

struct Tree<'a> {
    events: Parser<'a, granit_parser::StrInput<'a>>,
    nodes: usize,
}

impl<'a> Tree<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, YamlError> {
        self.events.next().transpose().map_err(|scan| YamlError {
            line: scan.marker().line(),
            column: scan.marker().col() + 1,
            what: scan.kind().to_string(),
        })
    }

    fn expect(&mut self, inside: &Span) -> Result<(Event<'a>, Span), YamlError> {
        self.next()?.ok_or_else(|| error(inside, "what starts here never ends"))
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, YamlError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(error(span, "there are too many values"));
        }
        if depth > MAX_DEPTH {
            return Err(error(span, "values are nested too deeply"));
        }
        let value = match event {
            Event::Scalar(text, style, ..) => scalar(text.into_owned(), style == ScalarStyle::Plain),
            Event::SequenceStart(..) => self.list(span, depth)?,
            Event::MappingStart(..) => self.map(span, depth)?,
            Event::Alias(_) => {
                return Err(error(span, "anchors and aliases (`&name`, `*name`) are not supported"));
            }
            _ => return Err(error(span, "a value was expected")),
        };
        Ok(Node { line: span.start.line(), value })
    }

    fn list(&mut self, span: &Span, depth: usize) -> Result<Value, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.expect(span)? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, at) => items.push(self.node(event, &at, depth + 1)?),
            }
        }
    }

    fn map(&mut self, span: &Span, depth: usize) -> Result<Value, YamlError> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        loop {
            let key = match self.expect(span)? {
                (Event::MappingEnd, _) => return Ok(Value::Map(entries)),
                (Event::Scalar(text, ..), at) => {
                    if !seen.insert(text.clone().into_owned()) {
                        return Err(error(&at, "the key that starts here stands twice in its group"));
                    }
                    text.into_owned()
                }
                (_, at) => return Err(error(&at, "a key must be a single value")),
            };
            let (event, at) = self.expect(span)?;
            entries.push((key, self.node(event, &at, depth + 1)?));
        }
    }
}

fn scalar(text: String, plain: bool) -> Value {
    if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    Value::Scalar { text, plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text_and_keys_their_order() {
        let Value::Map(entries) = parse("b: 0.10\na: '7'\nc:\n").unwrap().value else { unreachable!() };
        assert_eq!(entries.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["b", "a", "c"]);
        assert!(
            matches!(&entries[0].1.value, Value::Scalar { text, plain: true } if text.as_str() == "0.10")
        );
        assert!(matches!(&entries[1].1.value, Value::Scalar { text, plain: false } if text.as_str() == "7"));
        assert!(matches!(entries[2].1.value, Value::Null));
        assert_eq!(entries[2].1.line, 3);
    }

    #[test]
    fn errors_carry_line_and_column() {
        let error = parse("server:\n  bind: [1, 2\nlogging: x\n").unwrap_err();
        assert!(error.line >= 2 && error.column >= 1, "{error:?}");
        let twice = parse("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!((twice.line, twice.column), (3, 1));
        assert_eq!(parse("a: &x 1\nb: *x\n").unwrap_err().line, 2);
        assert_eq!(parse("a: 1\n---\nb: 2\n").unwrap_err().line, 2);
    }

    #[test]
    fn depth_and_size_are_bounded() {
        assert!(parse(&"[".repeat(10_000)).is_err());
        assert!(parse(&format!("a: [{}]", "1,".repeat(MAX_NODES + 1))).is_err());
    }
}
