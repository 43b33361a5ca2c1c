//! The cookies of pages: their names, and how they are set.

use actix_web::{HttpRequest, http::header::COOKIE};

/// What stands for a session.
const SESSION: &str = "tollgate";
/// What a form is bound to before anybody has signed in.
const FORM: &str = "tollgate-form";
/// What keeps a cookie from being set by another host of the same domain, or without TLS.
const HOST_PREFIX: &str = "__Host-";
/// Seconds for which a form may stand open before it is sent.
const FORM_SECONDS: i64 = 60 * 60;

/// A cookie of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// It stands for a session.
    Session,
    /// It stands for nothing: forms of who has not signed in are bound to it.
    Form,
}

impl Cookie {
    /// Its name where this is the public URL: plain only where browsers would not take the other.
    pub fn name(self, public_url: &str) -> String {
        let name = match self {
            Self::Session => SESSION,
            Self::Form => FORM,
        };
        if is_secure(public_url) { format!("{HOST_PREFIX}{name}") } else { name.to_owned() }
    }

    /// Its value in a request; none where two are there, of which one cannot be ours.
    pub fn of<'a>(self, request: &'a HttpRequest, public_url: &str) -> Option<&'a str> {
        let name = self.name(public_url);
        // By bytes: what another program of this host has put into its cookies is no matter.
        let pairs =
            request.headers().get_all(COOKIE).flat_map(|header| header.as_bytes().split(|b| *b == b';'));
        let mut values = pairs
            .filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='))
            .filter_map(|(key, value)| (key == name).then_some(value));
        let value = values.next()?;
        values.all(|other| other == value).then_some(value)
    }

    /// `Set-Cookie` with this value, for so many seconds. A link from a mail or a terminal brings the cookie along
    /// (`Lax`); a form on another site does not.
    pub fn set(self, public_url: &str, value: &str, seconds: i64) -> String {
        let (name, secure) = (self.name(public_url), if is_secure(public_url) { "; Secure" } else { "" });
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }

    /// `Set-Cookie` of a form's cookie with this value.
    pub fn set_form(public_url: &str, value: &str) -> String {
        Self::Form.set(public_url, value, FORM_SECONDS)
    }

    /// `Set-Cookie` that ends it.
    pub fn clear(self, public_url: &str) -> String {
        self.set(public_url, "", 0)
    }
}

fn is_secure(public_url: &str) -> bool {
    public_url.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const HTTP: &str = "http://localhost:8000";
    const HTTPS: &str = "https://gate.example";

    #[test]
    fn over_tls_no_other_host_sets_it() {
        assert_eq!(
            Cookie::Session.set(HTTPS, "v", 60),
            "__Host-tollgate=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            Cookie::clear(Cookie::Form, HTTPS),
            "__Host-tollgate-form=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            Cookie::Session.set(HTTP, "v", 60),
            "tollgate=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn one_value_is_read_by_its_exact_name() {
        let read = |url, headers: &[&str]| {
            let mut request = TestRequest::default();
            for header in headers {
                request = request.append_header((COOKIE, *header));
            }
            Cookie::Session.of(&request.to_http_request(), url).map(str::to_owned)
        };
        assert_eq!(read(HTTP, &["a=b; tollgate=v;c"]).as_deref(), Some("v"));
        assert_eq!(read(HTTP, &["a=b", "tollgate=v"]).as_deref(), Some("v"));
        assert_eq!(read(HTTP, &["tollgate=v; tollgate=v"]).as_deref(), Some("v"));
        assert_eq!(read(HTTP, &["theirs=\u{e9}; tollgate=v"]).as_deref(), Some("v"));
        assert_eq!(read(HTTP, &["tollgate=v; tollgate=w"]), None);
        assert_eq!(read(HTTP, &["__Host-tollgate=v; tollgate-form=w; Tollgate=x"]), None);
        assert_eq!(read(HTTPS, &["tollgate=v"]), None);
        assert_eq!(read(HTTPS, &["tollgate=v; __Host-tollgate=w"]).as_deref(), Some("w"));
        assert_eq!(read(HTTP, &[]), None);
    }
}
