//! Puts the rooms together, and takes them apart in order.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use booth_core::{Actor, Command, Meta, OperatorId, Role, State, Text};
use booth_store::Ledger;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::board::{Board, Past, RING};
use crate::clock::Clock;
use crate::config::Config;
use crate::director::{self, CommandError, Director};
use crate::drills::DrillRoom;
use crate::meters::Meters;
use crate::publish::PublishDesk;
use crate::reconcile::{self, Reconciler};
use crate::relay::Hub;
use crate::secrets::{self, Keyring};
use crate::server::{LedgerStatus, Rooms, SystemView, UnitStatus};
use crate::supervise::{Context, Places, Supervisor};
use crate::tls::{Tls, TlsError};
use crate::usage::{self, Sampler, Usage};
use crate::vmix::{self, Tallies};
use crate::{grpc, http, rtc};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{what} {path}: {source}", path = path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot listen on {address} ({what}): {source}")]
    Listen {
        what: &'static str,
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("grpc.tls_cert, grpc.tls_key: {0}")]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Ledger(#[from] booth_store::OpenError),
    #[error("{path} does not hold a 32-byte key", path = path.display())]
    Key { path: PathBuf },
    #[error(transparent)]
    Secret(#[from] secrets::SecretError),
    #[error("the first start could not be completed: {0}")]
    Bare(#[from] CommandError),
    #[error(transparent)]
    Rtc(#[from] rtc::RtcError),
    #[error("{0}")]
    Http(String),
}

/// A server that is up: all listeners are open.
#[derive(Debug)]
pub struct Server {
    pub rooms: Rooms,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    stop: CancellationToken,
    failed: CancellationToken,
    /// Ends after the doors are closed.
    stop_director: CancellationToken,
    doors: JoinSet<()>,
    inner: JoinSet<()>,
}

/// Callers' and operators' connections are given this long to end.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

impl Server {
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let clock = Clock::anchored();
        let dir = private_dir(&config.data.dir)?;
        // Absolute, so that workers find it wherever they run.
        let dir = dir.canonicalize().map_err(|source| StartError::File {
            what: "data directory",
            path: dir,
            source,
        })?;
        let run = private_dir(&dir.join("run"))?;

        let opened = if config.data.ledger == "memory" {
            Ledger::memory()
        } else {
            let dir = dir.clone();
            let open = tokio::task::spawn_blocking(move || {
                Ledger::open(&dir, booth_store::Options::default())
            });
            open.await.map_err(|e| StartError::Http(e.to_string()))??
        };
        let mut findings = opened.report.warnings();
        for finding in &findings {
            warn!(%finding, "ledger");
        }
        let keys = Arc::new(Keyring::new(&key(&config, &dir)?)?);
        let ledger = Arc::new(opened.ledger);
        let board = Board::new(opened.state.clone(), tail(&ledger, &opened.state));

        // Bound before anything runs, so that a taken port changes nothing.
        let grpc_listener = listen("grpc.listen", config.grpc.listen).await?;
        let http_listener = listen("http.listen", config.http.listen).await?;
        let api_tls = Tls::api(&config, clock)?;
        if let Some(exposed) = config.grpc.exposed() {
            warn!("{exposed}");
        }
        let places = Places {
            run: run.clone(),
            binary: match &config.workers.binary {
                Some(path) => path.clone(),
                None => std::env::current_exe().map_err(|source| StartError::File {
                    what: "own executable",
                    path: PathBuf::new(),
                    source,
                })?,
            },
            orphan_timeout: Duration::from_secs(config.workers.orphan_timeout_s),
        };
        let probe_binary = places.binary.clone();
        if !places.fits_sockets() {
            let finding = format!(
                "{} is too long for the sockets of channels, which get no live input: use a shorter data.dir",
                run.display()
            );
            warn!(%finding, "channels");
            findings.push(finding);
        }
        let supervisor = Supervisor::new(places);
        let socket = supervisor.bind().map_err(|source| StartError::File {
            what: "workers' socket in",
            path: run,
            source,
        })?;

        let (stop, stop_director) = (CancellationToken::new(), CancellationToken::new());
        let (meters, hub) = (Meters::default(), Hub::default());
        let mut inner = JoinSet::new();
        let (director, effects, task) = director::start(
            opened.state,
            board.clone(),
            Arc::clone(&ledger),
            clock,
            stop_director.clone(),
        );
        let failed = CancellationToken::new();
        let (f, s) = (failed.clone(), stop_director.clone());
        inner.spawn(async move {
            let ended = task.await;
            if !s.is_cancelled() {
                error!(?ended, "the director ended");
                f.cancel();
            }
        });
        director.fact(booth_core::Fact::Started).await;
        if !config.takes_rtmp() {
            // Nobody holds publishers of before.
            director.fact(booth_core::Fact::IngestDown).await;
        }
        bare_start(&board, &director, &config, &dir).await?;

        let grpc = local(&grpc_listener)?;
        let http = local(&http_listener)?;
        let sampler = Sampler::default();
        inner.spawn(sample(
            sampler.clone(),
            supervisor.clone(),
            stop_director.clone(),
        ));
        let system = Arc::new(System {
            ledger,
            supervisor: supervisor.clone(),
            findings,
            sampler,
            listeners: [("grpc.listen", grpc), ("http.listen", http)],
        });
        let drills = DrillRoom::new(supervisor.changed());
        let publish = PublishDesk::new(board.clone(), director.clone(), clock, Arc::clone(&keys))?;
        let rooms = Rooms {
            config,
            clock,
            director,
            board,
            meters,
            hub,
            keys,
            system,
            probe: Arc::new(crate::probe::Children::new(probe_binary)),
            drills: Arc::new(drills.clone()),
            tallies: Tallies::default(),
        };
        let rtc = rtc::Rtc::new(&rooms)?;
        // Only now, when nothing can fail any more, are workers started.
        let parts = reconcile::Parts {
            config: Arc::clone(&rooms.config),
            board: rooms.board.clone(),
            director: rooms.director.clone(),
            hub: rooms.hub.clone(),
            supervisor: supervisor.clone(),
            meters: rooms.meters.clone(),
            keys: Arc::clone(&rooms.keys),
            drills: drills.clone(),
        };
        let generation = u64::try_from(clock.now().0).unwrap_or(0);
        let reconciler = Reconciler::new(parts, &dir, generation);
        inner.spawn(reconciler.run(effects, stop_director.clone()));
        let context = Context {
            clock,
            director: rooms.director.clone(),
            board: rooms.board.clone(),
            meters: rooms.meters.clone(),
            hub: rooms.hub.clone(),
            publish: publish.clone(),
            drills,
        };
        let keep = rooms.config.workers.keep_on_stop;
        inner.spawn(supervisor.run(socket, context, keep, stop.clone()));

        let (board, tallies) = (rooms.board.clone(), rooms.tallies.clone());
        inner.spawn(vmix::run(board, tallies, stop.clone()));

        let mut doors = JoinSet::new();
        let (r, s, f) = (rooms.clone(), stop.clone(), failed.clone());
        doors.spawn(async move {
            let ended = grpc::serve(r, grpc_listener, api_tls, s.clone()).await;
            if !s.is_cancelled() {
                error!(?ended, "the API ended");
                f.cancel();
            }
        });
        let (r, s, f) = (rooms.clone(), stop.clone(), failed.clone());
        doors.spawn(async move {
            let ended = http::serve(r, rtc, publish, http_listener, s.clone()).await;
            if !s.is_cancelled() {
                error!(?ended, "the callers' door ended");
                f.cancel();
            }
        });
        info!(%grpc, %http, version = env!("CARGO_PKG_VERSION"), "open");
        Ok(Self {
            rooms,
            grpc,
            http,
            stop,
            failed,
            stop_director,
            doors,
            inner,
        })
    }

    /// Waits until a part that must not end has ended. The log says which; the outputs go on without this process.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Closes the doors, ends workers (unless they are to stay), then the director.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let doors = async { while self.doors.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSE_LIMIT, doors).await.is_err() {
            warn!("connections that would not end are cut");
            self.doors.abort_all();
        }
        self.stop_director.cancel();
        let inner = async { while self.inner.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSE_LIMIT, inner).await.is_err() {
            self.inner.abort_all();
        }
    }
}

