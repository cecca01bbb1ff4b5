//! A booth with a channel, its encoder and its destinations.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use booth_judge::{DefectClass, Snapshot};
use booth_tests::film::Film;
use booth_tests::rtmp::{Process, Receiver, publish};
use booth_tests::{Booth, tcp_port, wait_for};

pub const SOON: Duration = Duration::from_secs(40);
pub const LIVE: u8 = 1;
pub const BACKUP: u8 = 2;

/// Films are made once for all tests: the live one with B-frames as OBS sends it.
pub fn film(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = DIR.get_or_init(|| tempfile::tempdir().unwrap());
    let path = dir.path().join(name);
    if !path.exists() {
        make(&path);
    }
    path
}

pub fn live_film() -> PathBuf {
    film("live.flv", |path| {
        Film {
            id: LIVE,
            ..Film::default()
        }
        .make(path);
    })
}

pub fn backup_film() -> PathBuf {
    film("backup.mp4", |path| {
        Film {
            id: BACKUP,
            gop_s: 1,
            b_frames: 0,
            ..Film::default()
        }
        .make(path);
    })
}

/// A booth with a channel `radio` that loops its backup.
pub struct Radio {
    pub booth: Booth,
    pub rtmp: u16,
    pub key: String,
}

impl Radio {
    pub fn start(settings: &[&str]) -> Self {
        Self::start_with(settings, &[], &[])
    }

    /// With settings of the server, and variables of its environment.
    pub fn start_with(settings: &[&str], server: &[&str], env: &[(&str, &str)]) -> Self {
        // Made before it is this test's turn: coding films and keeping real time do not go together.
        let backup = backup_film();
        live_film();
        let rtmp = tcp_port();
        let listen = format!("rtmp.listen=127.0.0.1:{rtmp}");
        let booth = Booth::with_env(&[&[listen.as_str()], server].concat(), env);
        let create = [
            "channel",
            "create",
            "radio",
            "--backup",
            backup.to_str().unwrap(),
        ];
        let created = booth.cli(&[&create[..], settings].concat());
        let key = created["key"].as_str().unwrap().to_owned();
        booth.cli(&["channel", "start", "radio"]);
        Self { booth, rtmp, key }
    }

    pub fn url(&self) -> String {
        format!(
            "rtmp://127.0.0.1:{}/live/radio?token={}",
            self.rtmp, self.key
        )
    }

    pub fn publish(&self, film: &Path) -> Process {
        publish(film, &self.url(), self.booth.dir.path().join("encoder.log"))
    }

    /// A judged receiver, and the destination that feeds it.
    pub fn destination(&self, name: &str) -> Receiver {
        let receiver = Receiver::listen(self.booth.dir.path(), name);
        let key = self.booth.dir.path().join(format!("{name}.key"));
        std::fs::write(&key, name).unwrap();
        let key = key.to_str().unwrap();
        let url = receiver.url();
        self.booth.cli(&[
            "destination",
            "add",
            "radio",
            name,
            "--url",
            &url,
            "--key-file",
            key,
        ]);
        receiver
    }

    pub fn channel(&self) -> serde_json::Value {
        self.booth.cli(&["channel", "get", "radio"])["channel"].clone()
    }

    pub fn destination_state(&self, name: &str) -> String {
        let channel = self.channel();
        let all = channel["destinations"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let wanted = format!("channels/radio/destinations/{name}");
        let found = all.iter().find(|d| d["name"] == wanted.as_str());
        found.unwrap_or_else(|| panic!("{all:?}"))["state"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[track_caller]
    pub fn wait_showing(&self, showing: &str) {
        let wanted = format!("SHOWING_{showing}");
        wait_for(&format!("channel on {showing}"), SOON, || {
            (self.channel()["showing"] == wanted.as_str()).then_some(())
        });
    }

    /// The process that runs a unit now.
    #[track_caller]
    pub fn pid(&self, unit: &str) -> u32 {
        wait_for(&format!("an attached {unit}"), SOON, || {
            let status = self.booth.cli(&["status"]);
            let units = status["units"].as_array()?;
            let unit = units.iter().find(|u| u["name"] == unit)?;
            let attached = unit["attached"].as_bool().unwrap_or(false);
            let pid = u32::try_from(unit["pid"].as_u64()?).ok()?;
            attached.then_some(pid)
        })
    }

    /// Kills a unit's process and waits for another one.
    #[track_caller]
    pub fn kill_unit(&self, unit: &str) {
        let pid = self.pid(unit);
        let killed = Command::new("kill")
            .args(["-s", "KILL", &pid.to_string()])
            .status();
        assert!(killed.unwrap().success());
        wait_for(&format!("another {unit}"), SOON, || {
            (self.pid(unit) != pid).then_some(())
        });
    }
}

#[track_caller]
pub fn shows(receiver: &Receiver, id: u8) -> Snapshot {
    receiver
        .judge
        .wait_for_picture(id, SOON)
        .unwrap_or_else(|e| panic!("{e}"));
    receiver
        .judge
        .wait_for_sound(id, SOON)
        .unwrap_or_else(|e| panic!("{e}"))
}

/// One stream from the first packet to the last: nothing missing, nothing back. RTMP counts in milliseconds, so a frame
/// is 33 or 34 of them.
#[track_caller]
pub fn one_stream(seen: &Snapshot) {
    let wrong: Vec<_> = seen
        .found(&[
            DefectClass::PtsBack,
            DefectClass::PtsGap,
            DefectClass::DtsOrder,
            DefectClass::AvSkew,
            DefectClass::Undecoded,
        ])
        .into_iter()
        .collect();
    let ms = |pts: i64| pts / 90;
    let flashes = seen.picture.iter().flat_map(|p| &p.flashes);
    let beeps = seen.sound.iter().flat_map(|s| &s.beeps);
    assert!(
        wrong.is_empty(),
        "{}flashes at {:?} ms\nbeeps at {:?} ms",
        booth_judge::text::render(seen),
        flashes.map(|flash| ms(flash.pts)).collect::<Vec<_>>(),
        beeps
            .map(|beep| (ms(beep.stamp.pts), beep.id))
            .collect::<Vec<_>>(),
    );
    assert_eq!(seen.epochs_total, 1);
}
