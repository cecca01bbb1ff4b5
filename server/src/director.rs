//! The director: the one owner of the state.
//!
//! ```text
//!  facts ──▶┐
//!  commands ┼─▶ decide ─▶ fold a working copy ─▶ ledger (durable) ─▶ board ─▶ replies, effects
//!  clock ──▶┘        (as many as wait, together)     │
//!                                                    └ refused: the copy is thrown away; facts and publishers alone are kept, in memory, for later
//! ```
//!
//! Facts go before commands. Nothing is awaited in the middle of a change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use booth_core::{
    Answer, Command, Decision, Denied, Effect, Fact, Input, Key, Meta, Record, Refusal, State,
    decide,
};
use booth_store::Ledger;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::board::{Board, Change};
use crate::clock::Clock;

/// Commands that may wait. A door that finds it full answers «busy» instead of piling up.
pub const COMMAND_QUEUE: usize = 1_024;
/// Facts that may wait; senders wait for room, facts are never dropped.
pub const FACT_QUEUE: usize = 4_096;
/// Inputs made durable by one `fdatasync`.
const BATCH: usize = 256;
/// Batches of effects the reconciler may be behind; beyond, it looks at everything anyway.
const EFFECT_QUEUE: usize = 256;
/// Facts kept for a ledger that refuses: hours of a busy show, some megabytes.
const BACKLOG: usize = 10_000;

/// What a door gets for an accepted command: it is durable (a publisher may be in memory only while the ledger refuses),
/// and `state` holds it.
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

/// Where a command's answer goes.
type Reply = oneshot::Sender<Result<Accepted, CommandError>>;

#[derive(Debug)]
struct Envelope {
    meta: Meta,
    command: Command,
    reply: Reply,
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

    /// Hands over at once where room is, for callers that hold a lock to keep facts in order; waits in the background
    /// otherwise.
    pub(crate) fn post(&self, fact: Fact) {
        if let Err(mpsc::error::TrySendError::Full(fact)) = self.facts.try_send(fact) {
            let director = self.clone();
            tokio::spawn(async move { director.fact(fact).await });
        }
    }
}

/// Starts the task. Effects go to the reconciler; it ends when `stop` is cancelled and what waited is answered.
pub fn start(
    state: State,
    board: Board,
    ledger: Arc<Ledger>,
    clock: Clock,
    stop: CancellationToken,
) -> (
    Director,
    mpsc::Receiver<Vec<Effect>>,
    tokio::task::JoinHandle<()>,
) {
    let (command_tx, commands) = mpsc::channel(COMMAND_QUEUE);
    let (fact_tx, facts) = mpsc::channel(FACT_QUEUE);
    let (effects, effect_rx) = mpsc::channel(EFFECT_QUEUE);
    let durable = state.revision;
    let backlog = Vec::new();
    let task = Task {
        state,
        durable,
        backlog,
        board,
        ledger,
        clock,
        commands,
        facts,
        effects,
    };
    let handle = tokio::spawn(task.run(stop));
    (
        Director {
            commands: command_tx,
            facts: fact_tx,
        },
        effect_rx,
        handle,
    )
}

struct Task {
    state: State,
    /// Revision of the last durable record; `state.revision` is beyond it by the backlog.
    durable: u64,
    /// Facts that came while the ledger refused to write, with the rows they touched.
    backlog: Vec<(Record, BTreeSet<Key>)>,
    board: Board,
    ledger: Arc<Ledger>,
    clock: Clock,
    commands: mpsc::Receiver<Envelope>,
    facts: mpsc::Receiver<Fact>,
    effects: mpsc::Sender<Vec<Effect>>,
}

/// What one turn has decided and not yet made durable.
#[derive(Default)]
struct Turn {
    records: Vec<Record>,
    touched: Vec<BTreeSet<Key>>,
    effects: Vec<Effect>,
    replies: Vec<(Reply, Result<Answer, Denied>)>,
    /// Facts, ticks and publishers, to be decided again in memory if the ledger refuses; with the reply that waits for it,
    /// by its place among `replies`.
    observed: Vec<(Input, Option<usize>)>,
}

