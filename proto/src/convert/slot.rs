use booth_core::{
    Denied, IdleSource, Sealed, Showing, Slot, SlotId, SlotOutput, SlotSettings, State, Text,
    VideoEncoder, VmixSettings, VmixTitle, WorkerState, vmix_address,
};

use super::{invalid, names, time};
use crate::v1;

/// SRT's own limits.
const PASSPHRASE_MIN: usize = 10;
const PASSPHRASE_MAX: usize = 64;

/// `state` gives the shows of the callers named.
pub fn slot(slot: &Slot, state: &State) -> v1::Slot {
    let caller = |id: &booth_core::CallerId| {
        let show = state.callers.get(id).map_or(&slot.show, |c| &c.show);
        names::caller(show, id)
    };
    let (showing, showing_caller) = match &slot.showing {
        Showing::Idle => (v1::slot::Showing::Idle, None),
        Showing::Armed { caller } => (v1::slot::Showing::Armed, Some(caller)),
        Showing::Caller { caller } => (v1::slot::Showing::Caller, Some(caller)),
        Showing::Frozen { caller } => (v1::slot::Showing::Frozen, Some(caller)),
    };
    v1::Slot {
        name: names::slot(&slot.id),
        show: names::show(&slot.show),
        settings: Some(settings(&slot.settings)),
        assigned_caller: slot
            .assigned
            .as_ref()
            .map(|a| caller(&a.caller))
            .unwrap_or_default(),
        assign_time: slot.assigned.as_ref().map(|a| time(a.since)),
        showing: showing.into(),
        showing_caller: showing_caller.map(caller).unwrap_or_default(),
        armed_caller: slot.armed.as_ref().map(caller).unwrap_or_default(),
        online: slot.worker == WorkerState::Up,
        create_time: Some(time(slot.created_at)),
        revision: slot.revision,
        // Observed outside the state: put in by who knows.
        tally: v1::slot::Tally::Unspecified.into(),
        vmix: None,
    }
}

/// Never the passphrase, only whether there is one.
fn settings(settings: &SlotSettings) -> v1::SlotSettings {
    let video = &settings.video;
    v1::SlotSettings {
        title: Some(settings.title.to_string()),
        output: Some(match &settings.output {
            SlotOutput::Listen { port } => v1::slot_settings::Output::Port(u32::from(*port)),
            SlotOutput::Push { url } => v1::slot_settings::Output::PushUrl(url.clone()),
        }),
        stream_id: Some(settings.stream_id.clone().unwrap_or_default()),
        passphrase: None,
        has_passphrase: Some(settings.passphrase.is_some()),
        latency_ms: Some(settings.latency_ms),
        idle: Some(idle(&settings.idle)),
        audio_only: Some(settings.audio_only),
        width: Some(video.width),
        height: Some(video.height),
        fps: Some(video.fps),
        video_bitrate_kbps: Some(video.bitrate_kbps),
        audio_bitrate_kbps: Some(settings.audio_bitrate_kbps),
        encoder: Some(encoder(video.encoder).into()),
        preset: Some(video.preset.clone()),
        vmix: settings.vmix.as_deref().map(vmix),
    }
}

/// `base` with what is set in `patch`; `seal` makes a passphrase storable.
pub fn patched(
    base: &SlotSettings,
    patch: &v1::SlotSettings,
    seal: impl FnOnce(&str) -> Result<Sealed, Denied>,
) -> Result<SlotSettings, Denied> {
    let mut new = base.clone();
    if let Some(title) = &patch.title {
        new.title = Text::name(title);
    }
    if let Some(wire) = &patch.output {
        new.output = output(wire)?;
    }
    if let Some(stream_id) = &patch.stream_id {
        new.stream_id = Some(stream_id.clone()).filter(|id| !id.is_empty());
    }
    match patch.passphrase.as_deref() {
        None => {}
        Some("") => new.passphrase = None,
        Some(secret) => {
            new.passphrase = Some(seal(passphrase("settings.passphrase", secret)?)?);
        }
    }
    if let Some(wire) = &patch.idle {
        new.idle = parse_idle(wire)?;
    }
    if let Some(wire) = &patch.vmix {
        new.vmix = patched_vmix(base.vmix.as_deref(), wire)?.map(Box::new);
    }
    if let Some(wire) = patch.encoder {
        new.video.encoder = parse_encoder(wire)?;
    }
    if let Some(preset) = &patch.preset {
        new.video.preset.clone_from(preset);
    }
    let set = |field: &mut u32, value: Option<u32>| *field = value.unwrap_or(*field);
    set(&mut new.latency_ms, patch.latency_ms);
    set(&mut new.audio_bitrate_kbps, patch.audio_bitrate_kbps);
    set(&mut new.video.width, patch.width);
    set(&mut new.video.height, patch.height);
    set(&mut new.video.fps, patch.fps);
    set(&mut new.video.bitrate_kbps, patch.video_bitrate_kbps);
    new.audio_only = patch.audio_only.unwrap_or(new.audio_only);
    Ok(new)
}

