//! Programs on a terminal that can be looked at: tmux, with a server of its own for each.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::{Booth, bin, wait_for};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A terminal with one program in it; dropping it hangs up.
#[derive(Debug)]
pub struct Pty {
    socket: String,
}

impl Pty {
    /// `command` is run by a shell.
    #[track_caller]
    pub fn start(command: &str, envs: &[(&str, &str)], width: u16, height: u16) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let pty = Self {
            socket: format!("booth-test-{}-{number}", std::process::id()),
        };
        let (width, height) = (width.to_string(), height.to_string());
        let mut args = vec!["new-session", "-d", "-s", "t", "-x", &width, "-y", &height];
        let envs: Vec<String> = envs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        for env in &envs {
            args.extend(["-e", env]);
        }
        args.push(command);
        let out = pty.tmux(&args);
        assert!(
            out.status.success(),
            "tmux: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        pty
    }

    /// `booth console` against a running server, and what it leaves behind: `left CODE`, then the terminal's modes.
    #[track_caller]
    pub fn console(booth: &Booth, args: &[&str], width: u16, height: u16) -> Self {
        let token = booth.data().join("admin.token");
        Self::console_of(booth, booth.setup.grpc, &token, args, (width, height))
    }

    /// The same for an operator with a token of their own, over another port than the server's.
    #[track_caller]
    pub fn console_of(
        booth: &Booth,
        port: u16,
        token: &Path,
        args: &[&str],
        (width, height): (u16, u16),
    ) -> Self {
        let console = format!("'{}' console {}", bin("booth").display(), args.join(" "));
        let command = format!("{console}; echo left $?; stty -a; exec sleep 1000");
        let server = format!("http://127.0.0.1:{port}");
        let envs = [
            ("BOOTH_SERVER", server.as_str()),
            ("BOOTH_TOKEN_FILE", path(token)),
            ("XDG_CONFIG_HOME", path(booth.dir.path())),
            ("LANG", "C.UTF-8"),
        ];
        Self::start(&command, &envs, width, height)
    }

    fn tmux(&self, args: &[&str]) -> Output {
        Command::new("tmux")
            .args(["-L", &self.socket, "-f", "/dev/null"])
            .args(args)
            .output()
            .expect("tmux is installed by scripts/setup.sh test")
    }

    /// As tmux names them: `t`, `Enter`, `C-z`.
    pub fn keys(&self, keys: &[&str]) -> &Self {
        self.tmux(&[&["send-keys", "-t", "t"], keys].concat());
        self
    }

    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p", "-t", "t"]).stdout).into_owned()
    }

    pub fn resize(&self, width: u16, height: u16) {
        let (width, height) = (width.to_string(), height.to_string());
        self.tmux(&["resize-window", "-t", "t", "-x", &width, "-y", &height]);
    }

    /// One of tmux's formats: `#{alternate_on}`.
    pub fn ask(&self, format: &str) -> String {
        let out = self.tmux(&["display-message", "-p", "-t", "t", format]);
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// The screen, once it has all of these.
    #[track_caller]
    pub fn wait_for(&self, words: &[&str], limit: Duration) -> String {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(&format!("{words:?}"), limit, || {
                last = self.screen();
                words.iter().all(|w| last.contains(w)).then(|| last.clone())
            })
        }));
        found.unwrap_or_else(|_| panic!("no {words:?} after {limit:?} on\n{last}"))
    }

    /// The program of this name that the pane's shell runs.
    pub fn child(&self, named: &str) -> Option<i32> {
        let shell = self.ask("#{pane_pid}");
        let processes = std::fs::read_dir("/proc").ok()?.flatten();
        processes.into_iter().find_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // proc(5): the name in brackets, the state, the parent.
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let (head, tail) = stat.rsplit_once(") ")?;
            let (_, name) = head.split_once('(')?;
            let parent = tail.split(' ').nth(1)?;
            (name == named && parent == shell).then_some(pid)
        })
    }

    /// Closes the terminal.
    pub fn hang_up(&self) {
        self.tmux(&["kill-server"]);
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.hang_up();
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
