//! The help is part of the contract: what scripts and people rely on is in it.

use crate::run::{booth, finish};

#[tokio::test]
async fn the_help_has_every_command_and_every_exit_code() {
    let help = finish(booth(&["--help"])).await.exits(0).stdout;
    for command in [
        "status",
        "console",
        "watch",
        "invite",
        "caller",
        "slot",
        "channel",
        "destination",
        "show",
        "operator",
        "context",
        "login",
        "doctor",
        "backup",
        "restore",
        "demo",
        "completions",
        "man",
        "version",
    ] {
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command} is not in the help"
        );
    }
    for line in [
        "  0  ok",
        "  1  error",
        "  2  usage",
        "  3  not found",
        "  4  not allowed",
        "  5  refused by the state",
        "  6  server not reachable",
        "  7  timed out",
        "BOOTH_SERVER",
        "BOOTH_CONTEXT",
        "BOOTH_TOKEN_FILE",
        "http://127.0.0.1:7400",
    ] {
        assert!(help.contains(line), "{line:?} is not in the help");
    }
}

#[tokio::test]
async fn every_noun_has_its_verbs() {
    for (noun, verbs) in [
        ("invite", &["create", "list", "delete"][..]),
        (
            "caller",
            &[
                "list", "get", "screen", "approve", "reject", "hold", "move", "note", "drop",
                "mute", "unmute", "chat", "tile",
            ],
        ),
        (
            "slot",
            &[
                "list", "create", "get", "update", "delete", "take", "release", "arm", "url",
                "tile",
            ],
        ),
        (
            "show",
            &[
                "list", "create", "get", "update", "start", "retry", "stop", "delete",
            ],
        ),
        (
            "channel",
            &[
                "list",
                "create",
                "get",
                "update",
                "delete",
                "start",
                "stop",
                "force",
                "rotate-key",
                "key",
                "kick",
                "url",
                "check",
                "drill",
            ],
        ),
        (
            "destination",
            &[
                "list", "add", "get", "update", "enable", "disable", "remove", "key",
            ],
        ),
        ("operator", &["list", "add", "token", "revoke", "whoami"]),
        ("context", &["list", "use", "add", "remove"]),
    ] {
        let help = finish(booth(&[noun, "--help"])).await.exits(0).stdout;
        for verb in verbs {
            assert!(
                help.contains(&format!("\n  {verb} ")) || help.contains(&format!("\n  {verb}\n")),
                "{noun} {verb}: {help}"
            );
        }
    }
}

#[tokio::test]
async fn the_secret_of_the_environment_is_not_in_the_help() {
    let mut command = booth(&["--help"]);
    command.env("BOOTH_TOKEN", "my-secret-token");
    assert!(
        !finish(command)
            .await
            .exits(0)
            .stdout
            .contains("my-secret-token")
    );
}

#[tokio::test]
async fn the_version_needs_no_server() {
    let done = finish(booth(&["version"])).await.exits(0);
    assert_eq!(
        done.stdout,
        format!("booth {}\n", env!("CARGO_PKG_VERSION"))
    );
}
