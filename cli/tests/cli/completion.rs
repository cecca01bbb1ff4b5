//! Completion as shells do it: the script is loaded by the real shell, which then asks the real program.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::process::Command;

use crate::fake::{Fake, Reply};
use crate::run::{booth, finish};

/// What fish offers for a line: it can be asked without a terminal.
async fn fish(setup: impl FnOnce(&mut Command), line: &str) -> Vec<String> {
    let script = "booth completions fish | source; complete -C $argv[1]";
    let args = ["--no-config", "-c", script, line];
    let mut command = crate::run::command(Path::new("/usr/bin/fish"), &args);
    let home = tempfile::tempdir().unwrap();
    command.env("PATH", path()).env("HOME", home.path());
    setup(&mut command);
    let done = finish(command).await.exits(0);
    done.stdout.lines().map(str::to_owned).collect()
}

/// What zsh makes of keys that are typed at a terminal: the line as it stands after Tab.
async fn zsh(setup: impl FnOnce(&mut Command), line: &str, until: &str) -> String {
    const TYPIST: &str = r#"
import os, pty, select, sys
line, until = sys.argv[1:3]
pid, fd = pty.fork()
if pid == 0:
    os.environ['TERM'] = 'dumb'
    os.execvp('zsh', ['zsh', '-f', '-i'])
def read(until):
    seen = b''
    while until.encode() not in seen:
        if not select.select([fd], [], [], 30)[0]:
            sys.exit('nothing comes after %r' % seen)
        seen += os.read(fd, 4096)
    return seen
os.write(fd, b"PROMPT='> '; autoload -U compinit; compinit -u -D; source <(booth completions zsh); echo RE''ADY\n")
read('READY')
os.write(fd, line.encode() + b'\t')
sys.stdout.buffer.write(read(until))
os.write(fd, b'\x15exit\n')
"#;
    let args = ["python3", "-c", TYPIST, line, until];
    let mut command = crate::run::command(Path::new("/usr/bin/env"), &args);
    command.env("PATH", path());
    setup(&mut command);
    finish(command).await.exits(0).stdout
}

fn path() -> String {
    let own = Path::new(env!("CARGO_BIN_EXE_booth")).parent().unwrap();
    format!("{}:/usr/bin:/bin", own.display())
}

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
    command.env("PATH", path());
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
            .env("BOOTH_TOKEN", "secret-token")
            // A busy machine is no reason to fail.
            .env("BOOTH_COMPLETE_TIMEOUT", "20s");
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
    // Flags are for those who ask for them, or where there is nothing else.
    assert_eq!(done("booth caller approve ").await, ["c7k2m9", "d4"]);
    assert!(
        done("booth caller approve --")
            .await
            .contains(&"--expect-revision".to_owned())
    );
    assert!(
        done("booth slot list ")
            .await
            .contains(&"--output".to_owned())
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
                .env("BOOTH_TOKEN", "t")
                .env("BOOTH_COMPLETE_TIMEOUT", "20s");
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
    command.env_remove("BOOTH_COMPLETE_TIMEOUT");
    command
        .env("BOOTH_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "3");
    let began = Instant::now();
    let done = finish(command).await.exits(0);
    // The budget, and a busy machine.
    assert!(
        began.elapsed() < Duration::from_secs(15),
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
async fn fish_shows_the_names_of_people_beside_their_ids() {
    let fake = Fake::start().await;
    fake.with_callers();
    let found = fish(signed_in(&fake), "booth caller get ").await;
    assert_eq!(found, ["c7k2m9\tAnna", "d4\tBen"]);
    assert_eq!(
        fish(signed_in(&fake), "booth slot ta").await,
        ["take\tPut a caller on air"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn zsh_completes_the_id_on_its_line() {
    let fake = Fake::start().await;
    fake.with_callers();
    let line = zsh(signed_in(&fake), "booth caller get c", "c7k2m9").await;
    assert!(line.contains("booth caller get c7k2m9"), "{line:?}");
}
