//! What a viewer of a channel sees when its publisher is killed or stalls, and when it comes back; and what a channel
//! costs. Beside booth, in the same run and at the same receiver: the usual way (a controller that polls nginx every two
//! seconds and restarts an ffmpeg), and Liquidsoap's fallback.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use booth_judge::{DefectClass, clock};
use booth_tests::film::Film;
use booth_tests::rtmp::{Nginx, Process, Receiver, Seen, publish, seen_between};
use booth_tests::{Booth, tcp_port, udp_ports, usage, wait_for};

use crate::table::Row;

const SOON: Duration = Duration::from_secs(30);
/// How long a viewer is watched after a switch: everything that it could cost shows within.
const AFTER: Duration = Duration::from_secs(4);
const LIVE: u8 = 1;
const BACKUP: u8 = 2;
/// What live has to be stable for, and the length of its groups of pictures.
const STABLE_S: f64 = 5.0;
const GOP_S: f64 = 2.0;

/// The two films, made once a run.
fn films(dir: &Path, b_frames: u32) -> (PathBuf, PathBuf) {
    let (live, backup) = (dir.join("live.flv"), dir.join("backup.mp4"));
    Film {
        id: LIVE,
        b_frames,
        ..Film::default()
    }
    .make(&live);
    Film {
        id: BACKUP,
        gop_s: 1,
        b_frames: 0,
        ..Film::default()
    }
    .make(&backup);
    (live, backup)
}

/// One way to keep a channel on air.
trait Way {
    /// Where the encoder publishes to.
    fn url(&self) -> String;
}

/// What a viewer saw of one loss and of the return from it.
struct Outcome {
    loss: Option<Seen>,
    /// From the start of the next publisher to its first picture, and what was seen around it.
    back: Option<(f64, Seen)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Blow {
    Killed,
    Stalled,
}

/// Publishes, waits for the picture, strikes, and looks at what the receiver saw. `patience` is how long a way may take
/// that does not notice at all.
fn strike(
    way: &dyn Way,
    receiver: &Receiver,
    film: &Path,
    dir: &Path,
    blow: Blow,
    patience: Duration,
) -> Outcome {
    let picture = |id: u8, limit: Duration| receiver.judge.wait_for_picture(id, limit);
    picture(BACKUP, SOON).unwrap_or_else(|e| panic!("{}\nno backup: {e}", logs(dir)));
    let began = clock::monotonic_ns();
    let mut encoder = publish(film, &way.url(), dir.join("encoder.log"));
    let back = picture(LIVE, SOON).unwrap_or_else(|e| panic!("{}\n{e}", logs(dir)));
    let first = back.picture_since(LIVE, began).unwrap().first_packet_at_ns;
    std::thread::sleep(AFTER);
    let report = receiver.judge.snapshot();
    let around = seen_between(&report, first - 1_000_000_000, clock::monotonic_ns());
    let back = Some((clock::between_ms(began, first) / 1e3, around));

    let struck = clock::monotonic_ns();
    match blow {
        Blow::Killed => encoder.kill(),
        Blow::Stalled => encoder.stall(),
    }
    let noticed = picture(BACKUP, patience).is_ok();
    std::thread::sleep(AFTER);
    let report = receiver.judge.snapshot();
    let loss = noticed.then(|| seen_between(&report, struck, clock::monotonic_ns()));
    Outcome { loss, back }
}

/// What the programs of this bench wrote.
fn logs(dir: &Path) -> String {
    let files = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path());
    let logs = files.filter(|f| f.extension().is_some_and(|e| e == "log"));
    logs.map(|f| {
        let text = std::fs::read_to_string(&f).unwrap_or_default();
        let from = text.len().saturating_sub(2_000);
        let tail = text.get(from..).unwrap_or_default();
        format!("--- {}\n{tail}\n", f.display())
    })
    .collect()
}

struct BoothWay {
    booth: Booth,
    rtmp: u16,
    key: String,
}

impl Way for BoothWay {
    fn url(&self) -> String {
        format!(
            "rtmp://127.0.0.1:{}/live/radio?token={}",
            self.rtmp, self.key
        )
    }
}

