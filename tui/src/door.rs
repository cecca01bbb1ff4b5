//! The way to boothd, for the console and the command line: its address, TLS, and what is wrong with either, in words
//! that a person can act on.

use std::error::Error as StdError;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint, Uri};

/// boothd's own, with TLS and without: an address that names no port means it.
pub const PORT: u16 = 7400;

/// A silent peer is noticed after interval and time-out.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// A server that speaks TLS says so at once.
const PROBE: Duration = Duration::from_secs(1);

/// What was given cannot be used to dial.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDoor {
    #[error("{0:?} is no server address")]
    Address(String),
    #[error("cannot use the CA file {}: {why}", path.display())]
    Ca { path: PathBuf, why: String },
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub reason: &'static str,
    pub why: String,
    /// What to do about it; empty if it is only that nobody is there.
    pub next: String,
}

#[derive(Debug, Clone)]
pub struct Door {
    endpoint: Endpoint,
    url: String,
    host: String,
    port: u16,
    tls: bool,
}

impl Door {
    /// With TLS the system's authorities are trusted, and those in `ca`; without it nothing is read.
    pub fn new(address: &str, ca: Option<&Path>, connect: Duration) -> Result<Self, BadDoor> {
        let bad = || BadDoor::Address(address.to_owned());
        let url = self::url(address)?;
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let host = uri.host().ok_or_else(bad)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(PORT);
        let mut endpoint = Endpoint::from(uri)
            .connect_timeout(connect)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        if tls {
            let config = ClientTlsConfig::new()
                .domain_name(&host)
                .trust_anchors(roots(ca)?.roots)
                .timeout(connect);
            endpoint = endpoint.tls_config(config).map_err(|_| bad())?;
        }
        Ok(Self {
            endpoint,
            url,
            host,
            port,
            tls,
        })
    }

    /// With scheme and port.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether others on the way can read what is sent, the token among it.
    pub fn is_open(&self) -> bool {
        let this_machine = self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        !self.tls && !this_machine
    }

    pub async fn connect(&self) -> Result<Channel, Trouble> {
        let error = match self.endpoint.connect().await {
            Ok(channel) => return Ok(channel),
            Err(error) => error,
        };
        let trouble = self.trouble(&error);
        Err(self.wants_tls().await.unwrap_or(trouble))
    }

    /// Asked when a connection broke under its first call: without TLS it is made even where only TLS is spoken.
    pub async fn wants_tls(&self) -> Option<Trouble> {
        if self.tls || !speaks_tls(&self.host, self.port).await {
            return None;
        }
        let (_, rest) = self.url.split_once("://")?;
        Some(Trouble {
            reason: "TLS_EXPECTED",
            why: format!("{} speaks TLS", self.url),
            next: format!("write https://{rest}"),
        })
    }

    fn trouble(&self, error: &(dyn StdError + 'static)) -> Trouble {
        let url = &self.url;
        let said = root(error);
        if !self.tls {
            return unreachable(said);
        }
        let (_, rest) = url.split_once("://").unwrap_or_default();
        let plain = format!("if it has no TLS, write http://{rest}");
        match tls_error(error) {
            Some(rustls::Error::InvalidCertificate(bad)) => self.bad_certificate(bad),
            Some(rustls::Error::InvalidMessage(_)) => Trouble {
                reason: "TLS_NOT_SPOKEN",
                why: format!("{url} answers, but not with TLS"),
                next: format!("write http://{rest}"),
            },
            Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
                self.no_http2()
            }
            Some(other) => Trouble {
                reason: "TLS_FAILED",
                why: format!("TLS with {url} fails: {other}"),
                next: "look at its certificate, and at what stands between".into(),
            },
            None if said.contains("handshake eof") => Trouble {
                reason: "TLS_NOT_SPOKEN",
                why: format!("{url} ends the connection when TLS begins"),
                next: plain,
            },
            // The one name that tonic gives it is private.
            None if said.contains("HTTP/2 was not negotiated") => self.no_http2(),
            None => unreachable(said),
        }
    }

    fn no_http2(&self) -> Trouble {
        Trouble {
            reason: "TLS_WITHOUT_HTTP2",
            why: format!("{} speaks TLS, but not HTTP/2", self.url),
            next: "is it boothd's API? a proxy before it has to offer HTTP/2 (ALPN h2)".to_owned(),
        }
    }

    fn bad_certificate(&self, bad: &CertificateError) -> Trouble {
        let url = &self.url;
        let trouble = |reason, why: String, next: &str| Trouble {
            reason,
            why,
            next: next.to_owned(),
        };
        const NAME: &str = "name the server as its certificate does, or give it one for this name";
        match bad {
            CertificateError::NotValidForName => {
                let why = format!("the certificate of {url} is for another name");
                trouble("TLS_WRONG_NAME", why, NAME)
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
                let why = format!("the certificate of {url} is for {}", names.join(", "));
                trouble("TLS_WRONG_NAME", why, NAME)
            }
            CertificateError::UnknownIssuer => trouble(
                "TLS_UNTRUSTED",
                format!("the certificate of {url} is signed by nobody this machine trusts"),
                "if it is your own, give --ca FILE (or BOOTH_CA_FILE): the certificate, or that of who signed it",
            ),
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => trouble(
                "TLS_EXPIRED",
                format!("the certificate of {url} is not valid at this time"),
                "renew it, or set the clock of this machine",
            ),
            other if format!("{other:?}").contains("CaUsedAsEndEntity") => trouble(
                "TLS_UNTRUSTED",
                format!(
                    "the certificate of {url} is one for signing others (CA:TRUE), not one of a server"
                ),
                "make it with basicConstraints=CA:FALSE, or let it sign one for the server and give it as --ca",
            ),
            other => trouble(
                "TLS_UNTRUSTED",
                format!("the certificate of {url} is not accepted: {other}"),
                "look at it with openssl s_client",
            ),
        }
    }
}

