//! Live input that comes, but shows nothing: found by looking into it.

use std::sync::{Arc, LazyLock};

use booth_proto::worker::{ChannelShowing, SwitchCause};

use crate::film::{Film, Look};
use crate::rig::{LIVE, Rig};

static FROZEN: LazyLock<Arc<Film>> =
    LazyLock::new(|| Arc::new(Film::make_looking(4, Look::Frozen)));
static BLACK: LazyLock<Arc<Film>> = LazyLock::new(|| Arc::new(Film::make_looking(5, Look::Black)));
static SILENT: LazyLock<Arc<Film>> =
    LazyLock::new(|| Arc::new(Film::make_looking(6, Look::Silent)));

#[track_caller]
fn is_lost(
    film: &Arc<Film>,
    set: impl FnOnce(&mut booth_proto::worker::ChannelSettings),
    cause: SwitchCause,
) {
    let mut rig = Rig::start(|desired| set(desired.settings.as_mut().unwrap()));
    rig.shows(ChannelShowing::Backup);
    let well = rig.publish(7, &LIVE);
    rig.shows(ChannelShowing::Live);
    rig.boothd().forget();
    let _ill = rig.publish(8, film);
    drop(well);
    // It is taken, seen through, and left.
    rig.report("a loss", |report| {
        report.publisher == 8 && report.live_cause() == cause
    });
    let switch = rig.boothd().hear("a switch for it", |said| match said {
        booth_proto::worker::from_worker::Message::Switch(switch)
            if switch.showing() == ChannelShowing::Backup && switch.cause() == cause =>
        {
            Some(*switch)
        }
        _ => None,
    });
    assert!(switch.gap_ms < 50, "{switch:?}");
}

#[test]
fn a_picture_that_stands_still_is_lost() {
    is_lost(
        &FROZEN,
        |settings| settings.frozen_ms = 3_000,
        SwitchCause::LiveFrozen,
    );
}

#[test]
fn a_black_picture_is_lost() {
    is_lost(
        &BLACK,
        |settings| settings.black_ms = 3_000,
        SwitchCause::LiveBlack,
    );
}

#[test]
fn silence_is_lost() {
    is_lost(
        &SILENT,
        |settings| settings.silent_ms = 3_000,
        SwitchCause::LiveSilent,
    );
}
