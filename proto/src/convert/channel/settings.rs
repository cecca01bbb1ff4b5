//! A channel's settings: whole towards the wire, and from it those that a request sets.

use booth_core::{
    BACKUP_FILES_MAX, Backup, BackupStart, ChannelMode, ChannelSettings, Denied, FailoverPolicy,
    Sealed, SrtInput, Text,
};

use crate::convert::{invalid, slot};
use crate::v1;

/// Never the passphrase, only whether there is one.
pub(super) fn settings(settings: &ChannelSettings) -> v1::ChannelSettings {
    let video = &settings.video;
    v1::ChannelSettings {
        title: Some(settings.title.to_string()),
        mode: Some(
            match settings.mode {
                ChannelMode::Copy => v1::channel_settings::Mode::Copy,
                ChannelMode::Transcode => v1::channel_settings::Mode::Transcode,
            }
            .into(),
        ),
        width: Some(video.width),
        height: Some(video.height),
        fps: Some(video.fps),
        video_bitrate_kbps: Some(video.bitrate_kbps),
        audio_bitrate_kbps: Some(settings.audio_bitrate_kbps),
        encoder: Some(slot::encoder(video.encoder).into()),
        preset: Some(video.preset.clone()),
        backup: Some(v1::Backup {
            files: settings
                .backup
                .as_ref()
                .map(|backup| backup.files.clone())
                .unwrap_or_default(),
        }),
        slate: Some(settings.slate.clone().unwrap_or_default()),
        policy: Some(policy(&settings.policy)),
        srt_input: settings.srt_input.as_ref().map(|input| v1::SrtInput {
            enabled: Some(true),
            port: Some(u32::from(input.port)),
            latency_ms: Some(input.latency_ms),
            stream_id: Some(input.stream_id.clone().unwrap_or_default()),
            passphrase: None,
            has_passphrase: Some(input.passphrase.is_some()),
        }),
        monitor_port: Some(settings.monitor_port.map_or(0, u32::from)),
        hls: Some(settings.hls),
    }
}

fn policy(policy: &FailoverPolicy) -> v1::FailoverPolicy {
    v1::FailoverPolicy {
        stable_ms: Some(policy.stable_ms),
        lost_ms: Some(policy.lost_ms),
        delay_ms: Some(policy.delay_ms),
        stable_max_ms: Some(policy.stable_max_ms),
        frozen_ms: Some(policy.frozen_ms),
        black_ms: Some(policy.black_ms),
        silent_ms: Some(policy.silent_ms),
        takeover_ms: Some(policy.takeover_ms),
        backup_start: Some(
            match policy.backup_start {
                BackupStart::Beginning => v1::failover_policy::BackupStart::Beginning,
                BackupStart::Resume => v1::failover_policy::BackupStart::Resume,
                BackupStart::Running => v1::failover_policy::BackupStart::Running,
            }
            .into(),
        ),
        fade_ms: Some(policy.fade_ms),
        alert_backup_ms: Some(policy.alert_backup_ms),
        alert_destination_ms: Some(policy.alert_destination_ms),
    }
}

/// What only the edge can make of a request.
#[derive(Debug)]
pub struct Made<'a, S> {
    /// Of the backup's files, if there are any.
    pub digest: &'a str,
    /// For an SRT input that is given none.
    pub free_port: u16,
    /// Makes a passphrase storable.
    pub seal: S,
}

