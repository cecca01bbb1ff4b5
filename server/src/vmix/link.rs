//! The connection to one vMix: connects, talks, and connects again. One task for each address; nobody waits for it.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use booth_media::backoff::Backoff;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use super::session::{ANSWER, Lost, Plan, Session};
use super::tallies::{SlotVmix, Tallies};
use super::wire::Frames;

/// Names are resolved and the handshake is done by then, or vMix is not there.
const CONNECT: Duration = Duration::from_secs(5);
const WAIT_FIRST: Duration = Duration::from_millis(250);
const WAIT_LAST: Duration = Duration::from_secs(10);
/// A connection that held this long was a good one: the next wait is a short one again.
const GOOD: Duration = Duration::from_secs(10);
/// Tallies are told this often at most: what a peer sends faster must not keep every watcher busy.
const TELL: Duration = Duration::from_millis(20);
/// The same trouble is logged again after this.
const LOG_AGAIN: Duration = Duration::from_secs(600);

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("no answer to a connection within {} s", CONNECT.as_secs())]
    Connect,
    #[error("cannot connect: {0}")]
    Refused(io::Error),
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error("it closed the connection")]
    Closed,
    #[error(transparent)]
    Lost(#[from] Lost),
}

/// Ends when the plan is empty and titles are left clean, as far as vMix is there; or when the room is gone.
pub async fn run(address: String, mut plans: watch::Receiver<Plan>, tallies: Tallies) {
    let mut backoff = Backoff::new(WAIT_FIRST, WAIT_LAST);
    // One that comes and goes must not fill the log: the same loss is not logged again and again, nor what is between.
    let mut logged: Option<(String, Instant)> = None;
    let mut announce = true;
    loop {
        let mut up = None;
        let trouble = match talk(&address, &mut plans, &tallies, &mut up, announce).await {
            Ok(()) => return,
            Err(trouble) => trouble,
        };
        let (error, now) = (trouble.to_string(), Instant::now());
        let good = up.is_some_and(|since| now >= since + GOOD);
        if good {
            backoff.succeed();
        }
        let told_lately = |(last, at): &(String, Instant)| *last == error && now < *at + LOG_AGAIN;
        announce &= up.is_none();
        if good || !logged.as_ref().is_some_and(told_lately) {
            warn!(%address, %error, "vMix is lost; tried again until it is there");
            logged = Some((error.clone(), now));
            announce = true;
        }
        let wait = sleep(backoff.pause());
        tokio::pin!(wait);
        loop {
            if plans.borrow_and_update().is_empty() {
                return;
            }
            absent(&address, &plans, &tallies, &error);
            tokio::select! {
                () = &mut wait => break,
                changed = plans.changed() => if changed.is_err() { return },
            }
        }
    }
}

fn absent(address: &str, plans: &watch::Receiver<Plan>, tallies: &Tallies, error: &str) {
    let told: BTreeMap<_, _> = plans
        .borrow()
        .keys()
        .map(|slot| {
            let told = SlotVmix {
                error: error.to_owned(),
                ..SlotVmix::default()
            };
            (slot.clone(), told)
        })
        .collect();
    tallies.tell(address, &told);
}

/// One connection from its beginning to its end; `up` says since when it has been a vMix's.
async fn talk(
    address: &str,
    plans: &mut watch::Receiver<Plan>,
    tallies: &Tallies,
    up: &mut Option<Instant>,
    announce: bool,
) -> Result<(), Trouble> {
    let connecting = timeout(CONNECT, TcpStream::connect(address)).await;
    let mut stream = connecting
        .map_err(|_| Trouble::Connect)?
        .map_err(Trouble::Refused)?;
    stream.set_nodelay(true)?;
    let plan = plans.borrow_and_update().clone();
    let mut session = Session::new(plan, Instant::now());
    let mut frames = Frames::default();
    let mut buffer = [0_u8; 8 * 1024];
    let mut told_at = Instant::now() - TELL;
    loop {
        let now = Instant::now();
        session.check(now)?;
        if session.is_over() {
            return Ok(());
        }
        if let Some(line) = session.poll(now) {
            let sending = async {
                stream.write_all(line.as_bytes()).await?;
                stream.write_all(b"\r\n").await
            };
            timeout(ANSWER, sending).await.map_err(|_| Lost::Silent)??;
        }
        let mut due = session.due();
        if now >= told_at + TELL {
            let told = session.told();
            if up.is_none() && told.values().any(|told| told.connected) {
                *up = Some(now);
                if announce {
                    info!(%address, "vMix is connected");
                }
            }
            if tallies.tell(address, &told) {
                told_at = now;
            }
        } else {
            due = due.min(told_at + TELL);
        }
        tokio::select! {
            read = stream.read(&mut buffer) => {
                let read = read?;
                if read == 0 {
                    return Err(Trouble::Closed);
                }
                frames.push(&buffer[..read]);
                while let Some(heard) = frames.next(session.asks_for()).map_err(Lost::from)? {
                    session.hear(heard, Instant::now())?;
                }
            }
            changed = plans.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let plan = plans.borrow_and_update().clone();
                session.plan(plan, Instant::now());
            }
            () = sleep_until(due) => {}
        }
    }
}
