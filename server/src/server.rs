//! What the rooms of one server share.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::director::Director;
use crate::meters::Meters;
use crate::relay::Hub;
use crate::secrets::Keyring;

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
}

/// What the API may know of the server itself.
pub trait SystemView: Send + Sync + std::fmt::Debug {
    fn ledger(&self) -> LedgerStatus;
    fn units(&self) -> Vec<UnitStatus>;
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
}