/// The slot that a request without a show belongs to.
pub fn parse_show_or_main(field: &str, name: &str) -> Result<booth_core::ShowId, Denied> {
    names::parse_show(field, if name.is_empty() { "shows/main" } else { name })
}

pub fn parse_slot_id(field: &str, id: &str) -> Result<SlotId, Denied> {
    names::parse_id(field, id, SlotId::new)
}

fn output(wire: &v1::slot_settings::Output) -> Result<SlotOutput, Denied> {
    match wire {
        v1::slot_settings::Output::Port(port) => match u16::try_from(*port) {
            Ok(port) if port != 0 => Ok(SlotOutput::Listen { port }),
            _ => Err(invalid("settings.port", "1 to 65535")),
        },
        v1::slot_settings::Output::PushUrl(url) => {
            // It would be shown to whoever may read: secrets have their own field.
            if url.to_ascii_lowercase().contains("passphrase") {
                return Err(invalid(
                    "settings.push_url",
                    "give the passphrase in settings.passphrase, not in the URL",
                ));
            }
            Ok(SlotOutput::Push { url: url.clone() })
        }
    }
}

pub(in crate::convert) fn passphrase<'a>(field: &str, secret: &'a str) -> Result<&'a str, Denied> {
    let length = PASSPHRASE_MIN..=PASSPHRASE_MAX;
    if length.contains(&secret.len()) && !secret.chars().any(char::is_control) {
        Ok(secret)
    } else {
        let why =
            format!("{PASSPHRASE_MIN} to {PASSPHRASE_MAX} printable characters, or empty for none");
        Err(invalid(field, why))
    }
}

fn idle(idle: &IdleSource) -> v1::IdleSource {
    let (kind, path) = match idle {
        IdleSource::Black => (v1::idle_source::Kind::Black, ""),
        IdleSource::Image { path } => (v1::idle_source::Kind::Image, path.as_str()),
        IdleSource::Video { path } => (v1::idle_source::Kind::Video, path.as_str()),
        IdleSource::TestPattern => (v1::idle_source::Kind::TestPattern, ""),
    };
    v1::IdleSource {
        kind: kind.into(),
        path: path.to_owned(),
    }
}

fn parse_idle(wire: &v1::IdleSource) -> Result<IdleSource, Denied> {
    let path = wire.path.clone();
    let without_path = |idle| {
        if wire.path.is_empty() {
            Ok(idle)
        } else {
            Err(invalid(
                "settings.idle.path",
                "only KIND_IMAGE and KIND_VIDEO have a path",
            ))
        }
    };
    match v1::idle_source::Kind::try_from(wire.kind) {
        Ok(v1::idle_source::Kind::Black) => without_path(IdleSource::Black),
        Ok(v1::idle_source::Kind::TestPattern) => without_path(IdleSource::TestPattern),
        Ok(v1::idle_source::Kind::Image) => Ok(IdleSource::Image { path }),
        Ok(v1::idle_source::Kind::Video) => Ok(IdleSource::Video { path }),
        Ok(v1::idle_source::Kind::Unspecified) | Err(_) => Err(invalid(
            "settings.idle.kind",
            "KIND_BLACK, KIND_IMAGE, KIND_VIDEO or KIND_TEST_PATTERN",
        )),
    }
}

