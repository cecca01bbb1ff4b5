//! Everything that can happen to the console. Inputs are recorded as one JSON line each, and replayed without a server.

use booth_proto::v1;
use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::settings::Settings;

/// `at_ms` is monotonic, counted from the console's start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub at_ms: u64,
    pub msg: Msg,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Msg {
    /// The first one.
    Start(Box<Start>),
    Key(Key),
    Paste(String),
    Click {
        x: u16,
        y: u16,
    },
    Wheel {
        x: u16,
        y: u16,
        down: bool,
    },
    Resize {
        width: u16,
        height: u16,
    },
    /// Seconds east of Greenwich of the operator's wall clock.
    Zone(i32),
    Tick,
    Link(LinkMsg),
    /// The process of the synthetic callers.
    Practice(Practice),
    /// Something could not be done on this side.
    Trouble(String),
    /// Something is not as expected on this side, and that is all right.
    Told(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    pub settings: Settings,
    pub width: u16,
    pub height: u16,
    pub zone_s: i32,
    /// `http://127.0.0.1:7400`.
    pub server: String,
    /// `main`.
    pub show: String,
    pub version: String,
    /// Random; request ids begin with it.
    pub nonce: String,
    /// Whether synthetic callers can be started from here.
    pub can_practice: bool,
    /// A join link that was made before, secret included; empty for none.
    #[serde(default)]
    pub join_url: String,
    pub can_suspend: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkMsg {
    Connecting,
    /// Connected, and told who one is.
    Up {
        status: Box<v1::GetStatusResponse>,
        operator: Option<v1::Operator>,
    },
    Status {
        status: Box<v1::GetStatusResponse>,
        rtt_ms: u64,
    },
    /// What happened before the console was opened.
    Past(Vec<v1::WatchResponse>),
    Watch(Box<v1::WatchResponse>),
    Meters(Box<v1::WatchMetersResponse>),
    Down {
        why: String,
        /// What to do about it, when that is known.
        next: String,
        retry_ms: u64,
    },
    Answer {
        request_id: String,
        result: Result<Answer, Refusal>,
    },
    Picture {
        caller: String,
        #[serde(with = "hex")]
        jpeg: Vec<u8>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Answer {
    pub revision: u64,
    /// A join link, secret included. Recordings leave the secret out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// gRPC's name: `ABORTED`.
    pub code: String,
    /// `REVISION_MISMATCH`; empty when the server gave none.
    pub reason: String,
    pub text: String,
    /// Nobody knows whether the command arrived.
    pub lost: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Practice {
    Started { callers: u32 },
    Ended { why: String },
}

impl Msg {
    /// As it may be written to a file: without secrets.
    pub fn for_record(&self) -> Self {
        let mut copy = self.clone();
        let url = match &mut copy {
            Self::Link(LinkMsg::Answer {
                result: Ok(answer), ..
            }) => &mut answer.url,
            Self::Start(start) => &mut start.join_url,
            _ => return copy,
        };
        if let Some(at) = url.find('#') {
            url.truncate(at);
            url.push_str("#left-out");
        }
        copy
    }
}

/// Two digits a byte: shorter than the array of numbers that serde would make.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        serializer.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let pair = |at: usize| {
            let digits = text.get(at..at + 2).unwrap_or("-");
            u8::from_str_radix(digits, 16).map_err(serde::de::Error::custom)
        };
        (0..text.len()).step_by(2).map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_never_holds_the_secret_of_a_join_link() {
        let msg = Msg::Link(LinkMsg::Answer {
            request_id: "r".into(),
            result: Ok(Answer {
                revision: 1,
                url: "http://h:8080/join/main#canary".into(),
            }),
        });
        let written = serde_json::to_string(&msg.for_record()).unwrap();
        assert!(
            written.contains("/join/main#") && !written.contains("canary"),
            "{written}"
        );
        let start = Start {
            settings: Settings::default(),
            width: 80,
            height: 24,
            zone_s: 0,
            server: String::new(),
            show: String::new(),
            version: String::new(),
            nonce: String::new(),
            can_practice: false,
            join_url: "http://h:8080/join/main#canary".into(),
            can_suspend: false,
        };
        let written = serde_json::to_string(&Msg::Start(Box::new(start)).for_record()).unwrap();
        assert!(!written.contains("canary"), "{written}");
    }

    #[test]
    fn an_input_reads_back_as_it_was_written() {
        for msg in [
            Msg::Key("ctrl-z".parse().unwrap()),
            Msg::Link(LinkMsg::Picture {
                caller: "c".into(),
                jpeg: vec![0, 255, 16],
            }),
            Msg::Link(LinkMsg::Watch(Box::new(v1::WatchResponse {
                revision: 7,
                message: Some(v1::watch_response::Message::Heartbeat(v1::Heartbeat {
                    time: None,
                })),
            }))),
        ] {
            let input = Input { at_ms: 5, msg };
            let line = serde_json::to_string(&input).unwrap();
            assert_eq!(serde_json::from_str::<Input>(&line).unwrap(), input);
        }
    }
}
