//! The states of a destination. Time and chance come in as arguments.
//!
//! ```text
//!               4 KiB taken                  error
//!  CONNECTING ─────────────▶ LIVE ─────────────────────▶ RETRYING ──▶ (connects again after a wait) ──▶ LIVE
//!      │                      │ ▲ 10 s without error:
//!      │ refused for 5 min    └─┘ waits start small again
//!      ▼
//!    FAILED   (until it is enabled again)
//! ```

use std::time::Duration;

use booth_proto::worker::DestinationState;

use crate::backoff::Backoff;

/// Waits between tries.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(30);
/// Less than this is the handshake and what lies in buffers: no success (livekit/egress#1244).
const FLOWING_BYTES: u64 = 4 << 10;
/// A session that took no more than that for so long has failed.
const FLOWING_WITHIN: Duration = Duration::from_secs(10);
/// A session that has flowed and takes nothing of what is sent for so long hangs.
const STUCK_AFTER: Duration = Duration::from_secs(8);
/// Error-free for so long: only then the waits start small again.
const HOLDS_AFTER: Duration = Duration::from_secs(10);
/// A refusal may be chance, or the peer still holding a session that was lost: so many in a row, over so long a time,
/// are for good.
const REFUSALS_MIN: u32 = 3;
const REFUSED_FOR: Duration = Duration::from_secs(5 * 60);

/// Why a session ended or did not come about, in words for operators; holds no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub text: String,
    pub kind: FailureKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Trying again may help.
    Passing,
    /// The peer does not want us.
    Refused,
    /// The settings can never work.
    Settings,
}

impl Failure {
    pub fn passing(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            kind: FailureKind::Passing,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Machine {
    state: DestinationState,
    error: String,
    backoff: Backoff,
    /// In a row, and since when.
    refusals: Option<(u32, Duration)>,
    /// It has been LIVE with these settings: they are good, whatever the peer says later.
    proven: bool,
    session: Option<Session>,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    since: Duration,
    /// Taken before the stream: the handshake.
    before: u64,
    flows: Option<Duration>,
    /// What it took when that last grew, when that was, and what was sent by then.
    grown: (u64, Duration, u64),
}

impl Machine {
    pub fn new() -> Self {
        Self {
            state: DestinationState::Connecting,
            error: String::new(),
            backoff: Backoff::new(FIRST_WAIT, LAST_WAIT),
            refusals: None,
            proven: false,
            session: None,
        }
    }

    pub fn state(&self) -> DestinationState {
        self.state
    }

    pub fn error(&self) -> &str {
        &self.error
    }

    /// The peer lets us publish; it took `bytes` until now.
    pub fn connected(&mut self, now: Duration, bytes: u64) {
        self.session = Some(Session {
            since: now,
            before: bytes,
            flows: None,
            grown: (bytes, now, 0),
        });
    }

    /// The peer has taken `bytes` of the `sent` ones. To be told about once a second.
    pub fn taken(&mut self, now: Duration, bytes: u64, sent: u64) -> Result<(), Failure> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        if session.flows.is_none() {
            if bytes >= session.before + FLOWING_BYTES {
                session.flows = Some(now);
                self.state = DestinationState::Live;
                self.error.clear();
            } else if now >= session.since + FLOWING_WITHIN {
                return Err(Failure::passing("the peer takes nothing"));
            }
        }
        let (most, at, sent_then) = session.grown;
        if bytes > most || sent <= sent_then {
            // Without anything to take nothing hangs.
            session.grown = (bytes.max(most), now, sent);
        } else if session.flows.is_some() && now >= at + STUCK_AFTER {
            return Err(Failure::passing("stuck: the peer takes nothing more"));
        }
        if session
            .flows
            .is_some_and(|since| now >= since + HOLDS_AFTER)
        {
            self.backoff.succeed();
            self.refusals = None;
            self.proven = true;
        }
        Ok(())
    }

    /// The session ends as planned: no failure, and LIVE as long as the next one comes about.
    pub fn planned(&mut self) {
        self.session = None;
    }

    /// A session ended or did not come about. The wait before the next try; nothing when there is none.
    pub fn failed(&mut self, now: Duration, failure: &Failure, chance: u64) -> Option<Duration> {
        self.session = None;
        self.error.clone_from(&failure.text);
        self.refusals = match failure.kind {
            FailureKind::Refused => {
                let (count, since) = self.refusals.unwrap_or((0, now));
                Some((count + 1, since))
            }
            FailureKind::Passing | FailureKind::Settings => None,
        };
        let lasting =
            |(count, since): (u32, Duration)| count >= REFUSALS_MIN && now >= since + REFUSED_FOR;
        let for_good = match failure.kind {
            FailureKind::Passing => false,
            FailureKind::Refused => self.refusals.is_some_and(lasting) && !self.proven,
            FailureKind::Settings => true,
        };
        if for_good {
            self.state = DestinationState::Failed;
            return None;
        }
        self.state = DestinationState::Retrying;
        Some(self.backoff.fail(chance))
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
