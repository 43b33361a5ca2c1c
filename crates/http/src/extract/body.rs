//! Bodies: JSON, or a form where the contract takes one.

use std::{pin::Pin, time::Duration};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::{
        StatusCode,
        header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap},
    },
    rt::time::timeout,
    web::{self, Bytes, Data},
};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::once::{IDEMPOTENCY_KEY, RawBody};
use crate::{problem::Problem, state::State};

/// The longest body where no state says so.
const DEFAULT_MAX_BYTES: usize = 64 * 1024;
/// How long a body may take from its first byte to its last.
const MAX_TIME: Duration = Duration::from_secs(30);
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// A JSON body or a form, by its content type.
#[derive(Debug)]
pub struct JsonOrForm<T>(pub T);

/// A form.
#[derive(Debug)]
pub struct Form<T>(pub T);

/// A JSON body, or none: then what stands for nothing said.
#[derive(Debug)]
pub struct MaybeBody<T>(pub T);

/// A JSON body or a form, or none: then what stands for nothing said.
#[derive(Debug)]
pub struct MaybeJsonOrForm<T>(pub T);

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

impl<T: DeserializeOwned> FromRequest for Body<T> {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            if !is_json(kind(&request)) {
                return Err(Problem::wrong_media_type(JSON));
            }
            json(&read(&request, payload).await?).map(Self)
        })
    }
}

impl<T: DeserializeOwned> FromRequest for JsonOrForm<T> {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            match kind(&request) {
                kind if is_json(kind) => json(&read(&request, payload).await?).map(Self),
                kind if kind.eq_ignore_ascii_case(FORM) => form(&read(&request, payload).await?).map(Self),
                _ => Err(Problem::wrong_media_type(&format!("{JSON} or {FORM}"))),
            }
        })
    }
}

impl<T: DeserializeOwned> FromRequest for Form<T> {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            match kind(&request).eq_ignore_ascii_case(FORM) {
                true => form(&read(&request, payload).await?).map(Self),
                false => Err(Problem::wrong_media_type(FORM)),
            }
        })
    }
}

impl<T: DeserializeOwned + Default> FromRequest for MaybeBody<T> {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = read(&request, payload).await?;
            match bytes.is_empty() {
                // Some clients name a type even then.
                true => Ok(Self(T::default())),
                false if is_json(kind(&request)) => json(&bytes).map(Self),
                false => Err(Problem::wrong_media_type(JSON)),
            }
        })
    }
}

impl<T: DeserializeOwned + Default> FromRequest for MaybeJsonOrForm<T> {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = read(&request, payload).await?;
            match kind(&request) {
                _ if bytes.is_empty() => Ok(Self(T::default())),
                kind if is_json(kind) => json(&bytes).map(Self),
                kind if kind.eq_ignore_ascii_case(FORM) => form(&bytes).map(Self),
                _ => Err(Problem::wrong_media_type(&format!("{JSON} or {FORM}"))),
            }
        })
    }
}

/// Whether the body is compressed or encoded otherwise, by its own account: such a body is not taken.
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// What the body is by its own account; without any, it is taken for JSON, as in the gate.
fn kind(request: &HttpRequest) -> &str {
    if request.headers().contains_key(CONTENT_TYPE) { request.content_type() } else { JSON }
}

fn is_json(content_type: &str) -> bool {
    content_type.eq_ignore_ascii_case(JSON)
        || content_type.len() > "application/+json".len()
            && content_type.to_ascii_lowercase().starts_with("application/")
            && content_type.to_ascii_lowercase().ends_with("+json")
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // Without this, an array would be taken for an object's members in the order of their declaration.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        serde_json::from_slice::<IgnoredAny>(bytes).map_err(not_json)?;
        return Err(Problem::field("body", "wrong_type", "must be a JSON object"));
    }
    let mut text = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut text).map_err(|error| Problem::unfit(&error, bytes))?;
    text.end().map_err(not_json)?;
    Ok(read)
}

fn not_json(error: serde_json::Error) -> Problem {
    Problem::malformed(format!("The body is not JSON: {error}."))
}

fn form<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text =
        std::str::from_utf8(bytes).map_err(|_not_utf8| Problem::malformed("The form is not UTF-8."))?;
    let read = web::Query::<T>::from_query(text).map_err(|error| {
        let words = error.to_string();
        let words = words.rsplit_once("error: ").map_or(words.as_str(), |(_, words)| words).to_owned();
        let field = words.split('`').nth(1).unwrap_or("body").to_owned();
        let code = if words.contains("missing field") { "missing" } else { "invalid_value" };
        Problem::field(field, code, words)
    })?;
    Ok(read.into_inner())
}

