//! What `booth doctor` asks the server: named checks, each of which says what it found and how to mend it.
//!
//! ```text
//!  grpc ─▶ run ─▶ one check after the other (≤ 20 s each) ─▶ Running(name), Found(name, …) …
//!                   ├─ outputs, site: what the rooms know
//!                   ├─ machine, media: disk, clock, and a child process (`boothd check-media`)
//!                   └─ network, stun: sockets, certificates, STUN and TURN servers
//! ```
//!
//! A check changes nothing. The names are those of [`booth_proto::checks`]; docs/troubleshooting.md has an entry for each.

mod certificate;
mod machine;
mod media;
mod network;
mod outputs;
mod site;
mod stun;
#[cfg(test)]
mod tests;
mod udp;

#[cfg(test)]
pub use udp::testing::free_ports;

use std::sync::Arc;
use std::time::Duration;

use booth_proto::checks::SERVER;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::server::Rooms;
use media::Media;

/// A check takes no longer.
const CHECK_WITHIN: Duration = Duration::from_secs(20);
/// One run at a time: they write to the disk and start processes.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Turns {
    /// A turn, until it is dropped.
    pub async fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).acquire_owned().await.ok()
    }
}

/// How long another run is waited for, and one who does not read what is found.
const TURN_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Ok,
    /// Works, but somebody will miss something.
    Warning,
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which one, when there are several: `slots/1`.
    pub subject: String,
    pub verdict: Verdict,
    pub text: String,
    /// Empty when there is nothing to mend.
    pub mend: String,
}

impl Found {
    fn new(verdict: Verdict, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            subject: String::new(),
            verdict,
            text: text.into(),
            mend: mend.into(),
        }
    }
    pub fn ok(text: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, text, "")
    }
    pub fn warning(text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(Verdict::Warning, text, mend)
    }
    pub fn failed(text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(Verdict::Failed, text, mend)
    }
    pub fn about(self, subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            ..self
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Running(&'static str),
    Found(&'static str, Found),
}

/// The stable names of those asked for, in their order; the first that is no check is the error.
pub fn named(names: &[String]) -> Result<Vec<&'static str>, String> {
    if let Some(unknown) = names.iter().find(|name| !SERVER.contains(&name.as_str())) {
        return Err(unknown.clone());
    }
    let wanted = |name: &&str| names.is_empty() || names.iter().any(|asked| asked == name);
    Ok(SERVER.into_iter().filter(wanted).collect())
}

/// Runs the checks in turn; ends early when nobody listens any more.
pub async fn run(
    rooms: Rooms,
    turns: Turns,
    checks: Vec<&'static str>,
    progress: mpsc::Sender<Progress>,
) {
    let turn = tokio::select! {
        turn = tokio::time::timeout(TURN_WITHIN, turns.take()) => turn,
        () = progress.closed() => return,
    };
    let Ok(Some(_turn)) = turn else {
        let name = checks.first().copied().unwrap_or_default();
        let busy = Found::failed(
            "another run of the checks is under way",
            "run it again when that one has ended",
        );
        let _ = progress.try_send(Progress::Found(name, busy));
        return;
    };
    let say = async |word| {
        let said = tokio::time::timeout(TURN_WITHIN, progress.send(word)).await;
        matches!(said, Ok(Ok(())))
    };
    let run = Run {
        rooms,
        media: OnceCell::new(),
    };
    for name in checks {
        if !say(Progress::Running(name)).await {
            return;
        }
        let found = tokio::time::timeout(CHECK_WITHIN, run.check(name)).await;
        let found = found.unwrap_or_else(|_| {
            let text = format!("no result within {} s", CHECK_WITHIN.as_secs());
            vec![Found::failed(
                text,
                "run it again when the machine is less busy; the server's log may say more",
            )]
        });
        for one in found {
            if !say(Progress::Found(name, one)).await {
                return;
            }
        }
    }
}

struct Run {
    rooms: Rooms,
    /// Two checks need it, one process finds it out.
    media: OnceCell<Result<Media, String>>,
}

impl Run {
    async fn media(&self) -> &Result<Media, String> {
        let look = || media::look(&self.rooms.config);
        self.media.get_or_init(look).await
    }

    async fn check(&self, name: &str) -> Vec<Found> {
        let rooms = &self.rooms;
        match name {
            "listeners" => network::listeners(rooms).await,
            "workers" => site::workers(&rooms.system.units()),
            "ledger" => site::ledger(&rooms.system.ledger()),
            "keys" => site::keys(&rooms.board.state(), &rooms.keys),
            "disk" => machine::disk(&rooms.config.data.dir).await,
            "clock" => machine::clock(rooms.clock.drift_ms(), self.media().await),
            "gstreamer" => media::gstreamer(self.media().await),
            "libsrt" => media::libsrt(self.media().await),
            "certificate" => certificate::check(&rooms.config, rooms.clock.now()).await,
            "secure-context" => network::secure_context(&rooms.config),
            "udp-ports" => network::udp_ports(&rooms.config.rtc).await,
            "stun" => stun::stun(rooms).await,
            "turn" => stun::turn(rooms).await,
            "srt-clients" => outputs::srt_clients(rooms),
            "channels" => outputs::channels(&rooms.board.state(), rooms.clock.now()),
            "destinations" => outputs::destinations(&rooms.board.state(), rooms.clock.now()),
            _ => Vec::new(),
        }
    }
}