impl BoothWay {
    fn start(mode: &str, backup: &Path, destinations: &[String], monitor: u16) -> Self {
        let rtmp = tcp_port();
        let booth = Booth::with(&[&format!("rtmp.listen=127.0.0.1:{rtmp}")]);
        let created = booth.cli(&[
            "channel",
            "create",
            "radio",
            "--mode",
            mode,
            "--backup",
            backup.to_str().unwrap(),
            "--monitor-port",
            &monitor.to_string(),
        ]);
        let key = created["key"].as_str().unwrap().to_owned();
        for (n, url) in destinations.iter().enumerate() {
            booth.cli(&[
                "destination",
                "add",
                "radio",
                &format!("d{n}"),
                "--url",
                url,
            ]);
        }
        booth.cli(&["channel", "start", "radio"]);
        Self { booth, rtmp, key }
    }

    fn worker(&self) -> u32 {
        self.unit("channel-radio")
    }

    /// The process of a unit.
    fn unit(&self, name: &str) -> u32 {
        wait_for("an attached worker", SOON, || {
            let status = self.booth.cli(&["status"]);
            let units = status["units"].as_array()?;
            let unit = units.iter().find(|u| u["name"] == name)?;
            u32::try_from(unit["pid"].as_u64()?).ok().filter(|p| *p > 0)
        })
    }
}

/// nginx takes the encoder; a controller looks at its statistics every two seconds and restarts the forwarder.
struct UsualWay {
    nginx_in: String,
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    controller: Option<std::thread::JoinHandle<()>>,
}

impl UsualWay {
    fn start(nginx: &Nginx, backup: &Path, dir: &Path) -> Self {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (seen, live) = (stop.clone(), format!("{}/radio", nginx.url("in")));
        let (out, stat) = (format!("{}/air", nginx.url("out")), nginx.stat());
        let (backup, log) = (backup.to_owned(), dir.join("forwarder.log"));
        let controller = std::thread::spawn(move || {
            let mut forwarder: Option<(bool, Process)> = None;
            while !seen.load(std::sync::atomic::Ordering::Relaxed) {
                let publishing = stat.publishes("in", "radio");
                let fits =
                    |(on, process): &mut (bool, Process)| *on == publishing && !process.ended();
                if !forwarder.as_mut().is_some_and(fits) {
                    drop(forwarder.take());
                    let mut command = Command::new("ffmpeg");
                    command.args(["-hide_banner", "-loglevel", "error"]);
                    if publishing {
                        command.args(["-i", &live, "-map", "0:v", "-map", "0:a"]);
                    } else {
                        command
                            .args(["-re", "-stream_loop", "-1", "-i"])
                            .arg(&backup);
                    }
                    command
                        .args(["-c", "copy", "-f", "flv", &out])
                        .stdout(Stdio::null());
                    forwarder = Some((publishing, Process::start(&mut command, log.clone())));
                }
                std::thread::sleep(Duration::from_secs(2));
            }
        });
        Self {
            nginx_in: format!("{}/radio", nginx.url("in")),
            stop,
            controller: Some(controller),
        }
    }
}

impl Way for UsualWay {
    fn url(&self) -> String {
        self.nginx_in.clone()
    }
}

impl Drop for UsualWay {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some(controller) = self.controller.take() {
            let _ = controller.join();
        }
    }
}

struct Liquidsoap {
    url: String,
    _process: Process,
}

impl Way for Liquidsoap {
    fn url(&self) -> String {
        self.url.clone()
    }
}

impl Liquidsoap {
    fn start(nginx: &Nginx, backup: &Path, dir: &Path) -> Self {
        let url = format!("rtmp://127.0.0.1:{}/live/radio", tcp_port());
        let script = format!(
            "set(\"init.allow_root\", true)\nset(\"frame.video.width\", 1280)\n\
             set(\"frame.video.height\", 720)\nset(\"frame.video.framerate\", 30)\n\
             set(\"frame.audio.samplerate\", 48000)\n\
             live = input.rtmp(listen=true, max_buffer=2., \"{url}\")\n\
             backup = single(\"{}\")\n\
             s = fallback(track_sensitive=false, [live, backup])\n\
             enc = %ffmpeg(format=\"flv\", \
             %video(codec=\"libx264\", width=1280, height=720, preset=\"ultrafast\", b=\"2500k\", g=60), \
             %audio(codec=\"aac\", samplerate=48000, channels=2, b=\"128k\"))\n\
             output.external(fallible=true, enc, \
             \"ffmpeg -hide_banner -loglevel error -f flv -i pipe:0 -c copy -f flv {}/air\", s)\n",
            backup.display(),
            nginx.url("out"),
        );
        let file = dir.join("radio.liq");
        std::fs::write(&file, script).unwrap();
        let mut command = Command::new("liquidsoap");
        // It writes its log to standard output.
        let out = std::fs::File::create(dir.join("liquidsoap.out.log")).unwrap();
        command.arg(&file).stdout(out);
        let process = Process::start(&mut command, dir.join("liquidsoap.log"));
        Self {
            url,
            _process: process,
        }
    }
}

