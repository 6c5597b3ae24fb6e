//! Who is behind a connection, and how much each may ask.
//!
//! The node knows an address from the socket alone, unless a proxy that the operator trusts says
//! whom it stands for. An IPv6 network of 64 bits counts as one: whoever has an address of it has
//! them all. Many have 48 bits or fewer, and so any number of those: such wider networks have
//! allowances of their own, some times as large, which what is asked within them takes from too.

mod address;
mod allowance;
mod clock;

pub use address::{AddressRange, BadAddressRange};
pub(crate) use address::{Network, Source, client_of};
pub(crate) use allowance::{Place, Visitors};
pub use clock::RateClock;

/// What one address may ask. Sources: an IPv4 address, or the /64 of an IPv6 one; all of a /48
/// together may ask 16 times as much, and all of a /32 256 times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitorLimits {
    /// Connections of one address at a time. Default 128.
    pub connections_max: u32,
    /// Calls a second of one address in the long run; 0 means any number. Default 100.
    pub calls_per_s: u32,
    /// Calls of one address at once, after as much rest as they take at `calls_per_s`. A batch of
    /// more counts as so many. Default 1,000.
    pub calls_burst: u32,
    /// Whether clients on this machine are limited too. Default false: a proxy that the operator
    /// did not name would make all its clients one.
    pub is_loopback_limited: bool,
    /// Proxies whose `X-Forwarded-For` is believed. Default none.
    pub trusted_proxies: Vec<AddressRange>,
}

impl Default for VisitorLimits {
    fn default() -> Self {
        Self {
            connections_max: 128,
            calls_per_s: 100,
            calls_burst: 1_000,
            is_loopback_limited: false,
            trusted_proxies: Vec::new(),
        }
    }
}
