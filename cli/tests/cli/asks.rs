//! What asks a person first: the sentence, what `n` and `y` do, and that a script is not kept waiting.

use serde_json::json;

use crate::fake::{Fake, Reply};
use crate::terminal::answering;

async fn on_air() -> Fake {
    let fake = Fake::start().await;
    fake.with_callers();
    let anna = "shows/main/callers/c7k2m9";
    let answers = [
        (
            "get_caller",
            json!({ "caller": { "name": anna, "displayName": "Anna", "state": "STATE_ON_AIR", "slot": "slots/1", "revision": "7" } }),
        ),
        (
            "get_slot",
            json!({ "slot": { "name": "slots/1", "assignedCaller": anna, "revision": "9" } }),
        ),
        (
            "list_invites",
            json!({ "invites": [{ "name": "shows/main/invites/i9f3", "displayName": "Ben" }] }),
        ),
        (
            "get_show",
            json!({ "show": { "name": "shows/late", "title": "Late Night" } }),
        ),
        (
            "get_channel",
            json!({ "channel": {
                "name": "channels/radio", "running": true, "showing": "SHOWING_LIVE",
                "publisher": { "protocol": "rtmp", "peer": "10.0.0.5" },
                "destinations": [{ "name": "channels/radio/destinations/fb", "enabled": true }],
            } }),
        ),
        (
            "get_destination",
            json!({ "destination": { "name": "channels/radio/destinations/fb", "enabled": true, "state": "STATE_LIVE" } }),
        ),
        (
            "list_operators",
            json!({ "operators": [{ "name": "operators/ben", "displayName": "Ben", "role": "ROLE_ADMIN" }] }),
        ),
    ];
    for (method, answer) in answers {
        fake.always(method, Reply::Json(answer));
    }
    fake
}

/// What is typed, the sentence, the answer that goes on, what is called then, and the revision that it names.
type Row = (
    &'static [&'static str],
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
);

