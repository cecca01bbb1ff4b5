//! Helps, JSON shapes and exit codes, pinned as transcripts in `tests/cmd`. After a change on purpose:
//! `TRYCMD=overwrite cargo test -p booth --test cli pinned`, and look at the difference.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tonic::Code;

use crate::fake::{Fake, Reply};

async fn server() -> Fake {
    let fake = Fake::start().await;
    fake.with_callers();
    let anna = "shows/main/callers/c7k2m9";
    let slot = json!({
        "name": "slots/1", "show": "shows/main", "online": true, "settings": { "port": 9001, "latencyMs": 120 },
        "showing": "SHOWING_CALLER", "showingCaller": anna, "assignedCaller": anna, "revision": "40",
    });
    fake.always(
        "list_slots",
        Reply::Json(json!({ "slots": [slot], "revision": "41" })),
    );
    fake.always(
        "take_slot",
        Reply::Json(json!({ "slot": slot, "revision": "42" })),
    );
    fake.always(
        "approve_caller",
        Reply::Json(
            json!({ "caller": { "name": anna, "state": "STATE_READY" }, "revision": "42" }),
        ),
    );
    let to = json!({
        "name": "channels/radio/destinations/youtube", "enabled": true, "state": "STATE_RETRYING", "lastError": "refused",
        "settings": { "preset": "PRESET_YOUTUBE", "url": "rtmps://a.example/live2", "hasKey": true },
    });
    let radio = json!({ "name": "channels/radio", "running": true, "showing": "SHOWING_BACKUP", "destinations": [to] });
    fake.always(
        "list_channels",
        Reply::Json(json!({ "channels": [radio], "revision": "41" })),
    );
    fake.always(
        "list_destinations",
        Reply::Json(json!({ "destinations": [to], "revision": "41" })),
    );
    let who = json!({ "operator": { "name": "operators/anna", "role": "ROLE_OPERATOR", "displayName": "Anna" } });
    fake.always("who_am_i", Reply::Json(who));
    let units = json!([{ "name": "slot-1", "attached": true, "pid": 12, "cpuPercent": 41.5, "memoryBytes": "91000000" }]);
    fake.always(
        "get_status",
        Reply::Json(json!({
            "version": "0.1.0", "revision": "41", "units": units, "memoryBytes": "42000000", "cpuPercent": 3.0,
            "ledger": { "writable": true, "journalBytes": "1500000" }, "joinBaseUrl": "http://studio.example:8080",
        })),
    );
    fake.always(
        "release_slot",
        Reply::Refused(
            Code::FailedPrecondition,
            "SLOT_FREE",
            json!({ "slot": "1" }),
        ),
    );
    fake.always(
        "get_slot",
        Reply::Refused(Code::NotFound, "SLOT_NOT_FOUND", json!({ "slot": "9" })),
    );
    fake.always(
        "create_operator",
        Reply::Refused(
            Code::PermissionDenied,
            "ROLE_TOO_LOW",
            json!({ "needed": "ADMIN", "has": "OPERATOR" }),
        ),
    );
    fake.always("get_show", Reply::Status(Code::Internal, "a fault"));
    fake.always("get_channel", Reply::Silence);
    fake
}

#[tokio::test(flavor = "multi_thread")]
async fn helps_shapes_and_exit_codes_are_as_they_were() {
    let fake = server().await;
    let address = format!("http://{}", fake.address);
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "secret-token").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let run = move || {
        trycmd::TestCases::new()
            .insert_var("[SERVER]", address.clone())
            .unwrap()
            .register_bin("booth", std::path::Path::new(env!("CARGO_BIN_EXE_booth")))
            .env("BOOTH_SERVER", address)
            .env("BOOTH_TOKEN_FILE", token.display().to_string())
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .case("tests/cmd/*.trycmd")
            .run();
    };
    tokio::task::spawn_blocking(run).await.unwrap();
}