/// What the journal's end touched, for readers that resume over a restart.
fn tail(ledger: &Ledger, state: &State) -> Vec<Past> {
    let mut scratch = state.clone();
    // Without it readers of before the restart get a snapshot instead.
    let records = ledger.tail(RING).unwrap_or_default();
    records
        .into_iter()
        .map(|record| {
            // Only the keys matter: folding again onto the latest state tells which rows a record touches.
            let touched = scratch.fold(&record);
            (Arc::new(record), Arc::new(touched))
        })
        .collect()
}

/// Makes what a bare start has: show `main`, slots 1 and 2, and the first admin, whose token lands in `admin.token`.
async fn bare_start(
    board: &Board,
    director: &Director,
    config: &Config,
    dir: &Path,
) -> Result<(), StartError> {
    let state = board.state();
    let meta = || Meta {
        actor: Actor::System,
        request_id: None,
        expected_revision: None,
    };
    if state.operators.is_empty() {
        // The file first: killed in between, the next start makes both anew.
        let token = secrets::new_token()?;
        write_private(&dir.join("admin.token"), token.expose().as_bytes())?;
        let id = OperatorId::new("admin").map_err(|e| StartError::Http(e.to_string()))?;
        let command = Command::CreateOperator {
            id,
            name: Text::name("admin"),
            role: Role::Admin,
            token: secrets::token_hash(token.expose()),
        };
        director.command(meta(), command).await?;
    }
    if state.revision == 0 || (state.shows.is_empty() && state.slots.is_empty()) {
        let first = config.slots.first_port;
        for command in State::initial(None, &[first, first.saturating_add(1)]) {
            director.command(meta(), command).await?;
        }
    }
    Ok(())
}

