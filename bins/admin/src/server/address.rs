//! Where a server is.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ureq::http::Uri;

/// The longest address.
const MAX_BYTES: usize = 2_000;

/// A text that is no address of a server. What was given is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "--server takes the address of a server such as https://tollgate.example.com or http://127.0.0.1:8000/gateway: \
     no password, no `?`, no `#`"
)]
pub struct NotAnAddress;

/// The address of a server, with the path before its API where a proxy has put one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    base: String,
    is_exposed: bool,
}

impl Address {
    /// The address of a path of the server's.
    pub fn of(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Whether what is sent there can be read on the way: it is not encrypted and leaves this machine.
    pub fn is_exposed(&self) -> bool {
        self.is_exposed
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let text = text.trim();
        if text.len() > MAX_BYTES || text.contains(['@', '?', '#', '\\']) {
            return Err(NotAnAddress);
        }
        let uri: Uri = text.parse().map_err(|_no_uri| NotAnAddress)?;
        let is_encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(NotAnAddress),
        };
        let authority = uri.authority().ok_or(NotAnAddress)?;
        let host = authority.host();
        let is_whole = match authority.as_str().strip_prefix(host) {
            Some("") => true,
            Some(_) => authority.port_u16().is_some_and(|port| port > 0),
            None => false,
        };
        if host.is_empty() || !is_whole {
            return Err(NotAnAddress);
        }
        Ok(Self {
            base: text.trim_end_matches('/').to_owned(),
            is_exposed: !is_encrypted && !is_loopback(host),
        })
    }
}

fn is_loopback(host: &str) -> bool {
    let v6 = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || v6.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_before_the_api_is_kept() {
        for (text, path) in [
            ("https://tollgate.example.com", "https://tollgate.example.com/api"),
            (" https://tollgate.example.com/ ", "https://tollgate.example.com/api"),
            ("http://127.0.0.1:8000/gateway", "http://127.0.0.1:8000/gateway/api"),
            ("https://[2001:db8::1]:8443/a/b//", "https://[2001:db8::1]:8443/a/b/api"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().of("/api"), path);
        }
    }

    #[test]
    fn only_addresses_of_servers_are_taken() {
        for text in [
            "",
            "tollgate.example.com",
            "127.0.0.1:8000",
            "ftp://tollgate.example.com",
            "https://",
            "https:///gateway",
            "https://:8000",
            "https://tollgate.example.com:0",
            "https://tollgate.example.com:99999",
            "https://root:secret@tollgate.example.com",
            "https://tollgate.example.com?a=b",
            "https://tollgate.example.com/#a",
            "https://tollgate example.com",
            &format!("https://tollgate.example.com/{}", "a".repeat(MAX_BYTES)),
        ] {
            assert_eq!(text.parse::<Address>(), Err(NotAnAddress), "{text}");
        }
    }

    #[test]
    fn what_leaves_the_machine_unencrypted_is_exposed() {
        for (text, is_exposed) in [
            ("https://tollgate.example.com", false),
            ("http://localhost:8000", false),
            ("http://127.1.2.3", false),
            ("http://[::1]:8000", false),
            ("http://tollgate.example.com", true),
            ("http://localhost.example.com", true),
            ("http://192.168.0.1", true),
            ("http://[2001:db8::1]", true),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().is_exposed(), is_exposed, "{text}");
        }
    }
}
