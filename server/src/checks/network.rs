//! Listeners, the address that browsers see, and the UDP ports of calls.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use booth_core::{SlotOutput, WorkerState};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::Found;
use super::stun::{answer_binding, ask_binding};
use super::udp::Sockets;
use crate::address::{join_base_url, reachable_host};
use crate::config::{Config, RtcConfig};
use crate::server::Rooms;

/// To ourselves.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Ports tried of a large range, evenly spread.
const SAMPLE: u16 = 64;

pub async fn listeners(rooms: &Rooms) -> Vec<Found> {
    let mut listeners = rooms.system.listeners();
    let rtmp = &rooms.config.rtmp;
    for (key, address) in [
        ("rtmp.listen", rtmp.listen),
        ("rtmp.tls_listen", rtmp.tls_listen),
    ] {
        // The ingest worker runs only while a channel does.
        let wanted = rooms.board.state().channels.values().any(|c| c.running);
        listeners.extend(
            address
                .filter(|a| a.port() != 0 && wanted)
                .map(|a| (key, a)),
        );
    }
    let mut found = Vec::new();
    for (key, address) in listeners {
        let plain = rooms.config.grpc.tls_cert.is_none();
        found.push(listener(key, address, plain).await.about(key));
    }
    found.extend(media_ports(rooms).await);
    found
}

/// The UDP ports that workers hold for SRT.
async fn media_ports(rooms: &Rooms) -> Vec<Found> {
    let state = rooms.board.state();
    let sockets = Sockets::look().await;
    let held = |bind, port| sockets.as_ref().map(|sockets| sockets.hold(bind, port));
    let mut found = Vec::new();
    for (id, slot) in &state.slots {
        if let SlotOutput::Listen { port } = slot.settings.output {
            let up = slot.worker == WorkerState::Up;
            let held = held(rooms.config.slots.bind, port);
            let again = format!("booth slot update {id} --port P");
            found.push(media_port(port, up, held, &again).about(format!("slots/{id}")));
        }
    }
    for (id, channel) in state.channels.iter().filter(|(_, c)| c.running) {
        for port in channel.settings.ports() {
            let up = channel.worker == WorkerState::Up;
            let held = held(rooms.config.channels.bind, port);
            let again = format!("booth channel update {id} --srt-port P (or --monitor-port P)");
            found.push(media_port(port, up, held, &again).about(format!("channels/{id}")));
        }
    }
    found
}

/// `plain`: the API is not in TLS.
async fn listener(key: &str, address: SocketAddr, plain: bool) -> Found {
    match timeout(CONNECT_WITHIN, TcpStream::connect(to_self(address))).await {
        Ok(Ok(_)) if plain && key == "grpc.listen" && !address.ip().is_loopback() => {
            Found::warning(
                format!("{address} answers, unencrypted, to other machines too"),
                "set grpc.tls_cert and grpc.tls_key, or set grpc.listen to 127.0.0.1 and come in by ssh -L 7400:127.0.0.1:7400, or let only trusted networks through",
            )
        }
        Ok(Ok(_)) => Found::ok(format!("{address} answers")),
        Ok(Err(error)) => Found::failed(
            format!("{address}: {error}"),
            format!(
                "another program may hold the port (ss -ltnp): end it, or choose another with {key}; then restart boothd"
            ),
        ),
        Err(_) => Found::failed(
            format!("{address} does not answer"),
            "a firewall on this machine may drop it: nft list ruleset",
        ),
    }
}

