//! Ranges of what an operator may set on a channel.

use booth_core::*;

use crate::air24::*;
use crate::world::*;

#[track_caller]
fn refused(field: &str, change: impl FnOnce(&mut ChannelSettings)) {
    let mut world = World::empty();
    let mut settings = film();
    change(&mut settings);
    match world.denied(create("radio", settings)) {
        Denied::Invalid { field: named, .. } => assert_eq!(named, field),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn accepted(change: impl FnOnce(&mut ChannelSettings)) {
    let mut world = World::radio();
    let mut settings = film();
    change(&mut settings);
    world.ok(update("radio", settings));
}

#[test]
fn a_policy_has_ranges() {
    type Set = fn(&mut FailoverPolicy, u32);
    let ranges: [(&str, Set, &[u32], &[u32]); 12] = [
        (
            "stable_ms",
            |p, v| p.stable_ms = v,
            &[0, 600_000],
            &[600_001],
        ),
        (
            "lost_ms",
            |p, v| p.lost_ms = v,
            &[100, 60_000],
            &[99, 60_001],
        ),
        ("delay_ms", |p, v| p.delay_ms = v, &[0, 10_000], &[10_001]),
        (
            "stable_max_ms",
            |p, v| p.stable_max_ms = v,
            &[0, 600_000],
            &[600_001],
        ),
        (
            "frozen_ms",
            |p, v| p.frozen_ms = v,
            &[0, 500, 600_000],
            &[499, 600_001],
        ),
        (
            "black_ms",
            |p, v| p.black_ms = v,
            &[0, 500, 600_000],
            &[1, 600_001],
        ),
        (
            "silent_ms",
            |p, v| p.silent_ms = v,
            &[0, 500, 600_000],
            &[1, 600_001],
        ),
        (
            "takeover_ms",
            |p, v| p.takeover_ms = v,
            &[0, 60_000],
            &[60_001],
        ),
        ("fade_ms", |p, v| p.fade_ms = v, &[0, 10_000], &[10_001]),
        (
            "alert_backup_ms",
            |p, v| p.alert_backup_ms = v,
            &[0, 86_400_000],
            &[86_400_001],
        ),
        (
            "alert_destination_ms",
            |p, v| p.alert_destination_ms = v,
            &[0, 86_400_000],
            &[86_400_001],
        ),
        // Seen as a freeze, and legal.
        (
            "lost_ms",
            |p, v| (p.lost_ms, p.delay_ms) = (v, 0),
            &[500],
            &[],
        ),
    ];
    for (field, set, right, wrong) in ranges {
        for value in wrong {
            refused(&format!("policy.{field}"), |s| set(&mut s.policy, *value));
        }
        for value in right {
            accepted(|s| {
                s.title = text("changed");
                set(&mut s.policy, *value);
            });
        }
    }
}

#[test]
fn a_channels_format_has_the_ranges_of_slots() {
    refused("video.width", |s| s.video.width = 1_281);
    refused("video.height", |s| s.video.height = 88);
    refused("video.fps", |s| s.video.fps = 29);
    refused("video.bitrate_kbps", |s| s.video.bitrate_kbps = 99);
    refused("video.preset", |s| s.video.preset = "placebo".into());
    refused("audio_bitrate_kbps", |s| s.audio_bitrate_kbps = 321);
    accepted(|s| s.video.fps = 25);
}

#[test]
fn backup_and_slate_are_named_by_absolute_paths() {
    let backup = |files: Vec<String>| {
        let digest = String::new();
        Some(Backup { files, digest })
    };
    for files in [
        vec![],
        vec!["loop.mp4".into()],
        vec!["/a\n.mp4".into()],
        vec!["/a.mp4".into(); BACKUP_FILES_MAX + 1],
    ] {
        refused("backup.files", |s| s.backup = backup(files));
    }
    accepted(|s| s.backup = backup(vec!["/a.mp4".into(); BACKUP_FILES_MAX]));
    accepted(|s| s.backup = None);
    refused("backup.digest", |s| {
        s.backup = Some(Backup {
            files: vec!["/a.mp4".into()],
            digest: "d".repeat(129),
        });
    });
    refused("slate", |s| s.slate = Some("slate.png".into()));
    accepted(|s| s.slate = Some("/srv/slate.png".into()));
}

#[test]
fn an_srt_input_has_ranges() {
    let with = |port, latency_ms, id: &str| {
        let srt_input = SrtInput {
            port,
            latency_ms,
            stream_id: Some(id.into()),
            passphrase: Some(sealed("x")),
        };
        move |s: &mut ChannelSettings| s.srt_input = Some(srt_input)
    };
    refused("srt_input.port", with(0, 200, "radio"));
    refused("srt_input.latency_ms", with(9_100, 19, "radio"));
    refused("srt_input.latency_ms", with(9_100, 8_001, "radio"));
    refused("srt_input.stream_id", with(9_100, 200, ""));
    refused("srt_input.stream_id", with(9_100, 200, "a\0"));
    accepted(with(9_100, 20, "radio"));
    refused("monitor_port", |s| s.monitor_port = Some(0));
    refused("monitor_port", |s| {
        with(9_100, 200, "radio")(s);
        s.monitor_port = Some(9_100);
    });
}
