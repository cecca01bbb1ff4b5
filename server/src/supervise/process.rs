//! One worker process: ours, or one that the boothd before this one started.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};

use super::{Places, UnitId};

/// How a worker ends that wants to be started again with other settings.
pub(super) const RESTART_WANTED: &str = "restart with new settings";
/// A worker's log is started anew beyond this.
const LOG_MAX: u64 = 8 << 20;

/// A process that is gone, and how it went.
#[derive(Debug)]
pub(super) struct Ended {
    pub pid: u32,
    pub how: String,
    /// It ended as asked, or its work was done.
    pub clean: bool,
}

#[derive(Debug, Default)]
pub(super) struct Process {
    child: Option<Child>,
    /// Of another boothd's child, from its lock file or its Hello.
    adopted: Option<Pid>,
    ended: Option<Ended>,
}

impl Process {
    /// Whether a process of the unit lives. Notes how one of ours ended.
    pub fn alive(&mut self, lock: &Path) -> bool {
        if let Some(child) = &mut self.child {
            let (how, clean) = match child.try_wait() {
                Ok(None) => return true,
                Ok(Some(status)) => (
                    describe(status),
                    status.code() == Some(booth_media::exit::SHUTDOWN.into()),
                ),
                Err(error) => (error.to_string(), false),
            };
            let pid = child.id();
            self.ended = Some(Ended { pid, how, clean });
            self.child = None;
            // It may have found another one at work.
        }
        if let Some(pid) = holder(lock) {
            self.adopted = Some(pid);
            return true;
        }
        if let Some(pid) = self.adopted.take() {
            let how = "ended (adopted)".to_owned();
            let pid = pid.as_raw_nonzero().get().unsigned_abs();
            // How somebody else's child ended is not told.
            self.ended = Some(Ended {
                pid,
                how,
                clean: false,
            });
        }
        false
    }

    /// How the last process ended; told once.
    pub fn ended(&mut self) -> Option<Ended> {
        self.ended.take()
    }

    pub fn is_known(&self) -> bool {
        self.child.is_some() || self.adopted.is_some()
    }

    pub fn adopt(&mut self, pid: u32) {
        if self.child.is_none() {
            self.adopted = i32::try_from(pid).ok().and_then(Pid::from_raw);
        }
    }

    pub fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            // An error means that it has ended already.
            let _ = child.kill();
        } else if let Some(pid) = self.adopted {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }

    pub fn spawn(&mut self, unit: &UnitId, places: &Places) -> std::io::Result<()> {
        let log = open_log(&places.run.join(format!("{unit}.log")))?;
        let mut command = Command::new(&places.binary);
        command
            .arg("worker")
            .arg(unit.to_string())
            .arg("--socket")
            .arg(places.socket())
            .arg("--lock")
            .arg(places.lock(unit))
            .arg("--orphan-timeout-s")
            .arg(places.orphan_timeout.as_secs().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // Its own group: Ctrl-C at boothd's terminal is boothd's business.
            .process_group(0);
        self.child = Some(command.spawn()?);
        Ok(())
    }
}

/// Who holds a unit's lock. A lock that cannot be read counts as free: the worker that then starts will say so.
fn holder(lock: &Path) -> Option<Pid> {
    let pid = booth_media::holder(lock).ok()??;
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// How a worker ended, for people.
fn describe(status: std::process::ExitStatus) -> String {
    use booth_media::exit;
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(exit::SETTINGS_CHANGED) => RESTART_WANTED.to_owned(),
        Some(exit::SHUTDOWN) => "ended as asked".to_owned(),
        Some(exit::ORPHANED) => "was without boothd for too long".to_owned(),
        Some(exit::UNIT_TAKEN) => "another worker of this unit lives".to_owned(),
        Some(exit::UNUSABLE) => {
            "GStreamer, a plug-in or libsrt is missing or too old (see its log)".to_owned()
        }
        _ => status.to_string(),
    }
}

fn open_log(path: &Path) -> std::io::Result<File> {
    let big = std::fs::metadata(path).is_ok_and(|m| m.len() > LOG_MAX);
    OpenOptions::new()
        .create(true)
        .append(!big)
        .write(true)
        .truncate(big)
        .open(path)
}
