//! What happened, as the journal keeps it. Events say everything that [`crate::State::fold`] needs: replay never decides.
//! Variants are only ever added; renaming one breaks old journals.

use serde::{Deserialize, Serialize};

use crate::{
    Actor, CallerId, CallerRole, CallerState, ChannelAlert, ChannelId, ChannelSettings,
    ChannelShowing, ChatMessage, Denied, DestinationId, DestinationSettings, DestinationState,
    Force, Invite, InviteId, LiveFormat, LiveState, Note, OperatorId, Prepared, Publisher,
    PublisherId, RequestId, Role, Sealed, SessionId, ShowId, ShowSettings, ShowState, Showing,
    SlotId, SlotSettings, SwitchCause, Text, Timestamp, TokenHash, Transition, WorkerState,
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    ShowCreated {
        id: ShowId,
        title: Text,
    },
    ShowUpdated {
        id: ShowId,
        title: Text,
        settings: ShowSettings,
    },
    ShowStateChanged {
        id: ShowId,
        state: ShowState,
    },
    ShowDeleted {
        id: ShowId,
    },

    InviteCreated {
        invite: Invite,
    },
    InviteUsed {
        id: InviteId,
    },
    InviteRevoked {
        id: InviteId,
    },

    CallerJoined {
        id: CallerId,
        show: ShowId,
        invite: InviteId,
        role: CallerRole,
        name: Text,
        topic: Text,
        rejoin: TokenHash,
    },
    CallerRenamed {
        id: CallerId,
        name: Text,
        topic: Text,
    },
    CallerConnected {
        id: CallerId,
        session: SessionId,
        audio: bool,
        video: bool,
    },
    CallerDisconnected {
        id: CallerId,
    },
    /// Every change of a caller's state says so here; one to or from ON_AIR follows its [`Event::SlotTaken`] or
    /// [`Event::SlotReleased`]. `note` is a rejection's reason.
    CallerStateChanged {
        id: CallerId,
        state: CallerState,
        note: Text,
    },
    /// `to` is the 0-based place; takes the caller out of the queue first. Also puts back one who was on air.
    CallerMoved {
        id: CallerId,
        to: u32,
    },
    CallerNoted {
        id: CallerId,
        note: Note,
    },
    CallerChatted {
        id: CallerId,
        message: ChatMessage,
    },
    CallerMuted {
        id: CallerId,
        muted: bool,
    },
    /// An ended caller is forgotten by the state (the journal keeps the history).
    CallerForgotten {
        id: CallerId,
    },

    SlotCreated {
        id: SlotId,
        show: ShowId,
        settings: SlotSettings,
    },
    SlotUpdated {
        id: SlotId,
        settings: SlotSettings,
    },
    SlotDeleted {
        id: SlotId,
    },
    SlotTaken {
        id: SlotId,
        caller: CallerId,
        transition: Transition,
        overridden: bool,
    },
    SlotReleased {
        id: SlotId,
        caller: CallerId,
        transition: Transition,
        cause: ReleaseCause,
    },
    /// Nothing is said when an armed caller goes on air or ends: they are armed nowhere then.
    SlotArmed {
        id: SlotId,
        caller: Option<CallerId>,
    },
    SlotWorker {
        id: SlotId,
        worker: WorkerState,
    },
    SlotShowing {
        id: SlotId,
        showing: Showing,
    },

    ChannelCreated {
        id: ChannelId,
        settings: ChannelSettings,
        key: Sealed,
    },
    ChannelUpdated {
        id: ChannelId,
        settings: ChannelSettings,
    },
    ChannelDeleted {
        id: ChannelId,
    },
    ChannelStarted {
        id: ChannelId,
    },
    ChannelStopped {
        id: ChannelId,
    },
    ChannelForced {
        id: ChannelId,
        force: Force,
    },
    ChannelKeyRotated {
        id: ChannelId,
        key: Sealed,
    },
    /// Somebody was shown a secret.
    ChannelKeyRevealed {
        id: ChannelId,
        destination: Option<DestinationId>,
    },
    ChannelWorker {
        id: ChannelId,
        worker: WorkerState,
    },
    /// The as-run record of a switch: `before_ms` is how long the source before it was on air.
    ChannelSwitched {
        id: ChannelId,
        from: ChannelShowing,
        to: ChannelShowing,
        cause: SwitchCause,
        gap_ms: u32,
        before_ms: u64,
    },
    ChannelLive {
        id: ChannelId,
        live: LiveState,
        format: Option<LiveFormat>,
    },
    PublisherConnected {
        id: ChannelId,
        publisher: Publisher,
    },
    PublisherDisconnected {
        id: ChannelId,
        publisher: PublisherId,
        reason: Text,
    },
    ChannelPrepared {
        id: ChannelId,
        prepared: Prepared,
    },
    ChannelAlertRaised {
        id: ChannelId,
        alert: ChannelAlert,
    },
    ChannelAlertCleared {
        id: ChannelId,
        alert: ChannelAlert,
    },
    DestinationAdded {
        channel: ChannelId,
        id: DestinationId,
        settings: DestinationSettings,
        enabled: bool,
    },
    DestinationUpdated {
        channel: ChannelId,
        id: DestinationId,
        settings: DestinationSettings,
    },
    DestinationEnabled {
        channel: ChannelId,
        id: DestinationId,
        enabled: bool,
    },
    DestinationRemoved {
        channel: ChannelId,
        id: DestinationId,
    },
    DestinationState {
        channel: ChannelId,
        id: DestinationId,
        state: DestinationState,
        error: Text,
    },

    OperatorCreated {
        id: OperatorId,
        name: Text,
        role: Role,
        token: TokenHash,
    },
    OperatorTokenAdded {
        id: OperatorId,
        token: TokenHash,
    },
    OperatorRevoked {
        id: OperatorId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseCause {
    /// An operator released the slot.
    Released,
    /// Another caller was taken to it.
    Replaced,
    /// The caller ended (left, dropped, rejected).
    Ended,
    /// The caller's media stayed away.
    MediaLost,
    /// The slot was deleted.
    SlotDeleted,
}

/// The resource an accepted command is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Show(ShowId),
    Invite(InviteId),
    Caller(CallerId),
    Slot(SlotId),
    Channel(ChannelId),
    Destination(ChannelId, DestinationId),
    Operator(OperatorId),
}

/// The first answer to a request id, kept so that a repeat gets it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    pub request_id: RequestId,
    /// [`crate::Command::digest`]: tells a repeat from a reuse.
    pub command: u64,
    /// Revision of the record that remembers it; one answer a record, so it orders them.
    #[serde(default)]
    pub revision: u64,
    pub at: Timestamp,
    pub result: Result<Answer, Denied>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub target: Target,
    /// Revision of the state at which the command holds: the record's own, or the state's when nothing had to change.
    pub revision: u64,
}

/// One line of the journal: everything that one input changed, together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Counts up by one from 1: the ledger's sequence number and the state's revision.
    pub revision: u64,
    pub at: Timestamp,
    pub actor: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Answered>,
    pub events: Vec<Event>,
}
