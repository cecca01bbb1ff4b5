//! What people read while they watch: one line per event. Everything is scrubbed once more before it is drawn.

use booth_proto::v1::watch_response::Message;
use booth_proto::v1::{
    CallerMeters, Change, ChannelMeters, Slot, SlotMeters, Snapshot, WatchMetersResponse,
    WatchResponse, caller,
};

use crate::names::last_part;
use crate::render::table::Tone;
use crate::render::{Out, channels, rows, tally, text};

pub fn lines(out: &Out, message: &WatchResponse) -> Vec<String> {
    match &message.message {
        Some(Message::Snapshot(snapshot)) => snapshot_lines(out, message.revision, snapshot),
        Some(Message::Change(change)) => change_lines(out, change),
        Some(Message::Heartbeat(_)) | None => Vec::new(),
    }
}

/// Whether more of the same snapshot follows.
pub fn is_partial(message: &WatchResponse) -> bool {
    matches!(&message.message, Some(Message::Snapshot(snapshot)) if snapshot.more)
}

/// Names of what a message tells about.
pub fn names(message: &WatchResponse) -> Vec<String> {
    let names: Vec<&String> = match &message.message {
        Some(Message::Snapshot(snapshot)) => (snapshot.shows.iter().map(|show| &show.name))
            .chain(snapshot.callers.iter().map(|caller| &caller.name))
            .chain(snapshot.slots.iter().map(|slot| &slot.name))
            .chain(snapshot.channels.iter().map(|channel| &channel.name))
            .collect(),
        Some(Message::Change(change)) => {
            let slots = observed(change).into_iter().map(|slot| &slot.name);
            (change.events.iter().map(|event| &event.resource))
                .chain(slots)
                .collect()
        }
        Some(Message::Heartbeat(_)) | None => Vec::new(),
    };
    names.into_iter().map(|name| text::scrub(name)).collect()
}

fn snapshot_lines(out: &Out, revision: u64, snapshot: &Snapshot) -> Vec<String> {
    let count = |state: caller::State| {
        snapshot
            .callers
            .iter()
            .filter(|caller| caller.state == state as i32)
            .count()
    };
    let channels = match snapshot.channels.len() {
        0 => String::new(),
        count => format!(", {count} channels"),
    };
    let header = format!(
        "at revision {revision}: {} shows, {} slots{channels}; callers: {} waiting, {} in screening, {} ready, {} held, {} on air",
        snapshot.shows.len(),
        snapshot.slots.len(),
        count(caller::State::Waiting),
        count(caller::State::Screening),
        count(caller::State::Ready),
        count(caller::State::Held),
        count(caller::State::OnAir)
    );
    let mut lines = vec![out.paint(&header, Tone::Heading)];
    for slot in &snapshot.slots {
        let state = rows::on_air_of(slot);
        let shown = snapshot
            .callers
            .iter()
            .find(|caller| caller.name == slot.showing_caller);
        let who = shown
            .map(|caller| format!("  {} ({})", last_part(&caller.name), caller.display_name))
            .unwrap_or_default();
        lines.push(format!(
            "  slot {}  {}{}",
            text::scrub(last_part(&slot.name)),
            out.paint(&state.text, state.tone),
            text::scrub(&who)
        ));
    }
    for channel in &snapshot.channels {
        let showing = channels::showing_of(channel);
        let alerts: String = channel.alerts.iter().map(|a| format!("  {a}")).collect();
        lines.push(format!(
            "  channel {}  {}{}",
            text::scrub(last_part(&channel.name)),
            out.paint(&showing.text, showing.tone),
            out.paint(&text::scrub(&alerts), Tone::Warning)
        ));
    }
    lines
}

