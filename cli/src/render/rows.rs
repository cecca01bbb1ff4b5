//! One row and one page for every noun.

use booth_proto::v1::{
    Caller, IdleSource, Invite, Operator, Role, Show, Slot, SlotSettings, caller, idle_source,
    show, slot, slot_settings,
};

use super::table::{Cell, Table, Tone};
use super::{tally, text};
use crate::names::{last_part, show_part};

/// A resource as a line of a table, and alone.
pub trait Row {
    const HEADINGS: &'static [&'static str];
    fn row(&self) -> Vec<Cell>;
    fn page(&self) -> Vec<(&'static str, Cell)>;
    fn name(&self) -> &str;
}

pub fn table<R: Row>(rows: &[R]) -> Table {
    Table {
        headings: R::HEADINGS.to_vec(),
        rows: rows.iter().map(R::row).collect(),
    }
}

pub fn state_of(caller: &Caller) -> Cell {
    use caller::State;
    let state = State::try_from(caller.state).ok();
    let tone = match state {
        Some(State::OnAir) => Tone::OnAir,
        Some(State::Ready) => Tone::Good,
        Some(State::Held | State::Screening) => Tone::Warning,
        Some(State::Ended) => Tone::Quiet,
        _ => Tone::Plain,
    };
    let mut words =
        text::enum_text(state.map(|state| state.as_str_name()), "STATE_").replace('_', " ");
    let reason = caller::EndReason::try_from(caller.end_reason).ok();
    let reason = text::enum_text(reason.map(|reason| reason.as_str_name()), "END_REASON_");
    if state == Some(State::Ended) && !reason.is_empty() {
        words.push_str(&format!(" ({})", reason.to_lowercase()));
    }
    Cell::toned(words, tone)
}

fn kind_of(kind: i32) -> &'static str {
    text::enum_text(
        caller::Kind::try_from(kind)
            .ok()
            .map(|kind| kind.as_str_name()),
        "KIND_",
    )
}

/// What arrives from the caller.
fn link_of(caller: &Caller) -> Cell {
    let muted = if caller.muted { " muted" } else { "" };
    match (caller.connected, caller.has_audio, caller.has_video) {
        // Nothing has come yet, or nothing is to come any more.
        (false, ..)
            if [caller::State::Joining as i32, caller::State::Ended as i32]
                .contains(&caller.state) =>
        {
            Cell::new("")
        }
        (false, ..) => Cell::toned("gone", Tone::Warning),
        (true, true, true) => Cell::new(format!("av{muted}")),
        (true, true, false) => Cell::new(format!("audio{muted}")),
        (true, false, true) => Cell::toned("video", Tone::Warning),
        (true, false, false) => Cell::toned("no media", Tone::Warning),
    }
}

