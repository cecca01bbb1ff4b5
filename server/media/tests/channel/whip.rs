//! A WHIP publisher, whose packets come over the link.

use std::sync::{Arc, LazyLock};

use booth_media::demo::DemoCodec;
use booth_proto::worker::{ChannelShowing, LiveState, SwitchCause};

use crate::boothd::PATIENCE;
use crate::caller::{Media, Sending, source};
use crate::receiver::Receiver;
use crate::rig::Rig;

static FIVE: LazyLock<Arc<Media>> = LazyLock::new(|| Media::make(5, 640, 360, DemoCodec::H264));
static VP8: LazyLock<Arc<Media>> = LazyLock::new(|| Media::make(6, 640, 360, DemoCodec::Vp8));

#[test]
fn a_whip_publisher_is_seen_and_heard_together_and_replaced_when_nothing_comes() {
    let receiver = Receiver::start();
    let mut rig = Rig::start(|desired| desired.destinations = vec![receiver.destination("a")]);
    receiver.wait_for_picture(2);
    rig.want(|desired| {
        desired.publisher = 9;
        desired.whip = Some(source("radio", 11, &FIVE, true));
    });
    let sending = Sending::start(rig.boothd(), 11, &FIVE);
    receiver.wait_for_picture(5);
    let judge = receiver.judge.as_ref().unwrap();
    judge.wait_for_sound(5, PATIENCE).unwrap();
    let report = rig.report("live", |report| report.live() == LiveState::Stable);
    assert_eq!(report.publisher, 9);
    let format = report.live_format.unwrap();
    assert_eq!((format.width, format.height), (640, 360));
    assert_eq!(format.audio, "AAC-LC 48000 Hz stereo");
    // ITU-R BT.1359: noticed from 45 ms (sound early) and 125 ms (late) on. The flash comes every two seconds.
    let seen = judge
        .wait_for(|seen| seen.av_skew.pairs >= 2, PATIENCE)
        .unwrap();
    let skew = seen.av_skew.last_ms.unwrap();
    assert!(skew.abs() < 45.0, "{:?}", seen.av_skew);
    rig.boothd().forget();
    drop(sending);
    receiver.wait_for_picture(2);
    let cause = rig.switched(ChannelShowing::Backup).cause();
    assert_eq!(cause, SwitchCause::LiveStalled);
}

#[test]
fn a_whip_publisher_whose_codec_cannot_be_passed_on_is_told_and_the_channel_stays_on_air() {
    use booth_proto::worker::from_worker::Message as Said;
    let mut rig = Rig::start(|_| {});
    rig.want(|desired| {
        desired.publisher = 9;
        desired.whip = Some(source("radio", 12, &VP8, true));
    });
    let text = rig.boothd().hear("a problem", |said| match said {
        Said::Problem(problem) if problem.reason == "WHIP_INPUT_FAILED" => {
            Some(problem.text.clone())
        }
        _ => None,
    });
    assert!(text.contains("Vp8"), "{text}");
    rig.shows(ChannelShowing::Backup);
}
