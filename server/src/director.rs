//! The director: the one owner of the state.

use std::sync::Arc;

use booth_core::{Answer, Command, Denied, Fact, Meta, State};
use tokio::sync::{mpsc, oneshot};

/// Commands that may wait. A door that finds it full answers «busy» instead of piling up.
pub const COMMAND_QUEUE: usize = 1_024;
/// Facts that may wait; senders wait for room, facts are never dropped.
pub const FACT_QUEUE: usize = 4_096;

/// What a door gets for an accepted command: it is durable, and `state` holds it.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub answer: Answer,
    pub state: Arc<State>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The ledger cannot write: nothing has changed, what is on air stays on air.
    #[error("the ledger refuses to write: {0}")]
    Ledger(String),
    #[error("the server is busy: try again")]
    Busy,
    #[error("the server is stopping")]
    Stopping,
}

pub(crate) struct Envelope {
    pub meta: Meta,
    pub command: Command,
    pub reply: oneshot::Sender<Result<Accepted, CommandError>>,
}

/// A door's handle; cloned freely.
#[derive(Debug, Clone)]
pub struct Director {
    commands: mpsc::Sender<Envelope>,
    facts: mpsc::Sender<Fact>,
}

impl Director {
    /// Answers when the change is durable and published, or says why not.
    pub async fn command(&self, meta: Meta, command: Command) -> Result<Accepted, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .try_send(Envelope {
                meta,
                command,
                reply,
            })
            .map_err(|e| match e {
                mpsc::error::TrySendError::Full(_) => CommandError::Busy,
                mpsc::error::TrySendError::Closed(_) => CommandError::Stopping,
            })?;
        answer.await.unwrap_or(Err(CommandError::Stopping))
    }

    /// Waits for room; an error means that the server is stopping, which the caller need not handle.
    pub async fn fact(&self, fact: Fact) {
        let _ = self.facts.send(fact).await;
    }
}
