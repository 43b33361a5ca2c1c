//! The operator's key never leaves: whatever comes back from a provider is searched for it.

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;

/// What stands in the key's place.
const REDACTED: &[u8] = b"[redacted]";

/// Keys shorter than this are placeholders of servers that need none (`none`, `EMPTY`, `ollama`): hiding
/// them would only garble answers.
const MIN_SECRET_BYTES: usize = 8;

/// Finds one provider's key, plain and as JSON writes it.
pub struct Redactor {
    needles: Vec<Finder<'static>>,
}

impl Redactor {
    /// Prepares the search for `key`.
    pub fn new(key: Option<&str>) -> Self {
        let Some(key) = key.filter(|key| key.len() >= MIN_SECRET_BYTES) else {
            return Self { needles: Vec::new() };
        };
        let quoted = key.replace('\\', r"\\").replace('"', "\\\"");
        let slashed = quoted.replace('/', r"\/");
        let mut spellings = vec![key.to_owned()];
        spellings.extend([quoted, slashed].into_iter().filter(|spelling| spelling != key));
        spellings.dedup();
        let needles = spellings.iter().map(|needle| Finder::new(needle.as_bytes()).into_owned()).collect();
        Self { needles }
    }

    /// `bytes` without the key; the same bytes, uncopied, where it does not stand in them.
    pub fn bytes(&self, bytes: Bytes) -> Bytes {
        self.needles.iter().fold(bytes, |bytes, needle| without(needle, bytes))
    }

    /// `text` without the key.
    pub fn text(&self, text: String) -> String {
        if self.needles.iter().all(|needle| needle.find(text.as_bytes()).is_none()) {
            return text;
        }
        String::from_utf8_lossy(&self.bytes(Bytes::from(text))).into_owned()
    }
}

fn without(needle: &Finder<'static>, bytes: Bytes) -> Bytes {
    let Some(first) = needle.find(&bytes) else { return bytes };
    let length = needle.needle().len();
    let mut clean = BytesMut::with_capacity(bytes.len());
    let mut copied = 0;
    let mut next = Some(first);
    while let Some(at) = next {
        clean.extend_from_slice(&bytes[copied..at]);
        clean.extend_from_slice(REDACTED);
        copied = at + length;
        next = needle.find(&bytes[copied..]).map(|further| copied + further);
    }
    clean.extend_from_slice(&bytes[copied..]);
    clean.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-secret/with+slash";

    fn redacted(text: &'static str) -> String {
        String::from_utf8(Redactor::new(Some(KEY)).bytes(Bytes::from_static(text.as_bytes())).to_vec())
            .unwrap()
    }

    #[test]
    fn every_occurrence_goes() {
        assert_eq!(redacted("sk-secret/with+slash"), "[redacted]");
        assert_eq!(
            redacted("a sk-secret/with+slash, sk-secret/with+slashsk-secret/with+slash z"),
            "a [redacted], [redacted][redacted] z"
        );
        assert_eq!(redacted(r#"{"m":"sk-secret\/with+slash"}"#), r#"{"m":"[redacted]"}"#);
        assert_eq!(redacted("sk-secret/with+slas"), "sk-secret/with+slas");
    }

    #[test]
    fn what_is_clean_is_not_copied() {
        let bytes = Bytes::from_static(b"nothing here");
        assert_eq!(Redactor::new(Some(KEY)).bytes(bytes.clone()).as_ptr(), bytes.as_ptr());
    }

    #[test]
    fn placeholders_are_no_secrets() {
        for placeholder in [None, Some(""), Some("none"), Some("EMPTY")] {
            assert_eq!(Redactor::new(placeholder).text("none EMPTY".into()), "none EMPTY");
        }
    }

    #[test]
    fn texts_are_searched_too() {
        assert_eq!(Redactor::new(Some(KEY)).text(format!("bad key {KEY}")), "bad key [redacted]");
    }
}