impl Row for Caller {
    const HEADINGS: &'static [&'static str] = &[
        "POS", "ID", "NAME", "STATE", "LINK", "SLOT", "SHOW", "SINCE", "TOPIC",
    ];

    fn row(&self) -> Vec<Cell> {
        let position = if self.position == 0 {
            "-".to_owned()
        } else {
            self.position.to_string()
        };
        let name = if self.kind == caller::Kind::Host as i32 {
            format!("{} (host)", self.display_name)
        } else {
            self.display_name.clone()
        };
        vec![
            Cell::new(position),
            Cell::new(last_part(&self.name)),
            Cell::new(name),
            state_of(self),
            link_of(self),
            Cell::toned(last_part(&self.slot), Tone::OnAir),
            Cell::new(show_part(&self.name)),
            Cell::toned(
                self.state_time
                    .as_ref()
                    .map(|at| format!("{}Z", text::clock(at.seconds)))
                    .unwrap_or_default(),
                Tone::Quiet,
            ),
            Cell::new(&self.topic),
        ]
    }

    fn page(&self) -> Vec<(&'static str, Cell)> {
        let mut page = vec![
            ("Caller", Cell::new(&self.name)),
            ("Name", Cell::new(&self.display_name)),
            ("Topic", Cell::new(&self.topic)),
            ("Kind", Cell::new(kind_of(self.kind).to_lowercase())),
            ("State", state_of(self)),
            ("End note", Cell::new(&self.end_note)),
            (
                "Position",
                Cell::new(if self.position == 0 {
                    String::new()
                } else {
                    self.position.to_string()
                }),
            ),
            ("Link", link_of(self)),
            ("Slot", Cell::toned(&self.slot, Tone::OnAir)),
            ("Joined", Cell::new(text::time(self.join_time.as_ref()))),
            (
                "State since",
                Cell::new(text::time(self.state_time.as_ref())),
            ),
            ("Link since", Cell::new(text::time(self.link_time.as_ref()))),
            ("Revision", Cell::new(self.revision.to_string())),
        ];
        for note in &self.notes {
            let line = format!(
                "{}  {}  {}",
                text::time(note.time.as_ref()),
                last_part(&note.operator),
                note.text
            );
            page.push(("Note", Cell::new(line)));
        }
        page.extend(chat(self).into_iter().map(|line| ("Message", line)));
        page
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// The conversation, one line per message.
pub fn chat(caller: &Caller) -> Vec<Cell> {
    caller
        .chat
        .iter()
        .map(|message| {
            let from = if message.operator.is_empty() {
                &caller.display_name
            } else {
                last_part(&message.operator)
            };
            Cell::new(format!(
                "{}  {from}: {}",
                text::time(message.time.as_ref()),
                message.text
            ))
        })
        .collect()
}

impl Row for Invite {
    const HEADINGS: &'static [&'static str] = &[
        "ID",
        "SHOW",
        "ROLE",
        "NAME",
        "USES LEFT",
        "EXPIRES",
        "CREATED",
    ];

    fn row(&self) -> Vec<Cell> {
        let uses = match (self.unlimited, self.uses_left) {
            (true, _) => Cell::new("unlimited"),
            (false, 0) => Cell::toned("used up", Tone::Quiet),
            (false, left) => Cell::new(left.to_string()),
        };
        vec![
            Cell::new(last_part(&self.name)),
            Cell::new(show_part(&self.name)),
            Cell::new(kind_of(self.kind).to_lowercase()),
            Cell::new(&self.display_name),
            uses,
            Cell::new(text::time(self.expire_time.as_ref())),
            Cell::toned(text::time(self.create_time.as_ref()), Tone::Quiet),
        ]
    }

    fn page(&self) -> Vec<(&'static str, Cell)> {
        [
            "Id",
            "Show",
            "Role",
            "Name",
            "Uses left",
            "Expires",
            "Created",
        ]
        .into_iter()
        .zip(self.row())
        .collect()
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// What is on the output and what should be.
pub fn on_air_of(slot: &Slot) -> Cell {
    use slot::Showing;
    let showing = Showing::try_from(slot.showing).ok();
    let words = text::enum_text(showing.map(|showing| showing.as_str_name()), "SHOWING_");
    match showing {
        _ if !slot.online => Cell::toned("OFFLINE", Tone::Warning),
        Some(Showing::Caller) => Cell::toned("ON AIR", Tone::OnAir),
        Some(Showing::Frozen) => Cell::toned(words, Tone::Warning),
        Some(Showing::Armed) => Cell::toned(words, Tone::Good),
        Some(Showing::Idle | Showing::Unspecified) => Cell::toned("idle", Tone::Quiet),
        None => Cell::new(words),
    }
}

pub fn output_of(settings: Option<&SlotSettings>) -> String {
    match settings.and_then(|settings| settings.output.as_ref()) {
        Some(slot_settings::Output::Port(port)) => format!("srt :{port}"),
        Some(slot_settings::Output::PushUrl(url)) => format!("to {url}"),
        None => String::new(),
    }
}

fn idle_of(idle: &IdleSource) -> String {
    let kind = text::enum_text(
        idle_source::Kind::try_from(idle.kind)
            .ok()
            .map(|kind| kind.as_str_name()),
        "KIND_",
    );
    let kind = kind.to_lowercase().replace('_', " ");
    if idle.path.is_empty() {
        kind
    } else {
        format!("{kind} {}", idle.path)
    }
}

impl Row for Slot {
    const HEADINGS: &'static [&'static str] = &[
        "SLOT", "SHOWING", "TALLY", "CALLER", "ASSIGNED", "SHOW", "OUTPUT", "TITLE",
    ];

    fn row(&self) -> Vec<Cell> {
        let title = self
            .settings
            .as_ref()
            .and_then(|settings| settings.title.as_deref())
            .unwrap_or_default();
        vec![
            Cell::new(last_part(&self.name)),
            on_air_of(self),
            tally::cell(self),
            Cell::new(last_part(&self.showing_caller)),
            Cell::new(last_part(&self.assigned_caller)),
            Cell::new(last_part(&self.show)),
            Cell::new(output_of(self.settings.as_ref())),
            Cell::new(title),
        ]
    }

    fn page(&self) -> Vec<(&'static str, Cell)> {
        let mut page = vec![
            ("Slot", Cell::new(&self.name)),
            ("Show", Cell::new(&self.show)),
            ("Showing", on_air_of(self)),
            ("Caller", Cell::new(&self.showing_caller)),
            ("Assigned", Cell::new(&self.assigned_caller)),
            (
                "Assigned since",
                Cell::new(text::time(self.assign_time.as_ref())),
            ),
            ("Armed on request", Cell::new(&self.armed_caller)),
            ("Tally", tally::cell(self)),
        ];
        if let Some(settings) = &self.settings {
            let number = |value: Option<u32>, unit: &str| {
                value
                    .map(|value| format!("{value}{unit}"))
                    .unwrap_or_default()
            };
            let yes = |value: Option<bool>| if value == Some(true) { "yes" } else { "" };
            let size = settings
                .width
                .zip(settings.height)
                .map(|(w, h)| format!("{w}x{h}"))
                .unwrap_or_default();
            let encoder = settings
                .encoder
                .and_then(|encoder| booth_proto::v1::VideoEncoder::try_from(encoder).ok());
            let encoder = text::enum_text(
                encoder.map(|encoder| encoder.as_str_name()).or(Some("")),
                "VIDEO_ENCODER_",
            );
            page.extend([
                (
                    "Title",
                    Cell::new(settings.title.as_deref().unwrap_or_default()),
                ),
                ("Output", Cell::new(output_of(Some(settings)))),
                (
                    "Stream id",
                    Cell::new(settings.stream_id.as_deref().unwrap_or_default()),
                ),
                ("Encrypted", Cell::new(yes(settings.has_passphrase))),
                ("Latency", Cell::new(number(settings.latency_ms, " ms"))),
                (
                    "Idle source",
                    Cell::new(settings.idle.as_ref().map(idle_of).unwrap_or_default()),
                ),
                ("Audio only", Cell::new(yes(settings.audio_only))),
                ("Size", Cell::new(size)),
                ("Frames", Cell::new(number(settings.fps, " fps"))),
                (
                    "Video",
                    Cell::new(number(settings.video_bitrate_kbps, " kb/s")),
                ),
                (
                    "Audio",
                    Cell::new(number(settings.audio_bitrate_kbps, " kb/s")),
                ),
                ("Encoder", Cell::new(encoder.to_lowercase())),
                (
                    "Preset",
                    Cell::new(settings.preset.as_deref().unwrap_or_default()),
                ),
            ]);
        }
        page.extend(tally::page(self));
        page.push(("Created", Cell::new(text::time(self.create_time.as_ref()))));
        page.push(("Revision", Cell::new(self.revision.to_string())));
        page
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Row for Show {
    const HEADINGS: &'static [&'static str] = &["SHOW", "STATE", "QUEUE", "OPEN", "TITLE"];

    fn row(&self) -> Vec<Cell> {
        let state = show::State::try_from(self.state).ok();
        let tone = match state {
            Some(show::State::Live) => Tone::Good,
            Some(show::State::Error) => Tone::Warning,
            Some(show::State::Stopped) => Tone::Quiet,
            _ => Tone::Plain,
        };
        let open = match self.settings.as_ref().and_then(|settings| settings.open) {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        vec![
            Cell::new(last_part(&self.name)),
            Cell::toned(
                text::enum_text(state.map(|state| state.as_str_name()), "STATE_"),
                tone,
            ),
            Cell::new(self.queue.len().to_string()),
            Cell::new(open),
            Cell::new(&self.title),
        ]
    }

    fn page(&self) -> Vec<(&'static str, Cell)> {
        let mut page: Vec<(&'static str, Cell)> = ["Show", "State", "Queue", "Open", "Title"]
            .into_iter()
            .zip(self.row())
            .collect();
        if let Some(settings) = &self.settings {
            let ms = |value: Option<u64>| {
                Cell::new(
                    value
                        .map(|value| format!("{} s", value as f64 / 1e3))
                        .unwrap_or_default(),
                )
            };
            page.push(("Grace", ms(settings.grace_ms)));
            page.push(("Grace on air", ms(settings.on_air_grace_ms)));
            page.push((
                "Most callers",
                Cell::new(
                    settings
                        .max_callers
                        .map(|most| most.to_string())
                        .unwrap_or_default(),
                ),
            ));
        }
        page.push(("Created", Cell::new(text::time(self.create_time.as_ref()))));
        page.push(("Revision", Cell::new(self.revision.to_string())));
        page
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Row for Operator {
    const HEADINGS: &'static [&'static str] = &["OPERATOR", "ROLE", "TOKENS", "NAME", "CREATED"];

    fn row(&self) -> Vec<Cell> {
        let role = text::enum_text(
            Role::try_from(self.role)
                .ok()
                .map(|role| role.as_str_name()),
            "ROLE_",
        );
        vec![
            Cell::new(last_part(&self.name)),
            Cell::new(role.to_lowercase()),
            Cell::new(self.tokens.to_string()),
            Cell::new(&self.display_name),
            Cell::toned(text::time(self.create_time.as_ref()), Tone::Quiet),
        ]
    }

    fn page(&self) -> Vec<(&'static str, Cell)> {
        ["Operator", "Role", "Tokens", "Name", "Created"]
            .into_iter()
            .zip(self.row())
            .collect()
    }

    fn name(&self) -> &str {
        &self.name
    }
}
