use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{CallerId, ShowId, Text, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShowState {
    Creating,
    Starting,
    Live,
    Stopping,
    Stopped,
    Error,
}

/// Rules of one show that an operator may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowSettings {
    /// How long a caller whose media is gone keeps place, notes and state.
    pub grace_ms: u64,
    /// How long a caller who is ON_AIR keeps the slot without media.
    pub on_air_grace_ms: u64,
    /// Most callers that have not ended.
    pub max_callers: u32,
    /// Whether new callers may join.
    pub open: bool,
}

impl Default for ShowSettings {
    fn default() -> Self {
        Self {
            grace_ms: 300_000,
            on_air_grace_ms: 10_000,
            max_callers: 500,
            open: true,
        }
    }
}

impl ShowSettings {
    pub fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }
    pub fn on_air_grace(&self) -> Duration {
        Duration::from_millis(self.on_air_grace_ms)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    pub id: ShowId,
    pub title: Text,
    pub state: ShowState,
    pub settings: ShowSettings,
    /// Callers in queue order: everybody who has not ended and is not ON_AIR.
    pub queue: Vec<CallerId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub revision: u64,
}
