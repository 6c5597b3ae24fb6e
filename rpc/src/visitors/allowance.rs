//! How much each source may still ask, and how many connections it has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use lru::LruCache;

use super::{Network, RateClock, Source, VisitorLimits, client_of};

/// Networks that are remembered; of more, those that were silent longest are forgotten and begin
/// anew. Three megabytes.
const NETWORKS_MAX: NonZeroUsize = NonZeroUsize::new(32_768).expect("it is not zero");
/// A source itself, and the wider networks that it lies in.
const NETWORKS_OF_SOURCE_MAX: usize = 3;
/// Connections above the maximum of a source that are told so, instead of closed at once.
const TOLD_MAX: u32 = 4;

/// What every source may still ask.
#[derive(Debug)]
pub(crate) struct Visitors {
    limits: VisitorLimits,
    clock: RateClock,
    /// When each network will have rested for all it has asked.
    rested: Mutex<LruCache<Network, Duration>>,
    /// Connections of each network that has any: at most three entries a socket.
    connections: Mutex<HashMap<Network, u32>>,
}

impl Visitors {
    pub(crate) fn new(limits: VisitorLimits, clock: RateClock) -> Self {
        Self {
            limits,
            clock,
            rested: Mutex::new(LruCache::new(NETWORKS_MAX)),
            connections: Mutex::default(),
        }
    }

    /// Returns who is behind a socket; `None` if that is not limited, or if it is a proxy, whose
    /// requests say it.
    pub(crate) fn of_socket(&self, peer: IpAddr) -> Option<Source> {
        let is_proxy = self.is_proxy(peer);
        self.limited(peer).filter(|_| !is_proxy)
    }