const ROWS: &[Row] = &[
    (
        &["caller", "drop", "Anna"],
        "End the call of caller Anna (c7k2m9), who is ON AIR in slot 1? [y/N]",
        "y",
        "drop_caller",
        Some("7"),
    ),
    (
        &["caller", "drop", "--all"],
        "End the calls of all 2 on the line? Type 2 to go on:",
        "2",
        "drop_caller",
        None,
    ),
    (
        &["caller", "reject", "Anna"],
        "Reject caller Anna (c7k2m9), who is ON AIR in slot 1, and end the call? [y/N]",
        "y",
        "reject_caller",
        Some("7"),
    ),
    (
        &["slot", "release", "1", "--drop"],
        "End the call of caller Anna (c7k2m9), who is ON AIR in slot 1? [y/N]",
        "yes",
        "release_slot",
        Some("9"),
    ),
    (
        &["slot", "delete", "1"],
        "Caller Anna (c7k2m9) is ON AIR in slot 1 and goes on hold. Delete slot 1 with its settings, and end its output? [y/N]",
        "y",
        "delete_slot",
        Some("9"),
    ),
    (
        &["invite", "delete", "i9f3"],
        "The link of invite i9f3 for Ben will let nobody in any more. Delete it? [y/N]",
        "y",
        "delete_invite",
        None,
    ),
    (
        &["show", "delete", "late"],
        "Delete show Late Night (late) with its settings, its invites and the list of its callers? [y/N]",
        "y",
        "delete_show",
        None,
    ),
    (
        &["channel", "stop", "radio"],
        "Channel radio shows LIVE, fed by RTMP from 10.0.0.5, and goes to fb. Take it off air? [y/N]",
        "y",
        "stop_channel",
        None,
    ),
    (
        &["channel", "delete", "radio"],
        "Delete channel radio with its settings, its live key and its destination fb? [y/N]",
        "y",
        "delete_channel",
        None,
    ),
    (
        &["channel", "rotate-key", "radio"],
        "The live key of channel radio will not be valid any more, and whoever publishes now (RTMP from 10.0.0.5) is disconnected. Make a new one? [y/N]",
        "y",
        "rotate_channel_key",
        None,
    ),
    (
        &["destination", "disable", "radio", "fb"],
        "Destination fb of channel radio is LIVE. Disconnect it? [y/N]",
        "y",
        "disable_destination",
        None,
    ),
    (
        &["destination", "remove", "radio", "fb"],
        "Destination fb of channel radio is LIVE. Remove it with its settings and its key? [y/N]",
        "y",
        "delete_destination",
        None,
    ),
    (
        &["operator", "revoke", "ben"],
        "Sign operator Ben (ben), who is ADMIN, out everywhere, and remove them with all their tokens? [y/N]",
        "y",
        "revoke_operator",
        None,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_told_what_will_happen_to_whom_and_nothing_happens_without_a_yes() {
    for (args, sentence, yes, method, revision) in ROWS {
        let fake = on_air().await;
        // A terminal of 100 columns breaks no line that a program writes.
        let done = answering(&fake, args, "n").await.exits(1);
        assert!(done.stdout.contains(sentence), "{args:?}: {}", done.stdout);
        assert!(done.stdout.contains("nothing was done"), "{}", done.stdout);
        assert!(fake.calls_of(method).is_empty(), "{args:?}");

        answering(&fake, args, yes).await.exits(0);
        let sent = fake.calls_of(method).remove(0).request;
        let expected = revision.map(|revision| json!(revision));
        assert_eq!(
            sent.get("expectedRevision").cloned(),
            expected,
            "{args:?}: what was agreed to is what is done"
        );

        let before = fake.calls_of(method).len();
        let done = answering(&fake, &[args, &["--yes"][..]].concat(), "n").await;
        assert!(!done.exits(0).stdout.contains('?'), "{args:?}");
        assert!(fake.calls_of(method).len() > before, "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_at_stake_nobody_is_asked() {
    let fake = on_air().await;
    let idle = [
        (
            "get_channel",
            json!({ "channel": { "name": "channels/radio", "showing": "SHOWING_OFF" } }),
        ),
        (
            "get_destination",
            json!({ "destination": { "name": "channels/radio/destinations/fb", "state": "STATE_IDLE" } }),
        ),
        ("get_slot", json!({ "slot": { "name": "slots/1" } })),
        (
            "get_caller",
            json!({ "caller": { "name": "shows/main/callers/c7k2m9", "state": "STATE_ENDED" } }),
        ),
    ];
    for (method, answer) in idle {
        fake.always(method, Reply::Json(answer));
    }
    for args in [
        &["channel", "stop", "radio"][..],
        &["destination", "disable", "radio", "fb"],
        &["slot", "release", "1", "--drop"],
        &["caller", "drop", "Anna"],
        // These keep everybody on the line and every output running.
        &["slot", "release", "1"],
        &["show", "stop", "late"],
        &["channel", "kick", "radio"],
    ] {
        let done = answering(&fake, args, "n").await.exits(0);
        assert!(!done.stdout.contains("[y/N]"), "{args:?}: {}", done.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_goes_on_with_what_can_be_begun_anew() {
    for (args, _, _, method, _) in ROWS {
        let fake = on_air().await;
        let done = fake.booth(args).await;
        match done.code {
            Some(0) => assert!(!fake.calls_of(method).is_empty(), "{args:?}"),
            _ => {
                let words = "asks before it does anything, and there is nobody to ask";
                done.exits(2).says("(CONFIRMATION_NEEDED)").says(words);
                assert!(fake.calls_of(method).is_empty(), "{args:?}");
            }
        }
        let asked = fake.calls();
        let asked = asked.iter().filter(|c| c.method.starts_with("get_"));
        assert_eq!(
            asked.count(),
            0,
            "{args:?}: nothing is looked up for nobody"
        );
    }
}
