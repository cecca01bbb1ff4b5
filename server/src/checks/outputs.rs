//! What goes out: who receives the slots, what channels show, and where they are restreamed to.

use booth_core::{
    Channel, ChannelShowing, Destination, DestinationState, Force, LiveState, Prepared, SlotOutput,
    State, Timestamp,
};

use super::Found;
use crate::address::reachable_host;
use crate::server::Rooms;

pub fn srt_clients(rooms: &Rooms) -> Vec<Found> {
    let state = rooms.board.state();
    if state.slots.is_empty() {
        return vec![Found::warning(
            "there is no slot",
            "booth slot create 1 makes one",
        )];
    }
    let clients = |id: &booth_core::SlotId| {
        rooms
            .meters
            .update(|now| now.slots.get(id).map_or(0, |m| m.clients))
    };
    let one = |(id, slot): (&booth_core::SlotId, &std::sync::Arc<booth_core::Slot>)| {
        let found = match (&slot.settings.output, clients(id)) {
            (_, 1) => Found::ok("1 receiver"),
            (_, n @ 2..) => Found::ok(format!("{n} receivers")),
            (SlotOutput::Listen { port }, _) => {
                let host = reachable_host(rooms.config.slots.bind);
                Found::warning(
                    "nobody receives it",
                    format!(
                        "enter srt://{host}:{port} in vMix or OBS; booth slot url {id} --for vmix (or obs, ffmpeg, gst) has every setting"
                    ),
                )
            }
            (SlotOutput::Push { url }, _) => Found::warning(
                format!("it does not reach {url}"),
                "start the SRT listener there, and look at firewall, passphrase and stream id on both sides",
            ),
        };
        found.about(format!("slots/{id}"))
    };
    state.slots.iter().map(one).collect()
}

pub fn channels(state: &State, now: Timestamp) -> Vec<Found> {
    if state.channels.is_empty() {
        return vec![Found::ok("there is none")];
    }
    let mut found = Vec::new();
    for (id, channel) in &state.channels {
        found.push(one_channel(id, channel, now).about(format!("channels/{id}")));
    }
    found
}

fn one_channel(id: &booth_core::ChannelId, channel: &Channel, now: Timestamp) -> Found {
    if let Some(Prepared::Failed { reason, .. }) = &channel.prepared {
        return Found::failed(
            format!("its backup cannot be prepared: {reason}"),
            format!(
                "booth channel check FILE says what is wrong with a file; then booth channel update {id} --backup FILE"
            ),
        );
    }
    if !channel.running {
        return Found::ok("off");
    }
    let since = now.since(channel.showing_since).as_secs();
    match channel.showing {
        ChannelShowing::Live => Found::ok(format!("live for {since} s")),
        ChannelShowing::Backup if channel.force == Force::Backup => {
            Found::ok(format!("on its backup for {since} s, as forced"))
        }
        ChannelShowing::Backup => Found::warning(
            format!("on its backup for {since} s: {}", live(&channel.live)),
            format!(
                "booth channel url {id} says how to publish to it; booth channel get {id} shows what arrives"
            ),
        ),
        ChannelShowing::Slate => Found::warning(
            format!(
                "on its slate for {since} s: {}, and no backup",
                live(&channel.live)
            ),
            format!("booth channel update {id} --backup FILE gives it something to show"),
        ),
        ChannelShowing::Off => Found::failed(
            "it should be on air, but nothing goes out",
            format!(
                "booth status shows whether channel-{id} runs; data/run/channel-{id}.log on the server says why not"
            ),
        ),
    }
}

fn live(live: &LiveState) -> &'static str {
    match live {
        LiveState::Absent => "nobody publishes",
        LiveState::Settling => "live is not stable for long enough yet",
        LiveState::Stable => "live is there",
        LiveState::Lost { .. } => "there is a publisher, but no usable picture comes",
    }
}

pub fn destinations(state: &State, now: Timestamp) -> Vec<Found> {
    let mut found = Vec::new();
    for (id, channel) in &state.channels {
        for (to, destination) in &channel.destinations {
            let name = format!("channels/{id}/destinations/{to}");
            found.push(one_destination(id, to, destination, now).about(name));
        }
    }
    if found.is_empty() {
        found.push(Found::ok("there is none"));
    }
    found
}

fn one_destination(
    channel: &booth_core::ChannelId,
    id: &booth_core::DestinationId,
    to: &Destination,
    now: Timestamp,
) -> Found {
    let down = to.down_since.map_or(0, |since| now.since(since).as_secs());
    match to.state {
        DestinationState::Live => Found::ok("live"),
        DestinationState::Idle if to.enabled => Found::ok("idle: its channel is off"),
        DestinationState::Idle => Found::ok("disabled"),
        DestinationState::Connecting => {
            Found::warning(format!("connecting for {down} s"), "look again in a moment")
        }
        DestinationState::Retrying => Found::failed(
            format!("down for {down} s and tried again: {}", to.last_error),
            "is the event started on the other side, and the key still valid there? A firewall here may hold TCP 443 or 1935 back",
        ),
        DestinationState::Failed => Found::failed(
            format!("given up: {}", to.last_error),
            format!(
                "mend the address or the key (booth destination update {channel} {id} --key-file FILE); booth destination enable {channel} {id} tries again"
            ),
        ),
    }
}
