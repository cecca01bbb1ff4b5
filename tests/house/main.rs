//! The house's rules that a compiler does not hold: which room may know which, and what must never be committed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn metadata() -> serde_json::Value {
    let out = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--locked",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    serde_json::from_slice(&out.stdout).unwrap()
}

/// The normal dependencies of each member.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let of = |package: &serde_json::Value| {
        let all = package["dependencies"].as_array().unwrap();
        let normal = all.iter().filter(|d| d["kind"].is_null());
        normal
            .map(|d| d["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let packages = metadata();
    let packages = packages["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|p| (p["name"].as_str().unwrap().to_owned(), of(p)))
        .collect()
}

/// Which members each may depend on (DESIGN §2). A member that is missing here fails the test.
const ALLOWED: &[(&str, &[&str])] = &[
    ("booth-core", &[]),
    ("booth-mix", &[]),
    ("booth-proto", &["booth-core"]),
    ("booth-store", &["booth-core"]),
    ("booth-stream", &[]),
    ("booth-rtmp", &["booth-stream"]),
    (
        "booth-media",
        &["booth-proto", "booth-mix", "booth-stream", "booth-rtmp"],
    ),
    (
        "boothd",
        &[
            "booth-core",
            "booth-proto",
            "booth-store",
            "booth-media",
            "booth-mix",
        ],
    ),
    ("booth-tui", &["booth-proto"]),
    ("booth", &["booth-proto", "booth-tui"]),
    // The judge uses nothing of the server, so that it can judge it.
    ("booth-judge", &[]),
    (
        "booth-tests",
        &[
            "booth-core",
            "booth-proto",
            "booth-store",
            "booth-tui",
            "boothd",
            "booth-judge",
        ],
    ),
];

#[test]
fn rooms_depend_only_the_allowed_way() {
    let arrows = arrows();
    let members: BTreeSet<&str> = arrows.keys().map(String::as_str).collect();
    let known: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    assert_eq!(members, known, "every member has its allowed arrows here");
    for (name, allowed) in ALLOWED {
        let ours: Vec<_> = arrows[*name]
            .iter()
            .filter(|d| members.contains(d.as_str()))
            .collect();
        for dependency in ours {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn only_one_room_names_each_heavy_part() {
    let arrows = arrows();
    for (part, owner) in [
        ("sled", "booth-store"),
        ("gstreamer", "booth-media"),
        ("webrtc", "boothd"),
    ] {
        let users: Vec<_> = arrows
            .iter()
            .filter(|(_, deps)| deps.contains(part))
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(users, [owner], "{part}");
    }
}

#[test]
fn the_core_and_the_desk_are_pure() {
    let arrows = arrows();
    for pure in ["booth-core", "booth-mix"] {
        for impure in [
            "tokio",
            "rand",
            "rustix",
            "tracing",
            "gstreamer",
            "sled",
            "tonic",
            "prost",
        ] {
            assert!(
                !arrows[pure].contains(impure),
                "{pure} must not know {impure}"
            );
        }
    }
}

fn tracked_files() -> Vec<(String, String)> {
    let out = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "git ls-files");
    let names = String::from_utf8(out.stdout).unwrap();
    let names = names.split('\0').filter(|n| !n.is_empty());
    names
        .filter_map(|n| Some((n.to_owned(), std::fs::read_to_string(root().join(n)).ok()?)))
        .collect()
}

/// What looks like a secret, or like a place on somebody's machine. Written so that this file does not match itself.
fn forbidden(line: &str) -> Option<&'static str> {
    let has = |parts: &[&str]| line.contains(&parts.concat());
    if has(&["-----BEGIN ", "PRIVATE"]) || has(&["-----BEGIN RSA ", "PRIVATE"]) {
        return Some("a private key");
    }
    if has(&["AK", "IA"])
        && line
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|w| w.len() == 20 && w.starts_with("AKIA"))
    {
        return Some("an access key");
    }
    for (parts, what) in [
        (["gh", "p_"], "a personal access token"),
        (["xo", "xb-"], "a chat token"),
        (["sk_", "live_"], "a payment key"),
        (["/wo", "rk/"], "a machine's path"),
        (["/ro", "ot/"], "a machine's path"),
        (["/ho", "me/"], "a machine's path"),
    ] {
        if has(&parts) {
            return Some(what);
        }
    }
    None
}

#[test]
fn no_secret_and_no_machine_path_is_committed() {
    let mut found = Vec::new();
    for (name, text) in tracked_files() {
        if name.ends_with("package-lock.json") || name == "Cargo.lock" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if let Some(what) = forbidden(line) {
                found.push(format!("{name}:{}: {what}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_scan_sees_what_it_looks_for() {
    assert!(forbidden(&["-----BEGIN ", "PRIVATE KEY-----"].concat()).is_some());
    assert!(forbidden(&["key = AK", "IAABCDEFGHIJKLMNOP"].concat()).is_some());
    assert!(forbidden(&["cd /ho", "me/somebody"].concat()).is_some());
    assert!(forbidden("let token = new_token()?;").is_none());
}

#[test]
fn nothing_generated_or_large_is_committed() {
    let out = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .unwrap();
    let names = String::from_utf8(out.stdout).unwrap();
    for name in names.split('\0').filter(|n| !n.is_empty()) {
        let size = std::fs::metadata(root().join(name)).map_or(0, |m| m.len());
        assert!(size < 400_000, "{name} has {size} bytes");
        assert!(
            !name.contains("node_modules/") && !name.starts_with("target/"),
            "{name}"
        );
    }
}