/// `base` with what is set in `patch`.
pub fn patched<S: FnOnce(&str) -> Result<Sealed, Denied>>(
    base: &ChannelSettings,
    patch: &v1::ChannelSettings,
    made: Made<'_, S>,
) -> Result<ChannelSettings, Denied> {
    let mut new = base.clone();
    if let Some(title) = &patch.title {
        new.title = Text::name(title);
    }
    if let Some(wire) = patch.mode {
        new.mode = parse_mode(wire)?;
    }
    if let Some(wire) = patch.encoder {
        new.video.encoder = slot::parse_encoder(wire)?;
    }
    if let Some(preset) = &patch.preset {
        new.video.preset.clone_from(preset);
    }
    if let Some(files) = backup_files(patch)? {
        new.backup = (!files.is_empty()).then(|| Backup {
            files: files.to_vec(),
            digest: made.digest.to_owned(),
        });
    }
    if let Some(path) = slate_path(patch)? {
        new.slate = Some(path.to_owned()).filter(|path| !path.is_empty());
    }
    if let Some(wire) = &patch.policy {
        new.policy = patched_policy(&base.policy, wire)?;
    }
    if let Some(wire) = &patch.srt_input {
        new.srt_input = patched_input(base.srt_input.as_ref(), wire, made)?;
    }
    if let Some(wire) = patch.monitor_port {
        new.monitor_port = match wire {
            0 => None,
            port => Some(parse_port("settings.monitor_port", port)?),
        };
    }
    let set = |field: &mut u32, value: Option<u32>| *field = value.unwrap_or(*field);
    set(&mut new.video.width, patch.width);
    set(&mut new.video.height, patch.height);
    set(&mut new.video.fps, patch.fps);
    set(&mut new.video.bitrate_kbps, patch.video_bitrate_kbps);
    set(&mut new.audio_bitrate_kbps, patch.audio_bitrate_kbps);
    new.hls = patch.hls.unwrap_or(new.hls);
    Ok(new)
}

/// The files a request sets, none to take the backup away; `None` when it leaves the backup alone.
pub fn backup_files(patch: &v1::ChannelSettings) -> Result<Option<&[String]>, Denied> {
    let Some(backup) = &patch.backup else {
        return Ok(None);
    };
    check_files("settings.backup.files", &backup.files)?;
    Ok(Some(&backup.files))
}

/// The slate a request sets, empty to take it away.
pub fn slate_path(patch: &v1::ChannelSettings) -> Result<Option<&str>, Denied> {
    let Some(path) = patch.slate.as_deref() else {
        return Ok(None);
    };
    if !path.is_empty() {
        check_path("settings.slate", path)?;
    }
    Ok(Some(path))
}

/// What can be said of files without looking at them.
pub fn check_files(field: &str, files: &[String]) -> Result<(), Denied> {
    if files.len() > BACKUP_FILES_MAX {
        return Err(invalid(field, format!("at most {BACKUP_FILES_MAX} files")));
    }
    if files.iter().map(String::len).sum::<usize>() > PATHS_MAX {
        let why = format!("their paths have more than {PATHS_MAX} characters together");
        return Err(invalid(field, why));
    }
    files.iter().try_for_each(|path| check_path(field, path))
}

/// All paths of a backup together: lists of channels have to stay below what clients take at a time.
const PATHS_MAX: usize = 32 * 1_024;
/// Longest path that the system takes.
const PATH_MAX: usize = 4_095;

fn check_path(field: &str, path: &str) -> Result<(), Denied> {
    let sound = path.starts_with('/') && path.len() <= PATH_MAX;
    if sound && !path.chars().any(char::is_control) {
        return Ok(());
    }
    let shown: String = path.chars().take(64).collect();
    Err(invalid(
        field,
        format!("{shown:?} is not the absolute path of a file on the server"),
    ))
}

fn patched_policy(
    base: &FailoverPolicy,
    patch: &v1::FailoverPolicy,
) -> Result<FailoverPolicy, Denied> {
    let mut new = *base;
    let set = |field: &mut u32, value: Option<u32>| *field = value.unwrap_or(*field);
    set(&mut new.stable_ms, patch.stable_ms);
    set(&mut new.lost_ms, patch.lost_ms);
    set(&mut new.delay_ms, patch.delay_ms);
    set(&mut new.stable_max_ms, patch.stable_max_ms);
    set(&mut new.frozen_ms, patch.frozen_ms);
    set(&mut new.black_ms, patch.black_ms);
    set(&mut new.silent_ms, patch.silent_ms);
    set(&mut new.takeover_ms, patch.takeover_ms);
    set(&mut new.fade_ms, patch.fade_ms);
    set(&mut new.alert_backup_ms, patch.alert_backup_ms);
    set(&mut new.alert_destination_ms, patch.alert_destination_ms);
    if let Some(wire) = patch.backup_start {
        use v1::failover_policy::BackupStart as Wire;
        new.backup_start = match Wire::try_from(wire) {
            Ok(Wire::Beginning) => BackupStart::Beginning,
            Ok(Wire::Resume) => BackupStart::Resume,
            Ok(Wire::Running) => BackupStart::Running,
            Ok(Wire::Unspecified) | Err(_) => {
                return Err(invalid(
                    "settings.policy.backup_start",
                    "BACKUP_START_BEGINNING, BACKUP_START_RESUME or BACKUP_START_RUNNING",
                ));
            }
        };
    }
    Ok(new)
}