async fn read(request: &HttpRequest, payload: Payload) -> Result<Bytes, Problem> {
    if is_encoded(request.headers()) {
        return Err(Problem::encoded_body());
    }
    let state = request.app_data::<Data<State>>();
    let limit = state.map_or(DEFAULT_MAX_BYTES, |state| state.settings.max_body_bytes);
    let body = web::Payload::from_request(request, &mut { payload })
        .await
        .map_err(|error| Problem::malformed("The body cannot be read.").caused_by(error.to_string()))?;
    let Ok(body) = timeout(MAX_TIME, body.to_bytes_limited(limit)).await else {
        return Err(Problem::of_status(StatusCode::REQUEST_TIMEOUT));
    };
    match body {
        Ok(Ok(bytes)) => {
            // Whether a call is the same as another is a matter of its bytes.
            if request.headers().contains_key(IDEMPOTENCY_KEY) {
                request.extensions_mut().insert(RawBody(bytes.clone()));
            }
            Ok(bytes)
        }
        Ok(Err(error)) => {
            Err(Problem::malformed("The body broke off or its encoding is wrong.")
                .caused_by(error.to_string()))
        }
        Err(_too_large) => Err(Problem::too_large(limit)),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    struct Sample {
        name: String,
    }

    #[actix_web::test]
    async fn what_says_nothing_of_itself_is_taken_for_json() {
        for (body, wanted) in [(r#"{"name": "a"}"#, Ok("a".to_owned())), ("name=a", Err("malformed_request"))]
        {
            let (request, mut payload) = TestRequest::default().set_payload(body).to_http_parts();
            let taken = JsonOrForm::<Sample>::from_request(&request, &mut payload).await;
            assert_eq!(taken.map(|sample| sample.0.name).map_err(|problem| problem.code()), wanted);
        }
    }

    async fn taken(kind: &str, body: &str) -> Result<String, &'static str> {
        let request = TestRequest::default().insert_header(("content-type", kind));
        let (request, mut payload) = request.set_payload(body.to_owned()).to_http_parts();
        let taken = JsonOrForm::<Sample>::from_request(&request, &mut payload).await;
        taken.map(|sample| sample.0.name).map_err(|problem| problem.code())
    }

    #[actix_web::test]
    async fn the_content_type_decides() {
        assert_eq!(taken("application/json", r#"{"name": "a"}"#).await, Ok("a".into()));
        assert_eq!(taken("application/json; charset=utf-8", r#"{"name": "a"}"#).await, Ok("a".into()));
        assert_eq!(taken("application/vnd.x+json", r#"{"name": "a"}"#).await, Ok("a".into()));
        assert_eq!(taken(FORM, "name=a%20b&grant_type=password").await, Ok("a b".into()));
        assert_eq!(taken(FORM, "other=a").await, Err("validation_failed"));
        assert_eq!(taken("text/plain", r#"{"name": "a"}"#).await, Err("unsupported_media_type"));
    }

    #[actix_web::test]
    async fn a_body_may_be_left_out_where_nothing_must_be_said() {
        for (kind, body, wanted) in [
            (None, "", Ok("")),
            (Some(JSON), "", Ok("")),
            (Some("text/plain"), "", Ok("")),
            (Some(JSON), r#"{"name": "a"}"#, Ok("a")),
            (Some(JSON), "{}", Err("validation_failed")),
            (Some(JSON), "{", Err("malformed_request")),
            (Some("text/plain"), "x", Err("unsupported_media_type")),
            (None, r#"{"name": "a"}"#, Ok("a")),
            (None, "name=a", Err("malformed_request")),
        ] {
            let mut request = TestRequest::default().set_payload(body);
            if let Some(kind) = kind {
                request = request.insert_header(("content-type", kind));
            }
            let (request, mut payload) = request.to_http_parts();
            let taken = MaybeBody::<Sample>::from_request(&request, &mut payload).await;
            let taken = taken.map(|sample| sample.0.name).map_err(|problem| problem.code());
            assert_eq!(taken, wanted.map(str::to_owned), "{kind:?} {body}");
        }
    }

    #[actix_web::test]
    async fn a_form_may_be_left_out_too() {
        for (kind, body, wanted) in [
            ("", "", Ok("")),
            (FORM, "", Ok("")),
            (JSON, "", Ok("")),
            (FORM, "name=a", Ok("a")),
            (JSON, r#"{"name": "a"}"#, Ok("a")),
            (FORM, "other=a", Err("validation_failed")),
            ("", "name=a", Err("unsupported_media_type")),
        ] {
            let request = TestRequest::default().insert_header(("content-type", kind)).set_payload(body);
            let (request, mut payload) = request.to_http_parts();
            let taken = MaybeJsonOrForm::<Sample>::from_request(&request, &mut payload).await;
            let taken = taken.map(|sample| sample.0.name).map_err(|problem| problem.code());
            assert_eq!(taken, wanted.map(str::to_owned), "{kind:?} {body}");
        }
    }

    #[actix_web::test]
    async fn an_encoded_body_is_not_taken() {
        for (encoding, wanted) in [
            ("identity", Ok("a".to_owned())),
            ("Identity", Ok("a".to_owned())),
            ("gzip", Err("unsupported_media_type")),
            ("identity, br", Err("unsupported_media_type")),
        ] {
            let request = TestRequest::default()
                .insert_header(("content-type", JSON))
                .insert_header(("content-encoding", encoding));
            let (request, mut payload) = request.set_payload(r#"{"name": "a"}"#).to_http_parts();
            let taken = Body::<Sample>::from_request(&request, &mut payload).await;
            assert_eq!(taken.map(|sample| sample.0.name).map_err(|problem| problem.code()), wanted);
        }
    }

    #[actix_web::test]
    async fn what_follows_the_json_is_no_json() {
        assert_eq!(taken("application/json", r#"{"name": "a"} x"#).await, Err("malformed_request"));
    }

    #[actix_web::test]
    async fn only_an_object_is_taken() {
        for body in [r#"["a"]"#, "null", "1", r#""a""#] {
            assert_eq!(taken("application/json", body).await, Err("validation_failed"), "{body}");
        }
        for body in ["", " ", "[", "[\"a\"", "nul"] {
            assert_eq!(taken("application/json", body).await, Err("malformed_request"), "{body}");
        }
    }

    #[actix_web::test]
    async fn a_body_beyond_the_limit_is_too_large() {
        let long = format!(r#"{{"name": "{}"}}"#, "a".repeat(DEFAULT_MAX_BYTES));
        assert_eq!(taken("application/json", &long).await, Err("payload_too_large"));
    }
}
