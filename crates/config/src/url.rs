//! URLs that a configuration names.

use http::Uri;

/// What to do about a URL that is not one.
pub(crate) const REMEDY: &str =
    "give http:// or https://, a host, and perhaps a port and a path; no credentials, `?` or `#`";

/// Checks the base of other URLs and returns it without a slash at its end.
///
/// The error never repeats the text, which may hold credentials.
pub(crate) fn base(text: &str) -> Result<String, String> {
    let not_url = || "is not a URL to build on".to_owned();
    let text = text.trim();
    let uri: Uri = text.parse().map_err(|_invalid| not_url())?;
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    if authority.contains('@') {
        return Err("has credentials in it".to_owned());
    }
    let host = uri.host().unwrap_or_default();
    let http = matches!(uri.scheme_str(), Some("http" | "https"));
    let host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    let plain =
        !host.is_empty() && host.bytes().all(host_byte) && !authority.ends_with(':') && !text.contains('#');
    if !http || !plain || uri.query().is_some() {
        return Err(not_url());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// The name of a URL's host, without its port; `localhost` where it is an address.
pub(crate) fn host_name(base: &str) -> String {
    let uri = base.parse::<Uri>().unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    let is_address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok();
    if is_address || host.is_empty() { "localhost".to_owned() } else { host.to_owned() }
}

/// Checks a browser origin: scheme and host, perhaps a port, where `*` stands for any.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    let checked = text.strip_suffix(":*").unwrap_or(text);
    match base(checked) {
        Ok(base) if base.splitn(4, '/').count() == 3 && base.len() == checked.len() => Ok(text.to_owned()),
        _ => Err("has an entry that is not an origin".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{base, host_name, origin};

    #[test]
    fn bases() {
        assert_eq!(base("https://api.example.com/v1/").as_deref(), Ok("https://api.example.com/v1"));
        assert_eq!(base("http://[::1]:8000").as_deref(), Ok("http://[::1]:8000"));
        for bad in [
            "",
            "example.com",
            "ftp://x",
            "http://",
            "http:///x",
            "https://a b",
            "http://x?y",
            "http://x#y",
            "/x",
        ] {
            assert!(base(bad).is_err(), "{bad}");
        }
        assert_eq!(base("https://me:hunter2@host").unwrap_err(), "has credentials in it");
    }

    #[test]
    fn host_names() {
        assert_eq!(host_name("https://api.example.com:8443/v1"), "api.example.com");
        for local in ["http://localhost", "http://192.0.2.1:8000", "http://[2001:db8::1]:8000"] {
            assert_eq!(host_name(local), "localhost");
        }
    }

    #[test]
    fn origins() {
        for good in ["http://localhost:*", "https://app.example.com", "http://127.0.0.1:5173"] {
            assert!(origin(good).is_ok(), "{good}");
        }
        for bad in ["*", "https://app.example.com/", "https://app.example.com/x", "localhost", "https://*"] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