fn freeze(outcome: &Outcome) -> String {
    match outcome.loss {
        Some(seen) => format!("{:.0} ms", seen.freeze_ms),
        None => "not noticed".into(),
    }
}

/// `copy` or `transcode`: killed, stalled, back.
pub fn failover(rows: &mut Vec<Row>, mode: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (live, backup) = films(dir.path(), 2);
    let nginx = Nginx::start(dir.path());
    let monitor = udp_ports(1);
    let air = format!("{}/air", nginx.url("out"));
    let way = BoothWay::start(mode, &backup, std::slice::from_ref(&air), monitor);
    let receiver = Receiver::pull(&nginx, "air", dir.path());
    let look = |blow| strike(&way, &receiver, &live, dir.path(), blow, SOON);
    let (killed, stalled) = (look(Blow::Killed), look(Blow::Stalled));
    let bounds = if mode == "copy" {
        (50.0, 50.0)
    } else {
        (100.0, 150.0)
    };
    for (what, outcome, bound) in [
        ("killed", &killed, bounds.0),
        ("stalled (SIGSTOP)", &stalled, bounds.1),
    ] {
        let seen = outcome
            .loss
            .unwrap_or_else(|| panic!("{what}: not noticed"));
        rows.push(Row::goal(
            &format!("channel ({mode}): publisher {what}: freeze / largest PTS step at the viewer"),
            format!("{:.0} / {:.0} ms", seen.freeze_ms, seen.step_ms),
            &format!("≤ {bound:.0} / ≤ 34 ms, none back"),
            seen.freeze_ms <= bound && seen.step_ms <= 34.5 && seen.back == 0,
        ));
    }
    let (took, seen) = killed.back.unwrap();
    // The encoder's own start (a process, a handshake) is in the figure: half a second at most.
    let within = STABLE_S + GOP_S + 0.5;
    rows.push(Row::goal(
        &format!("channel ({mode}): back to live: first picture / freeze at the switch"),
        format!("{took:.1} s / {:.0} ms", seen.freeze_ms),
        &format!("≤ {within:.1} s / ≤ 50 ms"),
        took <= within && seen.freeze_ms <= 50.0,
    ));
    let destination = &way.booth.cli(&["destination", "list", "radio"])["destinations"][0];
    let report = receiver.judge.finish();
    let stamps = [
        DefectClass::PtsBack,
        DefectClass::DtsOrder,
        DefectClass::PtsGap,
    ];
    let wrong: u64 = stamps.iter().map(|c| report.count(*c)).sum();
    rows.push(Row::goal(
        &format!("channel ({mode}): timestamp errors / state of the destination, all through"),
        format!("{wrong} / {}", destination["state"].as_str().unwrap_or("?")),
        "0 / LIVE",
        wrong == 0 && destination["state"] == "STATE_LIVE",
    ));
}

/// The two other ways, at the same receiver.
pub fn peers(rows: &mut Vec<Row>) {
    let dir = tempfile::tempdir().unwrap();
    let (live, backup) = films(dir.path(), 0);
    let nginx = Nginx::start(dir.path());
    let mut beside = |name: &str, way: &dyn Way| {
        let receiver = Receiver::pull_restamped(&nginx, "air", dir.path());
        let look = |blow| {
            strike(
                way,
                &receiver,
                &live,
                dir.path(),
                blow,
                Duration::from_secs(20),
            )
        };
        let (killed, stalled) = (look(Blow::Killed), look(Blow::Stalled));
        let (took, seen) = killed.back.unwrap();
        rows.push(Row::beside(
            &format!("{name}: killed, stalled, back to live with a freeze of"),
            format!(
                "{}, {}, {took:.1} s, {:.0} ms",
                freeze(&killed),
                freeze(&stalled),
                seen.freeze_ms
            ),
        ));
    };
    {
        let way = UsualWay::start(&nginx, &backup, dir.path());
        beside("poll + ffmpeg on nginx-rtmp", &way);
    }
    let way = Liquidsoap::start(&nginx, &backup, dir.path());
    beside("Liquidsoap fallback", &way);
}

