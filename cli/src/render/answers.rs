//! Which part of every response people see. A response that is missing here cannot be printed, so none is forgotten.

use booth_proto::v1::*;

use super::rows::{self, Row};
use super::table::Cell;
use super::{Answer, View};
use crate::names::last_part;

/// Lists: a table.
macro_rules! lists {
    ($($response:ty: $field:ident;)*) => { $(
        impl Answer for $response {
            fn view(&self) -> View {
                View::Table(rows::table(&self.$field))
            }
            fn names(&self) -> Vec<String> {
                self.$field.iter().map(|item| item.name().to_owned()).collect()
            }
            fn items(&self) -> Option<&'static str> {
                Some(stringify!($field))
            }
        }
    )* };
}

lists! {
    CheckBackupResponse: files;
    ListCallersResponse: callers;
    ListChannelsResponse: channels;
    ListDestinationsResponse: destinations;
    ListInvitesResponse: invites;
    ListOperatorsResponse: operators;
    ListShowsResponse: shows;
    ListSlotsResponse: slots;
}

/// A changed resource: its row, as the list shows it.
macro_rules! changes {
    ($($field:ident: $($response:ty),*;)*) => { $($(
        impl Answer for $response {
            fn view(&self) -> View {
                View::Table(rows::table(self.$field.as_slice()))
            }
            fn names(&self) -> Vec<String> {
                self.$field.iter().map(|item| item.name().to_owned()).collect()
            }
        }
    )*)* };
}

changes! {
    caller: ScreenCallerResponse, ApproveCallerResponse, RejectCallerResponse, HoldCallerResponse, MoveCallerResponse,
        NoteCallerResponse, ChatCallerResponse, DropCallerResponse, MuteCallerResponse, UnmuteCallerResponse;
    channel: CreateChannelResponse, UpdateChannelResponse, StartChannelResponse, StopChannelResponse,
        ForceChannelResponse, KickChannelPublisherResponse;
    destination: CreateDestinationResponse, UpdateDestinationResponse, EnableDestinationResponse,
        DisableDestinationResponse;
    show: CreateShowResponse, UpdateShowResponse, StartShowResponse, StopShowResponse;
    slot: CreateSlotResponse, UpdateSlotResponse, TakeSlotResponse, ReleaseSlotResponse, ArmSlotResponse;
}

/// One resource: everything about it.
macro_rules! pages {
    ($($response:ty: $field:ident;)*) => { $(
        impl Answer for $response {
            fn view(&self) -> View {
                View::Fields(self.$field.as_ref().map(Row::page).unwrap_or_default())
            }
            fn names(&self) -> Vec<String> {
                self.$field.iter().map(|item| item.name().to_owned()).collect()
            }
        }
    )* };
}

pages! {
    GetCallerResponse: caller;
    GetChannelResponse: channel;
    GetDestinationResponse: destination;
    GetShowResponse: show;
    GetSlotResponse: slot;
    WhoAmIResponse: operator;
}

/// What is gone has no row; the verb says so on stderr.
macro_rules! gone {
    ($($response:ty),*) => { $(
        impl Answer for $response {
            fn view(&self) -> View {
                View::Nothing
            }
            fn names(&self) -> Vec<String> {
                Vec::new()
            }
        }
    )* };
}

gone!(
    DeleteChannelResponse,
    DeleteDestinationResponse,
    DeleteInviteResponse,
    DeleteShowResponse,
    DeleteSlotResponse,
    RevokeOperatorResponse
);

/// A token alone on its line: easy to copy, easy to capture.
macro_rules! secrets {
    ($($response:ty: $field:ident, $secret:ident;)*) => { $(
        impl Answer for $response {
            fn view(&self) -> View {
                View::Line(Cell::new(&self.$secret))
            }
            fn names(&self) -> Vec<String> {
                self.$field.iter().map(|item| item.name().to_owned()).collect()
            }
        }
    )* };
}

secrets! {
    CreateInviteResponse: invite, url;
    CreateOperatorResponse: operator, token;
    CreateOperatorTokenResponse: operator, token;
    RotateChannelKeyResponse: channel, key;
}

impl Answer for GetLinkTokenResponse {
    fn view(&self) -> View {
        View::Line(Cell::new(&self.token))
    }
    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Answer for GetStatusResponse {
    fn view(&self) -> View {
        View::Nothing
    }
    fn names(&self) -> Vec<String> {
        self.units
            .iter()
            .map(|unit| last_part(&unit.name).to_owned())
            .collect()
    }
}