/// `host`, `host:port` and URLs of http and https are understood; nothing but the port may follow the host.
pub fn url(text: &str) -> Result<String, BadDoor> {
    let bad = || BadDoor::Address(text.to_owned());
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if !matches!(scheme, "http" | "https") || rest.contains(['/', '?', '#', '@']) {
        return Err(bad());
    }
    let uri: Uri = format!("{scheme}://{rest}").parse().map_err(|_| bad())?;
    let authority = uri.authority().ok_or_else(bad)?;
    // `a:` and `a:99999` have no port, but something that was meant to be one.
    let named = authority.as_str() != authority.host();
    match authority.port_u16() {
        _ if authority.host().is_empty() => Err(bad()),
        Some(port) if port > 0 => Ok(format!("{scheme}://{rest}")),
        None if !named => Ok(format!("{scheme}://{rest}:{PORT}")),
        _ => Err(bad()),
    }
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, BadDoor> {
    let mut roots = RootCertStore::empty();
    // Without any, `ca` may still be enough; what is missing shows when the server's certificate is judged.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let Some(path) = ca else {
        return Ok(roots);
    };
    let bad = |why: String| BadDoor::Ca {
        path: path.to_owned(),
        why,
    };
    let pem = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| bad(error.to_string()))?;
        found += 1;
    }
    match found {
        0 => Err(bad(
            "there is no certificate in it (PEM is expected)".to_owned()
        )),
        _ => Ok(roots),
    }
}

async fn speaks_tls(host: &str, port: u16) -> bool {
    let Ok(name) = ServerName::try_from(host.to_owned()) else {
        return false;
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let Ok(config) =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
    else {
        return false;
    };
    let config = config
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let greet = async {
        let tcp = TcpStream::connect((host, port)).await?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        connector.connect(name, tcp).await.map(drop)
    };
    match timeout(PROBE, greet).await {
        Ok(Ok(())) => true,
        // Nobody is trusted here: that there is a certificate at all is the answer.
        Ok(Err(error)) => matches!(
            tls_error(&error),
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_))
        ),
        Err(_) => false,
    }
}

fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An `io::Error` does not give what it wraps as its source.
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|inner| inner.downcast_ref()) {
            return Some(found);
        }
        at = error.source();
    }
    None
}

fn unreachable(why: String) -> Trouble {
    Trouble {
        reason: "SERVER_UNREACHABLE",
        why,
        next: String::new(),
    }
}

/// The innermost cause: the outer ones say "transport error".
pub fn root(error: &dyn StdError) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

/// `localhost` of `DnsName("localhost")`.
fn bare(name: &str) -> &str {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.rsplit_once(')'));
    inner.map_or(name, |(inner, _)| inner).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_neither_scheme_nor_port_but_never_a_wrong_one() {
        for (text, meant) in [
            ("10.0.0.1:7400", "http://10.0.0.1:7400"),
            ("studio", "http://studio:7400"),
            ("http://a:1", "http://a:1"),
            ("https://a:443/", "https://a:443"),
            ("https://a", "https://a:7400"),
            ("https://[::1]", "https://[::1]:7400"),
            ("[::1]:1", "http://[::1]:1"),
        ] {
            assert_eq!(url(text).as_deref(), Ok(meant), "{text}");
        }
        for text in [
            "",
            "srt://a:1",
            "http://",
            "https://",
            "a:",
            "a:0",
            "a:99999",
            "a b",
            "http://a/b",
            "http://token@a:1",
            "ftp://a",
        ] {
            assert_eq!(
                url(text),
                Err(BadDoor::Address(text.to_owned())),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_is_sent_is_open_on_plain_http_to_any_other_machine() {
        let open = |address| {
            let door = Door::new(address, None, PROBE).unwrap();
            door.is_open()
        };
        for address in ["10.0.0.1", "studio:1", "http://localhost.evil.example:1"] {
            assert!(open(address), "{address}");
        }
        for address in [
            "localhost",
            "127.9.9.9:1",
            "http://[::1]:1",
            "https://studio",
        ] {
            assert!(!open(address), "{address}");
        }
    }

    #[test]
    fn a_ca_file_that_is_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let bad = |file: &Path| {
            let door = Door::new("https://a", Some(file), PROBE);
            door.unwrap_err().to_string()
        };
        assert!(
            bad(&file).contains("ca.pem: No such file"),
            "{}",
            bad(&file)
        );
        std::fs::write(&file, "a key, perhaps").unwrap();
        assert!(
            bad(&file).contains("no certificate in it"),
            "{}",
            bad(&file)
        );
        // Where there is no TLS, it is not looked at.
        assert!(Door::new("http://a", Some(&file), PROBE).is_ok());
    }
}
