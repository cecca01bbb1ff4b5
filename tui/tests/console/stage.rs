//! A show with everything in it, at a fixed time, and a hand at its keys.

use booth_proto::v1::{self, watch_response::Message};
use booth_tui::command::{Command, Effect};
use booth_tui::key::Key;
use booth_tui::model::Model;
use booth_tui::msg::{Answer, Input, LinkMsg, Msg, Refusal, Start};
use booth_tui::settings::Settings;
use booth_tui::snapshot;
use booth_tui::update::update;
use pbjson_types::Timestamp;

/// 2026-03-14 14:00:00 UTC.
pub const NOON: i64 = 1_773_496_800_000;

pub fn at(ms: i64) -> Option<Timestamp> {
    let ms = NOON + ms;
    Some(Timestamp {
        seconds: ms / 1_000,
        nanos: (ms % 1_000) as i32 * 1_000_000,
    })
}

pub fn start(width: u16, height: u16) -> Start {
    Start {
        settings: Settings::default(),
        width,
        height,
        zone_s: 0,
        server: "http://127.0.0.1:7400".into(),
        show: "main".into(),
        version: "0.1.0".into(),
        nonce: "n".into(),
        can_practice: true,
        join_url: String::new(),
        can_suspend: true,
    }
}

pub struct Stage {
    pub model: Model,
    pub now: u64,
    pub effects: Vec<Effect>,
    pub inputs: Vec<Input>,
}

impl Stage {
    /// Nothing has been heard of the server yet.
    pub fn dark(width: u16, height: u16) -> Self {
        Self::with(start(width, height))
    }

    pub fn with(start: Start) -> Self {
        let first = Input {
            at_ms: 0,
            msg: Msg::Start(Box::new(start.clone())),
        };
        Self {
            model: Model::new(start),
            now: 0,
            effects: Vec::new(),
            inputs: vec![first],
        }
    }

    /// Connected, with nobody there.
    pub fn empty(width: u16, height: u16) -> Self {
        let mut stage = Self::dark(width, height);
        stage.connect(v1::Role::Operator);
        stage.snapshot(v1::Snapshot {
            shows: vec![show(&[])],
            slots: vec![slot("1", 9001), slot("2", 9002)],
            ..Default::default()
        });
        stage
    }

    /// In the middle of a show: one on air, three in the queue, two channels.
    pub fn full(width: u16, height: u16) -> Self {
        let mut stage = Self::dark(width, height);
        stage.connect(v1::Role::Operator);
        stage.begin();
        stage
    }

    pub fn begin(&mut self) {
        self.snapshot(everything());
        self.change(
            "operators/anna",
            "SLOT_TAKEN",
            "slots/1",
            "caller Alpha taken to slot 1 by anna",
            vec![],
        );
        self.change(
            "system",
            "DESTINATION_STATE",
            "channels/krishna/destinations/fb",
            "destination fb of channel krishna is tried again: refused",
            vec![],
        );
        self.meters(readings());
        self.forward(500);
        self.meters(readings());
    }

    pub fn connect(&mut self, role: v1::Role) {
        let status = v1::GetStatusResponse {
            version: "0.1.0".into(),
            start_time: at(-7_200_000),
            revision: 40,
            ledger: Some(v1::Ledger {
                writable: true,
                journal_bytes: 1_234_567,
                ..Default::default()
            }),
            units: vec![
                v1::Unit {
                    name: "slot-1".into(),
                    attached: true,
                    pid: 101,
                    ..Default::default()
                },
                v1::Unit {
                    name: "slot-2".into(),
                    attached: true,
                    pid: 102,
                    restarts: 1,
                    last_error: "killed by signal 9".into(),
                },
            ],
            join_base_url: "http://studio.example:8080".into(),
            capabilities: [
                "shows",
                "callers",
                "slots",
                "operators",
                "meters",
                "backup",
                "channels",
            ]
            .map(str::to_owned)
            .to_vec(),
            sessions: 4,
            ..Default::default()
        };
        let operator = v1::Operator {
            name: "operators/op1".into(),
            role: role as i32,
            ..Default::default()
        };
        self.link(LinkMsg::Up {
            status: Box::new(status),
            operator: Some(operator),
        });
    }