    /// Returns who asks; `None` if that is not limited.
    pub(crate) fn of_request(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Source> {
        if !self.is_proxy(peer) {
            return self.limited(peer);
        }
        // Never free: what a header says of loopback is another machine's, or a lie, and without
        // a header all are the proxy's.
        let client = client_of(peer, headers, &self.limits.trusted_proxies);
        Some(Source::from(client))
    }

    /// Returns whether requests that come from there are others'.
    pub(crate) fn is_proxy(&self, peer: IpAddr) -> bool {
        let mut proxies = self.limits.trusted_proxies.iter();
        proxies.any(|range| range.contains(peer))
    }

    fn limited(&self, address: IpAddr) -> Option<Source> {
        let is_free = address.to_canonical().is_loopback() && !self.limits.is_loopback_limited;
        (!is_free).then(|| Source::from(address))
    }

    /// Lets `source` ask `calls` more, or returns how long it must wait before it may.
    pub(crate) fn spend(&self, source: Source, calls: u32) -> Result<(), Duration> {
        let VisitorLimits {
            calls_per_s,
            calls_burst,
            ..
        } = self.limits;
        let Some(each) = Duration::from_secs(1).checked_div(calls_per_s) else {
            return Ok(());
        };
        let now = self.clock.now();
        let most = each.saturating_mul(calls_burst);
        let mut all = self.rested.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wait = Duration::ZERO;
        let mut spent = [None; NETWORKS_OF_SOURCE_MAX];
        for (network, spent) in source.networks().zip(&mut spent) {
            // Of a wider network the calls take less, and so it may ask more of them.
            let cost = each.saturating_mul(calls.min(calls_burst)) / network.share();
            let before = all.get(&network).copied().unwrap_or(now).max(now);
            let after = before.saturating_add(cost);
            wait = wait.max(after.saturating_sub(now).saturating_sub(most));
            *spent = Some((network, after));
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        for (network, after) in spent.into_iter().flatten() {
            all.put(network, after);
        }
        Ok(())
    }

    /// Gives `source` a place for one more connection; `None` if it, or a network that it lies in,
    /// has far too many.
    pub(crate) fn enter(self: &Arc<Self>, source: Source) -> Option<Place> {
        let mut all = self.connections();
        let mut is_surplus = false;
        for network in source.networks() {
            let count = all.get(&network).copied().unwrap_or(0);
            let most = self.limits.connections_max.saturating_mul(network.share());
            if count >= most.saturating_add(TOLD_MAX) {
                return None;
            }
            is_surplus |= count >= most;
        }
        for network in source.networks() {
            *all.entry(network).or_default() += 1;
        }
        Some(Place {
            visitors: self.clone(),
            source,
            is_surplus,
        })
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, HashMap<Network, u32>> {
        let connections = self.connections.lock();
        connections.unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection of a source, as long as it lives.
#[derive(Debug)]
pub(crate) struct Place {
    visitors: Arc<Visitors>,
    source: Source,
    /// Whether it is above the maximum, only there to be told so.
    pub(crate) is_surplus: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.visitors.connections();
        for network in self.source.networks() {
            match all.get_mut(&network) {
                Some(count) if *count > 1 => *count -= 1,
                _ => {
                    all.remove(&network);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitors(limits: VisitorLimits) -> Arc<Visitors> {
        Arc::new(Visitors::new(limits, RateClock::still()))
    }

    /// A network of 64 bits, of which 65,536 lie in one of 48.
    fn v6(n: u64) -> Source {
        Source::V6(0x2001_0db8_0000_0000 + n)
    }

    fn source(n: u32) -> Source {
        Source::V4(n.into())
    }

    #[test]
    fn a_source_asks_its_burst_at_once_and_then_at_its_rate() {
        let all = visitors(VisitorLimits {
            calls_per_s: 10,
            calls_burst: 20,
            ..VisitorLimits::default()
        });
        for _ in 0..20 {
            assert_eq!(all.spend(source(1), 1), Ok(()));
        }
        let wait = all.spend(source(1), 1).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        assert_eq!(all.spend(source(2), 20), Ok(()), "another's is another's");
        all.clock.advance(wait);
        assert_eq!(all.spend(source(1), 1), Ok(()));
        let wait = all.spend(source(1), 5).unwrap_err();
        assert_eq!(
            wait,
            Duration::from_millis(500),
            "what was refused cost nothing"
        );
        all.clock.advance(Duration::from_secs(3600));
        let all_at_once = all.spend(source(1), 1_000_000);
        assert_eq!(all_at_once, Ok(()), "no more than the burst is ever wanted");
        assert!(all.spend(source(1), 1).is_err(), "rest is not saved up");
    }

    #[test]
    fn a_rate_of_zero_is_none() {
        let all = visitors(VisitorLimits {
            calls_per_s: 0,
            calls_burst: 1,
            ..VisitorLimits::default()
        });
        for _ in 0..1000 {
            assert_eq!(all.spend(source(1), 100), Ok(()));
        }
    }

    #[test]
    fn sources_without_number_take_no_more_room() {
        let all = visitors(VisitorLimits::default());
        for n in 0..2 * u32::try_from(NETWORKS_MAX.get()).unwrap() {
            assert_eq!(all.spend(source(n), 1), Ok(()));
        }
        let rested = all.rested.lock().unwrap();
        assert_eq!(rested.len(), NETWORKS_MAX.get());
    }

    #[test]
    fn connections_of_a_source_are_counted_as_long_as_they_live() {
        let all = visitors(VisitorLimits {
            connections_max: 2,
            ..VisitorLimits::default()
        });
        let places: Vec<_> = (0..2 + TOLD_MAX)
            .map(|_| all.enter(source(1)).unwrap())
            .collect();
        let surplus: Vec<_> = places.iter().map(|it| it.is_surplus).collect();
        assert_eq!(surplus, [false, false, true, true, true, true]);
        assert!(all.enter(source(1)).is_none());
        assert!(all.enter(source(2)).is_some_and(|it| !it.is_surplus));
        drop(places);
        assert!(all.connections().is_empty(), "nothing is kept of who left");
    }

    #[test]
    fn who_has_many_networks_has_not_the_allowance_of_each() {
        let all = visitors(VisitorLimits {
            calls_per_s: 10,
            calls_burst: 20,
            ..VisitorLimits::default()
        });
        let ask = |networks: &mut dyn Iterator<Item = u64>| {
            let asked = networks.flat_map(|n| [n; 20]);
            asked.filter(|n| all.spend(v6(*n), 1).is_ok()).count()
        };
        assert_eq!(ask(&mut (0..1000)), 16 * 20, "a /48");
        assert_eq!(ask(&mut (65_536..65_537)), 20, "another /48 has its own");
        let rest = ask(&mut (2..1000).map(|site| site * 65_536));
        assert_eq!(rest + 17 * 20, 256 * 20, "a /32");
        assert_eq!(all.spend(Source::V6(0x2001_0db9_0000_0000), 20), Ok(()));
        let wait = all.spend(v6(1), 1).expect_err("the /32 must rest");
        all.clock.advance(wait + Duration::from_millis(1));
        assert_eq!(all.spend(v6(65_536 * 2000), 1), Ok(()));
    }

    #[test]
    fn connections_of_many_networks_are_counted_together() {
        let all = visitors(VisitorLimits {
            connections_max: 2,
            ..VisitorLimits::default()
        });
        let places: Vec<_> = (0..32).filter_map(|n| all.enter(v6(n))).collect();
        assert_eq!(places.len(), 32);
        assert!(places.iter().all(|it| !it.is_surplus));
        let told: Vec<_> = (32..200).filter_map(|n| all.enter(v6(n))).collect();
        assert_eq!(told.len(), 4);
        assert!(told.iter().all(|it| it.is_surplus));
        assert!(all.enter(v6(65_536)).is_some_and(|it| !it.is_surplus));
        drop((places, told));
        assert!(all.connections().is_empty(), "nothing is kept of who left");
    }

    #[test]
    fn this_machine_is_free_unless_it_is_not_and_proxies_speak_for_others() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        let free = visitors(VisitorLimits::default());
        assert_eq!(free.of_socket(local), None);
        assert_eq!(free.of_socket(mapped), None);
        assert!(free.of_socket(IpAddr::from([192, 0, 2, 1])).is_some());
        let proxied = visitors(VisitorLimits {
            is_loopback_limited: true,
            trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
            ..VisitorLimits::default()
        });
        assert_eq!(proxied.of_socket(local), None, "a proxy's own connections");
        let mut headers = HeaderMap::new();
        assert_eq!(
            proxied.of_request(local, &headers),
            Some(Source::from(local))
        );
        headers.insert("x-forwarded-for", "192.0.2.1".parse().unwrap());
        let client = Source::from(IpAddr::from([192, 0, 2, 1]));
        assert_eq!(proxied.of_request(local, &headers), Some(client));
    }

    #[test]
    fn behind_a_proxy_nobody_is_free() {
        let far = IpAddr::from([192, 0, 2, 9]);
        let local = IpAddr::from([127, 0, 0, 1]);
        let all = visitors(VisitorLimits {
            trusted_proxies: vec!["192.0.2.9".parse().unwrap(), "127.0.0.1".parse().unwrap()],
            ..VisitorLimits::default()
        });
        let mut headers = HeaderMap::new();
        assert_eq!(all.of_request(local, &headers), Some(Source::from(local)));
        for value in ["127.0.0.1", "::1", "192.0.2.9"] {
            headers.insert("x-forwarded-for", value.parse().unwrap());
            for proxy in [far, local] {
                assert!(
                    all.of_request(proxy, &headers).is_some(),
                    "{proxy} for {value}"
                );
            }
        }
    }
}