/// The address under which this machine reaches its own listener.
fn to_self(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// `held`: whether some socket has the port, as far as that is known. `again` gives it another port.
fn media_port(port: u16, worker_up: bool, held: Option<bool>, again: &str) -> Found {
    match (worker_up, held) {
        (true, Some(true)) => Found::ok(format!("SRT on UDP {port}")),
        (true, None) => Found::ok(format!("SRT on UDP {port}, as its worker says")),
        (false, Some(true)) => Found::failed(
            format!("UDP {port} is taken, and not by its own worker"),
            format!("ss -lunp 'sport = {port}' says by whom: end that, or {again}"),
        ),
        (_, Some(false)) | (false, None) => Found::failed(
            format!("nothing listens on UDP {port}"),
            "booth status shows whether its worker runs, and the last error",
        ),
    }
}

/// Browsers give cameras to secure pages only.
pub fn secure_context(config: &Config) -> Vec<Found> {
    let base = join_base_url(config);
    let (scheme, rest) = base.split_once("://").unwrap_or_default();
    let host = host_of(rest);
    let local = host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    vec![if scheme == "https" || local {
        Found::ok(format!("callers join at {base}"))
    } else {
        Found::warning(
            format!(
                "callers are sent to {base}, where browsers give them neither camera nor microphone"
            ),
            "set http.tls_cert and http.tls_key (or http.self_signed=true to try), or put an HTTPS proxy in front and name it with http.public_url=https://…; http://localhost works on this machine only",
        )
    }]
}

/// `call.example` of `call.example:8080/x`, `::1` of `[::1]:8080`.
pub(super) fn host_of(rest: &str) -> &str {
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

pub async fn udp_ports(config: &RtcConfig) -> Vec<Found> {
    let (first, last) = match config.udp_range() {
        Ok(range) => range,
        Err(why) => return vec![Found::failed(why, "set rtc.udp_ports=50000-50999")],
    };
    let bind = config.bind_ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let size = u32::from(last - first) + 1;
    let step = (size / u32::from(SAMPLE)).max(1);
    let tried: Vec<u16> = (u32::from(first)..=u32::from(last))
        .step_by(usize::try_from(step).unwrap_or(1))
        .filter_map(|port| u16::try_from(port).ok())
        .collect();
    let Bound {
        kept,
        taken,
        problem,
    } = bind_each(bind, &tried).await;
    if let Some(error) = problem {
        return vec![Found::failed(
            format!("{bind}: {error}"),
            "rtc.bind_ip must be an address of this machine, and ports below 1024 need a right of their own",
        )];
    }
    let Some(socket) = kept else {
        return vec![Found::failed(
            format!("no port of {first}-{last} is free"),
            "give calls a range of their own with rtc.udp_ports",
        )];
    };
    let mut found = vec![reached(socket, config.bind_ip).await];
    if u64::from(size) < u64::from(config.max_sessions) {
        found.push(Found::warning(
            format!(
                "{size} ports for up to {} callers (rtc.max_sessions)",
                config.max_sessions
            ),
            "every caller needs a port: make rtc.udp_ports at least as large",
        ));
    } else if taken * 2 > tried.len() {
        found.push(Found::warning(
            format!("{taken} of {} ports looked at are taken", tried.len()),
            "callers have them, or another program: a larger rtc.udp_ports leaves room",
        ));
    }
    found
}

#[derive(Debug, Default)]
struct Bound {
    kept: Option<UdpSocket>,
    taken: usize,
    problem: Option<std::io::Error>,
}

/// One port is kept, the others are let go at once: callers who join meanwhile need them.
async fn bind_each(bind: IpAddr, ports: &[u16]) -> Bound {
    let mut bound = Bound::default();
    for port in ports {
        match UdpSocket::bind((bind, *port)).await {
            Ok(socket) => bound.kept = Some(socket),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bound.taken += 1,
            Err(error) => bound.problem = Some(error),
        }
    }
    bound
}

/// Sends a STUN binding request to the port, by the address others use, as a browser's connectivity check does.
async fn reached(socket: UdpSocket, bind: Option<IpAddr>) -> Found {
    let port = socket.local_addr().map_or(0, |a| a.port());
    let host = reachable_host(bind.unwrap_or(Ipv4Addr::UNSPECIFIED.into()));
    let ip = host
        .parse::<IpAddr>()
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let asked = async {
        let from = if ip.is_ipv4() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        };
        let asker = UdpSocket::bind((from, 0))
            .await
            .map_err(|e| e.to_string())?;
        ask_binding(&asker, SocketAddr::new(ip, port)).await
    };
    let outcome = tokio::select! {
        outcome = asked => outcome,
        () = answer_binding(&socket) => Err("the socket broke".to_owned()),
    };
    match outcome {
        Ok(_) => Found::ok(format!(
            "a STUN request to {ip}, UDP {port}, is answered on this machine; whether a firewall on the way lets callers through only they can tell"
        )),
        Err(why) => Found::failed(
            format!("a STUN request to {ip}, UDP {port}, is lost on this machine: {why}"),
            "let the UDP ports of rtc.udp_ports in: nft list ruleset, ufw status, or the provider's firewall",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_page_without_https_is_told_of_before_a_caller_meets_it() {
        let verdict = |url: &str| {
            let mut config = Config::default();
            config.http.public_url = Some(url.into());
            secure_context(&config)[0].verdict
        };
        for url in [
            "https://call.example",
            "http://localhost:8080",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
        ] {
            assert_eq!(verdict(url), Verdict::Ok, "{url}");
        }
        for url in ["http://192.0.2.7:8080", "http://localhost.example"] {
            assert_eq!(verdict(url), Verdict::Warning, "{url}");
        }
    }

    #[tokio::test]
    async fn the_ports_of_calls_are_bound_and_asked() {
        let mut config = RtcConfig {
            bind_ip: Some(Ipv4Addr::LOCALHOST.into()),
            ..RtcConfig::default()
        };
        // A port that was free a moment ago.
        let port = {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.local_addr().unwrap().port()
        };
        config.udp_ports = format!("{port}-{port}");
        config.max_sessions = 1;
        let found = udp_ports(&config).await;
        assert_eq!(found[0].verdict, Verdict::Ok, "{found:?}");
        config.max_sessions = 2;
        assert_eq!(udp_ports(&config).await[1].verdict, Verdict::Warning);
        let _taken = UdpSocket::bind(("127.0.0.1", port)).await.unwrap();
        assert_eq!(udp_ports(&config).await[0].verdict, Verdict::Failed);
        config.bind_ip = Some("192.0.2.1".parse().unwrap());
        let found = udp_ports(&config).await;
        assert!(found[0].mend.contains("rtc.bind_ip"), "{found:?}");
    }

    #[tokio::test]
    async fn ports_that_are_tried_are_let_go_at_once_but_one_and_that_after_the_check() {
        let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
        let first = crate::checks::free_ports(ip, 4);
        let ports = first..=first + 3;
        let tried: Vec<u16> = ports.clone().collect();
        let bound = bind_each(ip, &tried).await;
        assert_eq!(bound.taken, 0);
        let held = Sockets::look().await.unwrap();
        let held: Vec<bool> = tried.iter().map(|port| held.hold(ip, *port)).collect();
        assert_eq!(held, [false, false, false, true]);
        drop(bound);
        let config = RtcConfig {
            bind_ip: Some(ip),
            udp_ports: format!("{}-{}", ports.start(), ports.end()),
            ..RtcConfig::default()
        };
        assert_eq!(udp_ports(&config).await[0].verdict, Verdict::Ok);
        let held = Sockets::look().await.unwrap();
        assert!(!tried.iter().any(|port| held.hold(ip, *port)));
    }

    #[tokio::test]
    async fn a_listener_that_does_not_answer_fails() {
        let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(
            super::listener("http.listen", address, true).await.verdict,
            Verdict::Ok
        );
        assert_eq!(
            super::listener("grpc.listen", address, true).await.verdict,
            Verdict::Warning
        );
        assert_eq!(
            super::listener("grpc.listen", address, false).await.verdict,
            Verdict::Ok
        );
        drop(listener);
        assert_eq!(
            super::listener("http.listen", address, true).await.verdict,
            Verdict::Failed
        );
    }

    #[test]
    fn a_media_port_is_held_by_its_own_worker_only() {
        assert_eq!(media_port(9001, true, Some(true), "").verdict, Verdict::Ok);
        let taken = media_port(9001, false, Some(true), "booth slot update 1 --port P");
        assert!(taken.text.contains("taken") && taken.mend.contains("--port P"));
        for (up, held, verdict) in [
            (true, Some(false), Verdict::Failed),
            (false, Some(false), Verdict::Failed),
            // Where nobody knows who holds it the worker's word counts.
            (true, None, Verdict::Ok),
            (false, None, Verdict::Failed),
        ] {
            assert_eq!(media_port(9001, up, held, "").verdict, verdict);
        }
    }
}
