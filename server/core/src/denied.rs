use crate::{
    CallerId, CallerState, ChannelId, DestinationId, InviteId, OperatorId, Role, ShowId, ShowState,
    SlotId,
};

/// Which class of answer a refusal is; the API maps it to one gRPC code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedKind {
    NotFound,
    AlreadyExists,
    /// The state does not allow it now.
    Precondition,
    /// `expected_revision` did not match.
    Conflict,
    Invalid,
    /// A limit is reached.
    Exhausted,
    NotAllowed,
    Unauthenticated,
}

macro_rules! denials {
    ($($(#[$doc:meta])* $variant:ident $({ $($field:ident : $ty:ty),* })? = $reason:literal, $kind:ident, $text:literal;)*) => {
        /// Every refusal has a name; [`Denied::reason`] is the stable API reason.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
        pub enum Denied {
            $($(#[$doc])* #[error($text)] $variant $({ $($field: $ty),* })?,)*
        }
        impl Denied {
            /// Stable reason, for example `SLOT_OCCUPIED`.
            pub fn reason(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $reason,)* }
            }
            pub fn kind(&self) -> DeniedKind {
                match self { $(Self::$variant { .. } => DeniedKind::$kind,)* }
            }
        }
        /// Every reason with its class, for documentation and tests.
        pub const DENIALS: &[(&str, DeniedKind)] = &[$(($reason, DeniedKind::$kind),)*];
    };
}

denials! {
    ShowNotFound { show: ShowId } = "SHOW_NOT_FOUND", NotFound, "there is no show {show}";
    ShowExists { show: ShowId } = "SHOW_EXISTS", AlreadyExists, "show {show} exists already";
    ShowClosed { show: ShowId } = "SHOW_CLOSED", Precondition, "show {show} takes no new callers now";
    ShowNotIn { show: ShowId, state: ShowState } = "SHOW_WRONG_STATE", Precondition, "show {show} is {state:?}";
    ShowInUse { show: ShowId } = "SHOW_IN_USE", Precondition, "show {show} still has callers or slots";
    ShowFull { show: ShowId, max: u32 } = "SHOW_FULL", Exhausted, "show {show} has its {max} callers already";
    CallerNotFound { caller: CallerId } = "CALLER_NOT_FOUND", NotFound, "there is no caller {caller}";
    CallerExists { caller: CallerId } = "CALLER_EXISTS", AlreadyExists, "caller {caller} exists already";
    CallerEnded { caller: CallerId } = "CALLER_ENDED", Precondition, "the call of {caller} has ended";
    /// The verb does not apply in this state.
    CallerWrongState { caller: CallerId, state: CallerState } = "CALLER_WRONG_STATE", Precondition, "caller {caller} is {state:?}";
    CallerNotReady { caller: CallerId, state: CallerState } = "CALLER_NOT_READY", Precondition, "caller {caller} is {state:?}, not READY: approve first, or take with override";
    CallerNotConnected { caller: CallerId } = "CALLER_NOT_CONNECTED", Precondition, "no media arrives from caller {caller}: wait, or take with override";
    CallerOnAir { caller: CallerId, slot: SlotId } = "CALLER_ON_AIR", Precondition, "caller {caller} is on air on slot {slot}";
    CallerOtherShow { caller: CallerId, show: ShowId } = "CALLER_OTHER_SHOW", Precondition, "caller {caller} belongs to show {show}";
    NoCallerReady { show: ShowId } = "NO_CALLER_READY", Precondition, "nobody in the queue of {show} is READY and connected";
    InviteNotFound { invite: InviteId } = "INVITE_NOT_FOUND", NotFound, "there is no invite {invite}";
    InviteExists { invite: InviteId } = "INVITE_EXISTS", AlreadyExists, "invite {invite} exists already";
    InviteUnknown = "INVITE_UNKNOWN", Unauthenticated, "this link is not valid";
    InviteExpired = "INVITE_EXPIRED", Unauthenticated, "this link has expired";
    InviteUsedUp = "INVITE_USED_UP", Unauthenticated, "this link has been used up";
    RejoinUnknown = "REJOIN_UNKNOWN", Unauthenticated, "this call is not known here any more";
    SlotNotFound { slot: SlotId } = "SLOT_NOT_FOUND", NotFound, "there is no slot {slot}";
    SlotExists { slot: SlotId } = "SLOT_EXISTS", AlreadyExists, "slot {slot} exists already";
    SlotPortTaken { port: u16, by: SlotId } = "SLOT_PORT_TAKEN", AlreadyExists, "port {port} belongs to slot {by}";
    SlotOccupied { slot: SlotId, by: CallerId } = "SLOT_OCCUPIED", Precondition, "slot {slot} shows caller {by}: release it, or take with override";
    SlotFree { slot: SlotId } = "SLOT_FREE", Precondition, "nobody is on slot {slot}";
    SlotOffline { slot: SlotId } = "SLOT_OFFLINE", Precondition, "the worker of slot {slot} is not running: wait, or take with override";
    ChannelNotFound { channel: ChannelId } = "CHANNEL_NOT_FOUND", NotFound, "there is no channel {channel}";
    ChannelExists { channel: ChannelId } = "CHANNEL_EXISTS", AlreadyExists, "channel {channel} exists already";
    ChannelRunning { channel: ChannelId } = "CHANNEL_RUNNING", Precondition, "channel {channel} is on air: stop it first";
    ChannelOff { channel: ChannelId } = "CHANNEL_OFF", Precondition, "channel {channel} is off: start it first";
    /// A second publisher while the first one is healthy.
    ChannelBusy { channel: ChannelId, by: String } = "CHANNEL_BUSY", AlreadyExists, "channel {channel} is fed by {by} already: disconnect it first, or wait until it has been silent for a while";
    NoPublisher { channel: ChannelId } = "NO_PUBLISHER", Precondition, "nobody publishes to channel {channel}";
    PortTaken { port: u16, by: String } = "PORT_TAKEN", AlreadyExists, "port {port} belongs to {by}";
    DestinationNotFound { channel: ChannelId, destination: DestinationId } = "DESTINATION_NOT_FOUND", NotFound, "channel {channel} has no destination {destination}";
    DestinationExists { channel: ChannelId, destination: DestinationId } = "DESTINATION_EXISTS", AlreadyExists, "channel {channel} has a destination {destination} already";
    DestinationsFull { channel: ChannelId, max: u32 } = "DESTINATIONS_FULL", Exhausted, "channel {channel} has its {max} destinations already";
    OperatorNotFound { operator: OperatorId } = "OPERATOR_NOT_FOUND", NotFound, "there is no operator {operator}";
    OperatorExists { operator: OperatorId } = "OPERATOR_EXISTS", AlreadyExists, "operator {operator} exists already";
    LastAdmin = "LAST_ADMIN", Precondition, "this is the last admin: add another one first";
    RoleTooLow { needed: Role, has: Role } = "ROLE_TOO_LOW", NotAllowed, "this needs the role {needed:?}; yours is {has:?}";
    Invalid { field: String, why: String } = "INVALID_ARGUMENT", Invalid, "{field}: {why}";
    Stale { expected: u64, revision: u64 } = "REVISION_MISMATCH", Conflict, "it has changed: you saw revision {expected}, it is at {revision}";
    /// The same request id was used for something else.
    RequestReused = "REQUEST_ID_REUSED", Invalid, "this request id was used for another command";
}
