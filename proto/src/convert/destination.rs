//! Destinations of a channel: what the wire shows of them (never a key), presets, and settings of which a request sets
//! some.

use booth_core::{
    ChannelId, Denied, Destination, DestinationPreset, DestinationSettings, DestinationState,
    Sealed,
};

use super::{invalid, names, slot, time};
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

/// Where a preset sends to, and after how long it reconnects by plan; `None` where the request has to say.
///
/// Sources: YouTube's RTMPS ingestion (primary and backup server), Facebook Live's secure stream URL, which ends a
/// session after 8 h, and Twitch's ingest list, whose global name finds the nearest server.
fn defaults(preset: DestinationPreset) -> Option<(&'static str, u32)> {
    match preset {
        DestinationPreset::Custom => None,
        DestinationPreset::Youtube => Some(("rtmps://a.rtmps.youtube.com:443/live2", 0)),
        DestinationPreset::YoutubeBackup => {
            Some(("rtmps://b.rtmps.youtube.com:443/live2?backup=1", 0))
        }
        // Five minutes before it would be ended.
        DestinationPreset::Facebook => Some((
            "rtmps://rtmp-api.facebook.com:443/rtmp/",
            8 * 3_600 - 5 * 60,
        )),
        DestinationPreset::Twitch => {
            Some(("rtmps://ingest.global-contribute.live-video.net:443/app", 0))
        }
    }
}

/// `base` (`None` for a new one) with what is set in `patch`; `seal` makes a key storable.
pub fn patched(
    base: Option<&DestinationSettings>,
    patch: &v1::DestinationSettings,
    seal: impl FnOnce(&str) -> Result<Sealed, Denied>,
) -> Result<DestinationSettings, Denied> {
    let mut new = base.cloned().unwrap_or(DestinationSettings {
        preset: DestinationPreset::Custom,
        url: String::new(),
        key: None,
        session_max_s: 0,
        latency_ms: 200,
        stream_id: None,
    });
    if let Some(wire) = patch.preset {
        let preset = parse_preset(wire)?;
        if let (true, Some((url, session_max_s))) = (preset != new.preset, defaults(preset)) {
            url.clone_into(&mut new.url);
            new.session_max_s = session_max_s;
        }
        new.preset = preset;
    }
    if let Some(url) = &patch.url {
        new.url = parse_url(url)?.to_owned();
    }
    if new.url.is_empty() {
        return Err(invalid(
            "settings.url",
            "missing: give rtmp://, rtmps:// or srt://, or another preset",
        ));
    }
    let srt = is_srt(&new.url);
    match patch.key.as_deref() {
        None if base.is_some_and(|base| base.key.is_some() && is_srt(&base.url) != srt) => {
            // A stream key is no passphrase: neither is sent where the other belongs.
            return Err(invalid(
                "settings.key",
                "give the key for this address too, or an empty one for none",
            ));
        }
        None => {}
        Some("") => new.key = None,
        Some(secret) if srt => new.key = Some(seal(slot::passphrase("settings.key", secret)?)?),
        Some(secret) => new.key = Some(seal(stream_key(secret)?)?),
    }
    if new.key.is_none() && new.preset != DestinationPreset::Custom {
        return Err(invalid(
            "settings.key",
            "missing: give the stream key that the platform shows",
        ));
    }
    if let Some(stream_id) = &patch.stream_id {
        new.stream_id = Some(stream_id.clone()).filter(|id| !id.is_empty());
    }
    new.session_max_s = patch.session_max_s.unwrap_or(new.session_max_s);
    new.latency_ms = patch.latency_ms.unwrap_or(new.latency_ms);
    Ok(new)
}

fn is_srt(url: &str) -> bool {
    url.get(..6)
        .is_some_and(|s| s.eq_ignore_ascii_case("srt://"))
}

/// Whoever may read is shown the URL: what is secret has its own field. The rest is the core's business.
fn parse_url(url: &str) -> Result<&str, Denied> {
    if !url.bytes().all(|b| b.is_ascii_graphic()) {
        let why = "printable ASCII characters without spaces";
        return Err(invalid("settings.url", why));
    }
    let lower = url.to_ascii_lowercase();
    let authority = lower.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') || lower.contains("passphrase") {
        return Err(invalid(
            "settings.url",
            "give the key in settings.key, not in the URL",
        ));
    }
    Ok(url)
}

/// Longest stream key; Facebook's have some 200 characters.
const KEY_MAX: usize = 1_024;

fn stream_key(secret: &str) -> Result<&str, Denied> {
    if secret.len() <= KEY_MAX && secret.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(secret)
    } else {
        let why = format!("1 to {KEY_MAX} printable ASCII characters without spaces");
        Err(invalid("settings.key", why))
    }
}

fn parse_preset(wire: i32) -> Result<DestinationPreset, Denied> {
    use v1::destination_settings::Preset;
    match Preset::try_from(wire) {
        Ok(Preset::Custom) => Ok(DestinationPreset::Custom),
        Ok(Preset::Youtube) => Ok(DestinationPreset::Youtube),
        Ok(Preset::YoutubeBackup) => Ok(DestinationPreset::YoutubeBackup),
        Ok(Preset::Facebook) => Ok(DestinationPreset::Facebook),
        Ok(Preset::Twitch) => Ok(DestinationPreset::Twitch),
        Ok(Preset::Unspecified) | Err(_) => Err(invalid(
            "settings.preset",
            "PRESET_CUSTOM, PRESET_YOUTUBE, PRESET_YOUTUBE_BACKUP, PRESET_FACEBOOK or PRESET_TWITCH",
        )),
    }
}

