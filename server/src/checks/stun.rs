//! STUN (RFC 8489) and TURN (RFC 8656) as a client: what address the world sees, and whether a relay gives one.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rtc_stun::attributes::{
    ATTR_LIFETIME, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME,
    ATTR_XOR_RELAYED_ADDRESS,
};
use rtc_stun::error_code::ErrorCodeAttribute;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    BINDING_REQUEST, BINDING_SUCCESS, CLASS_ERROR_RESPONSE, CLASS_REQUEST, Getter as _,
    METHOD_ALLOCATE, METHOD_REFRESH, Message, MessageType, Setter as _, TransactionId,
};
use rtc_stun::textattrs::TextAttribute;
use rtc_stun::xoraddr::XorMappedAddress;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;

use super::Found;
use crate::rtc::ice::{IceServer, IceServers};
use crate::server::Rooms;

/// Until the first repeat; doubled twice (RFC 8489 §6.2.1 has 500 ms and seven attempts, which nobody waits for here).
const REPEAT_AFTER: Duration = Duration::from_millis(500);
const ATTEMPTS: u32 = 3;
/// Name look-up, connection and handshake included.
const SERVER_WITHIN: Duration = Duration::from_secs(6);
/// Protocol number of UDP (RFC 8656 §18.7).
const UDP: [u8; 4] = [17, 0, 0, 0];
/// A server's answer is far smaller; a stream that promises more is none.
const MESSAGE_MAX: usize = 4 << 10;
const HEADER: usize = 20;

pub async fn stun(rooms: &Rooms) -> Vec<Found> {
    let servers = match servers(rooms) {
        Ok(servers) => servers,
        Err(found) => return vec![found],
    };
    let mut found = Vec::new();
    for server in servers.iter().filter(|s| !s.place.relay) {
        let outcome = timeout(SERVER_WITHIN, mapped(&server.place)).await;
        let outcome = outcome.unwrap_or_else(|_| Err("no answer".into()));
        found.push(seen_as(outcome, rooms.config.rtc.public_ip).about(&server.url));
    }
    if found.is_empty() {
        found.push(match rooms.config.rtc.public_ip {
            Some(ip) => Found::ok(format!("no STUN server is set; callers are told {ip}")),
            None => {
                Found::ok("no STUN server is set: callers are told this machine's own addresses")
            }
        });
    }
    found
}

fn seen_as(outcome: Result<SocketAddr, String>, public: Option<IpAddr>) -> Found {
    match (outcome, public) {
        (Err(why), _) => Found::failed(
            why,
            "is the address right, and is UDP to it let out? Without STUN callers may not find a way",
        ),
        (Ok(seen), Some(public)) if seen.ip() == public => Found::ok(format!(
            "the world sees this machine as {public}, as is set"
        )),
        (Ok(seen), Some(public)) => Found::failed(
            format!(
                "the world sees this machine as {}, and callers are told {public}",
                seen.ip()
            ),
            format!("set rtc.public_ip={}", seen.ip()),
        ),
        (Ok(seen), None) => {
            let local = std::net::UdpSocket::bind((seen.ip(), 0)).is_ok();
            if local {
                Found::ok(format!("{} is this machine's own address", seen.ip()))
            } else {
                Found::warning(
                    format!(
                        "the world sees this machine as {}, which it does not know",
                        seen.ip()
                    ),
                    format!(
                        "behind 1:1 NAT set rtc.public_ip={} and let rtc.udp_ports through; behind any other NAT callers need a TURN server",
                        seen.ip()
                    ),
                )
            }
        }
    }
}

pub async fn turn(rooms: &Rooms) -> Vec<Found> {
    let servers = match servers(rooms) {
        Ok(servers) => servers,
        Err(found) => return vec![found],
    };
    let mut found = Vec::new();
    for server in servers.iter().filter(|s| s.place.relay) {
        let outcome = timeout(SERVER_WITHIN, allocated(server)).await;
        let outcome = outcome.unwrap_or_else(|_| Err("no answer".into()));
        let one = match outcome {
            Ok(relay) => Found::ok(format!("it relays by {relay}")),
            Err(why) => Found::failed(
                why,
                "is the server up, its port let through, and the secret (auth_secret_file or credential_file) the one it has?",
            ),
        };
        found.push(one.about(&server.url));
    }
    if found.is_empty() {
        found.push(Found::warning(
            "no TURN server is set: callers whose network lets no UDP out cannot join",
            "run coturn (with TCP or TLS on 443 for the strictest networks) and name it in [[rtc.ice_servers]]",
        ));
    }
    found
}

