//! From flags to the settings that a request changes: only what was named.

use booth_proto::v1::*;

use super::secret;
use super::server_path::seen_by_server;
use crate::app::Ctx;
use crate::args::{BackupStartArg, ChannelSettingsArgs, EncoderArg, ModeArg, PolicyArgs};
use crate::errors::Outcome;

pub fn changed(ctx: &Ctx, args: &ChannelSettingsArgs) -> Outcome<ChannelSettings> {
    let files = args.backup.iter().map(|file| seen_by_server(ctx, file));
    let named = args.no_backup || !args.backup.is_empty();
    let slate = match (&args.slate, args.no_slate) {
        (Some(path), _) => Some(seen_by_server(ctx, path)),
        (None, true) => Some(String::new()),
        (None, false) => None,
    };
    Ok(ChannelSettings {
        title: args.title.clone(),
        mode: args.mode.map(|mode| match mode {
            ModeArg::Copy => channel_settings::Mode::Copy as i32,
            ModeArg::Transcode => channel_settings::Mode::Transcode as i32,
        }),
        width: args.size.map(|size| size.width),
        height: args.size.map(|size| size.height),
        fps: args.fps,
        video_bitrate_kbps: args.video_bitrate,
        audio_bitrate_kbps: args.audio_bitrate,
        encoder: args.encoder.map(|encoder| match encoder {
            EncoderArg::X264 => VideoEncoder::X264 as i32,
            EncoderArg::Openh264 => VideoEncoder::Openh264 as i32,
        }),
        preset: args.preset.clone(),
        backup: named.then(|| Backup {
            files: files.collect(),
        }),
        slate,
        policy: policy(&args.policy),
        srt_input: srt_input(args)?,
        monitor_port: args.monitor_port.map(u32::from),
        hls: args.hls,
    })
}

fn policy(args: &PolicyArgs) -> Option<FailoverPolicy> {
    use failover_policy::BackupStart;
    let policy = FailoverPolicy {
        stable_ms: args.stable,
        lost_ms: args.lost,
        delay_ms: args.delay,
        stable_max_ms: args.stable_max,
        frozen_ms: args.frozen,
        black_ms: args.black,
        silent_ms: args.silent,
        takeover_ms: args.takeover,
        backup_start: args.backup_start.map(|start| match start {
            BackupStartArg::Beginning => BackupStart::Beginning as i32,
            BackupStartArg::Resume => BackupStart::Resume as i32,
            BackupStartArg::Running => BackupStart::Running as i32,
        }),
        fade_ms: args.fade,
        alert_backup_ms: args.alert_backup,
        alert_destination_ms: args.alert_destination,
    };
    (policy != FailoverPolicy::default()).then_some(policy)
}

fn srt_input(args: &ChannelSettingsArgs) -> Outcome<Option<SrtInput>> {
    if args.no_srt {
        return Ok(Some(SrtInput {
            enabled: Some(false),
            ..SrtInput::default()
        }));
    }
    let passphrase = match (&args.srt_passphrase_file, args.no_srt_passphrase) {
        (Some(path), _) => Some(secret::passphrase(path, "--no-srt-passphrase")?),
        (None, true) => Some(String::new()),
        (None, false) => None,
    };
    let input = SrtInput {
        enabled: args.srt_port.map(|_| true),
        port: args.srt_port.map(u32::from),
        latency_ms: args.srt_latency,
        stream_id: args.srt_stream_id.clone(),
        passphrase,
        has_passphrase: None,
    };
    Ok((input != SrtInput::default()).then_some(input))
}
