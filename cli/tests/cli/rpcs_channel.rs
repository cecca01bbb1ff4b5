//! What is typed about channels and destinations, and what has to be sent.

use serde_json::json;

use crate::rpcs::Typed;

pub fn commands() -> Vec<Typed> {
    vec![
        (vec!["channel", "list"], "list_channels", json!({})),
        (
            vec!["channel", "get", "radio", "-o", "json"],
            "get_channel",
            json!({ "name": "channels/radio" }),
        ),
        (
            vec![
                "channel",
                "create",
                "radio",
                "--title",
                "Radio",
                "--backup",
                "/a.mp4",
                "/b.mp4",
                "--mode",
                "transcode",
                "--size",
                "1280x720",
                "--fps",
                "25",
                "--slate",
                "/s.png",
                "--srt-port",
                "0",
                "--monitor-port",
                "9200",
                "--hls",
                "--stable",
                "2s",
                "--lost",
                "250",
                "--delay",
                "1s",
                "--alert-backup",
                "10m",
                "--no-wait",
            ],
            "create_channel",
            json!({ "channelId": "radio", "settings": {
                "title": "Radio", "mode": "MODE_TRANSCODE", "width": 1280, "height": 720, "fps": 25,
                "backup": { "files": ["/a.mp4", "/b.mp4"] }, "slate": "/s.png",
                "srtInput": { "enabled": true, "port": 0 }, "monitorPort": 9200, "hls": true,
                "policy": { "stableMs": 2000, "lostMs": 250, "delayMs": 1000, "alertBackupMs": 600_000 },
            } }),
        ),
        (
            vec![
                "channel",
                "update",
                "radio",
                "--no-backup",
                "--no-slate",
                "--no-srt",
                "--hls=false",
                "--frozen",
                "0",
                "--backup-start",
                "resume",
            ],
            "update_channel",
            json!({ "name": "channels/radio", "settings": {
                "backup": {}, "slate": "", "srtInput": { "enabled": false }, "hls": false,
                "policy": { "frozenMs": 0, "backupStart": "BACKUP_START_RESUME" },
            } }),
        ),
        (
            vec!["channel", "delete", "radio", "--yes"],
            "delete_channel",
            json!({ "name": "channels/radio" }),
        ),
        (
            vec!["channel", "start", "radio"],
            "start_channel",
            json!({ "name": "channels/radio" }),
        ),
        (
            vec!["channel", "stop", "radio"],
            "stop_channel",
            json!({ "name": "channels/radio" }),
        ),
        (
            vec!["channel", "force", "radio", "backup"],
            "force_channel",
            json!({ "name": "channels/radio", "force": "FORCE_BACKUP" }),
        ),
        (
            vec!["channel", "rotate-key", "radio"],
            "rotate_channel_key",
            json!({ "name": "channels/radio" }),
        ),
        (
            vec!["channel", "kick", "radio"],
            "kick_channel_publisher",
            json!({ "name": "channels/radio" }),
        ),
        (
            vec!["channel", "key", "radio", "--reveal"],
            "get_channel_address",
            json!({ "name": "channels/radio", "reveal": true }),
        ),
        (
            vec!["channel", "url", "radio"],
            "get_channel_address",
            json!({ "name": "channels/radio" }),
        ),
        (
            vec!["channel", "check", "/a.mp4", "/b.mp4", "--for", "radio"],
            "check_backup",
            json!({ "files": ["/a.mp4", "/b.mp4"], "channel": "channels/radio" }),
        ),
        (
            vec!["destination", "list", "radio"],
            "list_destinations",
            json!({ "parent": "channels/radio" }),
        ),
        (
            vec![
                "destination",
                "add",
                "radio",
                "fb",
                "--preset",
                "facebook",
                "--session-max",
                "7h",
                "--disabled",
            ],
            "create_destination",
            json!({ "parent": "channels/radio", "destinationId": "fb", "disabled": true,
                "settings": { "preset": "PRESET_FACEBOOK", "sessionMaxS": 25_200 } }),
        ),
        (
            vec!["destination", "get", "radio", "fb", "-o", "json"],
            "get_destination",
            json!({ "name": "channels/radio/destinations/fb" }),
        ),
        (
            vec![
                "destination",
                "update",
                "radio",
                "fb",
                "--url",
                "srt://h:9000",
                "--no-key",
                "--latency",
                "120",
                "--stream-id",
                "x",
            ],
            "update_destination",
            json!({ "name": "channels/radio/destinations/fb", "settings": {
                "url": "srt://h:9000", "key": "", "latencyMs": 120, "streamId": "x" } }),
        ),
        (
            vec!["destination", "enable", "radio", "fb"],
            "enable_destination",
            json!({ "name": "channels/radio/destinations/fb" }),
        ),
        (
            vec!["destination", "disable", "radio", "fb"],
            "disable_destination",
            json!({ "name": "channels/radio/destinations/fb" }),
        ),
        (
            vec!["destination", "remove", "radio", "fb", "--yes"],
            "delete_destination",
            json!({ "name": "channels/radio/destinations/fb" }),
        ),
        (
            vec!["destination", "key", "radio", "fb", "--reveal"],
            "reveal_destination_key",
            json!({ "name": "channels/radio/destinations/fb" }),
        ),
    ]
}
