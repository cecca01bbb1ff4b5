//! Contexts and sign-in: what is remembered, what comes first, and that no token is ever shown.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tonic::Code;

use crate::fake::{Fake, Reply};
use crate::run::{Done, booth, finish};

const TOKEN: &str = "canary-token-4711";

/// A home of its own: nothing of the environment names a server or a token.
fn at(home: &Path, args: &[&str]) -> Command {
    let mut command = booth(args);
    command.env("XDG_CONFIG_HOME", home).current_dir(home);
    command
}

async fn run(home: &Path, args: &[&str]) -> Done {
    finish(at(home, args)).await
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

async fn signed_in(fake: &Fake, home: &Path, name: &str) -> Done {
    let who = json!({ "operator": { "name": "operators/anna", "role": "ROLE_OPERATOR" } });
    fake.always("who_am_i", Reply::Json(who));
    let server = format!("http://{}", fake.address);
    let mut command = at(home, &["login", name, "--server", &server]);
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(format!("{TOKEN}\n").as_bytes())
        .await
        .unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    Done {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_once_needs_no_flags_after_that_and_the_token_is_kept_for_its_owner() {
    let fake = Fake::start().await;
    let home = tempfile::tempdir().unwrap();
    let done = signed_in(&fake, home.path(), "studio").await.exits(0);
    assert!(
        done.stderr.contains("as anna (OPERATOR)"),
        "{}",
        done.stderr
    );
    assert!(!format!("{}{}", done.stdout, done.stderr).contains(TOKEN));
    assert_eq!(fake.calls()[0].token, format!("Bearer {TOKEN}"));

    run(home.path(), &["slot", "list"]).await.exits(0);
    assert_eq!(fake.calls().pop().unwrap().token, format!("Bearer {TOKEN}"));

    let dir = home.path().join("booth");
    assert_eq!(mode(&dir.join("tokens/studio")), 0o600);
    assert_eq!(mode(&dir.join("config.toml")), 0o600);
    assert_eq!(mode(&dir), 0o700);
    let config = std::fs::read_to_string(dir.join("config.toml")).unwrap();
    assert!(!config.contains(TOKEN), "{config}");
    for format in ["table", "json", "ndjson", "name"] {
        let shown = run(home.path(), &["context", "list", "-o", format])
            .await
            .exits(0);
        assert!(shown.stdout.contains("studio") && !shown.stdout.contains(TOKEN));
    }

    run(home.path(), &["context", "remove", "studio"])
        .await
        .exits(2)
        .says("(CONFIRMATION_NEEDED)");
    run(home.path(), &["context", "remove", "studio", "--yes"])
        .await
        .exits(0);
    assert!(!dir.join("tokens/studio").exists());
    run(home.path(), &["slot", "list"])
        .await
        .exits(4)
        .says("(TOKEN_MISSING)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_server_does_not_take_is_not_kept() {
    let fake = Fake::start().await;
    let home = tempfile::tempdir().unwrap();
    fake.always(
        "who_am_i",
        Reply::Refused(Code::Unauthenticated, "TOKEN_UNKNOWN", json!({})),
    );
    let file = home.path().join("mine");
    std::fs::write(&file, TOKEN).unwrap();
    let server = format!("http://{}", fake.address);
    run(
        home.path(),
        &["login", "--server", &server, "--token-file", "mine"],
    )
    .await
    .exits(4)
    .says("(TOKEN_UNKNOWN)");
    assert!(!home.path().join("booth").exists());
    run(home.path(), &["login", "--server", &server])
        .await
        .exits(2)
        .says("no token came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_comes_before_the_environment_and_that_before_the_context() {
    let (studio, other) = (Fake::start().await, Fake::start().await);
    let home = tempfile::tempdir().unwrap();
    signed_in(&studio, home.path(), "studio").await.exits(0);
    let asked = |fake: &Fake| fake.calls_of("list_slots").len();
    let address = format!("http://{}", other.address);

    // Another server gets no token of this one.
    let mut command = at(home.path(), &["slot", "list"]);
    command.env("BOOTH_SERVER", &address);
    finish(command).await.exits(4).says("(TOKEN_MISSING)");
    let mut command = at(home.path(), &["slot", "list"]);
    command
        .env("BOOTH_SERVER", &address)
        .env("BOOTH_TOKEN", "other");
    finish(command).await.exits(0);
    assert_eq!((asked(&studio), asked(&other)), (0, 1));
    assert_eq!(other.calls().pop().unwrap().token, "Bearer other");

    // Named by flag, a context is stronger than the environment, token included.
    let mut command = at(home.path(), &["slot", "list", "--context", "studio"]);
    command
        .env("BOOTH_SERVER", &address)
        .env("BOOTH_TOKEN", "other");
    finish(command).await.exits(0);
    assert_eq!((asked(&studio), asked(&other)), (1, 1));
    assert_eq!(
        studio.calls().pop().unwrap().token,
        format!("Bearer {TOKEN}")
    );

    // And a server named by flag is the strongest.
    let mut command = at(home.path(), &["slot", "list", "--server", &address]);
    command
        .env("BOOTH_CONTEXT", "studio")
        .env("BOOTH_TOKEN", "other");
    finish(command).await.exits(0);
    assert_eq!((asked(&studio), asked(&other)), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_are_added_used_and_listed_and_the_rest_of_the_file_stays() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("booth/config.toml");
    std::fs::create_dir(home.path().join("booth")).unwrap();
    std::fs::write(
        &file,
        "# kept\n[console]\ntheme = \"dark\" # mine\n\n[console.keys]\ntake = \"ctrl-t\"\n",
    )
    .unwrap();
    let add = [
        "context",
        "add",
        "home",
        "--server",
        "192.0.2.1:7400",
        "--token-file",
        "t",
    ];
    run(home.path(), &add)
        .await
        .exits(0)
        .says("booth context use home");
    run(home.path(), &add)
        .await
        .exits(5)
        .says("(CONTEXT_EXISTS)");
    run(home.path(), &["context", "use", "away"])
        .await
        .exits(3)
        .says("(CONTEXT_NOT_FOUND)");
    run(home.path(), &["context", "use", "home"]).await.exits(0);
    run(
        home.path(),
        &["context", "add", "No Name", "--server", "a:1"],
    )
    .await
    .exits(2);
    run(home.path(), &["context", "add", "bare"]).await.exits(2);
    let shown = run(home.path(), &["context", "list", "-o", "json"])
        .await
        .exits(0)
        .json();
    let token_file = home.path().join("t").display().to_string();
    assert_eq!(
        shown,
        json!({ "contexts": [
            { "name": "home", "server": "http://192.0.2.1:7400", "inUse": true, "tokenFile": token_file }
        ]})
    );
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("# kept\n[console]\ntheme = \"dark\" # mine\n")
            && text.contains("[console.keys]\ntake = \"ctrl-t\""),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_told_where_and_is_in_nobody_s_way_who_does_not_need_it() {
    let fake = Fake::start().await;
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("booth")).unwrap();
    let file = home.path().join("booth/config.toml");
    std::fs::write(&file, "[contexts.a]\nserver = \"a:1\"\nport = 7400\n").unwrap();
    let said = format!(
        "error: {}, line 3, port: unknown field `port`, expected one of `server`, `token_file`, `ca_file` (CONFIG_BROKEN)",
        file.display()
    );
    for args in [&["slot", "list"][..], &["context", "list"]] {
        run(home.path(), args).await.exits(2).says(&said);
    }
    let error = run(home.path(), &["slot", "list", "-o", "json"])
        .await
        .exits(2)
        .error_json();
    assert_eq!(error["error"]["reason"], "CONFIG_BROKEN");
    run(home.path(), &["version"]).await.exits(0);
    let mut command = at(home.path(), &["slot", "list"]);
    command
        .env("BOOTH_SERVER", format!("http://{}", fake.address))
        .env("BOOTH_TOKEN", "t");
    finish(command).await.exits(0);
}

/// A person at a terminal: python's pty stands in for the keyboard and the eyes.
async fn at_a_terminal(fake: &Fake, home: &Path, typed: &str) -> Done {
    const TYPIST: &str = r#"
import os, pty, select, sys, termios
typed = sys.argv[1].encode().decode('unicode_escape').encode()
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
seen = b''
def read():
    global seen
    if not select.select([fd], [], [], 30)[0]:
        sys.exit('nothing comes: %r' % seen)
    try:
        part = os.read(fd, 4096)
    except OSError:
        part = b''
    seen += part
    return part
while b'not shown): ' not in seen and read():
    pass
shown = bool(termios.tcgetattr(fd)[3] & termios.ECHO)
os.write(fd, typed)
while read():
    pass
after = bool(termios.tcgetattr(fd)[3] & termios.ECHO)
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
print('\necho while typing: %s, after: %s' % (shown, after))
sys.exit(os.waitstatus_to_exitcode(status))
"#;
    let server = format!("http://{}", fake.address);
    let own = env!("CARGO_BIN_EXE_booth");
    let args = ["-c", TYPIST, typed, own, "login", "--server", &server];
    let mut command = crate::run::command(Path::new("/usr/bin/env"), &["python3"]);
    command
        .args(args)
        .env("XDG_CONFIG_HOME", home)
        .env("TERM", "xterm");
    finish(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_typed_is_not_seen_and_an_interrupt_leaves_the_terminal_as_it_was() {
    let fake = Fake::start().await;
    let home = tempfile::tempdir().unwrap();
    let who = json!({ "operator": { "name": "operators/anna", "role": "ROLE_OPERATOR" } });
    fake.always("who_am_i", Reply::Json(who));
    let done = at_a_terminal(&fake, home.path(), &format!("{TOKEN}\\n"))
        .await
        .exits(0);
    assert!(done.stdout.contains("signed in at"), "{done:?}");
    assert!(!done.stdout.contains(TOKEN), "{done:?}");
    assert!(
        done.stdout
            .contains("echo while typing: False, after: True"),
        "{done:?}"
    );
    let done = at_a_terminal(&fake, home.path(), "\\x03").await.exits(130);
    assert!(done.stdout.contains("after: True"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_home_needs_no_configuration() {
    let fake = Fake::start().await;
    let home = tempfile::tempdir().unwrap();
    let bare = |args: &[&str]| {
        let mut command = at(home.path(), args);
        command
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("HOME")
            .env("BOOTH_TOKEN", "t");
        command
    };
    let server = format!("http://{}", fake.address);
    let mut command = bare(&["slot", "list"]);
    command.env("BOOTH_SERVER", &server);
    finish(command).await.exits(0);
    // Nobody listens at the default, perhaps; but it is the default that is tried.
    let tried = finish(bare(&["context", "list", "-o", "json"]))
        .await
        .exits(0);
    assert_eq!(tried.json(), json!({ "contexts": [] }));
    finish(bare(&["slot", "list", "--context", "studio"]))
        .await
        .exits(3);
    finish(bare(&["context", "add", "a", "--server", "b:1"]))
        .await
        .exits(1)
        .says("HOME");
}
