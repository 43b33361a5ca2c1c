//! `text/event-stream`, read as it comes: the same events however the bytes were cut.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// The most bytes of one event.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;
/// The most bytes of one stream.
pub const MAX_STREAM_BYTES: usize = 512 * 1024 * 1024;

/// The byte order mark that a stream may begin with.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// The fields of an event.
const FIELDS: [&[u8]; 4] = [b"data", b"event", b"id", b"retry"];

/// More bytes than an event or a stream may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// An event or a comment, with its line ends and the empty line that ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The bytes as they came.
    pub raw: Bytes,
}

/// How a line ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    /// LF or CR LF.
    Feed,
    /// CR alone.
    Return,
}

/// Cuts a stream of bytes into events.
#[derive(Default)]
pub struct Parser {
    buffer: BytesMut,
    /// Where the line begins that is being looked at.
    line: usize,
    /// How the line before it ended, within the event.
    before: Option<LineEnd>,
    /// Up to where no line end was found.
    scanned: usize,
    total: usize,
}

impl Parser {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.total = self.total.saturating_add(bytes.len());
        if self.total > MAX_STREAM_BYTES {
            return Err(TooLong);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next complete event.
    pub fn next(&mut self) -> Result<Option<Event>, TooLong> {
        self.skip_empty_lines();
        while let Some((length, end)) = self.line_end() {
            let empty = length == 0;
            self.line += length + end.1;
            self.scanned = self.line;
            self.before = Some(end.0);
            if empty {
                return self.cut();
            }
        }
        if self.buffer.len() > MAX_EVENT_BYTES { Err(TooLong) } else { Ok(None) }
    }

    /// What stands after the last complete event when the stream has ended, completed by the line ends
    /// that it lacks.
    pub fn finish(&mut self) -> Option<Event> {
        self.skip_empty_lines();
        if self.buffer.is_empty() {
            return None;
        }
        let ended = self.buffer.ends_with(b"\n");
        self.buffer.extend_from_slice(if ended { b"\n" } else { b"\n\n" });
        Some(Event { raw: self.buffer.split().freeze() })
    }

    /// Empty lines before an event say nothing.
    fn skip_empty_lines(&mut self) {
        if self.line == 0 && self.scanned == 0 {
            let empty = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let _line_ends = self.buffer.split_to(empty);
        }
    }

    /// The length of the line that begins at `line`, and how it ends and in how many bytes. A CR at the
    /// end of what has come may be half of a CR LF and has to wait, unless it ends an event whose lines end
    /// in CR alone: such an event is over.
    fn line_end(&mut self) -> Option<(usize, (LineEnd, usize))> {
        let found = memchr2(b'\r', b'\n', &self.buffer[self.scanned..]);
        let Some(found) = found else {
            self.scanned = self.buffer.len();
            return None;
        };
        let at = self.scanned + found;
        self.scanned = at;
        let length = at - self.line;
        if self.buffer[at] == b'\n' {
            return Some((length, (LineEnd::Feed, 1)));
        }
        if length == 0 && self.before == Some(LineEnd::Return) {
            return Some((length, (LineEnd::Return, 1)));
        }
        match self.buffer.get(at + 1) {
            None => None,
            Some(b'\n') => Some((length, (LineEnd::Feed, 2))),
            Some(_) => Some((length, (LineEnd::Return, 1))),
        }
    }

    fn cut(&mut self) -> Result<Option<Event>, TooLong> {
        let raw = self.buffer.split_to(self.line).freeze();
        self.line = 0;
        self.scanned = 0;
        self.before = None;
        if raw.len() > MAX_EVENT_BYTES { Err(TooLong) } else { Ok(Some(Event { raw })) }
    }
}

impl Event {
    /// What its `data` lines carry, joined by line feeds; `None` where it has none.
    pub fn data(&self) -> Option<Cow<'_, [u8]>> {
        let mut data: Option<Cow<'_, [u8]>> = None;
        for value in self.fields().filter(|(name, _)| *name == b"data").map(|(_, value)| value) {
            match &mut data {
                None => data = Some(Cow::Borrowed(value)),
                Some(joined) => {
                    let joined = joined.to_mut();
                    joined.push(b'\n');
                    joined.extend_from_slice(value);
                }
            }
        }
        data
    }

    /// Whether it holds anything that belongs into an event stream.
    pub fn is_readable(&self) -> bool {
        self.fields().any(|(name, _)| name.is_empty() || FIELDS.contains(&name))
    }

    /// The same event with other data, in one line.
    pub fn with_data(&self, data: &[u8]) -> Bytes {
        let mut raw = BytesMut::with_capacity(self.raw.len() + data.len());
        for (name, value) in self.fields().filter(|(name, _)| !name.is_empty() && *name != b"data") {
            raw.extend_from_slice(name);
            raw.extend_from_slice(b": ");
            raw.extend_from_slice(value);
            raw.extend_from_slice(b"\n");
        }
        raw.extend_from_slice(b"data: ");
        raw.extend(data.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }));
        raw.extend_from_slice(b"\n\n");
        raw.freeze()
    }

    /// Its lines as name and value; a comment has an empty name.
    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let raw = self.raw.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.raw);
        raw.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty()).map(|line| {
            match memchr::memchr(b':', line) {
                None => (line, &line[line.len()..]),
                Some(colon) => {
                    let value = &line[colon + 1..];
                    (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
