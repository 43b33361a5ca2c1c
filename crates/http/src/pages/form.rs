//! Forms: only those that our own pages made, sent from our own pages, are taken.
//!
//! Two things that another site cannot both have. The browser says where the form was sent from (`Sec-Fetch-Site`,
//! or `Origin` or `Referer` where it does not say that); and the form carries a token that belongs to a cookie, which
//! no other site reads. The form for signing in is no exception: signed in as somebody else, a user would give away
//! what they do next.

use std::pin::Pin;

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{
        StatusCode,
        header::{HeaderName, ORIGIN, REFERER},
    },
    web::Data,
};
use maud::{Markup, html};
use serde::de::DeserializeOwned;

use super::cookie::Cookie;
use crate::{extract::Form, problem::Problem, state::State};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The field with the token.
const FIELD: &str = "form_token";

/// The fields of a form that was sent from one of our pages. Whether the form itself is ours, its handler asks with
/// [`check`], since it knows whose it is.
#[derive(Debug)]
pub struct PageForm<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for PageForm<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let state = request.app_data::<Data<State>>();
            let state = state.ok_or_else(|| Problem::internal("the state is missing"))?;
            if !is_from_us(&request, state.public_url()) {
                return Err(refused(state.public_url()));
            }
            Form::from_request(&request, &mut payload).await.map(|Form(fields)| Self(fields))
        })
    }
}

/// The hidden field of a form for the browser with this cookie.
pub fn token(state: &State, cookie: &str) -> Markup {
    html! { input type="hidden" name=(FIELD) value=(state.accounts.form_token(cookie)); }
}

/// Whether a form with this token was made for the browser that sends it.
///
/// # Errors
/// 403 where not, or where the browser has no such cookie.
pub fn check(state: &State, request: &HttpRequest, cookie: Cookie, token: &str) -> Result<(), Problem> {
    let value = cookie.of(request, state.public_url()).unwrap_or_default();
    if state.accounts.is_form_token(value, token) { Ok(()) } else { Err(refused(state.public_url())) }
}

fn refused(public_url: &str) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "form_refused",
        format!(
            "This form is too old, or it was not made for this browser. Cookies must be allowed, and the address must \
             begin with {public_url}. Open the page again and send it once more."
        ),
    )
}

fn is_from_us(request: &HttpRequest, public_url: &str) -> bool {
    let all = |name: HeaderName, fits: &dyn Fn(&str) -> bool| {
        let mut values = request.headers().get_all(name).peekable();
        values.peek().is_some().then(|| values.all(|value| value.to_str().is_ok_and(fits)))
    };
    let origin = origin(public_url);
    // `none` is a person: a reload, or an address typed in.
    all(SEC_FETCH_SITE, &|site| matches!(site, "same-origin" | "none"))
        .or_else(|| all(ORIGIN, &|from| from == origin))
        .or_else(|| {
            all(REFERER, &|from| {
                from.strip_prefix(&origin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        })
        .unwrap_or(false)
}

/// A URL's origin as browsers write it: scheme, host, and the port where it is not the scheme's own.
fn origin(url: &str) -> String {
    let url = url.to_ascii_lowercase();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", &url));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let own_port = match scheme {
        "https" => ":443",
        _ => ":80",
    };
    format!("{scheme}://{}", host.strip_suffix(own_port).unwrap_or(host))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const US: &str = "https://gate.example/below";

    fn taken(headers: &[(&'static str, &str)]) -> bool {
        let mut request = TestRequest::post();
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        is_from_us(&request.to_http_request(), US)
    }

    #[test]
    fn the_browser_says_where_a_form_was_sent_from() {
        for site in ["same-origin", "none"] {
            assert!(taken(&[("sec-fetch-site", site)]));
            // An old page of ours names no origin; what browsers say of the site goes first.
            assert!(taken(&[("sec-fetch-site", site), ("origin", "null")]));
        }
        for site in ["same-site", "cross-site", "", "same-origin, cross-site", "SAME-ORIGIN"] {
            assert!(!taken(&[("sec-fetch-site", site), ("origin", "https://gate.example")]), "{site}");
        }
        assert!(!taken(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn without_that_its_origin_or_referer_is_ours() {
        assert!(taken(&[("origin", "https://gate.example")]));
        assert!(taken(&[("referer", "https://gate.example")]));
        assert!(taken(&[("referer", "https://gate.example/device")]));
        for origin in [
            "null",
            "",
            "http://gate.example",
            "https://gate.example:8443",
            "https://gate.example.evil.example",
            "https://evil.example",
        ] {
            assert!(!taken(&[("origin", origin)]), "{origin}");
            assert!(!taken(&[("origin", origin), ("referer", "https://gate.example/device")]), "{origin}");
            assert!(!taken(&[("referer", origin)]), "{origin}");
        }
        assert!(!taken(&[("referer", "https://gate.example@evil.example/")]));
        assert!(!taken(&[]));
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for (url, wanted) in [
            ("https://Gate.Example", "https://gate.example"),
            ("https://gate.example:443", "https://gate.example"),
            ("http://gate.example:443/x", "http://gate.example:443"),
            ("http://localhost:8000", "http://localhost:8000"),
            ("http://[::1]:80/a?b", "http://[::1]"),
        ] {
            assert_eq!(origin(url), wanted);
        }
    }
}