#[cfg(test)]
mod tests {
    use v1::destination_settings::Preset;

    use super::*;

    fn with(
        base: Option<&DestinationSettings>,
        patch: &v1::DestinationSettings,
    ) -> Result<DestinationSettings, Denied> {
        patched(base, patch, |key| Ok(Sealed(format!("sealed {key}"))))
    }

    fn preset_of(preset: Preset, key: &str) -> v1::DestinationSettings {
        v1::DestinationSettings {
            preset: Some(preset.into()),
            key: Some(key.into()),
            ..Default::default()
        }
    }

    fn custom(url: &str) -> v1::DestinationSettings {
        v1::DestinationSettings {
            url: Some(url.into()),
            ..Default::default()
        }
    }

    #[test]
    fn a_preset_brings_its_address_over_tls() {
        for (preset, host) in [
            (Preset::Youtube, "a.rtmps.youtube.com"),
            (Preset::YoutubeBackup, "b.rtmps.youtube.com"),
            (Preset::Facebook, "facebook.com"),
            (Preset::Twitch, "live-video.net"),
        ] {
            let new = with(None, &preset_of(preset, "k3y")).unwrap();
            assert!(
                new.url.starts_with("rtmps://") && new.url.contains(host),
                "{new:?}"
            );
            assert_eq!(new.key, Some(Sealed("sealed k3y".into())));
            let hours = u32::from(preset == Preset::Facebook) * 7;
            assert_eq!(new.session_max_s / 3_600, hours, "{new:?}");
        }
    }

    #[test]
    fn a_preset_lets_its_address_be_set_and_changes_it_only_when_it_changes() {
        let near = v1::DestinationSettings {
            url: Some("rtmps://ams02.contribute.live-video.net:443/app".into()),
            ..preset_of(Preset::Twitch, "k3y")
        };
        let twitch = with(None, &near).unwrap();
        assert!(twitch.url.contains("ams02"));
        let again = with(Some(&twitch), &preset_of(Preset::Twitch, "k3y")).unwrap();
        assert_eq!(again, twitch);
        let moved = with(Some(&twitch), &preset_of(Preset::Youtube, "k3y")).unwrap();
        assert!(moved.url.contains("youtube"), "{moved:?}");
    }

    #[test]
    fn what_the_wire_shows_of_settings_can_be_sent_back_unchanged() {
        let patch = v1::DestinationSettings {
            key: Some("correct horse".into()),
            stream_id: Some("x".into()),
            ..custom("srt://10.0.0.1:9000")
        };
        for base in [
            with(None, &patch).unwrap(),
            with(None, &preset_of(Preset::Facebook, "k3y")).unwrap(),
        ] {
            let wire = settings(&base);
            assert_eq!((&wire.key, wire.has_key), (&None, Some(true)));
            assert_eq!(with(Some(&base), &wire).unwrap(), base);
        }
    }

    #[test]
    fn a_key_is_not_sent_to_an_address_of_another_kind() {
        let rtmp = v1::DestinationSettings {
            key: Some("stream-k3y".into()),
            ..custom("rtmp://10.0.0.1/live")
        };
        let rtmp = with(None, &rtmp).unwrap();
        let denied = with(Some(&rtmp), &custom("srt://10.0.0.1:9000")).unwrap_err();
        assert!(denied.to_string().starts_with("settings.key: "), "{denied}");
        assert!(with(Some(&rtmp), &custom("rtmps://10.0.0.2/live")).is_ok());
    }

    #[test]
    fn bad_values_name_their_field_and_repeat_no_secret() {
        let keyed = |url: &str, key: &str| v1::DestinationSettings {
            key: Some(key.into()),
            ..custom(url)
        };
        for (field, patch) in [
            ("settings.url", v1::DestinationSettings::default()),
            ("settings.url", custom("")),
            ("settings.url", custom("rtmp://user:s3cr3t@host/app")),
            ("settings.url", custom("rtmp://host/\u{202e}s3cr3t")),
            (
                "settings.url",
                custom("srt://host:1?passphrase=s3cr3ts3cr3t"),
            ),
            ("settings.preset", preset_of(Preset::Unspecified, "s3cr3t")),
            ("settings.key", preset_of(Preset::Youtube, "")),
            (
                "settings.key",
                keyed("rtmp://host/app", "s3cr3t with space"),
            ),
            (
                "settings.key",
                keyed("rtmp://host/app", &"s3cr3t".repeat(300)),
            ),
            ("settings.key", keyed("srt://host:1", "s3cr3t")),
        ] {
            let text = with(None, &patch).unwrap_err().to_string();
            assert!(text.starts_with(&format!("{field}: ")), "{text}");
            assert!(!text.contains("s3cr3t"), "{text}");
        }
    }
}
