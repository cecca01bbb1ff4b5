//! Who may call what: one table, checked before any handler runs.

use booth_core::{Denied, OperatorId, Role, State, Timestamp, TokenHash};
use http::HeaderMap;
use tonic::Status;

use super::status::{Reason, denied};
use crate::secrets::{LINK_PREFIX, token_hash};
use crate::server::Rooms;

/// What a method asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Least {
    /// No token needed.
    Open,
    Role(Role),
}

const OPEN: Least = Least::Open;
const VIEWER: Least = Least::Role(Role::Viewer);
const SCREENER: Least = Least::Role(Role::Screener);
const OPERATOR: Least = Least::Role(Role::Operator);
const ADMIN: Least = Least::Role(Role::Admin);

/// Every RPC with its least role; a test fails for one that is missing. Viewers read everything but secrets, screeners
/// also work the queue, operators also take callers to air, change shows, slots, invites, channels and destinations and may
/// be shown their keys (for the record), admins also manage operators and backups. Health is open for load balancers; reflection tells what the server is, so it asks for a token.
pub const TABLE: &[(&str, Least)] = &[
    ("/booth.v1.ShowService/ListShows", VIEWER),
    ("/booth.v1.ShowService/GetShow", VIEWER),
    ("/booth.v1.ShowService/CreateShow", OPERATOR),
    ("/booth.v1.ShowService/UpdateShow", OPERATOR),
    ("/booth.v1.ShowService/StartShow", OPERATOR),
    ("/booth.v1.ShowService/StopShow", OPERATOR),
    ("/booth.v1.ShowService/DeleteShow", OPERATOR),
    ("/booth.v1.CallerService/ListCallers", VIEWER),
    ("/booth.v1.CallerService/GetCaller", VIEWER),
    ("/booth.v1.CallerService/GetCallerTile", VIEWER),
    ("/booth.v1.CallerService/ScreenCaller", SCREENER),
    ("/booth.v1.CallerService/ApproveCaller", SCREENER),
    ("/booth.v1.CallerService/RejectCaller", SCREENER),
    ("/booth.v1.CallerService/HoldCaller", SCREENER),
    ("/booth.v1.CallerService/MoveCaller", SCREENER),
    ("/booth.v1.CallerService/NoteCaller", SCREENER),
    ("/booth.v1.CallerService/ChatCaller", SCREENER),
    ("/booth.v1.CallerService/DropCaller", OPERATOR),
    ("/booth.v1.CallerService/MuteCaller", OPERATOR),
    ("/booth.v1.CallerService/UnmuteCaller", OPERATOR),
    ("/booth.v1.CallerService/ListInvites", VIEWER),
    ("/booth.v1.CallerService/CreateInvite", OPERATOR),
    ("/booth.v1.CallerService/DeleteInvite", OPERATOR),
    ("/booth.v1.SlotService/ListSlots", VIEWER),
    ("/booth.v1.SlotService/GetSlot", VIEWER),
    ("/booth.v1.SlotService/GetSlotTile", VIEWER),
    // Shows the passphrase.
    ("/booth.v1.SlotService/GetSlotAddress", OPERATOR),
    ("/booth.v1.SlotService/CreateSlot", OPERATOR),
    ("/booth.v1.SlotService/UpdateSlot", OPERATOR),
    ("/booth.v1.SlotService/DeleteSlot", OPERATOR),
    ("/booth.v1.SlotService/TakeSlot", OPERATOR),
    ("/booth.v1.SlotService/ReleaseSlot", OPERATOR),
    ("/booth.v1.SlotService/ArmSlot", OPERATOR),
    ("/booth.v1.ChannelService/ListChannels", VIEWER),
    ("/booth.v1.ChannelService/GetChannel", VIEWER),
    ("/booth.v1.ChannelService/CreateChannel", OPERATOR),
    ("/booth.v1.ChannelService/UpdateChannel", OPERATOR),
    ("/booth.v1.ChannelService/DeleteChannel", OPERATOR),
    ("/booth.v1.ChannelService/StartChannel", OPERATOR),
    ("/booth.v1.ChannelService/StopChannel", OPERATOR),
    ("/booth.v1.ChannelService/ForceChannel", OPERATOR),
    ("/booth.v1.ChannelService/RotateChannelKey", OPERATOR),
    ("/booth.v1.ChannelService/KickChannelPublisher", OPERATOR),
    // Masked; the handler asks for OPERATOR when secrets are to be shown.
    ("/booth.v1.ChannelService/GetChannelAddress", VIEWER),
    // Starts processes, as do drills.
    ("/booth.v1.ChannelService/CheckBackup", OPERATOR),
    ("/booth.v1.ChannelService/DrillChannel", OPERATOR),
    ("/booth.v1.DestinationService/ListDestinations", VIEWER),
    ("/booth.v1.DestinationService/GetDestination", VIEWER),
    ("/booth.v1.DestinationService/CreateDestination", OPERATOR),
    ("/booth.v1.DestinationService/UpdateDestination", OPERATOR),
    ("/booth.v1.DestinationService/EnableDestination", OPERATOR),
    ("/booth.v1.DestinationService/DisableDestination", OPERATOR),
    ("/booth.v1.DestinationService/DeleteDestination", OPERATOR),
    (
        "/booth.v1.DestinationService/RevealDestinationKey",
        OPERATOR,
    ),
    ("/booth.v1.OperatorService/WhoAmI", VIEWER),
    // What it gives opens less than the token it is asked with.
    ("/booth.v1.OperatorService/GetLinkToken", VIEWER),
    ("/booth.v1.OperatorService/ListOperators", VIEWER),
    ("/booth.v1.OperatorService/CreateOperator", ADMIN),
    ("/booth.v1.OperatorService/CreateOperatorToken", ADMIN),
    ("/booth.v1.OperatorService/RevokeOperator", ADMIN),
    ("/booth.v1.SystemService/GetStatus", VIEWER),
    ("/booth.v1.SystemService/Backup", ADMIN),
    // Writes to the disk and starts a process.
    ("/booth.v1.SystemService/RunChecks", OPERATOR),
    ("/booth.v1.WatchService/Watch", VIEWER),
    ("/booth.v1.WatchService/WatchMeters", VIEWER),
    ("/grpc.health.v1.Health/Check", OPEN),
    ("/grpc.health.v1.Health/Watch", OPEN),
    (
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        VIEWER,
    ),
    (
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        VIEWER,
    ),
];

