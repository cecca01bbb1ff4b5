//! What the rooms of one server share.

use std::net::SocketAddr;
use std::sync::Arc;

use booth_core::ChannelId;
use booth_proto::worker::DrillReport;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::director::Director;
use crate::meters::Meters;
use crate::probe::Probe;
use crate::relay::Hub;
use crate::secrets::Keyring;
use crate::usage::Usage;
use crate::vmix::Tallies;

/// What every room may use; cloned freely.
#[derive(Debug, Clone)]
pub struct Rooms {
    pub config: Arc<Config>,
    pub clock: Clock,
    pub director: Director,
    pub board: Board,
    pub meters: Meters,
    pub hub: Hub,
    pub keys: Arc<Keyring>,
    pub system: Arc<dyn SystemView>,
    pub probe: Arc<dyn Probe>,
    pub drills: Arc<dyn Drills>,
    pub tallies: Tallies,
}

/// Rehearsals of channels on shadow outputs, by workers of their own.
#[tonic::async_trait]
pub trait Drills: Send + Sync + std::fmt::Debug {
    /// Begins one; the last report has `done` or `error` set. Dropping the receiver ends it.
    async fn start(&self, channel: &ChannelId) -> Result<mpsc::Receiver<DrillReport>, DrillError>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DrillError {
    /// One at a time for each channel.
    #[error("a rehearsal of this channel is running already: wait for its end")]
    Running,
    #[error("the rehearsal could not begin: {0}")]
    Failed(String),
}

/// Where no worker can be had.
#[derive(Debug, Clone, Copy)]
pub struct NoDrills;

#[tonic::async_trait]
impl Drills for NoDrills {
    async fn start(&self, _: &ChannelId) -> Result<mpsc::Receiver<DrillReport>, DrillError> {
        Err(DrillError::Failed("this server starts no workers".into()))
    }
}

/// What the API may know of the server itself.
pub trait SystemView: Send + Sync + std::fmt::Debug {
    fn ledger(&self) -> LedgerStatus;
    fn units(&self) -> Vec<UnitStatus>;
    /// What the process opened at its start, by the key that says where.
    fn listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        Vec::new()
    }
    /// Of boothd's own process.
    fn usage(&self) -> Usage {
        Usage::default()
    }
    /// A consistent copy of the ledger in chunks of at most 64 KiB, and its whole length in bytes.
    fn backup(&self) -> std::io::Result<(u64, mpsc::Receiver<std::io::Result<Bytes>>)>;
}

#[derive(Debug, Clone, Default)]
pub struct LedgerStatus {
    pub writable: bool,
    pub problem: String,
    pub journal_bytes: u64,
    pub findings: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub struct UnitStatus {
    /// `slot-1`.
    pub name: String,
    pub attached: bool,
    pub pid: u32,
    pub restarts: u32,
    pub last_error: String,
    pub usage: Usage,
}
