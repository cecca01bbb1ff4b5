//! Several at the desk of one real server: what one of them was about to do when somebody else was quicker, and a channel's
//! keys.

use std::path::{Path, PathBuf};

use booth_tests::pty::Pty;
use booth_tests::relay::Relay;
use booth_tests::{Booth, Demo, wait_for};

use crate::SOON;
use crate::radio::{LIVE, Radio, live_film, shows};

const WIDE: (u16, u16) = (180, 40);

/// Two callers who are READY, in this order, and two operators, each with a token.
struct Desk {
    booth: Booth,
    first: String,
    second: String,
    _callers: [Demo; 2],
}

impl Desk {
    fn start() -> Self {
        let booth = Booth::start();
        booth.wait_for_workers();
        patient(&booth);
        let mut callers = Vec::new();
        let mut join = || {
            let demo = booth.demo(1, &[]);
            let id = wait_for("another caller", SOON, || {
                let all = booth.callers();
                let fresh = all.iter().find(|c| {
                    let id = c["name"].as_str().unwrap().rsplit('/').next().unwrap();
                    c["connected"] == true
                        && c["state"] == "STATE_WAITING"
                        && !callers.iter().any(|known| known == id)
                })?;
                Some(fresh["name"].as_str()?.rsplit('/').next()?.to_owned())
            });
            callers.push(id.clone());
            booth.cli(&["caller", "approve", &id]);
            (id, demo)
        };
        let ((first, one), (second, two)) = (join(), join());
        Self {
            booth,
            first,
            second,
            _callers: [one, two],
        }
    }

    /// A console of an operator of this name, recorded.
    #[track_caller]
    fn sit(&self, name: &str, port: u16) -> (Pty, PathBuf) {
        let added = ["operator", "add", name, "--role", "operator"];
        let token = self.booth.cli(&added)["token"].as_str().unwrap().to_owned();
        let dir = self.booth.dir.path();
        let (file, record) = (
            dir.join(format!("{name}.token")),
            dir.join(format!("{name}.jsonl")),
        );
        std::fs::write(&file, token).unwrap();
        let args = ["--record", record.to_str().unwrap()];
        let pty = Pty::console_of(&self.booth, port, &file, &args, WIDE);
        pty.wait_for(&["main ● LIVE", "2 ready", "armed ✓"], SOON);
        (pty, record)
    }

