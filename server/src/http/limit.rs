//! Attempts per address: a token bucket each, in a bounded map.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Addresses remembered: about 1 MB. Beyond it those idle for longest are forgotten, which only forgives them.
const ADDRESSES_MAX: usize = 8_192;

#[derive(Debug)]
pub(crate) struct Limiter {
    per_minute: u32,
    buckets: Mutex<BTreeMap<IpAddr, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Limiter {
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute: per_minute.max(1),
            buckets: Mutex::default(),
        }
    }

    /// One attempt at `now`; a refusal says how long to wait. The machine itself is not limited: everything behind a
    /// local proxy that is not in `http.trusted_proxies` would share its bucket.
    pub fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        if address.is_loopback() {
            return Ok(());
        }
        let key = group(address);
        let (full, rate) = (
            f64::from(self.per_minute),
            f64::from(self.per_minute) / 60.0,
        );
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&key) {
            make_room(&mut buckets, now, full / rate);
        }
        let bucket = buckets.entry(key).or_insert(Bucket {
            tokens: full,
            at: now,
        });
        let refill = now.saturating_duration_since(bucket.at).as_secs_f64() * rate;
        (bucket.tokens, bucket.at) = ((bucket.tokens + refill).min(full), now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.tokens) / rate))
    }
}

impl Limiter {
    /// Whether the address has no attempt left now; takes none.
    pub fn is_spent(&self, address: IpAddr, now: Instant) -> bool {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = f64::from(self.per_minute) / 60.0;
        buckets.get(&group(address)).is_some_and(|bucket| {
            let refill = now.saturating_duration_since(bucket.at).as_secs_f64() * rate;
            bucket.tokens + refill < 1.0
        })
    }
}

/// Forgets those that are full again, and if that is not enough the older half: seldom, so it may take its time.
fn make_room(buckets: &mut BTreeMap<IpAddr, Bucket>, now: Instant, full_after_s: f64) {
    buckets
        .retain(|_, bucket| now.saturating_duration_since(bucket.at).as_secs_f64() < full_after_s);
    if buckets.len() >= ADDRESSES_MAX {
        let mut seen: Vec<_> = buckets
            .iter()
            .map(|(ip, bucket)| (bucket.at, *ip))
            .collect();
        seen.sort_unstable();
        for (_, ip) in &seen[..seen.len() / 2] {
            buckets.remove(ip);
        }
    }
}

/// A network of IPv6 hands a /64 to each customer.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => {
            let s = ip.segments();
            IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
        }
        four => four,
    }
}

/// The client's address: the peer's, or what a trusted proxy says of it (the rightmost that is not a trusted proxy).
fn client(peer: IpAddr, forwarded: Option<&str>, trusted: &[IpAddr]) -> IpAddr {
    let peer = peer.to_canonical();
    if !trusted.contains(&peer) {
        return peer;
    }
    let said = forwarded
        .into_iter()
        .flat_map(|list| list.rsplit(','))
        .map(|ip| ip.trim().parse::<IpAddr>());
    for ip in said {
        match ip.map(|ip| ip.to_canonical()) {
            Ok(ip) if trusted.contains(&ip) => {}
            Ok(ip) => return ip,
            // What stands left of nonsense cannot be believed.
            Err(_) => return peer,
        }
    }
    peer
}

/// Proxies that are believed, and the word about one that is not.
#[derive(Debug)]
pub(super) struct Proxies {
    trusted: Vec<IpAddr>,
    warned: AtomicBool,
}

impl Proxies {
    pub fn new(trusted: Vec<IpAddr>) -> Self {
        Self {
            trusted,
            warned: AtomicBool::new(false),
        }
    }

    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.contains(&address)
    }

    pub fn client(&self, peer: IpAddr, forwarded: Option<&str>) -> IpAddr {
        if self.is_news(peer, forwarded) {
            tracing::warn!(
                %peer,
                "X-Forwarded-For comes from this machine, but http.trusted_proxies does not name it: attempts of all \
                 callers behind that proxy are not limited"
            );
        }
        client(peer, forwarded, &self.trusted)
    }

    /// A proxy on this machine that nobody listed takes every limit away; said once.
    fn is_news(&self, peer: IpAddr, forwarded: Option<&str>) -> bool {
        let peer = peer.to_canonical();
        forwarded.is_some()
            && peer.is_loopback()
            && !self.trusts(peer)
            && !self.warned.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_gets_its_attempts_a_minute_and_no_other_pays() {
        let limiter = Limiter::new(60);
        let now = Instant::now();
        for _ in 0..60 {
            limiter.take(ip("192.0.2.1"), now).unwrap();
        }
        let wait = limiter.take(ip("192.0.2.1"), now).unwrap_err();
        assert!(wait <= Duration::from_secs(1));
        limiter.take(ip("192.0.2.2"), now).unwrap();
        limiter
            .take(ip("192.0.2.1"), now + Duration::from_secs(1))
            .unwrap();
        assert!(
            limiter
                .take(ip("192.0.2.1"), now + Duration::from_secs(1))
                .is_err()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_of_ipv6_is_one_address() {
        let limiter = Limiter::new(1);
        let now = Instant::now();
        limiter.take(ip("2001:db8:1:2::1"), now).unwrap();
        assert!(limiter.take(ip("2001:db8:1:2:ffff::9"), now).is_err());
        limiter.take(ip("2001:db8:1:3::1"), now).unwrap();
        limiter.take(ip("::ffff:192.0.2.1"), now).unwrap();
        assert!(limiter.take(ip("192.0.2.1"), now).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_map_stays_bounded() {
        let limiter = Limiter::new(1);
        let now = Instant::now();
        for i in 0..20_000_u32 {
            let _ = limiter.take(IpAddr::from((0x0a00_0000 + i).to_be_bytes()), now);
        }
        assert!(limiter.buckets.lock().unwrap().len() <= ADDRESSES_MAX);
    }

    #[test]
    fn a_local_proxy_that_is_not_listed_is_warned_of_once() {
        let (local, said) = (ip("127.0.0.1"), Some("203.0.113.5"));
        let proxies = Proxies::new(vec![ip("::1")]);
        assert!(!proxies.is_news(local, None));
        assert!(!proxies.is_news(ip("::1"), said));
        assert!(!proxies.is_news(ip("192.0.2.1"), said));
        assert_eq!(proxies.client(local, said), local);
        assert!(!proxies.is_news(local, said), "said already");
        assert!(Proxies::new(Vec::new()).is_news(ip("::ffff:127.0.0.1"), said));
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let proxy = ip("10.0.0.1");
        assert_eq!(
            client(ip("192.0.2.1"), Some("203.0.113.5"), &[proxy]),
            ip("192.0.2.1")
        );
        assert_eq!(
            client(proxy, Some("198.51.100.7, 203.0.113.5"), &[proxy]),
            ip("203.0.113.5")
        );
        assert_eq!(
            client(proxy, Some("203.0.113.5, 10.0.0.1"), &[proxy]),
            ip("203.0.113.5")
        );
        assert_eq!(
            client(proxy, Some("203.0.113.5, nonsense"), &[proxy]),
            proxy
        );
        assert_eq!(client(proxy, None, &[proxy]), proxy);
    }
}
