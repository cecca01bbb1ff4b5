//! A vMix that receives the slots: what it does is seen, and who is seen is named in it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use booth_tests::vmix::{FakeVmix, Input};
use booth_tests::{Booth, wait_for};
use serde_json::Value;

use crate::{SOON, put_on_air};

const TITLE: &str = "Lower Third & Co.gtzip";

fn vmix() -> FakeVmix {
    FakeVmix::start(vec![
        Input::new("Camera", &[]),
        Input::new("Caller 1", &[]),
        Input::new(TITLE, &["Headline.Text", "Description.Text"]),
    ])
}

#[track_caller]
fn wait_tally(booth: &Booth, tally: &str) -> Value {
    let wanted = format!("TALLY_{tally}");
    wait_for(&format!("tally {tally}"), SOON, || {
        Some(booth.slot("1")).filter(|slot| slot["tally"] == wanted.as_str())
    })
}

#[track_caller]
fn wait_text(vmix: &FakeVmix, text: &str) {
    wait_for(&format!("title {text:?}"), SOON, || {
        (vmix.text(TITLE, "Headline.Text") == text).then_some(())
    });
}

/// `booth watch`, each message with when it came.
struct Watch {
    process: Child,
    messages: mpsc::Receiver<(Instant, Value)>,
}

impl Watch {
    fn start(booth: &Booth) -> Self {
        let mut command = booth.command(&["watch", "-o", "ndjson"]);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (to, messages) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let message: Value = serde_json::from_str(&line).unwrap();
                if to.send((Instant::now(), message)).is_err() {
                    return;
                }
            }
        });
        // With the snapshot it has begun.
        let first = messages.recv_timeout(SOON).unwrap().1;
        assert!(first["snapshot"].is_object(), "{first}");
        Self { process, messages }
    }

    /// When slot 1 is told with this tally.
    #[track_caller]
    fn tally(&self, tally: &str) -> Instant {
        let end = Instant::now() + SOON;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let (at, message) = self
                .messages
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("no {tally}"));
            let resources = message["change"]["resources"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let told = |r: &Value| {
                r["slot"]["name"] == "slots/1" && r["slot"]["tally"] == format!("TALLY_{tally}")
            };
            if resources.iter().any(told) {
                return at;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_vmix_tells_its_tally_and_names_who_is_seen_also_after_it_was_gone() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let mut vmix = vmix();
    let worker = booth.worker_pid(1);
    booth.cli(&[
        "slot",
        "update",
        "1",
        "--vmix",
        &vmix.address(),
        "--vmix-input",
        "Caller 1",
        "--vmix-title",
        &format!("{TITLE}/Headline.Text"),
    ]);
    wait_tally(&booth, "OFF");
    wait_text(&vmix, "");
    assert_eq!(vmix.text(TITLE, "Description.Text"), "as made");

    // A cut is seen while it is fresh. The quickest of some counts: this machine may be busy, but nothing polls.
    let watch = Watch::start(&booth);
    let mut quickest = Duration::MAX;
    for (digits, tally) in [
        ("010", "PROGRAM"),
        ("120", "PREVIEW"),
        ("010", "PROGRAM"),
        ("100", "OFF"),
        ("010", "PROGRAM"),
    ] {
        let cut = Instant::now();
        vmix.tally(digits);
        quickest = quickest.min(watch.tally(tally).saturating_duration_since(cut));
    }
    assert!(quickest < Duration::from_millis(100), "{quickest:?}");

    let _demo = booth.demo(1, &[]);
    let caller = booth.wait_connected("caller 1");
    put_on_air(&booth, 1, &caller);
    wait_text(&vmix, "caller 1");
    booth.cli(&["slot", "release", "1", "--requeue"]);
    wait_text(&vmix, "");

    // It crashes while somebody is on air, and comes back with its titles as they were made, and inputs moved.
    booth.cli(&["slot", "take", "1", "--next"]);
    wait_text(&vmix, "caller 1");
    vmix.kill();
    let slot = wait_for("the loss", SOON, || {
        Some(booth.slot("1")).filter(|slot| slot["vmix"]["state"] == "STATE_CONNECTING")
    });
    assert!(
        slot.get("tally")
            .is_none_or(|tally| tally == "TALLY_UNSPECIFIED"),
        "{slot}"
    );
    assert!(!slot["vmix"]["lastError"].as_str().unwrap().is_empty());
    assert_eq!(
        slot["showing"], "SHOWING_CALLER",
        "the output does not care"
    );
    vmix.boot();
    vmix.move_first("Caller 1");
    vmix.tally("100");
    wait_tally(&booth, "PROGRAM");
    wait_text(&vmix, "caller 1");
    let status = booth.cli_output(&["slot", "list"]);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("PROGRAM"), "{status}");

    // The same input, moved while connected.
    vmix.move_first("Camera");
    wait_tally(&booth, "OFF");

    let (opened, hasty) = vmix.opened_and_hasty();
    assert_eq!(
        (opened, hasty),
        (1, 0),
        "one connection, one request at a time: {:?}",
        vmix.asked()
    );
    assert_eq!(
        booth.worker_pid(1),
        worker,
        "the output was never restarted"
    );
    booth.cli(&["slot", "update", "1", "--no-vmix"]);
    wait_text(&vmix, "");
    assert!(booth.slot("1").get("vmix").is_none_or(Value::is_null));
}

#[test]
fn a_vmix_that_stalls_delays_no_take() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let vmix = vmix();
    vmix.stall();
    for number in ["1", "2"] {
        booth.cli(&[
            "slot",
            "update",
            number,
            "--vmix",
            &vmix.address(),
            "--vmix-input",
            "2",
            "--vmix-title",
            "3",
        ]);
    }
    wait_for("its first request", SOON, || {
        (!vmix.asked().is_empty()).then_some(())
    });
    let _demo = booth.demo(1, &[]);
    let caller = booth.wait_connected("caller 1");
    booth.cli(&["caller", "approve", &caller]);
    let mut quickest = Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        booth.cli(&["slot", "take", "1", "--next", "--wait"]);
        quickest = quickest.min(began.elapsed());
        booth.cli(&["slot", "release", "1", "--requeue"]);
        booth.wait_showing(1, "ARMED", SOON);
    }
    // It is given five seconds for an answer; a take has nothing to do with that.
    assert!(quickest < Duration::from_secs(2), "{quickest:?}");
    let slot = wait_for("the reason", SOON, || {
        let slot = booth.slot("1");
        let error = slot["vmix"]["lastError"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        error.contains("does not answer").then_some(slot)
    });
    assert_eq!(slot["vmix"]["state"], "STATE_CONNECTING");
}
