//! What may be asked of the state, as data: it can be logged, stored and replayed. Random values (ids, token hashes)
//! are made at the edge and come in as arguments.

use serde::{Deserialize, Serialize};

use crate::{
    Actor, CallerId, CallerRole, ChannelId, ChannelSettings, ChannelShowing, DestinationId,
    DestinationSettings, DestinationState, Force, InviteId, LiveFormat, LiveState, OperatorId,
    Prepared, Publisher, PublisherId, RequestId, Role, Sealed, SessionId, ShowId, ShowSettings,
    Showing, SlotId, SlotSettings, SwitchCause, Text, Timestamp, TokenHash, Transition,
};

/// Who asks, and under which conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    pub actor: Actor,
    pub request_id: Option<RequestId>,
    /// Refused when the addressed resource has changed after this revision: the caller, show, invite or operator that
    /// the verb names, the slot for take, release and arm, the destination for its verbs. Ignored where something is only
    /// being made.
    pub expected_revision: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pick {
    Caller(CallerId),
    /// First in, first out among READY callers whose media is arriving.
    Next,
}

/// What becomes of a caller who is taken off a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Disposition {
    /// Off air, still on the line (HELD), at the end of the queue.
    #[default]
    Hold,
    /// Back to READY, at the end of the queue.
    Requeue,
    /// The call ends (COMPLETED).
    Drop,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    // Shows
    CreateShow {
        id: ShowId,
        title: Text,
    },
    UpdateShow {
        id: ShowId,
        title: Option<Text>,
        settings: Option<ShowSettings>,
    },
    StartShow {
        id: ShowId,
    },
    StopShow {
        id: ShowId,
    },
    DeleteShow {
        id: ShowId,
    },

    // Invites
    Invite {
        id: InviteId,
        show: ShowId,
        role: CallerRole,
        name: Text,
        token: TokenHash,
        uses: Option<u32>,
        expires_at: Option<Timestamp>,
    },
    RevokeInvite {
        id: InviteId,
    },

    // Callers: by themselves
    Join {
        id: CallerId,
        invite: TokenHash,
        rejoin: TokenHash,
        name: Text,
        topic: Text,
    },
    /// A caller who came back shows the rejoin token; may correct name and topic while not yet READY.
    Rejoin {
        rejoin: TokenHash,
        name: Option<Text>,
        topic: Option<Text>,
    },
    Leave {
        id: CallerId,
    },

    // Callers: by operators
    Screen {
        id: CallerId,
    },
    Approve {
        id: CallerId,
    },
    Reject {
        id: CallerId,
        reason: Text,
    },
    Hold {
        id: CallerId,
    },
    /// To this 1-based place in the queue.
    Move {
        id: CallerId,
        to: u32,
    },
    Note {
        id: CallerId,
        text: Text,
    },
    /// By an operator to the caller, or by the caller (see [`Meta::actor`]).
    Chat {
        id: CallerId,
        text: Text,
    },
    Drop {
        id: CallerId,
    },
    SetMuted {
        id: CallerId,
        muted: bool,
    },

    // Slots
    CreateSlot {
        id: SlotId,
        show: ShowId,
        settings: SlotSettings,
    },
    UpdateSlot {
        id: SlotId,
        settings: SlotSettings,
    },
    DeleteSlot {
        id: SlotId,
    },
    Take {
        slot: SlotId,
        pick: Pick,
        transition: Transition,
        override_checks: bool,
    },
    Release {
        slot: SlotId,
        disposition: Disposition,
        transition: Transition,
    },
    /// `None` goes back to arming the next caller by itself.
    Arm {
        slot: SlotId,
        caller: Option<CallerId>,
    },

    // Channels
    CreateChannel {
        id: ChannelId,
        settings: ChannelSettings,
        key: Sealed,
    },
    UpdateChannel {
        id: ChannelId,
        settings: ChannelSettings,
    },
    DeleteChannel {
        id: ChannelId,
    },
    StartChannel {
        id: ChannelId,
    },
    StopChannel {
        id: ChannelId,
    },
    ForceChannel {
        id: ChannelId,
        force: Force,
    },
    /// A new live key; the present publisher is disconnected and has to use it.
    RotateChannelKey {
        id: ChannelId,
        key: Sealed,
    },
    /// Somebody wants to feed the live input, whose key was found right at the edge: the one that is sealed as `key`. When
    /// another one has become the channel's meanwhile, it was the wrong one.
    Publish {
        channel: ChannelId,
        publisher: Publisher,
        key: Sealed,
    },
    /// Disconnects the present publisher, who may come back.
    KickPublisher {
        id: ChannelId,
    },
    /// A secret is about to be shown: for the record. `destination` for its key, `None` for the live key.
    RevealKey {
        id: ChannelId,
        destination: Option<DestinationId>,
    },

    // Destinations
    AddDestination {
        channel: ChannelId,
        id: DestinationId,
        settings: DestinationSettings,
        enabled: bool,
    },
    UpdateDestination {
        channel: ChannelId,
        id: DestinationId,
        settings: DestinationSettings,
    },
    SetDestinationEnabled {
        channel: ChannelId,
        id: DestinationId,
        enabled: bool,
    },
    RemoveDestination {
        channel: ChannelId,
        id: DestinationId,
    },

    // Operators
    CreateOperator {
        id: OperatorId,
        name: Text,
        role: Role,
        token: TokenHash,
    },
    AddOperatorToken {
        id: OperatorId,
        token: TokenHash,
    },
    /// Takes back every token and removes the operator.
    RevokeOperator {
        id: OperatorId,
    },
}

/// What the world reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// boothd starts: no caller is connected and no worker attached until they say so.
    Started,
    /// Packets of a caller arrive (first one of the session, or a change of what is there).
    MediaUp {
        caller: CallerId,
        session: SessionId,
        audio: bool,
        video: bool,
    },
    /// Packets of this session stopped, or it was closed.
    MediaDown {
        caller: CallerId,
        session: SessionId,
    },
    WorkerUp {
        slot: SlotId,
        showing: Showing,
    },
    WorkerDown {
        slot: SlotId,
    },
    SlotShowing {
        slot: SlotId,
        showing: Showing,
    },
    ChannelWorkerUp {
        channel: ChannelId,
    },
    ChannelWorkerDown {
        channel: ChannelId,
    },
    /// The output changed over; `gap_ms` is the longest time without a frame that a receiver saw around it.
    ChannelShowing {
        channel: ChannelId,
        showing: ChannelShowing,
        cause: SwitchCause,
        gap_ms: u32,
    },
    ChannelLive {
        channel: ChannelId,
        live: LiveState,
        format: Option<LiveFormat>,
    },
    /// An SRT publisher was accepted by the channel's own worker.
    PublisherUp {
        channel: ChannelId,
        publisher: Publisher,
    },
    PublisherDown {
        channel: ChannelId,
        id: PublisherId,
        reason: Text,
    },
    /// The ingest worker is gone, and with it everybody who published through it.
    IngestDown,
    ChannelPrepared {
        channel: ChannelId,
        prepared: Prepared,
    },
    DestinationState {
        channel: ChannelId,
        id: DestinationId,
        state: DestinationState,
        error: Text,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "one at a time on its way through the director; a box would only be noise"
)]
pub enum Input {
    Command(Meta, Command),
    Fact(Fact),
    /// Time has passed; [`crate::State::poll_timeout`] said when this is due.
    Tick,
}
