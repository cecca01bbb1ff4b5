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

use crate::props::{everything, readings, show, slot};

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
                    cpu_percent: 17.4,
                    memory_bytes: 91_000_000,
                    ..Default::default()
                },
                v1::Unit {
                    name: "slot-2".into(),
                    attached: true,
                    pid: 102,
                    restarts: 1,
                    last_error: "killed by signal 9".into(),
                    ..Default::default()
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
