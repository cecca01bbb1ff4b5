//! What only somebody at a terminal sees: colours, and progress that is drawn over.

use std::path::Path;

use serde_json::json;
use tokio::process::Command;
use tonic::Code;

use crate::fake::{Fake, Reply, Step};
use crate::run::{Done, finish};

/// Runs the command at a terminal of 100 columns; what it shows, escapes and all, is in `stdout`.
async fn at_a_terminal(fake: &Fake, args: &[&str], env: &[(&str, &str)]) -> Done {
    finish(at_one(fake, args, env)).await
}

/// At a terminal where somebody gives this answer to the first question.
pub async fn answering(fake: &Fake, args: &[&str], answer: &str) -> Done {
    finish(at_one(fake, args, &[("TEST_ANSWER", answer)])).await
}

/// TEST_ANSWER is given to the first question; the file `seen` is made once TEST_SIGN is on the screen.
fn at_one(fake: &Fake, args: &[&str], env: &[(&str, &str)]) -> Command {
    const EYES: &str = r#"
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 100, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
seen = b''
answer = os.environb.pop(b'TEST_ANSWER', b'')
sign = os.environb.pop(b'TEST_SIGN', b'')
while True:
    try:
        part = os.read(fd, 4096)
    except OSError:
        break
    if not part:
        break
    seen += part
    if sign and sign in seen:
        open(b'seen', 'w').close()
        sign = b''
    if answer and seen.endswith((b'[y/N] ', b'to go on: ')):
        os.write(fd, answer + b'\n')
        answer = b''
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(status))
"#;
    let mut command = crate::run::command(Path::new("/usr/bin/env"), &["python3", "-c", EYES]);
    command
        .arg(env!("CARGO_BIN_EXE_booth"))
        .args(args)
        .env("BOOTH_SERVER", format!("http://{}", fake.address))
        .env("BOOTH_TOKEN", "secret-token")
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .envs(env.iter().copied());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_terminals_that_want_them() {
    let fake = Fake::start().await;
    fake.with_callers();
    let list = ["caller", "list"];
    let done = at_a_terminal(&fake, &list, &[]).await.exits(0);
    assert!(done.stdout.contains("\u{1b}[1mPOS"), "{:?}", done.stdout);
    for env in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let done = at_a_terminal(&fake, &list, &[env]).await.exits(0);
        assert!(
            !done.stdout.contains('\u{1b}'),
            "{env:?}: {:?}",
            done.stdout
        );
    }
    let piped = fake.booth(&list).await.exits(0);
    assert!(!piped.stdout.contains('\u{1b}'));
}

fn chunks() -> Vec<Step> {
    // "abc" of six bytes, twice.
    let chunk = Step::Send(json!({ "chunk": "YWJj", "totalBytes": "6" }));
    vec![chunk.clone(), chunk, Step::End(Code::Ok)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_shows_how_far_it_is_and_leaves_one_line() {
    let fake = Fake::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b").display().to_string();
    fake.stream(chunks());
    let done = at_a_terminal(&fake, &["backup", &file], &[]).await.exits(0);
    let half = "copying the ledger  [###############...............]  50 % of 6 B";
    assert!(done.stdout.contains(half), "{:?}", done.stdout);
    let left = done.stdout.rsplit("\u{1b}[K").next().unwrap();
    assert_eq!(left.trim_end(), format!("wrote {file}, 6 B"));
    // Nobody who reads JSON wants to see it.
    fake.stream(chunks());
    let args = ["backup", &file, "-o", "json"];
    let done = at_a_terminal(&fake, &args, &[]).await.exits(0);
    assert!(!done.stdout.contains("copying"), "{:?}", done.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_are_named_while_they_run() {
    let fake = Fake::start().await;
    fake.always(
        "get_status",
        Reply::Json(json!({ "version": env!("CARGO_PKG_VERSION") })),
    );
    fake.stream(vec![
        Step::Send(json!({ "running": "turn" })),
        Step::Send(
            json!({ "check": { "name": "turn", "result": "RESULT_OK", "text": "it relays" } }),
        ),
        Step::End(Code::Ok),
    ]);
    let done = at_a_terminal(&fake, &["doctor"], &[]).await.exits(0);
    let running = done.stdout.find("checking turn …").expect("it is named");
    let found = done.stdout.find("it relays").expect("it is found");
    assert!(running < found);
    assert!(
        done.stdout.contains("\u{1b}[32mok  \u{1b}[0m"),
        "{:?}",
        done.stdout
    );

    fake.always(
        "check_backup",
        Reply::Json(json!({ "files": [], "durationS": 3.0 })),
    );
    let done = at_a_terminal(&fake, &["channel", "check", "/a.mp4", "/b.mp4"], &[])
        .await
        .exits(0);
    assert!(
        done.stdout.contains("looking into 2 files"),
        "{:?}",
        done.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_prepared_has_a_bar_that_moves_and_leaves_nothing() {
    let radio = |state: &str| json!({ "name": "channels/radio", "prepared": { "state": state } });
    let meters = |percent: f64| {
        let channel = json!({ "name": "channels/radio", "preparedPercent": percent });
        Step::Send(json!({ "channels": [channel] }))
    };
    let fake = Fake::start().await;
    let created = json!({ "channel": radio("STATE_PREPARING"), "revision": "42", "key": "K" });
    fake.always("create_channel", Reply::Json(created));
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    // Ready once the last of it was on the screen.
    let script = || {
        let begun = json!({ "channels": [radio("STATE_PREPARING")] });
        let done = json!({ "resources": [{ "channel": radio("STATE_READY") }] });
        fake.stream(vec![
            Step::Send(json!({ "revision": "42", "snapshot": begun })),
            Step::Await(seen.clone()),
            Step::Send(json!({ "revision": "43", "change": done })),
        ]);
        fake.stream(vec![meters(10.0), meters(50.0)]);
    };
    let args = ["channel", "create", "radio", "--backup", "/b.mp4"];
    script();
    let mut command = at_one(&fake, &args, &[("TEST_SIGN", "]  50 %")]);
    command.current_dir(dir.path());
    let done = finish(command).await.exits(0);
    let at = |percent: &str| {
        let found = done.stdout.find(&format!("]  {percent} %"));
        found.unwrap_or_else(|| panic!("{percent}: {:?}", done.stdout))
    };
    assert!(at(" 0") < at("10") && at("10") < at("50"));
    let left = done.stdout.rsplit("\r\u{1b}[K").next().unwrap();
    assert!(
        !left.contains('%') && left.contains("how to publish"),
        "{left:?}"
    );

    // Neither who reads stderr from a file nor who reads JSON gets any of it.
    script();
    let piped = fake.booth(&args).await.exits(0);
    assert!(!piped.stderr.contains(['%', '\r']), "{:?}", piped.stderr);
    script();
    let args = [&args[..], &["-o", "json"]].concat();
    let done = at_a_terminal(&fake, &args, &[]).await.exits(0);
    assert!(!done.stdout.contains('%'), "{:?}", done.stdout);
}
