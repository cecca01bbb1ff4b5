//! How others on the network reach this machine: for join links and slot addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use crate::config::Config;

/// Base of join links, without a slash at its end: `http.public_url`, or made from where the page is listened for.
pub fn join_base_url(config: &Config) -> String {
    if let Some(url) = &config.http.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let http = &config.http;
    let scheme = if http.tls_cert.is_some() || http.self_signed {
        "https"
    } else {
        "http"
    };
    let host = bracketed(&reachable_host(http.listen.ip()));
    format!("{scheme}://{host}:{}", http.listen.port())
}

/// The host that reaches a listener bound to `bind`: the address itself, or for «all» the machine's own one.
pub fn reachable_host(bind: IpAddr) -> String {
    if !bind.is_unspecified() {
        return bind.to_string();
    }
    outward_ipv4().map_or_else(|| "localhost".to_owned(), |ip| ip.to_string())
}

/// The address that packets to the outside leave from. Connecting a UDP socket asks the routing table and sends nothing.
fn outward_ipv4() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // TEST-NET-1 (RFC 5737): routed like any outside address.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(at) if !at.ip().is_loopback() && !at.ip().is_unspecified() => Some(*at.ip()),
        _ => None,
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_url_wins_and_loses_its_slash() {
        let mut config = Config::default();
        config.http.public_url = Some("https://call.example.org/".into());
        assert_eq!(join_base_url(&config), "https://call.example.org");
    }

    #[test]
    fn without_one_the_listener_names_scheme_host_and_port() {
        let mut config = Config::default();
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 8081));
        assert_eq!(join_base_url(&config), "http://127.0.0.1:8081");
        config.http.self_signed = true;
        assert_eq!(join_base_url(&config), "https://127.0.0.1:8081");
        config.http.listen = "[::1]:8082".parse().unwrap();
        assert_eq!(join_base_url(&config), "https://[::1]:8082");
        config.http.listen = "0.0.0.0:8083".parse().unwrap();
        let url = join_base_url(&config);
        assert!(
            url.starts_with("https://") && url.ends_with(":8083") && !url.contains("0.0.0.0"),
            "{url}"
        );
    }
}