fn private_dir(path: &Path) -> Result<PathBuf, StartError> {
    let mut builder = std::fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| StartError::File {
            what: "directory",
            path: path.to_owned(),
            source,
        })?;
    Ok(path.to_owned())
}

/// Writes a file that only this user may read; it is there whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StartError> {
    let part = path.with_extension("part");
    let write = || {
        let _ = std::fs::remove_file(&part);
        let mut file = std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, path)?;
        // The name too has to survive a power cut.
        let dir = path.parent().unwrap_or(Path::new("."));
        std::fs::File::open(dir)?.sync_all()
    };
    write().map_err(|source| StartError::File {
        what: "cannot write",
        path: path.to_owned(),
        source,
    })
}

/// The 32-byte key that seals secrets; made at the first start.
fn key(config: &Config, dir: &Path) -> Result<[u8; 32], StartError> {
    let path = config
        .data
        .key_file
        .clone()
        .unwrap_or_else(|| dir.join("key"));
    match std::fs::read(&path) {
        Ok(bytes) => bytes.try_into().map_err(|_| StartError::Key { path }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let fresh = secrets::random::<32>()?;
            write_private(&path, &fresh)?;
            Ok(fresh)
        }
        Err(source) => Err(StartError::File {
            what: "cannot read",
            path,
            source,
        }),
    }
}

async fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen {
            what,
            address,
            source,
        })
}

fn local(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener
        .local_addr()
        .map_err(|e| StartError::Http(e.to_string()))
}

struct System {
    ledger: Arc<Ledger>,
    supervisor: Supervisor,
    findings: Vec<String>,
    sampler: Sampler,
    listeners: [(&'static str, SocketAddr); 2],
}

/// Looks at what boothd and its workers use, until `stop`.
async fn sample(sampler: Sampler, supervisor: Supervisor, stop: CancellationToken) {
    let mut tick = tokio::time::interval(usage::LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let mut pids = vec![std::process::id()];
        pids.extend(supervisor.status().into_iter().map(|unit| unit.pid));
        sampler.look(&pids, std::time::Instant::now());
    }
}

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("System")
    }
}

impl SystemView for System {
    fn ledger(&self) -> LedgerStatus {
        let health = self.ledger.health();
        LedgerStatus {
            writable: health.writable,
            problem: health.reason.unwrap_or_default(),
            journal_bytes: health.journal_bytes,
            findings: self.findings.clone(),
        }
    }

    fn units(&self) -> Vec<UnitStatus> {
        let mut units = self.supervisor.status();
        for unit in &mut units {
            unit.usage = self.sampler.of(unit.pid);
        }
        units
    }

    fn listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        self.listeners.to_vec()
    }

    fn usage(&self) -> Usage {
        self.sampler.of(std::process::id())
    }

    fn backup(&self) -> std::io::Result<(u64, mpsc::Receiver<std::io::Result<Bytes>>)> {
        // Eight chunks wait at most: a slow reader slows its own backup only.
        let (tx, rx) = mpsc::channel(8);
        let ledger = Arc::clone(&self.ledger);
        let total = self.ledger.health().journal_bytes;
        std::thread::Builder::new()
            .name("backup".into())
            .spawn(move || {
                let mut out = Chunks {
                    tx: tx.clone(),
                    buffer: Vec::with_capacity(CHUNK),
                };
                let done = ledger
                    .backup(&mut out)
                    .map_err(std::io::Error::other)
                    .and_then(|_| out.flush());
                if let Err(error) = done {
                    let _ = tx.blocking_send(Err(error));
                }
            })?;
        Ok((total, rx))
    }
}

const CHUNK: usize = 64 * 1024;

/// Cuts what is written into chunks for a channel; a receiver that went away ends the writing.
struct Chunks {
    tx: mpsc::Sender<std::io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Chunks {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        let room = CHUNK - self.buffer.len();
        let taken = &data[..data.len().min(room)];
        self.buffer.extend_from_slice(taken);
        if self.buffer.len() == CHUNK {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.tx
            .blocking_send(Ok(chunk.into()))
            .map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }
}
