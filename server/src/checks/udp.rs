//! Which UDP ports of this machine are held. It is read from the kernel's tables: to find it out by binding a port would take
//! it, for an instant, from a worker that just comes back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Local addresses of all UDP sockets.
#[derive(Debug, Default)]
pub struct Sockets(Vec<SocketAddr>);

impl Sockets {
    /// `None` where there are no such tables.
    pub async fn look() -> Option<Self> {
        tokio::task::spawn_blocking(|| {
            let v4 = std::fs::read_to_string("/proc/net/udp").ok()?;
            // Not there without IPv6.
            let v6 = std::fs::read_to_string("/proc/net/udp6").unwrap_or_default();
            let rows = v4.lines().chain(v6.lines());
            Some(Self(rows.filter_map(local).collect()))
        })
        .await
        .ok()?
    }

    /// Whether a socket has the port where one bound to `bind` would want it.
    pub fn hold(&self, bind: IpAddr, port: u16) -> bool {
        let bind = bind.to_canonical();
        self.0.iter().any(|at| {
            let ip = at.ip().to_canonical();
            // Every address of IPv4 is one family's; every address of IPv6 is both's.
            let all = |one: IpAddr, other: IpAddr| match one {
                IpAddr::V4(ip) => ip.is_unspecified() && other.is_ipv4(),
                IpAddr::V6(ip) => ip.is_unspecified(),
            };
            let meet = ip == bind || all(ip, bind) || all(bind, ip);
            at.port() == port && meet
        })
    }
}

/// `  12: 0100007F:2329 00000000:0000 07 …`: the address in words of 32 bits as they lie in memory, the port as a number.
fn local(row: &str) -> Option<SocketAddr> {
    let (ip, port) = row.split_whitespace().nth(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |n: usize| {
        let hex = ip.get(8 * n..8 * n + 8)?;
        let word = u32::from_str_radix(hex, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for n in 0..4 {
                bytes[4 * n..4 * n + 4].copy_from_slice(&word(n)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
pub mod testing {
    use std::net::{IpAddr, UdpSocket};

    /// The first of `count` free ports in a row, below those that the system gives out by itself: nobody else draws them
    /// while a test looks.
    pub fn free_ports(ip: IpAddr, count: u16) -> u16 {
        let free = |first: u16| {
            let sockets: Result<Vec<_>, _> = (first..first + count)
                .map(|port| UdpSocket::bind((ip, port)))
                .collect();
            sockets.is_ok()
        };
        let mut drawn = (0..100).map(|_| rand::random_range(20_000..32_000 - count));
        drawn.find(|first| free(*first)).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::free_ports;
    use super::*;
    use std::net::UdpSocket;

    #[tokio::test]
    async fn a_port_is_held_as_long_as_its_socket_is_there() {
        let any: IpAddr = Ipv6Addr::UNSPECIFIED.into();
        for bind in ["127.0.0.1", "0.0.0.0", "::1", "::"] {
            let bind: IpAddr = bind.parse().unwrap();
            if UdpSocket::bind((bind, 0)).is_err() {
                assert!(bind.is_ipv6(), "no IPv4?");
                continue;
            }
            let port = free_ports(bind, 1);
            let socket = UdpSocket::bind((bind, port)).unwrap();
            let held = Sockets::look().await.unwrap();
            assert!(held.hold(bind, port) && held.hold(any, port), "{bind}");
            drop(socket);
            assert!(!Sockets::look().await.unwrap().hold(bind, port), "{bind}");
        }
    }

    #[test]
    fn another_address_s_port_is_free_here() {
        let row = "  12: 0100007F:2329 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 7 2";
        let at = local(row).unwrap();
        if cfg!(target_endian = "little") {
            assert_eq!(at.to_string(), "127.0.0.1:9001");
        }
        let held = Sockets(vec![at]);
        assert!(held.hold(at.ip(), 9001) && !held.hold(at.ip(), 9002));
        assert!(!held.hold("192.0.2.7".parse().unwrap(), 9001));
        let any = Ipv4Addr::UNSPECIFIED.into();
        assert!(held.hold(any, 9001));
        let six = Sockets(vec!["[::1]:9001".parse().unwrap()]);
        assert!(!six.hold(any, 9001), "both fit there");
        let both = Sockets(vec!["[::]:9001".parse().unwrap()]);
        assert!(both.hold(any, 9001) && both.hold(at.ip(), 9001));
        for other in [
            "",
            "  sl  local_address rem_address",
            "1: zz:1",
            "1: 00:2329",
        ] {
            assert_eq!(local(other), None, "{other}");
        }
    }
}
