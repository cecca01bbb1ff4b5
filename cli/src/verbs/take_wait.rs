//! `slot take --wait`: an accepted take is a promise; this waits for the fact that the caller is on the output.

use std::time::Duration;

use booth_proto::v1::slot::Showing;
use booth_proto::v1::watch_response::Message;
use booth_proto::v1::watch_service_client::WatchServiceClient;
use booth_proto::v1::{Slot, TakeSlotResponse, WatchRequest, WatchResponse, resource};
use tokio::time::{Instant, timeout_at};

use crate::app::Ctx;
use crate::client::{Backoff, Client, LARGEST_ANSWER};
use crate::errors::{Failure, Outcome};
use crate::hints::Subject;
use crate::names::last_part;

/// The slot as it is once it shows the caller of the accepted take.
pub async fn until_shown(
    ctx: &Ctx,
    accepted: &TakeSlotResponse,
    within: Duration,
) -> Outcome<TakeSlotResponse> {
    let Some(slot) = &accepted.slot else {
        return Err(Failure::error(
            "the server accepted the take without saying which slot it was",
        ));
    };
    let wanted = Wanted {
        slot: &slot.name,
        caller: &slot.assigned_caller,
        revision: accepted.revision,
    };
    let deadline = Instant::now() + within;
    let client = ctx.client().await?;
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
    let waiting = async {
        loop {
            match follow(client, &wanted).await {
                // A take survives a restart of the server, and so does waiting for it.
                Err(failure) if failure.lost => tokio::time::sleep(backoff.next()).await,
                done => return done,
            }
        }
    };
    timeout_at(deadline, waiting).await.unwrap_or_else(|_| {
        Err(Failure::timed_out(format!(
            "slot {} took {} but does not show them after {within:?}; the take stands",
            last_part(wanted.slot),
            last_part(wanted.caller)
        ))
        .reason("TAKE_NOT_SHOWN")
        .next(format!(
            "booth caller get {}; booth slot get {}",
            last_part(wanted.caller),
            last_part(wanted.slot)
        )))
    })
}

struct Wanted<'a> {
    slot: &'a str,
    caller: &'a str,
    /// At which the take was accepted; what is older says nothing about it.
    revision: u64,
}

async fn follow(client: &Client, wanted: &Wanted<'_>) -> Outcome<TakeSlotResponse> {
    let subject = Subject::slot(wanted.slot);
    let mut service =
        WatchServiceClient::new(client.streams()).max_decoding_message_size(LARGEST_ANSWER);
    // From the start: the snapshot tells if it is shown already.
    let request = WatchRequest {
        since: 0,
        show: String::new(),
        heartbeat_s: 1,
    };
    let opened = service
        .watch(request)
        .await
        .map_err(|status| Failure::from_status(&status, &subject))?;
    let mut stream = opened.into_inner();
    let mut in_snapshot = false;
    loop {
        match stream.message().await {
            Ok(Some(message)) => {
                if let Some(shown) = look(message, wanted, &mut in_snapshot)? {
                    return Ok(shown);
                }
            }
            Ok(None) => return Err(Failure::unreachable("the server ended the watch")),
            Err(status) => return Err(Failure::from_status(&status, &subject)),
        }
    }
}

/// The answer if it is shown, nothing if not yet, an error if it never will be. A snapshot may come in parts:
/// `in_snapshot` says whether one of them had the slot.
fn look(
    message: WatchResponse,
    wanted: &Wanted<'_>,
    in_snapshot: &mut bool,
) -> Outcome<Option<TakeSlotResponse>> {
    let revision = message.revision;
    if revision < wanted.revision {
        return Ok(None);
    }
    let slots: Vec<Slot> = match message.message {
        Some(Message::Snapshot(snapshot)) => {
            *in_snapshot |= snapshot.slots.iter().any(|slot| slot.name == wanted.slot);
            if !*in_snapshot && !snapshot.more {
                return Err(undone(wanted, "the slot is gone"));
            }
            snapshot.slots
        }
        Some(Message::Change(change)) => {
            let mut slots = Vec::new();
            for resource in change.resources {
                match resource.resource {
                    Some(resource::Resource::Slot(slot)) => slots.push(slot),
                    Some(resource::Resource::Deleted(name)) if name == wanted.slot => {
                        return Err(undone(wanted, "the slot is gone"));
                    }
                    _ => {}
                }
            }
            slots
        }
        Some(Message::Heartbeat(_)) | None => return Ok(None),
    };
    match slots.into_iter().find(|slot| slot.name == wanted.slot) {
        None => Ok(None),
        Some(slot) if slot.assigned_caller != wanted.caller => {
            Err(undone(wanted, "somebody released or replaced them"))
        }
        Some(slot)
            if slot.showing == Showing::Caller as i32 && slot.showing_caller == wanted.caller =>
        {
            Ok(Some(TakeSlotResponse {
                slot: Some(slot),
                revision,
            }))
        }
        Some(_) => Ok(None),
    }
}