fn patched_input<S: FnOnce(&str) -> Result<Sealed, Denied>>(
    base: Option<&SrtInput>,
    patch: &v1::SrtInput,
    made: Made<'_, S>,
) -> Result<Option<SrtInput>, Denied> {
    if patch.enabled == Some(false) {
        return Ok(None);
    }
    let mut new = base.cloned().unwrap_or(SrtInput {
        port: made.free_port,
        latency_ms: 200,
        stream_id: None,
        passphrase: None,
    });
    match patch.port {
        // One that it has already stays.
        None | Some(0) => {}
        Some(port) => new.port = parse_port("settings.srt_input.port", port)?,
    }
    new.latency_ms = patch.latency_ms.unwrap_or(new.latency_ms);
    if let Some(stream_id) = &patch.stream_id {
        new.stream_id = Some(stream_id.clone()).filter(|id| !id.is_empty());
    }
    match patch.passphrase.as_deref() {
        None => {}
        Some("") => new.passphrase = None,
        Some(secret) => {
            let secret = slot::passphrase("settings.srt_input.passphrase", secret)?;
            new.passphrase = Some((made.seal)(secret)?);
        }
    }
    Ok(Some(new))
}

fn parse_port(field: &str, port: u32) -> Result<u16, Denied> {
    match u16::try_from(port) {
        Ok(port) if port != 0 => Ok(port),
        _ => Err(invalid(field, "1 to 65535")),
    }
}

