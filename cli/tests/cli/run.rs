//! Runs the binary. Nothing of the machine's own settings reaches it, and nothing waits for ever.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::fake::Fake;

/// Longer than any wait inside the binary; only a hanging test meets it.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
    #[track_caller]
    pub fn error_json(&self) -> Value {
        serde_json::from_str(&self.stderr)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stderr))
    }
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "{text:?} is not in stderr: {}",
            self.stderr
        );
        self
    }
}

/// The command with a clean environment.
pub fn command(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    for name in [
        "SERVER",
        "CONTEXT",
        "COMPLETE",
        "COMPLETE_TIMEOUT",
        "TOKEN",
        "TOKEN_FILE",
        "DATA",
        "DATA_DIR",
        "INVITE",
    ] {
        command.env_remove(format!("BOOTH_{name}"));
    }
    command.env("PATH", "/usr/bin:/bin");
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

pub fn booth(args: &[&str]) -> Command {
    command(Path::new(env!("CARGO_BIN_EXE_booth")), args)
}

pub async fn finish(mut command: Command) -> Done {
    let output = timeout(PATIENCE, command.output())
        .await
        .expect("the command hangs")
        .unwrap();
    Done {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Fake {
    /// A command that is signed in here.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = booth(args);
        command
            .env("BOOTH_SERVER", format!("http://{}", self.address))
            .env("BOOTH_TOKEN", "secret-token");
        command
    }

    pub async fn booth(&self, args: &[&str]) -> Done {
        finish(self.command(args)).await
    }

    /// A command that goes on until it is ended.
    pub fn running(&self, args: &[&str]) -> Running {
        let mut child = self.command(args).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running {
            child,
            lines: Some(lines),
        }
    }
}

pub struct Running {
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Running {
    pub async fn line(&mut self) -> String {
        let lines = self.lines.as_mut().unwrap();
        match timeout(PATIENCE, lines.next_line())
            .await
            .expect("no line comes")
            .unwrap()
        {
            Some(line) => line,
            None => panic!("stdout ended; stderr: {}", self.stderr().await),
        }
    }

    pub fn close_stdout(&mut self) {
        self.lines = None;
    }

    pub fn interrupt(&self) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(pid).unwrap(),
            rustix::process::Signal::INT,
        )
        .unwrap();
    }

    async fn stderr(&mut self) -> String {
        let mut text = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .await
            .unwrap();
        text
    }

    /// Waits for the end.
    pub async fn end(mut self) -> Done {
        let stderr = timeout(PATIENCE, self.stderr())
            .await
            .expect("the command hangs");
        let code = timeout(PATIENCE, self.child.wait())
            .await
            .expect("the command hangs")
            .unwrap()
            .code();
        Done {
            code,
            stdout: String::new(),
            stderr,
        }
    }
}