fn undone(wanted: &Wanted<'_>, why: &str) -> Failure {
    Failure::refused(format!(
        "{} is not on slot {} any more: {why}",
        last_part(wanted.caller),
        last_part(wanted.slot)
    ))
    .reason("TAKE_UNDONE")
    .next("booth slot list")
}

#[cfg(test)]
mod tests {
    use super::*;
    use booth_proto::v1::{Change, Resource, Snapshot};

    const WANTED: Wanted<'_> = Wanted {
        slot: "slots/1",
        caller: "shows/main/callers/c1",
        revision: 7,
    };

    fn slot(assigned: &str, showing: Showing, shown: &str) -> Slot {
        Slot {
            name: "slots/1".to_owned(),
            assigned_caller: assigned.to_owned(),
            showing: showing as i32,
            showing_caller: shown.to_owned(),
            ..Slot::default()
        }
    }

    fn change(revision: u64, slot: Slot) -> WatchResponse {
        let resources = vec![Resource {
            resource: Some(resource::Resource::Slot(slot)),
        }];
        WatchResponse {
            revision,
            message: Some(Message::Change(Change {
                resources,
                ..Change::default()
            })),
        }
    }

    #[test]
    fn only_the_wanted_caller_on_the_output_ends_the_wait() {
        let c1 = WANTED.caller;
        assert_eq!(
            look(change(8, slot(c1, Showing::Armed, "")), &WANTED, &mut false).unwrap(),
            None
        );
        assert_eq!(
            look(
                change(8, slot(c1, Showing::Caller, "shows/main/callers/c9")),
                &WANTED,
                &mut false
            )
            .unwrap(),
            None
        );
        let shown = look(
            change(9, slot(c1, Showing::Caller, c1)),
            &WANTED,
            &mut false,
        )
        .unwrap()
        .unwrap();
        assert_eq!(shown.revision, 9);
    }

    #[test]
    fn what_is_older_than_the_take_says_nothing() {
        assert_eq!(
            look(change(6, slot("", Showing::Idle, "")), &WANTED, &mut false).unwrap(),
            None
        );
    }

    #[test]
    fn a_take_that_is_undone_meanwhile_is_refused_and_not_waited_for() {
        let failure =
            look(change(8, slot("", Showing::Idle, "")), &WANTED, &mut false).unwrap_err();
        assert_eq!(
            (failure.exit_code(), failure.reason.as_deref()),
            (5, Some("TAKE_UNDONE"))
        );
        let empty = WatchResponse {
            revision: 8,
            message: Some(Message::Snapshot(Snapshot::default())),
        };
        assert_eq!(look(empty, &WANTED, &mut false).unwrap_err().exit_code(), 5);
    }

    #[test]
    fn a_slot_missing_in_one_part_of_a_snapshot_may_be_in_another() {
        let part = |slots, more| WatchResponse {
            revision: 8,
            message: Some(Message::Snapshot(Snapshot {
                slots,
                more,
                ..Snapshot::default()
            })),
        };
        let mut in_snapshot = false;
        assert_eq!(
            look(part(Vec::new(), true), &WANTED, &mut in_snapshot).unwrap(),
            None
        );
        let armed = slot(WANTED.caller, Showing::Armed, "");
        assert_eq!(
            look(part(vec![armed], true), &WANTED, &mut in_snapshot).unwrap(),
            None
        );
        assert_eq!(
            look(part(Vec::new(), false), &WANTED, &mut in_snapshot).unwrap(),
            None
        );
    }
}