fn vmix(vmix: &VmixSettings) -> v1::VmixSettings {
    let title = vmix.title.as_ref();
    v1::VmixSettings {
        address: Some(vmix.address.clone()),
        input: Some(vmix.input.clone()),
        title_input: Some(title.map(|t| t.input.clone()).unwrap_or_default()),
        title_field: Some(title.and_then(|t| t.field.clone()).unwrap_or_default()),
    }
}

/// An empty address takes the vMix off; without one already there, an address is needed.
fn patched_vmix(
    base: Option<&VmixSettings>,
    patch: &v1::VmixSettings,
) -> Result<Option<VmixSettings>, Denied> {
    let address = match patch.address.as_deref() {
        Some("") => return Ok(None),
        Some(address) => {
            vmix_address(address).map_err(|why| invalid("settings.vmix.address", why))?
        }
        None => match base {
            Some(base) => base.address.clone(),
            None => {
                return Err(invalid(
                    "settings.vmix.address",
                    "no vMix is set for this slot: give its address",
                ));
            }
        },
    };
    let kept = |new: &Option<String>, old: Option<String>| {
        new.as_ref()
            .map(|new| new.trim().to_owned())
            .or(old)
            .unwrap_or_default()
    };
    let old = base.and_then(|base| base.title.clone());
    let (old_input, old_field) = old.map_or((None, None), |old| (Some(old.input), old.field));
    let title = kept(&patch.title_input, old_input);
    // The field of one title says nothing of another.
    let old_field = old_field.filter(|_| patch.title_input.is_none());
    let field = kept(&patch.title_field, old_field);
    if title.is_empty() && !field.is_empty() {
        return Err(invalid(
            "settings.vmix.title_input",
            "a field needs its title input",
        ));
    }
    let input = kept(&patch.input, base.map(|base| base.input.clone()));
    if input.is_empty() {
        return Err(invalid(
            "settings.vmix.input",
            "give the input that shows the slot: its number, key or name",
        ));
    }
    Ok(Some(VmixSettings {
        address,
        input,
        title: Some(title)
            .filter(|title| !title.is_empty())
            .map(|input| VmixTitle {
                input,
                field: Some(field).filter(|field| !field.is_empty()),
            }),
    }))
}

pub(in crate::convert) fn encoder(encoder: VideoEncoder) -> v1::VideoEncoder {
    match encoder {
        VideoEncoder::X264 => v1::VideoEncoder::X264,
        VideoEncoder::Openh264 => v1::VideoEncoder::Openh264,
    }
}

