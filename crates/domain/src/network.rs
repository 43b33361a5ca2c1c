//! Networks of addresses, as keys may be bound to.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Bits of an IPv4 address.
const V4_BITS: u8 = 32;
/// Bits of an IPv6 address.
const V6_BITS: u8 = 128;

/// A network in CIDR form: an address whose host bits are all zero, and how many bits stand for the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotANetwork {
    /// It is no address, or what follows the slash is no length.
    #[error("must be an IP address or a network such as 10.0.0.0/8 or 2001:db8::/32")]
    Malformed,
    /// The address lies within the network instead of at its beginning.
    #[error("has bits beyond the network's length set: write the network's first address")]
    HostBits,
}

impl Network {
    /// Whether `address` lies in it. An IPv4 address that was written as IPv6 is that IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = plain(address);
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.bits) == self.first
    }

    /// Whether every address of `other` lies in it.
    pub fn covers(&self, other: &Self) -> bool {
        other.bits >= self.bits && self.contains(other.first)
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(length(bits)?)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_no_address| NotANetwork::Malformed)?;
        let first = plain(written);
        let most = if first.is_ipv4() { V4_BITS } else { V6_BITS };
        // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
        let before = if first.is_ipv4() && written.is_ipv6() { V6_BITS - V4_BITS } else { 0 };
        let bits = match bits {
            Some(bits) => {
                bits.checked_sub(before).filter(|bits| *bits <= most).ok_or(NotANetwork::Malformed)?
            }
            None => most,
        };
        if masked(first, bits) != first {
            return Err(NotANetwork::HostBits);
        }
        Ok(Self { first, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.bits == if self.first.is_ipv4() { V4_BITS } else { V6_BITS };
        if whole { write!(f, "{}", self.first) } else { write!(f, "{}/{}", self.first, self.bits) }
    }
}

/// Digits only: neither a sign nor a zero before others.
fn length(text: &str) -> Result<u8, NotANetwork> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| digits).ok_or(NotANetwork::Malformed)
}

fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(u32::from(V4_BITS.saturating_sub(bits))).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(u32::from(V6_BITS.saturating_sub(bits))).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_a_network_of_its_own() {
        assert!(network("10.1.2.3").contains("10.1.2.3".parse().unwrap()));
        assert!(!network("10.1.2.3").contains("10.1.2.4".parse().unwrap()));
        assert_eq!(network("10.1.2.3/32").to_string(), "10.1.2.3");
        assert_eq!(network("2001:db8::1/128").to_string(), "2001:db8::1");
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"),
        ] {
            assert!(network(text).contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!network(text).contains(outside.parse().unwrap()), "{text} {outside}");
        }
    }

    #[test]
    fn a_network_covers_its_parts() {
        assert!(network("10.0.0.0/8").covers(&network("10.1.0.0/16")));
        assert!(network("10.0.0.0/8").covers(&network("10.0.0.0/8")));
        assert!(!network("10.1.0.0/16").covers(&network("10.0.0.0/8")));
        assert!(!network("0.0.0.0/0").covers(&network("::/0")));
    }

    #[test]
    fn what_is_no_network_is_told_apart_from_one_with_host_bits() {
        for text in [
            "",
            "x",
            "10.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "::/129",
            "10.0.0.0/8/8",
            " 10.0.0.1",
            "::ffff:10.0.0.0/8",
            "010.0.0.1",
            "10.0.0.1 ",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork::Malformed), "{text}");
        }
        for text in ["10.0.0.1/8", "2001:db8::1/64", "0.0.0.1/0"] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork::HostBits), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused_without_a_panic(text in "[0-9a-f:./]{0,40}") {
            if let Ok(network) = text.parse::<Network>() {
                prop_assert_eq!(network.to_string().parse::<Network>(), Ok(network));
                prop_assert!(network.covers(&network));
            }
        }
    }
}
