//! Local addresses and UDP ports of sessions: one port per session, the same on each address, never shared.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

/// Each address is a socket per session; machines with more interfaces set `rtc.bind_ip`.
const ADDRESSES_MAX: usize = 6;
/// Ports of other programs that are stepped over in one search.
const TRIES: u32 = 64;

#[derive(Debug)]
struct Pool {
    first: u16,
    last: u16,
    next: u16,
    used: BTreeSet<u16>,
}

#[derive(Debug, Clone)]
pub struct Ports(Arc<Mutex<Pool>>);

/// A port that is this session's until dropped.
#[derive(Debug)]
pub struct Lease {
    port: u16,
    pool: Ports,
}

impl Lease {
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.with(|pool| pool.used.remove(&self.port));
    }
}

impl Ports {
    /// Starts anywhere in the range: after a restart, packets of sessions before it meet nobody either.
    pub fn new((first, last): (u16, u16)) -> Self {
        let random = u16::from_be_bytes(crate::secrets::random().unwrap_or_default());
        let next = u32::from(first) + u32::from(random) % (u32::from(last - first) + 1);
        let next = u16::try_from(next).unwrap_or(first);
        Self(Arc::new(Mutex::new(Pool {
            first,
            last,
            next,
            used: BTreeSet::new(),
        })))
    }

    /// A port that is free on every address.
    pub fn lease(&self, addresses: &[IpAddr]) -> Option<Lease> {
        for _ in 0..TRIES {
            let port = self.with(Pool::take)?;
            let lease = Lease {
                port,
                pool: self.clone(),
            };
            if addresses
                .iter()
                .all(|ip| UdpSocket::bind(SocketAddr::new(*ip, port)).is_ok())
            {
                return Some(lease);
            }
        }
        None
    }

    pub fn used(&self) -> Vec<u16> {
        self.with(|pool| pool.used.iter().copied().collect())
    }

    fn with<T>(&self, change: impl FnOnce(&mut Pool) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pool {
    /// Goes round the range, so that a port rests before it is used again: packets of an ended session that are still
    /// under way meet nobody.
    fn take(&mut self) -> Option<u16> {
        let size = u32::from(self.last - self.first) + 1;
        for _ in 0..size {
            let port = self.next;
            self.next = if port == self.last {
                self.first
            } else {
                port + 1
            };
            if self.used.insert(port) {
                return Some(port);
            }
        }
        None
    }
}

/// Addresses to bind: the one given, or every usable one of the machine; loopback when there is no other.
pub fn addresses(bind_ip: Option<IpAddr>) -> Vec<IpAddr> {
    if let Some(ip) = bind_ip.filter(|ip| !ip.is_unspecified()) {
        return vec![ip];
    }
    let four_only = matches!(bind_ip, Some(IpAddr::V4(_)));
    let mut found: Vec<IpAddr> = rtc::shared::ifaces::ifaces()
        .unwrap_or_default()
        .into_iter()
        .filter_map(|interface| interface.addr.map(|addr| addr.ip()))
        .filter(|ip| usable(ip) && (ip.is_ipv4() || !four_only))
        .collect();
    // IPv4 first, and each once.
    found.sort_by_key(|ip| (ip.is_ipv6(), *ip));
    found.dedup();
    found.truncate(ADDRESSES_MAX);
    if found.is_empty() {
        found.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    found
}

fn usable(ip: &IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !ip.is_loopback() && !ip.is_unspecified() && !link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn two_free() -> u16 {
        // Two neighbouring ports that nobody has.
        loop {
            let socket = UdpSocket::bind((LOCAL, 0)).unwrap();
            let port = socket.local_addr().unwrap().port();
            if port < u16::MAX && UdpSocket::bind((LOCAL, port + 1)).is_ok() {
                return port;
            }
        }
    }

    #[test]
    fn a_port_belongs_to_one_session_and_comes_back() {
        let first = two_free();
        let ports = Ports::new((first, first + 1));
        let one = ports.lease(&[LOCAL]).unwrap();
        let two = ports.lease(&[LOCAL]).unwrap();
        assert_ne!(one.port(), two.port());
        assert!(ports.lease(&[LOCAL]).is_none());
        drop(one);
        assert!(ports.lease(&[LOCAL]).is_some());
        drop(two);
        assert!(ports.used().is_empty());
    }

    #[test]
    fn a_port_of_another_program_is_stepped_over() {
        let first = two_free();
        let _held = UdpSocket::bind((LOCAL, first)).unwrap();
        let ports = Ports::new((first, first + 1));
        assert_eq!(ports.lease(&[LOCAL]).unwrap().port(), first + 1);
    }

    #[test]
    fn there_is_always_an_address() {
        assert!(!addresses(None).is_empty());
        assert_eq!(addresses(Some(LOCAL)), vec![LOCAL]);
    }
}