fn change_lines(out: &Out, change: &Change) -> Vec<String> {
    let time = change
        .time
        .as_ref()
        .map(|time| text::clock(time.seconds))
        .unwrap_or_default();
    let tallies = observed(change).into_iter().map(|slot| {
        let cell = tally::cell(slot);
        let error = slot
            .vmix
            .as_ref()
            .map(|vmix| vmix.last_error.as_str())
            .unwrap_or_default();
        let error = if error.is_empty() {
            String::new()
        } else {
            format!(": {error}")
        };
        format!(
            "{}  {:<10}  slot {} tally {}{}",
            out.paint(&time, Tone::Quiet),
            "vmix",
            text::scrub(last_part(&slot.name)),
            out.paint(
                if cell.text.is_empty() {
                    "none"
                } else {
                    &cell.text
                },
                cell.tone
            ),
            text::scrub(&error)
        )
    });
    let tallies: Vec<String> = tallies.collect();
    change
        .events
        .iter()
        .map(|event| {
            let words = if event.text.is_empty() {
                format!("{} {}", event.r#type, event.resource)
            } else {
                event.text.clone()
            };
            let actor = text::scrub(last_part(&change.actor));
            format!(
                "{}  {actor:<10}  {}",
                out.paint(&time, Tone::Quiet),
                out.paint(&text::scrub(&words), tone(&event.r#type))
            )
        })
        .chain(tallies)
        .collect()
}

/// Slots of a change that is observed only: it has no events.
fn observed(change: &Change) -> Vec<&Slot> {
    use booth_proto::v1::resource::Resource;
    let slots = change
        .resources
        .iter()
        .filter_map(|resource| match &resource.resource {
            Some(Resource::Slot(slot)) => Some(slot),
            _ => None,
        });
    slots.filter(|_| change.events.is_empty()).collect()
}

/// What goes on air stands out, and what somebody should look at.
fn tone(event_type: &str) -> Tone {
    match event_type {
        "SLOT_TAKEN" | "SLOT_SHOWING" | "CHANNEL_SWITCHED" => Tone::OnAir,
        "CHANNEL_ALERT_RAISED" => Tone::Warning,
        "CHANNEL_ALERT_CLEARED" => Tone::Good,
        _ => Tone::Plain,
    }
}

pub fn meter_lines(out: &Out, reading: &WatchMetersResponse) -> Vec<String> {
    let time = out.paint(&text::clock(reading.at_ms.div_euclid(1000)), Tone::Quiet);
    let slots = reading.slots.iter().map(slot_line);
    let callers = reading.callers.iter().map(caller_line);
    let channels = reading.channels.iter().flat_map(channel_lines);
    slots
        .chain(callers)
        .chain(channels)
        .map(|line| format!("{time}  {}", text::scrub(&line)))
        .collect()
}

fn slot_line(slot: &SlotMeters) -> String {
    let levels = |levels: &[f32]| {
        levels
            .iter()
            .map(|level| format!("{level:6.1}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    format!(
        "slot {:<8}  rms {} dBFS  peak {} dBFS  {} receivers, {:.0} kb/s, {} lost, rtt {:.0} ms",
        last_part(&slot.name),
        levels(&slot.rms_dbfs),
        levels(&slot.peak_dbfs),
        slot.clients,
        slot.send_rate_kbps,
        slot.lost_packets,
        slot.rtt_ms
    )
}

/// The channel, and each of its destinations.
fn channel_lines(channel: &ChannelMeters) -> Vec<String> {
    let name = last_part(&channel.name);
    let mut lines = vec![format!(
        "channel {name:<8}  live {:.0} kb/s, output {:.0} kb/s, {} late frames, {} watching",
        channel.live_rate_kbps,
        channel.output_rate_kbps,
        channel.late_frames,
        channel.monitor_clients
    )];
    if channel.prepared_percent > 0.0 && channel.prepared_percent < 100.0 {
        lines.push(format!(
            "channel {name:<8}  preparing the backup: {:.0} %",
            channel.prepared_percent
        ));
    }
    lines.extend(channel.destinations.iter().map(|to| {
        let retry = if to.retry_in_s > 0.0 {
            format!(", tried again in {:.0} s", to.retry_in_s)
        } else {
            String::new()
        };
        format!(
            "destination {name}/{}  {:.0} kb/s, {} dropped{retry}",
            last_part(&to.name),
            to.rate_kbps,
            to.dropped_frames
        )
    }));
    lines
}

fn caller_line(caller: &CallerMeters) -> String {
    let picture = if caller.width == 0 {
        String::new()
    } else {
        format!(
            ", {}x{} at {:.0} fps",
            caller.width, caller.height, caller.fps
        )
    };
    format!(
        "caller {:<8}  level {:6.1} dBFS{}  quality {}/5: rtt {:.0} ms, loss {:.1} %, jitter {:.0} ms, {:.0} kb/s{picture}",
        last_part(&caller.name),
        caller.level_dbfs,
        if caller.clipping { " CLIP" } else { "" },
        caller.score,
        caller.rtt_ms,
        caller.loss * 100.0,
        caller.jitter_ms,
        caller.receive_rate_kbps
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Format;
    use booth_proto::v1::Event;

    fn plain() -> Out {
        Out::new(Format::Table)
    }

    #[test]
    fn an_event_is_one_line_with_time_actor_and_text_and_cannot_steer_the_terminal() {
        let change = Change {
            time: Some(pbjson_types::Timestamp {
                seconds: 3_661,
                nanos: 0,
            }),
            actor: "operators/anna".to_owned(),
            events: vec![Event {
                r#type: "CALLER_JOINED".to_owned(),
                resource: "shows/main/callers/c1".to_owned(),
                text: "Evil\u{1b}[2J\nname joins\u{202e}".to_owned(),
            }],
            resources: Vec::new(),
        };
        assert_eq!(
            change_lines(&plain(), &change),
            ["01:01:01  anna        Evil [2J name joins"]
        );
    }

    #[test]
    fn a_channel_stands_in_the_snapshot_with_what_it_shows_and_its_alerts() {
        let radio = booth_proto::v1::Channel {
            name: "channels/radio".to_owned(),
            running: true,
            online: true,
            showing: booth_proto::v1::channel::Showing::Backup as i32,
            alerts: vec!["destination b is down".to_owned()],
            ..Default::default()
        };
        let snapshot = Snapshot {
            channels: vec![radio],
            ..Snapshot::default()
        };
        let lines = snapshot_lines(&plain(), 41, &snapshot);
        assert!(lines[0].contains("0 slots, 1 channels;"), "{lines:?}");
        assert_eq!(lines[1], "  channel radio  BACKUP  destination b is down");
    }

    #[test]
    fn meters_of_a_channel_are_a_line_and_one_for_each_destination() {
        let channel = ChannelMeters {
            name: "channels/radio".to_owned(),
            live_rate_kbps: 2_500.0,
            output_rate_kbps: 2_400.4,
            prepared_percent: 40.0,
            destinations: vec![booth_proto::v1::DestinationMeters {
                name: "channels/radio/destinations/a".to_owned(),
                rate_kbps: 2_400.0,
                dropped_frames: 3,
                retry_in_s: 4.2,
                ..Default::default()
            }],
            ..ChannelMeters::default()
        };
        assert_eq!(
            channel_lines(&channel),
            [
                "channel radio     live 2500 kb/s, output 2400 kb/s, 0 late frames, 0 watching",
                "channel radio     preparing the backup: 40 %",
                "destination radio/a  2400 kb/s, 3 dropped, tried again in 4 s",
            ]
        );
    }

    #[test]
    fn a_change_without_events_tells_the_tally_of_its_slots() {
        use booth_proto::v1::{Resource, VmixStatus, resource, slot, vmix_status};
        let slot = Slot {
            name: "slots/1".into(),
            tally: slot::Tally::Program.into(),
            vmix: Some(VmixStatus {
                state: vmix_status::State::Connected.into(),
                last_error: String::new(),
            }),
            ..Slot::default()
        };
        let message = WatchResponse {
            revision: 41,
            message: Some(Message::Change(Change {
                resources: vec![Resource {
                    resource: Some(resource::Resource::Slot(slot)),
                }],
                ..Change::default()
            })),
        };
        let lines = lines(&plain(), &message);
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].ends_with("vmix        slot 1 tally PROGRAM"),
            "{lines:?}"
        );
        assert_eq!(names(&message), ["slots/1"]);
    }

    #[test]
    fn a_snapshot_starts_with_a_header_that_names_the_revision() {
        let message = WatchResponse {
            revision: 41,
            message: Some(Message::Snapshot(Snapshot::default())),
        };
        assert!(lines(&plain(), &message)[0].starts_with("at revision 41: 0 shows, 0 slots;"));
    }
}