impl Task {
    async fn run(mut self, stop: CancellationToken) {
        loop {
            let due = self
                .state
                .poll_timeout()
                .map(|(at, _)| self.clock.instant(at));
            let timer = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let mut turn = Turn::default();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                fact = self.facts.recv() => match fact {
                    Some(fact) => self.observe(&mut turn, Input::Fact(fact)),
                    None => break,
                },
                () = timer => self.observe(&mut turn, Input::Tick),
                envelope = self.commands.recv() => match envelope {
                    Some(envelope) => self.obey(&mut turn, envelope),
                    None => break,
                },
            }
            self.gather(&mut turn);
            self.settle(turn).await;
        }
        info!("director stopped");
    }

    /// Takes what else waits, so that one `fdatasync` serves all. A command has its turn beside each fact, so that a flood
    /// of facts holds nobody up.
    fn gather(&mut self, turn: &mut Turn) {
        for _ in 0..BATCH {
            let fact = self.facts.try_recv().ok();
            let envelope = self.commands.try_recv().ok();
            if fact.is_none() && envelope.is_none() {
                break;
            }
            if let Some(fact) = fact {
                self.observe(turn, Input::Fact(fact));
            }
            if let Some(envelope) = envelope {
                self.obey(turn, envelope);
            }
        }
    }

    fn observe(&mut self, turn: &mut Turn, input: Input) {
        match decide(&self.state, self.clock.now(), &input) {
            Ok(decision) => {
                debug!(?input, "observed");
                self.apply(turn, decision);
            }
            // Facts are not refused; a refusal here is a bug worth seeing.
            Err(refusal) => warn!(denied = %refusal.denied, "fact refused"),
        }
        turn.observed.push((input, None));
    }

    fn obey(&mut self, turn: &mut Turn, envelope: Envelope) {
        let Envelope {
            meta,
            command,
            reply,
        } = envelope;
        // Who feeds a channel is as much of the world as what fails: an encoder comes back also while nothing is written.
        let live = matches!(command, Command::Publish { .. }) && meta.request_id.is_none();
        let input = Input::Command(meta, command);
        match decide(&self.state, self.clock.now(), &input) {
            Ok(decision) => {
                let answer = decision.answer.clone();
                self.apply(turn, decision);
                match answer {
                    Some(answer) => {
                        if live {
                            turn.observed.push((input, Some(turn.replies.len())));
                        }
                        turn.replies.push((reply, Ok(answer)));
                    }
                    None => error!("a command was decided without an answer"),
                }
            }
            Err(refusal) => {
                let Refusal { denied, record } = *refusal;
                if let Some(record) = record {
                    self.fold(turn, record);
                }
                turn.replies.push((reply, Err(denied)));
            }
        }
    }

    fn apply(&mut self, turn: &mut Turn, decision: Decision) {
        if let Some(record) = decision.record {
            self.fold(turn, record);
        }
        turn.effects.extend(decision.effects);
    }

    fn fold(&mut self, turn: &mut Turn, record: Record) {
        turn.touched.push(self.state.fold(&record));
        turn.records.push(record);
    }

    /// Persist, then publish, then act.
    async fn settle(&mut self, turn: Turn) {
        let Turn {
            records,
            touched,
            effects,
            replies,
            observed,
        } = turn;
        // What happened while the ledger refused comes first: the rest was decided on top of it.
        let all: Vec<Record> = self
            .backlog
            .iter()
            .map(|(r, _)| r)
            .chain(&records)
            .cloned()
            .collect();
        if !all.is_empty() {
            if let Err(reason) = self.persist(all).await {
                self.refuse(reason, replies, observed);
                return;
            }
            self.durable = self.state.revision;
            let state = Arc::new(self.state.clone());
            let new = records.into_iter().zip(touched);
            for (record, touched) in std::mem::take(&mut self.backlog).into_iter().chain(new) {
                let change = Change {
                    record: Arc::new(record),
                    touched: Arc::new(touched),
                    state: Arc::clone(&state),
                };
                self.board.publish(change);
            }
        }
        let state = self.board.state();
        for (reply, result) in replies {
            let result = result
                .map(|answer| Accepted {
                    answer,
                    state: Arc::clone(&state),
                })
                .map_err(Into::into);
            // A door that went away has its answer in the ledger, by request id.
            let _ = reply.send(result);
        }
        self.act(effects);
    }

    async fn persist(&self, records: Vec<Record>) -> Result<(), String> {
        let (done, durable) = oneshot::channel();
        self.ledger.append(records, move |result| {
            let _ = done.send(result.map(|_| ()).map_err(|e| e.to_string()));
        });
        durable
            .await
            .unwrap_or_else(|_| Err("the ledger's writer has ended".into()))
    }

    /// Nothing of the turn has happened, but the world has still changed: facts count in memory, so that what is on air
    /// is kept up, and publishers with them; other commands are answered with the reason.
    fn refuse(
        &mut self,
        reason: String,
        replies: Vec<(Reply, Result<Answer, Denied>)>,
        observed: Vec<(Input, Option<usize>)>,
    ) {
        error!(%reason, "ledger refused; commands are refused, media goes on");
        // As it was before the turn; what is shown counts durable revisions only, the state itself the backlog too.
        self.state = (*self.board.state()).clone();
        self.state.revision = self.durable + self.backlog.len() as u64;
        let mut effects = Vec::new();
        let mut taken = BTreeMap::new();
        for (input, reply) in &observed {
            let decided = decide(&self.state, self.clock.now(), input);
            if let Ok(decision) = &decided {
                if let Some(record) = &decision.record {
                    self.remember(record.clone());
                }
                effects.extend(decision.effects.iter().cloned());
            }
            if let Some(place) = reply {
                let answer = decided.map(|decision| decision.answer);
                taken.insert(*place, answer.map_err(|refusal| refusal.denied));
            }
        }
        let shown = State {
            revision: self.durable,
            ..self.state.clone()
        };
        let shown = Arc::new(shown);
        self.board.publish_volatile(Arc::clone(&shown));
        for (place, (reply, result)) in replies.into_iter().enumerate() {
            let answer = match (result, taken.remove(&place)) {
                (_, Some(Ok(Some(answer)))) => Ok(Accepted {
                    answer,
                    state: Arc::clone(&shown),
                }),
                (Err(denied), _) | (_, Some(Err(denied))) => Err(CommandError::Denied(denied)),
                (Ok(_), _) => Err(CommandError::Ledger(reason.clone())),
            };
            let _ = reply.send(answer);
        }
        self.act(effects);
    }

    /// Folds what could not be made durable, and keeps it for when the ledger writes again.
    fn remember(&mut self, record: Record) {
        let touched = self.state.fold(&record);
        if self.backlog.len() < BACKLOG {
            self.backlog.push((record, touched));
        } else {
            error!(
                "too much has happened while the ledger refuses: the as-run record will have a gap"
            );
        }
        self.state.revision = self.durable + self.backlog.len() as u64;
    }

    fn act(&self, effects: Vec<Effect>) {
        if !effects.is_empty() {
            // Full: the reconciler compares everything on its next tick.
            let _ = self.effects.try_send(effects);
        }
    }
}
