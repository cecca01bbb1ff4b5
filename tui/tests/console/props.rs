//! Callers, slots, channels and levels of the stage.

use booth_proto::v1;

use crate::stage::at;

pub fn caller(id: &str, name: &str, state: v1::caller::State) -> v1::Caller {
    v1::Caller {
        name: format!("shows/main/callers/{id}"),
        display_name: name.into(),
        topic: "night buses".into(),
        kind: v1::caller::Kind::Caller as i32,
        state: state as i32,
        connected: true,
        has_audio: true,
        has_video: true,
        join_time: at(-370_000),
        state_time: at(-60_000),
        revision: 20,
        ..Default::default()
    }
}

pub fn slot(id: &str, port: u32) -> v1::Slot {
    v1::Slot {
        name: format!("slots/{id}"),
        show: "shows/main".into(),
        settings: Some(v1::SlotSettings {
            output: Some(v1::slot_settings::Output::Port(port)),
            ..Default::default()
        }),
        showing: v1::slot::Showing::Idle as i32,
        online: true,
        revision: 10,
        ..Default::default()
    }
}

pub fn show(queue: &[&str]) -> v1::Show {
    v1::Show {
        name: "shows/main".into(),
        title: "Main".into(),
        state: v1::show::State::Live as i32,
        queue: queue
            .iter()
            .map(|id| format!("shows/main/callers/{id}"))
            .collect(),
        update_time: at(-4_364_000),
        revision: 5,
        ..Default::default()
    }
}

pub fn everything() -> v1::Snapshot {
    use v1::caller::State;
    let mut alpha = caller("ca", "Alpha", State::OnAir);
    alpha.topic = "rent caps in the north".into();
    alpha.slot = "slots/1".into();
    let mut bravo = caller("cb", "Bravo", State::Ready);
    bravo.notes.push(v1::Note {
        time: at(-100_000),
        operator: "operators/anna".into(),
        text: "ex-driver".into(),
    });
    bravo.chat = vec![
        v1::ChatMessage {
            time: at(-90_000),
            operator: "operators/anna".into(),
            text: "You are next.".into(),
        },
        v1::ChatMessage {
            time: at(-80_000),
            operator: String::new(),
            text: "Great, I am ready!".into(),
        },
    ];
    let charlie = v1::Caller {
        topic: "the new library".into(),
        join_time: at(-235_000),
        ..caller("cc", "Charlie", State::Screening)
    };
    let silent = v1::Caller {
        has_audio: false,
        topic: String::new(),
        join_time: at(-80_000),
        ..caller("cd", "7f2", State::Waiting)
    };
    let mut earlier = caller("ce", "Bravo", State::Ended);
    earlier.end_reason = v1::caller::EndReason::Completed as i32;
    earlier.join_time = at(-3_600_000);
    let mut one = slot("1", 9001);
    one.assigned_caller = alpha.name.clone();
    one.assign_time = at(-252_000);
    one.showing = v1::slot::Showing::Caller as i32;
    one.showing_caller = alpha.name.clone();
    one.tally = v1::slot::Tally::Program as i32;
    let mut two = slot("2", 9002);
    two.showing = v1::slot::Showing::Armed as i32;
    two.showing_caller = bravo.name.clone();
    two.settings.as_mut().unwrap().idle = Some(v1::IdleSource {
        kind: v1::idle_source::Kind::Image as i32,
        path: "/srv/holding.png".into(),
    });
    v1::Snapshot {
        shows: vec![show(&["cb", "cc", "cd"])],
        callers: vec![alpha, bravo, charlie, silent, earlier],
        slots: vec![one, two],
        channels: vec![krishna(), waheguru()],
        ..Default::default()
    }
}

fn destination(channel: &str, id: &str, state: v1::destination::State) -> v1::Destination {
    v1::Destination {
        name: format!("channels/{channel}/destinations/{id}"),
        enabled: true,
        state: state as i32,
        state_time: at(-40_000),
        revision: 8,
        ..Default::default()
    }
}

