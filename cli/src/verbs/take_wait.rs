//! `slot take --wait`: waits for the fact that the caller is on the output.

use std::time::Duration;

use booth_proto::v1::slot::Showing;
use booth_proto::v1::{Slot, TakeSlotResponse};

use super::air_wait::{self, Wanted};
use crate::app::Ctx;
use crate::errors::{Failure, Outcome};
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
    let caller = &slot.assigned_caller;
    let wanted = Wanted {
        name: &slot.name,
        revision: accepted.revision,
        within,
    };
    let late = |_: Option<&Slot>| {
        let (slot, caller) = (last_part(wanted.name), last_part(caller));
        Failure::timed_out(format!(
            "slot {slot} took {caller} but does not show them after {within:?}; the take stands"
        ))
        .reason("TAKE_NOT_SHOWN")
        .next(format!("booth caller get {caller}; booth slot get {slot}"))
    };
    let shown = |slot: &Slot| is_shown(slot, caller);
    let (slot, revision) = air_wait::until(ctx, &wanted, late, shown).await?;
    Ok(TakeSlotResponse {
        slot: Some(slot),
        revision,
    })
}

/// Only the caller of the take on the output counts; one that is undone is not waited for.
fn is_shown(slot: &Slot, caller: &str) -> Outcome<bool> {
    if slot.assigned_caller != caller {
        return Err(Failure::refused(format!(
            "{} is not on slot {} any more: somebody released or replaced them",
            last_part(caller),
            last_part(&slot.name)
        ))
        .reason("TAKE_UNDONE")
        .next("booth slot list"));
    }
    Ok(slot.showing == Showing::Caller as i32 && slot.showing_caller == caller)
}

#[cfg(test)]
mod tests {
    use super::*;
    use booth_proto::v1::watch_response::Message;
    use booth_proto::v1::{Change, Resource, Snapshot, WatchResponse, resource};

    const CALLER: &str = "shows/main/callers/c1";
    const WANTED: Wanted<'_> = Wanted {
        name: "slots/1",
        revision: 7,
        within: Duration::from_secs(1),
    };

    fn look(
        message: WatchResponse,
        wanted: &Wanted<'_>,
        in_snapshot: &mut bool,
    ) -> Outcome<Option<(Slot, u64)>> {
        air_wait::look(message, wanted, in_snapshot, &mut |slot: &Slot| {
            is_shown(slot, CALLER)
        })
    }

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
        let c1 = CALLER;
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
        assert_eq!(shown.1, 9);
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
        let armed = slot(CALLER, Showing::Armed, "");
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