/// One address of the configuration, as a caller would use it.
#[derive(Debug)]
struct Server {
    url: String,
    place: Place,
    username: Option<String>,
    credential: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    relay: bool,
    host: String,
    port: u16,
    way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Udp,
    Tcp,
    Tls,
}

fn servers(rooms: &Rooms) -> Result<Vec<Server>, Found> {
    let unreadable = |error: std::io::Error| {
        Found::failed(
            format!("rtc.ice_servers: {error}"),
            "let boothd's user read the file, or name another",
        )
    };
    let servers = IceServers::load(&rooms.config.rtc.ice_servers).map_err(unreadable)?;
    let now_s = rooms.clock.now().0 / 1_000;
    let mut all = Vec::new();
    for IceServer {
        urls,
        username,
        credential,
    } in servers.list("doctor", now_s)
    {
        for url in urls {
            let Some(place) = place(&url) else {
                let mend = "write stun:host:port, turn:host:port?transport=udp or turns:host:port";
                return Err(
                    Found::failed("it is no address of a STUN or TURN server", mend).about(url),
                );
            };
            all.push(Server {
                url,
                place,
                username: username.clone(),
                credential: credential.clone(),
            });
        }
    }
    Ok(all)
}

/// `turn:host:port?transport=tcp` (RFC 7064, RFC 7065).
fn place(url: &str) -> Option<Place> {
    let (scheme, rest) = url.split_once(':')?;
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (relay, secure) = match scheme {
        "stun" => (false, false),
        "stuns" => (false, true),
        "turn" => (true, false),
        "turns" => (true, true),
        _ => return None,
    };
    let default = if secure { 5_349 } else { 3_478 };
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => {
            let (host, rest) = v6.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Ok(default), str::parse).ok()?;
    let way = match (secure, query) {
        (true, "" | "transport=tcp") => Way::Tls,
        (false, "transport=tcp") => Way::Tcp,
        (false, "" | "transport=udp") => Way::Udp,
        _ => return None,
    };
    (!host.is_empty()).then(|| Place {
        relay,
        host: host.to_owned(),
        port,
        way,
    })
}

async fn mapped(place: &Place) -> Result<SocketAddr, String> {
    let mut wire = Wire::connect(place).await?;
    let answer = wire.exchange(&message(BINDING_REQUEST)?).await?;
    mapped_in(&answer)
}

/// Allocates a relay address with the credentials a caller would get, and gives it back.
async fn allocated(server: &Server) -> Result<SocketAddr, String> {
    let mut wire = Wire::connect(&server.place).await?;
    let allocate = MessageType::new(METHOD_ALLOCATE, CLASS_REQUEST);
    let mut request = message(allocate)?;
    request.add(ATTR_REQUESTED_TRANSPORT, &UDP);
    let mut answer = wire.exchange(&request).await?;
    let mut login = None;
    if let Some((401, _)) = refusal(&answer) {
        let (Some(username), Some(credential)) = (&server.username, &server.credential) else {
            return Err("it asks for a name and a password, and none is set".into());
        };
        let text = |attribute| {
            TextAttribute::get_from_as(&answer, attribute)
                .map(|a| a.text)
                .map_err(|_| "it refuses without saying its realm".to_owned())
        };
        let given = Login {
            username: username.clone(),
            credential: credential.clone(),
            realm: text(ATTR_REALM)?,
            nonce: text(ATTR_NONCE)?,
        };
        let mut request = message(allocate)?;
        request.add(ATTR_REQUESTED_TRANSPORT, &UDP);
        given.sign(&mut request)?;
        answer = wire.exchange(&request).await?;
        login = Some(given);
    }
    match refusal(&answer) {
        Some((401 | 441, _)) => return Err("it refuses the name and the password".into()),
        Some((code, reason)) => return Err(format!("it refuses: {code} {reason}")),
        None => {}
    }
    let mut relay = XorMappedAddress::default();
    relay
        .get_from_as(&answer, ATTR_XOR_RELAYED_ADDRESS)
        .map_err(|_| "it accepts, but names no relay address".to_owned())?;
    // Given back; a server that does not hear it forgets the allocation by itself.
    if let (Some(login), Ok(mut refresh)) = (
        login,
        message(MessageType::new(METHOD_REFRESH, CLASS_REQUEST)),
    ) {
        refresh.add(ATTR_LIFETIME, &[0; 4]);
        if login.sign(&mut refresh).is_ok() {
            let _ = wire.send(&refresh).await;
        }
    }
    Ok(SocketAddr::new(relay.ip, relay.port))
}