const LOOK: Duration = Duration::from_secs(20);

/// Per cent of one core, and memory in MB.
fn cost(pid: u32) -> (f64, f64) {
    std::thread::sleep(Duration::from_secs(5));
    let (before, _) = usage(pid);
    std::thread::sleep(LOOK);
    let (after, memory) = usage(pid);
    let share = (after - before).as_secs_f64() / LOOK.as_secs_f64() * 100.0;
    (share, memory as f64 / 1e6)
}

/// A channel in copy mode with two destinations, live and on its backup.
pub fn copy_cost(rows: &mut Vec<Row>) {
    let dir = tempfile::tempdir().unwrap();
    let (live, backup) = films(dir.path(), 2);
    let nginx = Nginx::start(dir.path());
    let urls = ["a", "b"].map(|name| format!("{}/{name}", nginx.url("out")));
    {
        let way = BoothWay::start("copy", &backup, &urls, 0);
        let worker = way.worker();
        let receiver = Receiver::pull(&nginx, "a", dir.path());
        receiver
            .judge
            .wait_for_picture(BACKUP, SOON)
            .unwrap_or_else(|e| panic!("{e}"));
        drop(receiver);
        let (looping, _) = cost(worker);
        let _encoder = publish(&live, &way.url(), dir.path().join("encoder.log"));
        wait_for("the live picture", SOON, || {
            let channel = way.booth.cli(&["channel", "get", "radio"]);
            (channel["channel"]["showing"] == "SHOWING_LIVE").then_some(())
        });
        let (share, memory) = cost(worker);
        rows.push(Row::goal(
            "channel (copy, 2 RTMP destinations, 2.5 Mb/s): live, on backup; memory",
            format!("{share:.2} %, {looping:.2} % of a core; {memory:.0} MB"),
            "≤ 1 %; ≤ 30 MB",
            share <= 1.0 && looping <= 1.0 && memory <= 30.0,
        ));
    }
    let mut tee = Command::new("ffmpeg");
    tee.args(["-hide_banner", "-loglevel", "error", "-listen", "1", "-i"]);
    let source = format!("rtmp://127.0.0.1:{}/live/x", tcp_port());
    tee.args([source.as_str(), "-c", "copy", "-map", "0", "-f", "tee"]);
    tee.arg(format!("[f=flv]{}|[f=flv]{}", urls[0], urls[1]));
    let tee = Process::start(tee.stdout(Stdio::null()), dir.path().join("tee.log"));
    // A listening ffmpeg says nothing when it is ready; the encoder tries again until it is.
    let mut encoder = publish(&live, &source, dir.path().join("encoder.log"));
    wait_for("an accepted encoder", SOON, || {
        if encoder.ended() {
            encoder = publish(&live, &source, dir.path().join("encoder.log"));
            return None;
        }
        let (worked, _) = usage(tee.pid());
        (worked > Duration::from_millis(100)).then_some(())
    });
    let (share, memory) = cost(tee.pid());
    rows.push(Row::beside(
        "ffmpeg -c copy -f tee",
        format!("{share:.2} % of a core; {memory:.0} MB"),
    ));
}

const MANY: usize = 50;

/// Fifty channels on one machine, each on its backup with a destination.
pub fn fifty(rows: &mut Vec<Row>) {
    let dir = tempfile::tempdir().unwrap();
    let (_, backup) = films(dir.path(), 0);
    let nginx = Nginx::start(dir.path());
    let booth = Booth::with(&[]);
    let began = std::time::Instant::now();
    for n in 0..MANY {
        let id = format!("c{n}");
        let file = backup.to_str().unwrap();
        booth.cli(&["channel", "create", &id, "--backup", file, "--no-wait"]);
        let url = format!("{}/{id}", nginx.url("out"));
        booth.cli(&["destination", "add", &id, "d", "--url", &url]);
        booth.cli(&["channel", "start", &id]);
    }
    let live = |channel: &serde_json::Value| {
        channel["showing"] == "SHOWING_BACKUP"
            && channel["destinations"][0]["state"] == "STATE_LIVE"
    };
    wait_for("fifty channels on air", Duration::from_secs(180), || {
        let all = booth.cli(&["channel", "list"]);
        let all = all["channels"].as_array()?;
        (all.iter().filter(|c| live(c)).count() == MANY).then_some(())
    });
    let on_air = began.elapsed().as_secs_f64();
    let status = booth.cli(&["status"]);
    let pids: Vec<u32> = status["units"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|u| {
            u["name"]
                .as_str()
                .is_some_and(|n| n.starts_with("channel-"))
        })
        .map(|u| u32::try_from(u["pid"].as_u64().unwrap()).unwrap())
        .collect();
    let spent = || pids.iter().map(|pid| usage(*pid).0).sum::<Duration>();
    let before = spent();
    std::thread::sleep(LOOK);
    let share = (spent() - before).as_secs_f64() / LOOK.as_secs_f64() * 100.0;
    let memory: u64 = pids.iter().map(|pid| usage(*pid).1).sum();
    let again: u64 = status["units"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|u| u["restarts"].as_u64())
        .sum();
    rows.push(Row::goal(
        "50 channels (copy, a destination each): all workers; restarts; from nothing to all on air",
        format!(
            "{share:.0} % of a core, {:.0} MB; {again}; {on_air:.0} s",
            memory as f64 / 1e6
        ),
        "≤ 50 %, ≤ 1500 MB; 0",
        share <= 50.0 && memory <= 1_500_000_000 && again == 0,
    ));
}

