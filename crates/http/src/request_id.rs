//! `X-Request-Id`: kept as it came where it is plain, else made here.

use actix_web::{
    HttpMessage, HttpRequest,
    http::header::{HeaderMap, HeaderName},
};
use tollgate_domain::{Clock, Randomness, id::uuid_v7};

/// The header, in requests and answers.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is kept, in bytes.
const MAX_BYTES: usize = 128;

/// The id of a request, for its answer, its problem and its log lines. Records have ids of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// The id that came, or a new one.
    pub fn of(headers: &HeaderMap, clock: &dyn Clock, random: &dyn Randomness) -> Self {
        let came = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
        match came.filter(|id| is_plain(id)) {
            Some(id) => Self(id.to_owned()),
            None => Self(uuid_v7(clock.now(), random).simple().to_string()),
        }
    }

    /// The id that this request was given.
    pub fn given(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }
}

fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !id.is_empty() && id.len() <= MAX_BYTES && id.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_ids_are_kept() {
        let longest = "a".repeat(MAX_BYTES);
        for id in ["a", "A-1_b.c", &longest] {
            assert!(is_plain(id), "{id}");
        }
        for id in ["", "a b", "a\r\nb", "<script>", "é", &format!("{longest}a")] {
            assert!(!is_plain(id), "{id}");
        }
    }
}