struct Login {
    username: String,
    credential: String,
    realm: String,
    nonce: String,
}

impl Login {
    fn sign(&self, request: &mut Message) -> Result<(), String> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        for (attribute, value) in [
            (ATTR_USERNAME, &self.username),
            (ATTR_REALM, &self.realm),
            (ATTR_NONCE, &self.nonce),
        ] {
            let attribute = TextAttribute::new(attribute, value.clone());
            attribute.add_to(request).map_err(|e| text(&e))?;
        }
        let provider = rtc_crypto::default_provider().map_err(|e| text(&e))?;
        let integrity = MessageIntegrity::new_long_term_integrity_with_provider(
            self.username.clone(),
            self.realm.clone(),
            self.credential.clone(),
            provider.crypto(),
        );
        let integrity = integrity.map_err(|e| text(&e))?;
        integrity.add_to(request).map_err(|e| text(&e))
    }
}

fn message(kind: MessageType) -> Result<Message, String> {
    let mut message = Message::new();
    let setters: [Box<dyn rtc_stun::message::Setter>; 2] =
        [Box::new(TransactionId::new()), Box::new(kind)];
    message.build(&setters).map_err(|e| e.to_string())?;
    Ok(message)
}

fn refusal(answer: &Message) -> Option<(u16, String)> {
    if answer.typ.class != CLASS_ERROR_RESPONSE {
        return None;
    }
    let mut error = ErrorCodeAttribute::default();
    let _ = error.get_from(answer);
    // The other side's words, harmless in a terminal.
    let reason = String::from_utf8_lossy(&error.reason);
    let reason = reason.chars().filter(|c| !c.is_control()).take(80);
    Some((error.code.0, reason.collect()))
}

fn mapped_in(answer: &Message) -> Result<SocketAddr, String> {
    let mut mapped = XorMappedAddress::default();
    mapped
        .get_from(answer)
        .map_err(|_| "its answer names no address".to_owned())?;
    Ok(SocketAddr::new(mapped.ip, mapped.port))
}

fn decoded(bytes: &[u8]) -> Option<Message> {
    let mut message = Message::new();
    message.unmarshal_binary(bytes).ok()?;
    Some(message)
}

/// The way to one server.
enum Wire {
    Udp(UdpSocket),
    Stream(Box<dyn Duplex>),
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

impl Wire {
    async fn connect(place: &Place) -> Result<Self, String> {
        let text = |e: std::io::Error| e.to_string();
        let mut found = lookup_host((place.host.as_str(), place.port))
            .await
            .map_err(|e| format!("{}: {e}", place.host))?;
        let address = found
            .next()
            .ok_or_else(|| format!("{} has no address", place.host))?;
        let tcp = || async { TcpStream::connect(address).await.map_err(text) };
        Ok(match place.way {
            Way::Udp => {
                let any = if address.is_ipv4() {
                    "0.0.0.0:0"
                } else {
                    "[::]:0"
                };
                let socket = UdpSocket::bind(any).await.map_err(text)?;
                socket.connect(address).await.map_err(text)?;
                Self::Udp(socket)
            }
            Way::Tcp => Self::Stream(Box::new(tcp().await?)),
            Way::Tls => {
                // Reading them takes tens of milliseconds.
                let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs);
                let mut roots = rustls::RootCertStore::empty();
                roots.add_parsable_certificates(found.await.map_err(|e| e.to_string())?.certs);
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let config = rustls::ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .map_err(|e| e.to_string())?
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                let name = rustls::pki_types::ServerName::try_from(place.host.clone())
                    .map_err(|e| e.to_string())?;
                let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
                let stream = connector.connect(name, tcp().await?).await.map_err(text)?;
                Self::Stream(Box::new(stream))
            }
        })
    }