/// What a link token opens: pictures and event streams. They read, and are what addresses are for.
const BY_LINK: [&str; 4] = [
    "/booth.v1.SlotService/GetSlotTile",
    "/booth.v1.CallerService/GetCallerTile",
    "/booth.v1.WatchService/Watch",
    "/booth.v1.WatchService/WatchMeters",
];

/// Tokens have 43 characters, those for links 118; what is much longer is not hashed.
const TOKEN_MAX: usize = 512;

/// Whose token came with a request.
#[derive(Debug, Clone)]
pub struct Identity {
    pub id: OperatorId,
    pub token: TokenHash,
    /// When what was opened ends: of a link token.
    pub until: Option<Timestamp>,
}

/// Lets a request through to `path`, as somebody or (where the table says so) as nobody.
pub fn admit(rooms: &Rooms, path: &str, headers: &HeaderMap) -> Result<Option<Identity>, Status> {
    let Some((_, least)) = TABLE.iter().find(|(known, _)| *known == path) else {
        return Err(Reason::UnknownMethod.status("this server does not have that method"));
    };
    let needed = match least {
        Least::Open => return Ok(None),
        Least::Role(needed) => *needed,
    };
    let token = bearer(headers).ok_or_else(|| {
        Reason::TokenMissing.status("a token is needed: send `authorization: Bearer TOKEN`")
    })?;
    let (token, until) = if token.starts_with(LINK_PREFIX) {
        let (token, until) = linked(rooms, path, token)?;
        (token, Some(until))
    } else {
        (token_hash(token), None)
    };
    let state = rooms.board.state();
    // Looked up by its hash, so that how long it takes says nothing of any token.
    let operator = state
        .operator_by_token(&token)
        .ok_or_else(|| Reason::TokenUnknown.status("this token is not valid here"))?;
    let has = operator.role;
    if has < needed {
        return Err(denied(&Denied::RoleTooLow { needed, has }));
    }
    Ok(Some(Identity {
        id: operator.id.clone(),
        token,
        until,
    }))
}

/// The token that a link token stands for, where it may, and until when.
fn linked(rooms: &Rooms, path: &str, token: &str) -> Result<(TokenHash, Timestamp), Status> {
    let (of, expires) = rooms
        .keys
        .open_link_token(token)
        .ok_or_else(|| Reason::TokenUnknown.status("this link token is not valid here"))?;
    if rooms.clock.now() >= expires {
        return Err(link_expired());
    }
    if !BY_LINK.contains(&path) {
        return Err(Reason::LinkTooNarrow
            .status("a link token opens tiles and event streams only: use the operator's token"));
    }
    Ok((of, expires))
}

/// Also the end of a stream that a link token opened.
pub fn link_expired() -> Status {
    Reason::LinkExpired.status("this link token has expired: ask for a new one")
}

/// What one method asks for only when its request says so, checked by its handler.
pub fn ask_role(state: &State, who: &Identity, needed: Role) -> Result<(), Status> {
    let has = state.operators.get(&who.id).map(|operator| operator.role);
    match has {
        Some(has) if has >= needed => Ok(()),
        Some(has) => Err(denied(&Denied::RoleTooLow { needed, has })),
        None => Err(Reason::TokenRevoked.status("this token was taken back")),
    }
}

/// Whether the token of an open stream still opens it.
pub fn still_admitted(state: &State, who: &Identity) -> Result<(), Status> {
    match state.operator_by_token(&who.token) {
        Some(_) => Ok(()),
        None => Err(Reason::TokenRevoked.status("this token was taken back")),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let sound = scheme.eq_ignore_ascii_case("bearer") && (1..=TOKEN_MAX).contains(&token.len());
    sound.then_some(token)
}