    pub fn snapshot(&mut self, snapshot: v1::Snapshot) {
        self.watch(40, Message::Snapshot(snapshot));
        self.beat();
    }

    pub fn beat(&mut self) {
        let revision = self.model.world.revision;
        let time = at(i64::try_from(self.now).unwrap());
        self.watch(revision, Message::Heartbeat(v1::Heartbeat { time }));
    }

    pub fn watch(&mut self, revision: u64, message: Message) {
        self.link(LinkMsg::Watch(Box::new(v1::WatchResponse {
            revision,
            message: Some(message),
        })));
    }

    /// The next revision: who did what, and what it left changed.
    pub fn change(
        &mut self,
        actor: &str,
        kind: &str,
        resource: &str,
        text: &str,
        resources: Vec<v1::resource::Resource>,
    ) {
        let revision = self.model.world.revision + 1;
        let change = v1::Change {
            time: at(i64::try_from(self.now).unwrap()),
            actor: actor.into(),
            events: vec![v1::Event {
                r#type: kind.into(),
                resource: resource.into(),
                text: text.into(),
            }],
            resources: resources
                .into_iter()
                .map(|r| v1::Resource { resource: Some(r) })
                .collect(),
        };
        self.watch(revision, Message::Change(change));
    }

    pub fn meters(&mut self, mut readings: v1::WatchMetersResponse) {
        readings.at_ms = NOON + i64::try_from(self.now).unwrap();
        self.link(LinkMsg::Meters(Box::new(readings)));
    }

    pub fn link(&mut self, msg: LinkMsg) {
        self.feed(Msg::Link(msg));
    }

    pub fn feed(&mut self, msg: Msg) {
        let input = Input {
            at_ms: self.now,
            msg,
        };
        self.inputs.push(input.clone());
        self.effects.extend(update(&mut self.model, input));
    }

    /// Time passes, with the server's heartbeats.
    pub fn forward(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.now < end {
            self.now = end.min(self.now + 500);
            self.beat();
            self.feed(Msg::Tick);
        }
    }

    /// Time passes, and the server says nothing.
    pub fn silence(&mut self, ms: u64) {
        self.now += ms;
        self.feed(Msg::Tick);
    }

    /// `t enter`, `: t a k e enter`.
    #[track_caller]
    pub fn keys(&mut self, script: &str) -> &mut Self {
        for text in script.split_whitespace() {
            let key: Key = text.parse().unwrap();
            self.feed(Msg::Key(key));
        }
        self
    }

    pub fn typed(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.feed(Msg::Key(Key::char(c)));
        }
        self
    }

    /// What was sent since the last look.
    pub fn sent(&mut self) -> Vec<(String, Command)> {
        let calls =
            std::mem::take(&mut self.effects)
                .into_iter()
                .filter_map(|effect| match effect {
                    Effect::Call {
                        request_id,
                        command,
                    } => Some((request_id, command)),
                    _ => None,
                });
        calls.collect()
    }

    #[track_caller]
    pub fn sent_one(&mut self) -> (String, Command) {
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}; {:?}", self.model.notice);
        sent.into_iter().next().unwrap()
    }

    pub fn accept(&mut self, request_id: &str, revision: u64) {
        let result = Ok(Answer {
            revision,
            url: String::new(),
        });
        self.link(LinkMsg::Answer {
            request_id: request_id.into(),
            result,
        });
    }

    pub fn refuse(&mut self, request_id: &str, code: &str, reason: &str, text: &str) {
        let refusal = Refusal {
            code: code.into(),
            reason: reason.into(),
            text: text.into(),
            lost: false,
        };
        self.link(LinkMsg::Answer {
            request_id: request_id.into(),
            result: Err(refusal),
        });
    }

    pub fn screen(&self) -> String {
        snapshot::text(&snapshot::cells(&self.model))
    }

    /// The line that says what Enter does or what happened.
    pub fn says(&self) -> String {
        let screen = self.screen();
        screen
            .lines()
            .nth(usize::from(self.model.height) - 2)
            .unwrap_or_default()
            .trim()
            .to_owned()
    }
}

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
