//! A channel that encodes everything anew, as its destinations see it. What stands still within pictures that come in
//! time is measured beside the mixer; here the whole way is driven.

use booth_judge::clock;
use booth_proto::worker::{ChannelDesired, ChannelMode, ChannelShowing, SwitchCause};

use crate::receiver::{Receiver, assert_untouched};
use crate::rig::{BACKUP, LIVE, REORDERED, Rig};

fn transcoding(receiver: &Receiver) -> Rig {
    Rig::start(|desired: &mut ChannelDesired| {
        desired.destinations = vec![receiver.destination("a")];
        if let Some(settings) = &mut desired.settings {
            settings.mode = ChannelMode::Transcode.into();
            settings.preset = "ultrafast".to_owned();
        }
    })
}

#[test]
fn a_transcoding_channel_goes_from_backup_to_live_and_back_without_a_step_at_its_destination() {
    let _ = (&*BACKUP, &*LIVE);
    let receiver = Receiver::start();
    let mut rig = transcoding(&receiver);
    receiver.wait_for_picture(2);
    let from = clock::monotonic_ns();
    let publisher = rig.publish(7, &LIVE);
    receiver.wait_for_picture(1);
    assert_eq!(
        rig.switched(ChannelShowing::Live).cause(),
        SwitchCause::LiveStable
    );
    rig.boothd().forget();
    publisher.kill();
    receiver.wait_for_picture(2);
    let switch = rig.switched(ChannelShowing::Backup);
    assert_eq!(switch.cause(), SwitchCause::LiveEnded);
    // The goal is 100 ms.
    assert!(switch.gap_ms <= 100, "{switch:?}");
    rig.boothd().forget();
    let publisher = rig.publish(8, &LIVE);
    receiver.wait_for_picture(1);
    rig.switched(ChannelShowing::Live);
    rig.boothd().forget();
    publisher.stall();
    receiver.wait_for_picture(2);
    let switch = rig.switched(ChannelShowing::Backup);
    assert_eq!(switch.cause(), SwitchCause::LiveStalled);
    // The goal is 150 ms.
    assert!(switch.gap_ms <= 150, "{switch:?}");
    assert_untouched(&receiver, from);
}

#[test]
fn a_transcoding_channel_takes_live_with_b_frames() {
    let _ = (&*BACKUP, &*REORDERED);
    let receiver = Receiver::start();
    let mut rig = transcoding(&receiver);
    receiver.wait_for_picture(2);
    let from = clock::monotonic_ns();
    let _publisher = rig.publish(7, &REORDERED);
    receiver.wait_for_picture(3);
    assert_untouched(&receiver, from);
}
