//! This process as the terminal of a console: it answers what is asked as one or another terminal does, or does not.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::glass::Glass;
use crate::{Booth, bin, wait_for};

/// What is asked, what is answered, and after how long.
pub type Answer = (&'static str, &'static str, Duration);

pub const STATUS: &str = "\x1b[5n";
pub const STATUS_IS: &str = "\x1b[0n";
pub const ATTRIBUTES: &str = "\x1b[c";
pub const CELL: &str = "\x1b[16t";
pub const CELL_IS: &str = "\x1b[6;20;10t";
/// The beginning of the question; its payload says nothing.
pub const KITTY: &str = "\x1b_Gi=31";
pub const KITTY_IS: &str = "\x1b_Gi=31;OK\x1b\\";

pub struct Terminal {
    process: Child,
    slave: OwnedFd,
    keyboard: File,
    glass: Arc<Mutex<Seen>>,
}

struct Seen {
    glass: Glass,
    /// Questions that were asked, in their order.
    asked: Vec<&'static str>,
    owed: usize,
    said: usize,
}

impl Terminal {
    /// `booth console` on it. Questions without an answer here are not answered.
    pub fn open(
        booth: &Booth,
        answers: &'static [Answer],
        envs: &[(&str, &str)],
        args: &[&str],
    ) -> Self {
        const SIZE: (u16, u16) = (120, 40);
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_col: SIZE.0,
            ws_row: SIZE.1,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = || -> OwnedFd {
            let mut options = File::options();
            let file = options
                .read(true)
                .write(true)
                .open(name.to_str().unwrap())
                .unwrap();
            file.into()
        };
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(bin("booth")).arg("console");
        command.args(args);
        // Of the terminal that the tests run in, nothing is to be seen.
        for name in [
            "SSH_CONNECTION",
            "SSH_TTY",
            "MOSH_CONNECTION",
            "TERM_PROGRAM",
            "LC_TERMINAL",
            "KITTY_WINDOW_ID",
            "WEZTERM_EXECUTABLE",
            "KONSOLE_VERSION",
        ] {
            command.env_remove(name);
        }
        let server = format!("http://127.0.0.1:{}", booth.setup.grpc);
        command
            .env("BOOTH_SERVER", server)
            .env("BOOTH_TOKEN_FILE", booth.data().join("admin.token"))
            .env("XDG_CONFIG_HOME", booth.dir.path())
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env("COLORTERM", "truecolor")
            .envs(envs.iter().copied())
            .stdin(Stdio::from(slave()))
            .stdout(Stdio::from(slave()))
            .stderr(Stdio::null());
        let process = command.spawn().unwrap();
        let keyboard = File::from(master);
        let seen = Arc::new(Mutex::new(Seen {
            glass: Glass::new(SIZE.0, SIZE.1),
            asked: Vec::new(),
            owed: 0,
            said: 0,
        }));
        let (mut screen, voice) = (keyboard.try_clone().unwrap(), keyboard.try_clone().unwrap());
        let watched = seen.clone();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            let mut fresh = Vec::new();
            while let Ok(n @ 1..) = screen.read(&mut buffer) {
                fresh.extend_from_slice(&buffer[..n]);
                let mut seen = lock(&watched);
                seen.glass.take(&buffer[..n]);
                let asked = questions(&mut fresh);
                seen.asked.extend(&asked);
                let known = |question| answers.iter().filter(move |a| a.0 == question);
                let due: Vec<_> = asked.into_iter().flat_map(known).collect();
                seen.owed += due.len();
                drop(seen);
                for (_, answer, after) in due {
                    say(&voice, answer, *after, &watched);
                }
            }
        });
        Self {
            process,
            slave: slave(),
            keyboard,
            glass: seen,
        }
    }

    pub fn keys(&self, keys: &str) {
        (&self.keyboard).write_all(keys.as_bytes()).unwrap();
    }

    pub fn look<T>(&self, look: impl FnOnce(&Glass) -> T) -> T {
        look(&lock(&self.glass).glass)
    }

    pub fn asked(&self) -> Vec<&'static str> {
        lock(&self.glass).asked.clone()
    }

    /// The screen, once it has all of these.
    #[track_caller]
    pub fn wait_for(&self, words: &[&str], limit: Duration) -> String {
        let end = Instant::now() + limit;
        loop {
            let text = self.look(Glass::text);
            if words.iter().all(|w| text.contains(w)) {
                return text;
            }
            assert!(Instant::now() < end, "no {words:?} on\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until everything that was asked has its answer, if it gets one.
    #[track_caller]
    pub fn all_said(&self, limit: Duration) {
        wait_for("the terminal's answers", limit, || {
            let seen = lock(&self.glass);
            (seen.owed == seen.said).then_some(())
        });
    }

    /// Neither lines nor echo: as a full-screen program has it.
    pub fn raw(&self) -> bool {
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Leaves by key, and waits for the end.
    #[track_caller]
    pub fn quit(&mut self) {
        self.keys("\x03");
        wait_for("end of the console", Duration::from_secs(10), || {
            self.process.try_wait().unwrap()
        });
    }
}

/// Answers come in their order, and late ones do not hold up the screen.
fn say(voice: &File, answer: &'static str, after: Duration, seen: &Arc<Mutex<Seen>>) {
    let (mut voice, seen) = (voice.try_clone().unwrap(), seen.clone());
    let mut speak = move || {
        std::thread::sleep(after);
        let _ = voice.write_all(answer.as_bytes());
        lock(&seen).said += 1;
    };
    if after.is_zero() {
        speak();
    } else {
        std::thread::spawn(speak);
    }
}

/// Those in `fresh`, of which only what may be the beginning of one is left.
fn questions(fresh: &mut Vec<u8>) -> Vec<&'static str> {
    const ALL: [&str; 4] = [STATUS, ATTRIBUTES, CELL, KITTY];
    let mut found = Vec::new();
    let mut at = 0;
    while at < fresh.len() {
        let here = &fresh[at..];
        if let Some(question) = ALL.iter().find(|q| here.starts_with(q.as_bytes())) {
            found.push(*question);
            at += question.len();
        } else if ALL.iter().any(|q| q.as_bytes().starts_with(here)) {
            break;
        } else {
            at += 1;
        }
    }
    fresh.drain(..at);
    found
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = (&self.keyboard).write_all(b"\x03");
        let end = Instant::now() + Duration::from_secs(3);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