fn parse_mode(wire: i32) -> Result<ChannelMode, Denied> {
    use v1::channel_settings::Mode;
    match Mode::try_from(wire) {
        Ok(Mode::Copy) => Ok(ChannelMode::Copy),
        Ok(Mode::Transcode) => Ok(ChannelMode::Transcode),
        Ok(Mode::Unspecified) | Err(_) => {
            Err(invalid("settings.mode", "MODE_COPY or MODE_TRANSCODE"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(
        base: &ChannelSettings,
        patch: &v1::ChannelSettings,
    ) -> Result<ChannelSettings, Denied> {
        let seal = |secret: &str| Ok(Sealed(format!("sealed {secret}")));
        let made = Made {
            digest: "d1",
            free_port: 9100,
            seal,
        };
        patched(base, patch, made)
    }

    fn full() -> ChannelSettings {
        ChannelSettings {
            backup: Some(Backup {
                files: vec!["/a.mp4".into()],
                digest: "d1".into(),
            }),
            slate: Some("/a.png".into()),
            srt_input: Some(SrtInput {
                port: 9_107,
                latency_ms: 300,
                stream_id: Some("cam".into()),
                passphrase: Some(Sealed("x".into())),
            }),
            monitor_port: Some(9_200),
            hls: true,
            ..ChannelSettings::default()
        }
    }

    #[test]
    fn what_the_wire_shows_of_settings_can_be_sent_back_unchanged() {
        for base in [full(), ChannelSettings::default()] {
            let wire = settings(&base);
            let secret = wire.srt_input.as_ref().and_then(|i| i.passphrase.clone());
            assert_eq!(secret, None);
            assert_eq!(with(&base, &wire).unwrap(), base);
            assert_eq!(with(&base, &v1::ChannelSettings::default()).unwrap(), base);
        }
    }

    #[test]
    fn a_patch_changes_what_it_sets_and_nothing_else() {
        let base = full();
        let patch = v1::ChannelSettings {
            policy: Some(v1::FailoverPolicy {
                lost_ms: Some(500),
                ..Default::default()
            }),
            srt_input: Some(v1::SrtInput {
                passphrase: Some("correct horse".into()),
                ..Default::default()
            }),
            backup: Some(v1::Backup::default()),
            slate: Some(String::new()),
            monitor_port: Some(0),
            ..Default::default()
        };
        let mut want = base.clone();
        want.policy.lost_ms = 500;
        want.srt_input.as_mut().unwrap().passphrase = Some(Sealed("sealed correct horse".into()));
        want.backup = None;
        want.slate = None;
        want.monitor_port = None;
        assert_eq!(with(&base, &patch).unwrap(), want);
    }

    #[test]
    fn an_srt_input_takes_a_free_port_once_and_goes_only_when_told() {
        let input = |enabled, port| v1::ChannelSettings {
            srt_input: Some(v1::SrtInput {
                enabled,
                port,
                ..Default::default()
            }),
            ..Default::default()
        };
        let port =
            |base: &ChannelSettings, patch| with(base, &patch).unwrap().srt_input.map(|i| i.port);
        let none = ChannelSettings::default();
        assert_eq!(port(&none, input(None, None)), Some(9_100));
        assert_eq!(port(&none, input(Some(true), Some(0))), Some(9_100));
        assert_eq!(port(&none, input(None, Some(9_500))), Some(9_500));
        assert_eq!(port(&full(), input(None, Some(0))), Some(9_107));
        assert_eq!(port(&full(), input(Some(false), None)), None);
    }

    #[test]
    fn bad_values_name_their_field() {
        let settings = v1::ChannelSettings::default;
        let input = |input| v1::ChannelSettings {
            srt_input: Some(input),
            ..settings()
        };
        let files = |files: Vec<String>| v1::ChannelSettings {
            backup: Some(v1::Backup { files }),
            ..settings()
        };
        let cases = [
            (
                "settings.mode",
                v1::ChannelSettings {
                    mode: Some(9),
                    ..settings()
                },
            ),
            (
                "settings.encoder",
                v1::ChannelSettings {
                    encoder: Some(0),
                    ..settings()
                },
            ),
            (
                "settings.monitor_port",
                v1::ChannelSettings {
                    monitor_port: Some(70_000),
                    ..settings()
                },
            ),
            (
                "settings.slate",
                v1::ChannelSettings {
                    slate: Some("a.png".into()),
                    ..settings()
                },
            ),
            ("settings.backup.files", files(vec!["a.mp4".into()])),
            ("settings.backup.files", files(vec![String::new()])),
            ("settings.backup.files", files(vec!["/a\u{1b}[2J".into()])),
            (
                "settings.backup.files",
                files(vec![format!("/{}", "x".repeat(5_000))]),
            ),
            ("settings.backup.files", files(vec!["/a.mp4".into(); 101])),
            (
                "settings.backup.files",
                files(vec![format!("/{}", "x".repeat(400)); 100]),
            ),
            (
                "settings.srt_input.port",
                input(v1::SrtInput {
                    port: Some(70_000),
                    ..Default::default()
                }),
            ),
            (
                "settings.srt_input.passphrase",
                input(v1::SrtInput {
                    passphrase: Some("s3cr3t".into()),
                    ..Default::default()
                }),
            ),
            (
                "settings.policy.backup_start",
                v1::ChannelSettings {
                    policy: Some(v1::FailoverPolicy {
                        backup_start: Some(7),
                        ..Default::default()
                    }),
                    ..settings()
                },
            ),
        ];
        for (field, patch) in cases {
            let denied = with(&ChannelSettings::default(), &patch).unwrap_err();
            let text = denied.to_string();
            assert!(text.starts_with(&format!("{field}: ")), "{text}");
            assert!(
                !text.contains("s3cr3t") && !text.contains('\u{1b}'),
                "{text:?}"
            );
            assert!(text.len() < 300, "{text}");
        }
    }
}
