//! Whose session it is, and what that changes: a caller of a show, or a publisher that feeds a channel.

use std::fmt;
use std::time::Duration;

use booth_core::{CallerId, ChannelId, Fact, PublisherId, SessionId, State, TOPIC_MAX, Text};
use booth_proto::worker::Source;

use crate::relay::{Hub, SourceRx, SourceTx};

/// A client that never sends anything gives its place back after this.
const NEVER: Duration = Duration::from_secs(30);
/// A caller whose connection has been silent for this long is given up; the client makes a new one.
const GIVEN_UP: Duration = Duration::from_secs(60);
/// A publisher keeps others off its channel, and encoders come back by themselves.
const PUBLISHER_GIVEN_UP: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    Caller(CallerId),
    Publisher(ChannelId, PublisherId),
}

impl Party {
    pub fn caller(&self) -> Option<&CallerId> {
        match self {
            Self::Caller(caller) => Some(caller),
            Self::Publisher(..) => None,
        }
    }

    /// Channels take what every receiver of theirs can decode.
    pub fn is_publisher(&self) -> bool {
        matches!(self, Self::Publisher(..))
    }

    /// Nothing arrived for this long since the answer: it is over.
    pub(super) fn never(&self) -> Duration {
        match self {
            Self::Caller(_) => NEVER,
            Self::Publisher(..) => PUBLISHER_GIVEN_UP,
        }
    }

    /// Nothing arrived for this long any more: it is over.
    pub(super) fn given_up(&self) -> Duration {
        match self {
            Self::Caller(_) => GIVEN_UP,
            Self::Publisher(..) => PUBLISHER_GIVEN_UP,
        }
    }

    /// Whether the state has no place for the session: the call is over, or somebody else feeds the channel.
    pub(super) fn is_over(&self, state: &State) -> bool {
        match self {
            Self::Caller(caller) => state
                .callers
                .get(caller)
                .is_none_or(|caller| caller.state.is_ended()),
            Self::Publisher(channel, id) => state
                .channels
                .get(channel)
                .and_then(|channel| channel.publisher.as_ref())
                .is_none_or(|publisher| publisher.id != *id),
        }
    }

    pub(super) fn open(&self, hub: &Hub, source: Source) -> (SourceTx, SourceRx) {
        match self {
            Self::Caller(_) => hub.open(source),
            Self::Publisher(_, id) => hub.open_publisher(source, *id),
        }
    }

    /// What the director is told of media; whether a publisher's picture is usable is for the channel's worker to say.
    pub(super) fn media(
        &self,
        now: Option<(SessionId, bool, bool)>,
        was: SessionId,
    ) -> Option<Fact> {
        let caller = self.caller()?.clone();
        Some(match now {
            Some((session, audio, video)) => Fact::MediaUp {
                caller,
                session,
                audio,
                video,
            },
            None => Fact::MediaDown {
                caller,
                session: was,
            },
        })
    }

    /// What the director is told at the end.
    pub(super) fn closed(&self, reported: Option<SessionId>, why: &str) -> Option<Fact> {
        match self {
            Self::Caller(_) => reported.and_then(|session| self.media(None, session)),
            Self::Publisher(channel, id) => Some(Fact::PublisherDown {
                channel: channel.clone(),
                id: *id,
                reason: Text::scrub(why, TOPIC_MAX),
            }),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller(caller) => caller.fmt(f),
            Self::Publisher(channel, _) => write!(f, "channels/{channel}"),
        }
    }
}
