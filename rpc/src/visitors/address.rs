//! Addresses: ranges of them, and the client's behind proxies.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use http::HeaderMap;
use serde::{Deserialize, Serialize};

/// Where a proxy says whom it stands for, the last one nearest to us.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Addresses of a chain of proxies that are looked at.
const PROXIES_MAX: usize = 16;

/// Those who share one allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    V4(Ipv4Addr),
    /// The first 64 bits.
    V6(u64),
}

/// A source, or one of the wider networks that it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    Source(Source),
    /// The first 48 bits of IPv6: what one customer often has.
    V6Site(u64),
    /// The first 32: what one provider has at least.
    V6Provider(u64),
}

impl Network {
    /// Returns how many times a source's allowance all of it has.
    pub(crate) const fn share(self) -> u32 {
        match self {
            Self::Source(_) => 1,
            Self::V6Site(_) => 16,
            Self::V6Provider(_) => 256,
        }
    }
}

impl Source {
    /// Returns whose allowances it takes from, its own first.
    pub(crate) fn networks(self) -> impl Iterator<Item = Network> + Clone {
        let wider = match self {
            Self::V4(_) => [None, None],
            Self::V6(bits) => [
                Some(Network::V6Site(bits >> 16)),
                Some(Network::V6Provider(bits >> 32)),
            ],
        };
        let own = std::iter::once(Network::Source(self));
        own.chain(wider.into_iter().flatten())
    }
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            // The shift leaves 64 bits.
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// A text that is no range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no address and no range such as 10.0.0.0/8")]
pub struct BadAddressRange {
    /// The text.
    pub text: String,
}

/// Addresses that begin with the same bits: `10.0.0.0/8`, `fd00::/8`, or one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressRange {
    first: IpAddr,
    /// How many bits are the same; at most those of `first`.
    bits: u8,
}

impl AddressRange {
    /// Returns whether `address` lies in it; one of IPv4 written as IPv6 is one of IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let rest = 32_u32.saturating_sub(self.bits.into());
                let is_same = (first.to_bits() ^ address.to_bits()).checked_shr(rest);
                is_same.unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let rest = 128_u32.saturating_sub(self.bits.into());
                let is_same = (first.to_bits() ^ address.to_bits()).checked_shr(rest);
                is_same.unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for AddressRange {
    type Err = BadAddressRange;

    fn from_str(text: &str) -> Result<Self, BadAddressRange> {
        let bad = || BadAddressRange { text: text.into() };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| bad())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| bad()))?;
        let is_mapped = matches!(first, IpAddr::V6(it) if it.to_ipv4_mapped().is_some());
        match (is_mapped, bits.checked_sub(96)) {
            _ if bits > most => Err(bad()),
            (true, Some(bits)) => Ok(Self {
                first: first.to_canonical(),
                bits,
            }),
            (true, None) => Err(bad()),
            (false, _) => Ok(Self { first, bits }),
        }
    }
}

impl TryFrom<String> for AddressRange {
    type Error = BadAddressRange;

    fn try_from(text: String) -> Result<Self, BadAddressRange> {
        text.parse()
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

impl From<AddressRange> for String {
    fn from(range: AddressRange) -> Self {
        range.to_string()
    }
}

/// Returns whose request it is: the socket's peer or, where that is a proxy of `trusted`, the last
/// address of `X-Forwarded-For` that is none. What stands before that one anybody may have written.
pub(crate) fn client_of(peer: IpAddr, headers: &HeaderMap, trusted: &[AddressRange]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let mut client = peer;
    let values = headers.get_all(FORWARDED_FOR);
    let values: Vec<_> = values.iter().filter_map(|it| it.to_str().ok()).collect();
    let names = values.iter().rev().flat_map(|it| it.rsplit(','));
    for name in names.take(PROXIES_MAX) {
        if !is_trusted(client) {
            break;
        }
        match address(name.trim()) {
            Some(address) => client = address,
            // Whom the proxy stands for it does not say.
            None => break,
        }
    }
    client
}

/// Reads an address, which some proxies write with a port or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let with_port = || text.parse().ok().map(|it: SocketAddr| it.ip());
    let v6 = || bare.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    text.parse().ok().or_else(with_port).or_else(v6)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn sixty_four_bits_of_ipv6_are_one_source_and_mapped_ipv4_is_ipv4() {
        let source = |text| Source::from(ip(text));
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:0:0:2"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:192.0.2.7"), source("192.0.2.7"));
        assert_ne!(source("192.0.2.8"), source("192.0.2.7"));
    }

    #[test]
    fn a_range_holds_what_begins_with_its_bits() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("fd00::/8", "fdff::1", true),
            ("::1", "::1", true),
            ("::/0", "2001:db8::1", true),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
        ];
        for (range, address, holds) in cases {
            let range: AddressRange = range.parse().unwrap();
            assert_eq!(range.contains(ip(address)), holds, "{range} {address}");
            assert_eq!(range.to_string().parse(), Ok(range));
        }
        for text in [
            "",
            "10",
            "10.0.0.0/33",
            "::1/129",
            "::1/-1",
            "::ffff:1.2.3.4/64",
            "a/8",
        ] {
            assert!(text.parse::<AddressRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_says_whom_it_stands_for() {
        let trusted: Vec<AddressRange> = ["10.0.0.0/8", "::1"].map(|it| it.parse().unwrap()).into();
        let cases: [(&str, &[&str], &str); 10] = [
            // Nobody believes a stranger.
            ("192.0.2.1", &["198.51.100.1"], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            // What the client wrote itself stands before what the proxy saw.
            ("10.0.0.1", &["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            (
                "10.0.0.1",
                &["203.0.113.9", "198.51.100.1, 10.0.0.2"],
                "198.51.100.1",
            ),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("::1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ];
        for (peer, forwarded, client) in cases {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
            }
            assert_eq!(
                client_of(ip(peer), &headers, &trusted),
                ip(client),
                "{forwarded:?}"
            );
        }
    }
}
