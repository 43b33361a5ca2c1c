//! Whose request it is, when proxies stand between.

use std::net::{IpAddr, SocketAddr};

use actix_web::{HttpRequest, http::header::HeaderMap};
use ipnet::IpNet;

const X_FORWARDED_FOR: &str = "x-forwarded-for";
/// Hops that are looked at, from the nearest on.
const MAX_HOPS: usize = 32;

/// The address of the client: the connection's, or, where that is a trusted proxy's, the last address in
/// `X-Forwarded-For` that no trusted proxy has.
pub fn of(request: &HttpRequest, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = request.peer_addr().as_ref().map(SocketAddr::ip).map(plain)?;
    Some(behind(peer, request.headers(), trusted))
}

fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    // By bytes: whatever a client has written, the hops that proxies put behind it in the same line are read.
    let forwarded: Vec<&[u8]> = headers
        .get_all(X_FORWARDED_FOR)
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .collect();
    let mut nearest = peer;
    for hop in forwarded.into_iter().rev().take(MAX_HOPS) {
        if !is_trusted(&nearest) {
            break;
        }
        // What a trusted proxy did not write as an address is nobody's: the proxy itself is the client.
        match std::str::from_utf8(hop).ok().and_then(|hop| address(hop.trim())) {
            Some(address) => nearest = address,
            None => break,
        }
    }
    nearest
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip())).map(plain)
}

/// An IPv4 address that was written as IPv6 is that IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{
        http::header::{HeaderName, HeaderValue},
        test::TestRequest,
    };

    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let mut request = TestRequest::default().peer_addr(SocketAddr::new(peer.parse().unwrap(), 1));
        for value in forwarded {
            request = request.append_header((X_FORWARDED_FOR, *value));
        }
        let trusted = ["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        of(&request.to_http_request(), &trusted).unwrap().to_string()
    }

    #[test]
    fn strangers_are_not_believed() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn the_last_address_that_is_no_trusted_proxys_is_the_clients() {
        assert_eq!(seen("127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("127.0.0.1", &["6.6.6.6, 198.51.100.1, 10.1.2.3"]), "198.51.100.1");
        assert_eq!(seen("127.0.0.1", &["6.6.6.6", "198.51.100.1", "10.1.2.3"]), "198.51.100.1");
        assert_eq!(seen("127.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(seen("127.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(seen("127.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(seen("::ffff:127.0.0.1", &["::ffff:198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn what_a_client_writes_before_its_proxys_hop_hides_nothing() {
        let behind_proxy = |line: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.append(HeaderName::from_static(X_FORWARDED_FOR), HeaderValue::from_bytes(line).unwrap());
            behind([127, 0, 0, 1].into(), &headers, &["127.0.0.0/8".parse().unwrap()]).to_string()
        };
        assert_eq!(behind_proxy(b"\xff, 203.0.113.9"), "203.0.113.9");
        assert_eq!(behind_proxy(b"127.0.0.1\xff, 203.0.113.9"), "203.0.113.9");
        assert_eq!(behind_proxy("10.0.0.1\u{e9}, 203.0.113.9".as_bytes()), "203.0.113.9");
        assert_eq!(behind_proxy(b"203.0.113.9, \xff"), "127.0.0.1");
    }

    #[test]
    fn what_is_no_address_ends_the_search() {
        assert_eq!(seen("127.0.0.1", &["198.51.100.1, unknown"]), "127.0.0.1");
        assert_eq!(seen("127.0.0.1", &["198.51.100.1, junk, 10.1.2.3"]), "10.1.2.3");
        assert_eq!(seen("127.0.0.1", &[""]), "127.0.0.1");
        assert_eq!(seen("127.0.0.1", &[]), "127.0.0.1");
    }
}