/// `d1`, `d2`, …, all live.
pub fn destinations(channel: &str, count: usize) -> Vec<v1::Destination> {
    let one = |n| destination(channel, &format!("d{n}"), v1::destination::State::Live);
    (1..=count).map(one).collect()
}

pub fn krishna() -> v1::Channel {
    v1::Channel {
        name: "channels/krishna".into(),
        running: true,
        online: true,
        showing: v1::channel::Showing::Live as i32,
        showing_time: at(-86_400_000),
        live: v1::channel::LiveState::Stable as i32,
        live_time: at(-86_400_000),
        publisher: Some(v1::Publisher {
            protocol: "rtmp".into(),
            peer: "192.0.2.7".into(),
            agent: "obs".into(),
            connect_time: at(-86_400_000),
        }),
        live_format: Some(v1::LiveFormat {
            video: "H.264 High 4.0".into(),
            width: 1280,
            height: 720,
            fps: 30.0,
            audio: "AAC-LC 48000 Hz stereo".into(),
            ..Default::default()
        }),
        prepared: Some(v1::Prepared {
            state: v1::prepared::State::Ready as i32,
            duration_s: 600.0,
            ..Default::default()
        }),
        destinations: vec![
            destination("krishna", "yt", v1::destination::State::Live),
            v1::Destination {
                last_error: "refused: publish denied".into(),
                ..destination("krishna", "fb", v1::destination::State::Retrying)
            },
        ],
        revision: 12,
        ..Default::default()
    }
}

pub fn waheguru() -> v1::Channel {
    v1::Channel {
        name: "channels/waheguru".into(),
        showing: v1::channel::Showing::Backup as i32,
        showing_time: at(-192_000),
        cause: "LIVE_STALLED".into(),
        live: v1::channel::LiveState::Absent as i32,
        live_time: at(-192_000),
        publisher: None,
        live_format: None,
        destinations: vec![destination("waheguru", "yt", v1::destination::State::Live)],
        ..krishna()
    }
}

pub fn readings() -> v1::WatchMetersResponse {
    let caller = |id: &str, level_dbfs, score| v1::CallerMeters {
        name: format!("shows/main/callers/{id}"),
        level_dbfs,
        rtt_ms: 38.0,
        loss: 0.001,
        jitter_ms: 4.0,
        receive_rate_kbps: 2_400.0,
        score,
        width: if id == "cb" { 1280 } else { 0 },
        height: 720,
        fps: 30.0,
        ..Default::default()
    };
    let channel = |id: &str, rate| v1::ChannelMeters {
        name: format!("channels/{id}"),
        live_rate_kbps: rate,
        output_rate_kbps: 2_500.0,
        destinations: vec![
            v1::DestinationMeters {
                name: format!("channels/{id}/destinations/yt"),
                rate_kbps: 2_500.0,
                ..Default::default()
            },
            v1::DestinationMeters {
                name: format!("channels/{id}/destinations/fb"),
                retry_in_s: 8.0,
                ..Default::default()
            },
        ],
        ..Default::default()
    };
    let slot = |id: &str, rms, peak, clients| v1::SlotMeters {
        name: format!("slots/{id}"),
        rms_dbfs: vec![rms, rms - 1.0],
        peak_dbfs: vec![peak, peak],
        clients,
        send_rate_kbps: 2_600.0,
        rtt_ms: 3.0,
        ..Default::default()
    };
    v1::WatchMetersResponse {
        slots: vec![slot("1", -14.0, -9.0, 2), slot("2", -120.0, -120.0, 1)],
        callers: vec![
            caller("ca", -16.0, 5),
            caller("cb", -22.0, 5),
            caller("cc", -31.0, 3),
            caller("cd", -127.0, 4),
        ],
        channels: vec![channel("krishna", 2_500.0), channel("waheguru", 0.0)],
        ..Default::default()
    }
}
