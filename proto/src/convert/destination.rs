//! Destinations of a channel: what the wire shows of them (never a key), presets, and settings of which a request sets
//! some.

use booth_core::{
    ChannelId, Destination, DestinationPreset, DestinationSettings, DestinationState,
};

use super::{names, time};
use crate::v1;

pub fn destination(channel: &ChannelId, found: &Destination) -> v1::Destination {
    v1::Destination {
        name: names::destination(channel, &found.id),
        settings: Some(settings(&found.settings)),
        enabled: found.enabled,
        state: match found.state {
            DestinationState::Idle => v1::destination::State::Idle,
            DestinationState::Connecting => v1::destination::State::Connecting,
            DestinationState::Live => v1::destination::State::Live,
            DestinationState::Retrying => v1::destination::State::Retrying,
            DestinationState::Failed => v1::destination::State::Failed,
        }
        .into(),
        state_time: Some(time(found.state_since)),
        last_error: found.last_error.to_string(),
        revision: found.revision,
    }
}

fn settings(settings: &DestinationSettings) -> v1::DestinationSettings {
    v1::DestinationSettings {
        preset: Some(preset(settings.preset).into()),
        url: Some(settings.url.clone()),
        key: None,
        has_key: Some(settings.key.is_some()),
        session_max_s: Some(settings.session_max_s),
        latency_ms: Some(settings.latency_ms),
        stream_id: Some(settings.stream_id.clone().unwrap_or_default()),
    }
}

fn preset(preset: DestinationPreset) -> v1::destination_settings::Preset {
    use v1::destination_settings::Preset;
    match preset {
        DestinationPreset::Custom => Preset::Custom,
        DestinationPreset::Youtube => Preset::Youtube,
        DestinationPreset::YoutubeBackup => Preset::YoutubeBackup,
        DestinationPreset::Facebook => Preset::Facebook,
        DestinationPreset::Twitch => Preset::Twitch,
    }
}