    async fn send(&mut self, request: &Message) -> Result<(), String> {
        let text = |e: std::io::Error| e.to_string();
        match self {
            Self::Udp(socket) => socket.send(&request.raw).await.map(|_| ()).map_err(text),
            Self::Stream(stream) => {
                stream.write_all(&request.raw).await.map_err(text)?;
                stream.flush().await.map_err(text)
            }
        }
    }

    /// The answer to this very request.
    async fn exchange(&mut self, request: &Message) -> Result<Message, String> {
        let mut wait = REPEAT_AFTER;
        for _ in 0..ATTEMPTS {
            self.send(request).await?;
            // A stream does not lose anything: it is given all the time there is.
            let within = match self {
                Self::Udp(_) => wait,
                Self::Stream(_) => SERVER_WITHIN,
            };
            match timeout(within, self.answer(request)).await {
                Ok(answer) => return answer,
                Err(_) => wait *= 2,
            }
        }
        Err("no answer".into())
    }

    async fn answer(&mut self, request: &Message) -> Result<Message, String> {
        let text = |e: std::io::Error| e.to_string();
        let mut buffer = vec![0; MESSAGE_MAX];
        loop {
            let length = match self {
                Self::Udp(socket) => socket.recv(&mut buffer).await.map_err(text)?,
                Self::Stream(stream) => {
                    stream
                        .read_exact(&mut buffer[..HEADER])
                        .await
                        .map_err(text)?;
                    let body = usize::from(u16::from_be_bytes([buffer[2], buffer[3]]));
                    let all = HEADER + body;
                    if all > MESSAGE_MAX {
                        return Err("it does not speak STUN".into());
                    }
                    stream
                        .read_exact(&mut buffer[HEADER..all])
                        .await
                        .map_err(text)?;
                    all
                }
            };
            match decoded(&buffer[..length]) {
                Some(answer) if answer.transaction_id == request.transaction_id => {
                    return Ok(answer);
                }
                // Somebody else's, or nonsense.
                Some(_) => {}
                None if matches!(self, Self::Stream(_)) => {
                    return Err("it does not speak STUN".into());
                }
                None => {}
            }
        }
    }
}

/// Asks another socket of this machine which address it sees.
pub(super) async fn ask_binding(asker: &UdpSocket, to: SocketAddr) -> Result<SocketAddr, String> {
    let request = message(BINDING_REQUEST)?;
    let mut buffer = [0; 512];
    for _ in 0..ATTEMPTS {
        asker
            .send_to(&request.raw, to)
            .await
            .map_err(|e| e.to_string())?;
        if let Ok(received) = timeout(REPEAT_AFTER, asker.recv_from(&mut buffer)).await {
            let (length, _) = received.map_err(|e| e.to_string())?;
            match decoded(&buffer[..length]) {
                Some(answer) if answer.transaction_id == request.transaction_id => {
                    return mapped_in(&answer);
                }
                _ => {}
            }
        }
    }
    Err("no answer".into())
}

/// Answers binding requests until the socket breaks.
pub(super) async fn answer_binding(socket: &UdpSocket) {
    let mut buffer = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let Some(request) = decoded(&buffer[..length]) else {
            continue;
        };
        let Ok(mut answer) = message(BINDING_SUCCESS) else {
            continue;
        };
        answer.transaction_id = request.transaction_id;
        answer.write_transaction_id();
        let mapped = XorMappedAddress {
            ip: from.ip(),
            port: from.port(),
        };
        if mapped.add_to(&mut answer).is_ok() {
            let _ = socket.send_to(&answer.raw, from).await;
        }
    }
}

#[cfg(test)]
#[path = "stun_tests.rs"]
mod tests;
