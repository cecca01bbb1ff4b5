//! Completion as shells do it: the script is loaded by the real shell, which then asks the real program.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::process::Command;

use crate::fake::{Fake, Reply};
use crate::run::{booth, finish};

/// What bash offers after `line` is typed and Tab pressed, asked for the way readline does it.
async fn bash(setup: impl FnOnce(&mut Command), line: &str) -> Vec<String> {
    let script = r#"
source <(booth completions bash)
read -ra COMP_WORDS <<< "$1"
[[ $1 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
complete -p booth | grep -q -- "-F _clap_complete_booth" || { echo "no completion is registered" >&2; exit 1; }
_clap_complete_booth booth "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;
    let mut command = crate::run::command(
        Path::new("/bin/bash"),
        &["--norc", "-c", script, "bash", line],
    );
    let own = Path::new(env!("CARGO_BIN_EXE_booth")).parent().unwrap();
    command.env("PATH", format!("{}:/usr/bin:/bin", own.display()));
    setup(&mut command);
    let done = finish(command).await.exits(0);
    assert_eq!(done.stderr, "", "{line}");
    done.stdout
        .lines()
        .map(|l| l.trim().to_owned())
        .filter(|l| !l.is_empty())
        .collect()
}

fn signed_in(fake: &Fake) -> impl FnOnce(&mut Command) + use<> {
    let server = format!("http://{}", fake.address);
    move |command| {
        command
            .env("BOOTH_SERVER", server)
            .env("BOOTH_TOKEN", "secret-token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bash_completes_commands_flags_and_ids_of_the_server() {
    let fake = Fake::start().await;
    fake.with_callers();
    let slots = json!({ "slots": [{ "name": "slots/1" }, { "name": "slots/phones" }] });
    fake.always("list_slots", Reply::Json(slots));
    let to = json!({ "destinations": [{ "name": "channels/radio/destinations/youtube" }] });
    fake.always("list_destinations", Reply::Json(to));

    let done = async |line: &str| bash(signed_in(&fake), line).await;
    assert_eq!(done("booth slot ta").await, ["take"]);
    assert_eq!(done("booth slot take 1 --over").await, ["--override"]);
    assert_eq!(done("booth slot take p").await, ["phones"]);
    assert_eq!(done("booth caller approve c").await, ["c7k2m9"]);
    let callers = done("booth caller approve ").await;
    assert!(
        callers.contains(&"c7k2m9".to_owned()) && callers.contains(&"d4".to_owned()),
        "{callers:?}"
    );
    assert_eq!(done("booth channel force radio b").await, ["backup"]);
    assert_eq!(done("booth doctor secure").await, ["secure-context"]);

    assert_eq!(done("booth destination enable radio y").await, ["youtube"]);
    let call = fake.calls_of("list_destinations").pop().unwrap();
    assert_eq!(
        call.request["parent"], "channels/radio",
        "the channel typed before"
    );
    assert_eq!(call.token, "Bearer secret-token");
    // Only asked where an id is meant.
    let before = fake.calls().len();
    assert!(
        done("booth slot create p")
            .await
            .iter()
            .all(|word| word != "phones")
    );
    assert_eq!(fake.calls().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_that_were_typed_say_which_server_is_asked() {
    let fake = Fake::start().await;
    fake.with_callers();
    let line = format!("booth --server http://{} caller get c", fake.address);
    let found = bash(
        |command| {
            command
                .env("BOOTH_SERVER", "http://127.0.0.1:1")
                .env("BOOTH_TOKEN", "t");
        },
        &line,
    )
    .await;
    assert_eq!(found, ["c7k2m9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_in_time_completion_is_silent_and_short() {
    let fake = Fake::start().await;
    fake.always("list_callers", Reply::Silence);
    let mut command = booth(&["--", "booth", "caller", "get", ""]);
    signed_in(&fake)(&mut command);
    command
        .env("BOOTH_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "3");
    let began = Instant::now();
    let done = finish(command).await.exits(0);
    // The budget, and a busy machine.
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    assert!(
        !done.stdout.contains("c7k2m9") && done.stderr.is_empty(),
        "{done:?}"
    );
    for line in ["booth caller get ", "booth slot take "] {
        let found = bash(
            |command| {
                command
                    .env("BOOTH_SERVER", "http://127.0.0.1:1")
                    .env("BOOTH_TOKEN", "t");
            },
            line,
        )
        .await;
        assert!(found.iter().all(|word| word.starts_with('-')), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn zsh_and_fish_get_ids_with_the_names_of_people_beside_them() {
    let fake = Fake::start().await;
    fake.with_callers();
    for (shell, index) in [("zsh", Some("3")), ("fish", None)] {
        let script = finish(booth(&["completions", shell])).await.exits(0).stdout;
        assert!(
            script.contains(&format!("BOOTH_COMPLETE={shell}"))
                || script.contains("BOOTH_COMPLETE=\"zsh\""),
            "{script}"
        );
        let mut command = booth(&["--", "booth", "caller", "get", "c"]);
        signed_in(&fake)(&mut command);
        command.env("BOOTH_COMPLETE", shell).stdin(Stdio::null());
        command.envs(index.map(|index| ("_CLAP_COMPLETE_INDEX", index)));
        let done = finish(command).await.exits(0);
        assert!(
            done.stdout.contains("c7k2m9") && done.stdout.contains("Anna"),
            "{shell}: {done:?}"
        );
    }
}
