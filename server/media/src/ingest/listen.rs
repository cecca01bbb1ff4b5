//! The listening sockets, as boothd wants them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use booth_proto::worker::IngestDesired;
use booth_rtmp::server::{Listener, ListenerLimits, ServerTls};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::desk::Event;
use super::door::Door;

use crate::backoff::Backoff;
/// Between two tries to bind a port: from the first, doubled up to the last.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_LAST: Duration = Duration::from_secs(10);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 256;

/// What one listener is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    address: String,
    /// Certificate and key.
    tls: Option<(PathBuf, PathBuf)>,
    per_address: usize,
}

struct Running {
    wanted: Wanted,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub struct Listeners {
    sessions: Handle,
    events: mpsc::Sender<Event>,
    door: Arc<Door>,
    /// Counts the connections of all.
    listener: Listener,
    rtmp: Option<Running>,
    rtmps: Option<Running>,
    named: BTreeSet<u64>,
}

impl Listeners {
    pub fn new(sessions: Handle, events: mpsc::Sender<Event>) -> Self {
        Self {
            door: Arc::new(Door::new(events.clone())),
            sessions,
            events,
            listener: Listener::default(),
            rtmp: None,
            rtmps: None,
            named: BTreeSet::new(),
        }
    }

    /// Whether boothd's last order names this publisher.
    pub fn named(&self, publisher: u64) -> bool {
        self.named.contains(&publisher)
    }

    pub fn want(&mut self, desired: &IngestDesired) {
        self.named = desired.publishers.iter().map(|p| p.id).collect();
        let per_address = match usize::try_from(desired.connections_per_address) {
            Ok(0) | Err(_) => ListenerLimits::default().per_address,
            Ok(n) => n,
        };
        let wanted = |address: &str, tls| {
            (!address.is_empty()).then(|| Wanted {
                address: address.to_owned(),
                tls,
                per_address,
            })
        };
        let rtmp = wanted(&desired.rtmp_listen, None);
        let tls = (
            PathBuf::from(&desired.tls_cert),
            PathBuf::from(&desired.tls_key),
        );
        let rtmps = wanted(&desired.rtmps_listen, Some(tls));
        let running = (self.rtmp.take(), self.rtmps.take());
        self.rtmp = self.changed(running.0, rtmp);
        self.rtmps = self.changed(running.1, rtmps);
    }

    /// The listener in the place of the one that ran.
    fn changed(&self, running: Option<Running>, wanted: Option<Wanted>) -> Option<Running> {
        if running.as_ref().map(|running| &running.wanted) == wanted.as_ref() {
            return running;
        }
        let wanted = wanted?;
        let (listener, door, events) = (
            self.listener.clone(),
            self.door.clone(),
            self.events.clone(),
        );
        let task = self
            .sessions
            .spawn(listen(running, wanted.clone(), listener, door, events));
        Some(Running { wanted, task })
    }

    pub fn stop(&mut self) {
        self.rtmp = None;
        self.rtmps = None;
    }
}

/// Listens for ever; publishers that are there go on when this ends.
async fn listen(
    before: Option<Running>,
    wanted: Wanted,
    listener: Listener,
    door: Arc<Door>,
    events: mpsc::Sender<Event>,
) {
    if let Some(mut before) = before {
        // Its port may be ours.
        before.task.abort();
        let _ = (&mut before.task).await;
    }
    let mut backoff = Backoff::new(BACKOFF_FIRST, BACKOFF_LAST);
    let (tcp, tls) = loop {
        let (reason, text) = match open(&wanted).await {
            Ok(open) => break open,
            Err(problem) => problem,
        };
        // The desk is gone when the process ends.
        let _ = events.send(Event::Problem { reason, text }).await;
        sleep(backoff.pause()).await;
    };
    tracing::info!(
        address = wanted.address,
        tls = tls.is_some(),
        "encoders may publish"
    );
    let limits = ListenerLimits {
        per_address: wanted.per_address,
        ..ListenerLimits::default()
    };
    listener.run(tcp, tls, limits, door).await;
}

/// A problem has a stable reason and a text.
async fn open(wanted: &Wanted) -> Result<(TcpListener, Option<ServerTls>), (&'static str, String)> {
    let tls = match &wanted.tls {
        None => None,
        Some((certificate, key)) => {
            let tls = ServerTls::from_pem_files(certificate, key);
            Some(tls.map_err(|error| ("RTMPS_CERTIFICATE_UNUSABLE", error.to_string()))?)
        }
    };
    let tcp = bind(&wanted.address)
        .await
        .map_err(|error| ("RTMP_NOT_OPEN", format!("{}: {error}", wanted.address)))?;
    Ok((tcp, tls))
}

async fn bind(address: &str) -> std::io::Result<TcpListener> {
    let mut last = std::io::Error::other("the address names nothing");
    for address in tokio::net::lookup_host(address).await? {
        match bind_one(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_one(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of the worker before this one linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