/// Minutes of a soak; less for a trial of the soak itself.
fn soak_minutes() -> u64 {
    let asked = std::env::var("BOOTH_SOAK_MINUTES").ok();
    asked.and_then(|m| m.parse().ok()).unwrap_or(30)
}

/// On air for half an hour, in turns of a minute live and a minute of the backup: sound stays with its picture, and
/// memory where it was.
pub fn soak(rows: &mut Vec<Row>) {
    let dir = tempfile::tempdir().unwrap();
    let (live, backup) = films(dir.path(), 2);
    let nginx = Nginx::start(dir.path());
    let air = format!("{}/air", nginx.url("out"));
    let way = BoothWay::start("copy", &backup, &[air], 0);
    let worker = way.worker();
    let ingest = way.unit("ingest");
    let receiver = Receiver::pull(&nginx, "air", dir.path());
    let picture = |id: u8, limit: Duration| {
        let seen = receiver.judge.wait_for_picture(id, limit);
        seen.unwrap_or_else(|e| panic!("{}\n{e}", logs(dir.path())))
    };
    picture(BACKUP, SOON);
    let minutes = soak_minutes();
    let memory = || [worker, ingest].map(|pid| usage(pid).1 as f64 / 1e6);
    let mut early = memory();
    let mut skews = Vec::new();
    for minute in 0..minutes / 2 {
        let mut encoder = publish(&live, &way.url(), dir.path().join("encoder.log"));
        // Losses a minute apart hold live off for longer each time: up to a minute.
        picture(LIVE, Duration::from_secs(90));
        std::thread::sleep(Duration::from_secs(60));
        skews.extend(receiver.judge.snapshot().av_skew.last_ms);
        encoder.kill();
        picture(BACKUP, SOON);
        std::thread::sleep(Duration::from_secs(60));
        skews.extend(receiver.judge.snapshot().av_skew.last_ms);
        if minute == 0 {
            early = memory();
        }
    }
    let late = memory();
    let report = receiver.judge.finish();
    // The last flash of each turn: one that a switch cuts in two says nothing about drift.
    let (least, most) = skews
        .iter()
        .fold((f64::MAX, f64::MIN), |(l, m), s| (l.min(*s), m.max(*s)));
    rows.push(Row::goal(
        &format!(
            "soak of {minutes} min and more: sound against picture, over {} turns",
            skews.len()
        ),
        format!("{least:+.1} … {most:+.1} ms"),
        "within ± 10 ms",
        least >= -10.0 && most <= 10.0,
    ));
    let stamps = [DefectClass::PtsBack, DefectClass::DtsOrder];
    let wrong: u64 = stamps.iter().map(|c| report.count(*c)).sum();
    rows.push(Row::goal(
        "soak: timestamps back / connections of the destination",
        format!("{wrong} / {}", report.epochs_total),
        "0 / 1",
        wrong == 0 && report.epochs_total == 1,
    ));
    rows.push(Row::goal(
        "soak: memory of channel and ingest worker, after 2 min → at the end",
        format!(
            "{:.1} → {:.1} MB, {:.1} → {:.1} MB",
            early[0], late[0], early[1], late[1]
        ),
        "grows by ≤ 1 MB",
        late[0] - early[0] <= 1.0 && late[1] - early[1] <= 1.0,
    ));
}