    fn on_slot_1(&self) -> String {
        let slot = self.booth.slot("1");
        let caller = slot["assignedCaller"].as_str().unwrap_or_default();
        caller.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

/// Whoever arms something in these tests has the time to be overtaken, and the machine to be slow.
fn patient(booth: &Booth) {
    let config = booth.dir.path().join("booth");
    std::fs::create_dir(&config).unwrap();
    let text = "[console]\narm_seconds = 30.0\n";
    std::fs::write(config.join("config.toml"), text).unwrap();
}

/// Lines of a console's recording that have all of these: changes, answers and keys as that console got them.
#[track_caller]
fn recorded(file: &Path, words: &[&str]) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|l| words.iter().all(|w| l.contains(w)));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_take_that_was_armed_goes_nowhere_when_somebody_else_was_quicker() {
    let desk = Desk::start();
    let port = desk.booth.setup.grpc;
    let (anna, anna_saw) = desk.sit("anna", port);
    let (berta, _) = desk.sit("berta", port);

    // Another console takes somebody else there.
    anna.keys(&["t"]);
    anna.wait_for(&["TAKE 1 ← ", "Enter to air"], SOON);
    berta.keys(&["j", "t"]);
    berta.wait_for(&["TAKE 1 ← ", "Enter to air"], SOON);
    berta.keys(&["Enter"]);
    berta.wait_for(&["is ON AIR on 1"], SOON);
    let told = anna.wait_for(&["NOT DONE: TAKE 1 ← ", "1 ·  ON AIR"], SOON);
    assert!(
        told.contains("it has changed: berta: ") && !told.contains("Enter to air"),
        "{told}"
    );
    assert_eq!(desk.on_slot_1(), desk.second);

    // A command line releases it, while a take over is armed.
    anna.keys(&["T"]);
    anna.wait_for(&["TAKE 1 ← ", "REPLACES", "Enter to air"], SOON);
    desk.booth.cli(&["slot", "release", "1"]);
    let told = anna.wait_for(&["NOT DONE: TAKE 1 ← ", "1 ·  idle"], SOON);
    assert!(
        told.contains("it has changed: admin: ") && told.contains("released from slot 1"),
        "{told}"
    );
    // Enter has nothing to send any more.
    anna.keys(&["Enter"]);
    wait_for("the key in the recording", SOON, || {
        (recorded(&anna_saw, &["\"key\"", "\"enter\""]).len() == 1).then_some(())
    });
    // Nothing of hers was sent at all, so nothing can have gone to air.
    assert_eq!(recorded(&anna_saw, &["\"answer\""]), [""; 0]);
    assert_eq!(
        recorded(&anna_saw, &["SLOT_TAKEN", "operators/anna"]),
        [""; 0]
    );
    assert_eq!(desk.on_slot_1(), "");
}

#[test]
fn of_two_who_press_enter_at_once_one_is_on_air_and_the_other_is_told() {
    let desk = Desk::start();
    let relay = Relay::to(desk.booth.setup.grpc);
    let (anna, anna_saw) = desk.sit("anna", relay.port);
    let (berta, berta_saw) = desk.sit("berta", desk.booth.setup.grpc);
    anna.keys(&["t"]);
    berta.keys(&["j", "t"]);
    for pty in [&anna, &berta] {
        pty.wait_for(&["TAKE 1 ← ", "Enter to air"], SOON);
    }
    // Anna's link is slow: what Berta did has not come when she presses Enter.
    relay.shut();
    berta.keys(&["Enter"]);
    // By a file, not by a command: soon Anna's console would notice the silence.
    wait_for("the other's take", SOON, || {
        (!recorded(&berta_saw, &["\"answer\""]).is_empty()).then_some(())
    });
    let before = relay.asked();
    anna.keys(&["Enter"]);
    wait_for("a command from her", SOON, || {
        (relay.asked() > before && !recorded(&anna_saw, &["\"enter\""]).is_empty()).then_some(())
    });
    relay.open();

    let told = anna.wait_for(&["NOT DONE: TAKE 1 ← ", "1 ·  ON AIR"], SOON);
    assert!(
        told.contains("somebody was first: berta: ") && told.contains("taken to slot 1"),
        "{told}"
    );
    // It was the server that said no, to the revision that both had seen.
    let refused = recorded(&anna_saw, &["\"answer\"", "ABORTED", "REVISION_MISMATCH"]);
    assert_eq!(refused.len(), 1, "{refused:?}");
    berta.wait_for(&["is ON AIR on 1"], SOON);
    assert_eq!(desk.on_slot_1(), desk.second);
    assert_eq!(recorded(&berta_saw, &["SLOT_TAKEN"]).len(), 1);
    let first = desk.booth.cli(&["caller", "get", &desk.first]);
    assert_eq!(first["caller"]["state"], "STATE_READY", "{first}");
}

#[test]
fn a_channel_is_run_by_keys() {
    let radio = Radio::start(&["--stable", "1s", "--stable-max", "1s"]);
    patient(&radio.booth);
    let a = radio.destination("a");
    let encoder = radio.publish(&live_film());
    radio.wait_showing("LIVE");
    shows(&a, LIVE);
    let pty = Pty::console(&radio.booth, &[], 120, 36);
    pty.wait_for(&["main ● LIVE"], SOON);
    pty.keys(&["g", "c"]);
    pty.wait_for(&["1 · radio", "● LIVE", "live input", "stable"], SOON);

    // Held on the backup, and given back.
    pty.keys(&["F"]);
    pty.wait_for(&["Hold the channel on its backup"], SOON);
    pty.keys(&["b"]);
    pty.wait_for(&["CHANNEL radio HELD ON BACKUP", "Enter does it"], SOON);
    assert_eq!(
        radio.channel()["showing"],
        "SHOWING_LIVE",
        "armed, not done"
    );
    pty.keys(&["Enter"]);
    // The banner, and how it is undone.
    pty.wait_for(
        &["  BACKUP for ", "HELD ON BACKUP: b goes back to automatic"],
        SOON,
    );
    radio.wait_showing("BACKUP");
    assert_eq!(radio.channel()["force"], "FORCE_BACKUP");
    pty.keys(&["b"]);
    pty.wait_for(&["CHANNEL radio chooses by itself", "Enter does it"], SOON);
    pty.keys(&["Enter"]);
    let auto = pty.wait_for(&["1 · radio  ● LIVE"], SOON);
    assert!(
        !auto.contains("HELD") && !auto.contains("BACKUP for"),
        "{auto}"
    );
    radio.wait_showing("LIVE");

    // A destination, off and on.
    let state = |wanted: &str| {
        wait_for(&format!("a destination that is {wanted}"), SOON, || {
            (radio.destination_state("a") == wanted).then_some(())
        });
    };
    state("STATE_LIVE");
    pty.keys(&["D"]);
    pty.wait_for(&["destinations of radio", "a (is on) off"], SOON);
    pty.keys(&["1"]);
    pty.wait_for(&["Switch a of radio OFF"], SOON);
    pty.keys(&["Enter"]);
    state("STATE_IDLE");
    pty.keys(&["D"]);
    pty.wait_for(&["a (is off) on"], SOON);
    pty.keys(&["1"]);
    pty.wait_for(&["Switch a of radio ON"], SOON);
    pty.keys(&["Enter"]);
    wait_for("a destination that is tried", SOON, || {
        (radio.destination_state("a") != "STATE_IDLE").then_some(())
    });

    // Off air by its name, and by no other.
    pty.keys(&["F", "x"]);
    pty.wait_for(&["TAKE channel radio OFF AIR"], SOON);
    pty.keys(&["r", "a", "d", "i", "a", "Enter"]);
    pty.wait_for(&["radia", "TAKE channel radio OFF AIR"], SOON);
    assert_eq!(radio.channel()["running"], true);
    // It asks on.
    pty.keys(&["BSpace", "o"]);
    wait_for("the right name", SOON, || {
        let screen = pty.screen();
        (screen.contains("are you sure") && !screen.contains("radia")).then_some(())
    });
    assert_eq!(radio.channel()["running"], true);
    pty.keys(&["Enter"]);
    pty.wait_for(&["1 · radio  off"], SOON);
    wait_for("a channel that is off", SOON, || {
        (radio.channel()["running"] != true).then_some(())
    });
    drop(encoder);

    pty.keys(&["F", "s"]);
    pty.wait_for(&["START channel radio", "Enter does it"], SOON);
    pty.keys(&["Enter"]);
    pty.wait_for(&["  BACKUP for "], SOON);
    radio.wait_showing("BACKUP");
}