pub(in crate::convert) fn parse_encoder(wire: i32) -> Result<VideoEncoder, Denied> {
    match v1::VideoEncoder::try_from(wire) {
        Ok(v1::VideoEncoder::X264) => Ok(VideoEncoder::X264),
        Ok(v1::VideoEncoder::Openh264) => Ok(VideoEncoder::Openh264),
        Ok(v1::VideoEncoder::Unspecified) | Err(_) => Err(invalid(
            "settings.encoder",
            "VIDEO_ENCODER_X264 or VIDEO_ENCODER_OPENH264",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(secret: &str) -> Result<Sealed, Denied> {
        Ok(Sealed(format!("sealed {secret}")))
    }

    #[test]
    fn a_patch_changes_what_it_sets_and_nothing_else() {
        let base = SlotSettings::listening(9001);
        let patch = v1::SlotSettings {
            passphrase: Some("correct horse".into()),
            fps: Some(25),
            idle: Some(v1::IdleSource {
                kind: v1::idle_source::Kind::Image.into(),
                path: "/a.png".into(),
            }),
            ..Default::default()
        };
        let mut want = base.clone();
        want.passphrase = Some(Sealed("sealed correct horse".into()));
        want.video.fps = 25;
        want.idle = IdleSource::Image {
            path: "/a.png".into(),
        };
        let new = patched(&base, &patch, sealed).unwrap();
        assert_eq!(new, want);
        assert_eq!(
            patched(&new, &v1::SlotSettings::default(), sealed).unwrap(),
            new
        );
        let none = v1::SlotSettings {
            passphrase: Some(String::new()),
            ..Default::default()
        };
        assert_eq!(patched(&new, &none, sealed).unwrap().passphrase, None);
    }

    #[test]
    fn what_the_wire_shows_of_settings_can_be_sent_back_unchanged() {
        let mut base = SlotSettings::listening(9001);
        base.stream_id = Some("slot1".into());
        base.passphrase = Some(Sealed("x".into()));
        let wire = settings(&base);
        assert_eq!(wire.passphrase, None);
        assert_eq!(patched(&base, &wire, sealed).unwrap(), base);
    }

    #[test]
    fn a_vmix_is_set_changed_in_parts_and_taken_off() {
        let of =
            |address: Option<&str>, input: Option<&str>, title: Option<(&str, Option<&str>)>| {
                let patch = v1::VmixSettings {
                    address: address.map(Into::into),
                    input: input.map(Into::into),
                    title_input: title.map(|(input, _)| input.into()),
                    title_field: title.and_then(|(_, field)| field).map(Into::into),
                };
                v1::SlotSettings {
                    vmix: Some(patch),
                    ..Default::default()
                }
            };
        let none = SlotSettings::listening(9001);
        let set = of(
            Some("Studio"),
            Some("7"),
            Some(("3", Some("Headline.Text"))),
        );
        let set = patched(&none, &set, sealed).unwrap();
        let vmix = set.vmix.clone().unwrap();
        let title = |input: &str, field: Option<&str>| VmixTitle {
            input: input.into(),
            field: field.map(Into::into),
        };
        assert_eq!(
            (vmix.address.as_str(), vmix.input.as_str()),
            ("studio:8099", "7")
        );
        assert_eq!(vmix.title, Some(title("3", Some("Headline.Text"))));
        assert_eq!(patched(&set, &settings(&set), sealed).unwrap(), set);

        let moved = patched(&set, &of(None, Some("8"), None), sealed)
            .unwrap()
            .vmix
            .unwrap();
        assert_eq!((moved.input.as_str(), &moved.title), ("8", &vmix.title));
        let other = patched(&set, &of(None, None, Some(("4", None))), sealed)
            .unwrap()
            .vmix
            .unwrap();
        assert_eq!(
            other.title,
            Some(title("4", None)),
            "another title, its first field"
        );
        let bare = patched(&set, &of(None, None, Some(("", None))), sealed)
            .unwrap()
            .vmix
            .unwrap();
        assert_eq!(bare.title, None);
        assert_eq!(
            patched(&set, &of(Some(""), None, None), sealed).unwrap(),
            none
        );

        for (field, base, patch) in [
            ("settings.vmix.address", &none, of(None, Some("1"), None)),
            (
                "settings.vmix.address",
                &none,
                of(Some("a b"), Some("1"), None),
            ),
            ("settings.vmix.input", &none, of(Some("studio"), None, None)),
            (
                "settings.vmix.title_input",
                &set,
                of(None, None, Some(("", Some("x")))),
            ),
        ] {
            let denied = patched(base, &patch, sealed).unwrap_err().to_string();
            assert!(denied.starts_with(field), "{denied}");
        }
    }

    #[test]
    fn bad_values_name_their_field() {
        let base = SlotSettings::listening(9001);
        let cases = [
            (
                "settings.port",
                v1::SlotSettings {
                    output: Some(v1::slot_settings::Output::Port(70_000)),
                    ..Default::default()
                },
            ),
            (
                "settings.passphrase",
                v1::SlotSettings {
                    passphrase: Some("short".into()),
                    ..Default::default()
                },
            ),
            (
                "settings.encoder",
                v1::SlotSettings {
                    encoder: Some(99),
                    ..Default::default()
                },
            ),
            (
                "settings.idle.kind",
                v1::SlotSettings {
                    idle: Some(v1::IdleSource::default()),
                    ..Default::default()
                },
            ),
            (
                "settings.push_url",
                v1::SlotSettings {
                    output: Some(v1::slot_settings::Output::PushUrl(
                        "srt://a:1?passphrase=secretsecret".into(),
                    )),
                    ..Default::default()
                },
            ),
        ];
        for (field, patch) in cases {
            let denied = patched(&base, &patch, sealed).unwrap_err();
            assert!(denied.to_string().starts_with(field), "{denied}");
            assert!(!denied.to_string().contains("secret"), "{denied}");
        }
    }
}
