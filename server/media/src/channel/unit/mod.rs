//! What a channel's worker knows and does: boothd's wish, the program, its inputs and outputs. One owner, no locks.

mod live;
mod reports;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use booth_proto::worker::from_worker::Message as Say;
use booth_proto::worker::to_worker::Message as Heard;
use booth_proto::worker::{
    ChannelDesired, ChannelReport, ChannelSettings, DestinationSettings, LiveState, Pong, Source,
};
use booth_stream::{AudioConfig, Nanos, VideoConfig};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::build;
use super::destination::{Destination, Trust};
use super::fanout::{Fanout, unit};
use super::hls::Hls;
use super::input::{MediaSocket, SocketEvent, SrtEvent, WhipEvent, WhipInput};
use super::live::Live;
use super::monitor::Monitor;
use super::program::{Loops, Out, Program, Verdict, Wish};
use super::sampler::{Sampler, Seen};
use super::settings::{self, Fixed};
use super::srt_live::{SrtFact, SrtLive};
use crate::link::{LinkEvent, Sender};
use crate::worker::{WorkerArgs, exit};
use reports::{FIGURES_EVERY, Rates};

/// A media socket that could not be made is tried again after this long.
const SOCKET_RETRY: Duration = Duration::from_secs(1);

/// See the module.
pub struct Unit {
    args: WorkerArgs,
    events: Events,
    link: Option<Sender>,
    away_since: Instant,
    started: Instant,
    told: BTreeMap<&'static str, Instant>,

    desired: ChannelDesired,
    fixed: Option<Fixed>,
    program: Option<Box<dyn Program>>,
    wish: Option<Wish>,
    loops: Loops,

    live: Live,
    socket: Option<MediaSocket>,
    connections: u64,
    socket_retry: Option<Instant>,
    srt: SrtLive,
    srt_peer: String,
    /// Kept for its memory.
    srt_facts: Vec<SrtFact>,
    /// The session that should be the live input; its pipeline follows.
    whip_wished: Option<Source>,
    whip: Option<WhipInput>,
    whip_retry: Option<Instant>,
    sampler: Option<Sampler>,
    verdict: Verdict,
    video: Option<Arc<VideoConfig>>,
    audio: Option<Arc<AudioConfig>>,

    fanout: Fanout,
    trust: Arc<Trust>,
    destinations: BTreeMap<String, Destination>,
    monitor: Option<Monitor>,
    hls: Option<Hls>,
    ending: Vec<JoinHandle<()>>,

    report: ChannelReport,
    /// Changed since it was sent.
    news: bool,
    reported_at: Option<Instant>,
    figures_at: Instant,
    rates: Rates,
}

/// What other tasks and threads wake the loop with.
#[derive(Clone)]
pub struct Events {
    pub socket: mpsc::Sender<SocketEvent>,
    /// With the listener's number. What may be many is counted there.
    pub srt: mpsc::UnboundedSender<(u64, SrtEvent)>,
    /// With the session's.
    pub whip: mpsc::Sender<(u64, WhipEvent)>,
    pub sampler: mpsc::Sender<Seen>,
    /// The program has something to give.
    pub program: Arc<Notify>,
    /// A destination is in another state.
    pub destinations: Arc<Notify>,
}

impl Unit {
    /// Nothing runs yet: the first wish brings the settings.
    pub fn new(args: WorkerArgs, events: Events) -> Self {
        let now = Instant::now();
        let srt = SrtLive::new(events.srt.clone());
        Self {
            args,
            events,
            link: None,
            away_since: now,
            started: now,
            told: BTreeMap::new(),
            desired: ChannelDesired::default(),
            fixed: None,
            program: None,
            wish: None,
            loops: Loops::default(),
            live: Live::default(),
            socket: None,
            connections: 0,
            socket_retry: None,
            srt,
            srt_peer: String::new(),
            srt_facts: Vec::new(),
            whip_wished: None,
            whip: None,
            whip_retry: None,
            sampler: None,
            verdict: Verdict::default(),
            video: None,
            audio: None,
            fanout: Fanout::default(),
            trust: Arc::default(),
            destinations: BTreeMap::new(),
            monitor: None,
            hls: None,
            ending: Vec::new(),
            report: ChannelReport {
                live: LiveState::Absent.into(),
                ..ChannelReport::default()
            },
            news: false,
            reported_at: None,
            figures_at: now,
            rates: Rates::default(),
        }
    }

    fn now(&self) -> Nanos {
        Nanos::try_from(self.started.elapsed().as_nanos()).unwrap_or(Nanos::MAX)
    }

    /// boothd came, spoke or went. Some code ends the worker.
    pub fn link(&mut self, event: LinkEvent) -> Option<u8> {
        match event {
            LinkEvent::Up(sender) => {
                self.link = Some(sender);
                self.greet();
                self.live.claim_again(Instant::now());
                self.say_srt_publisher();
            }
            LinkEvent::Down => {
                self.link = None;
                self.away_since = Instant::now();
                tracing::info!("boothd is away; the output goes on");
            }
            LinkEvent::Message(message) => match message.message? {
                Heard::Channel(desired) => return self.want(desired),
                Heard::Ping(ping) => self.say(Say::Pong(Pong { nonce: ping.nonce })),
                Heard::Shutdown(_) => return Some(exit::SHUTDOWN),
                Heard::Packets(packets) => self.packets(packets),
                // Meant for units of other kinds.
                Heard::Slot(_)
                | Heard::Ingest(_)
                | Heard::Publish(_)
                | Heard::Prepare(_)
                | Heard::Drill(_) => {}
            },
        }
        None
    }

    /// A destination is in another state.
    pub fn destinations_changed(&mut self) {
        let reports = self
            .destinations
            .values()
            .map(Destination::report)
            .collect();
        if self.report.destinations != reports {
            self.report.destinations = reports;
            self.news = true;
        }
    }

    /// Takes what the program has, and does what time has come for. Some code ends the worker.
    pub fn advance(&mut self) -> Option<u8> {
        let now = self.now();
        while let Some(out) = self.program.as_mut().and_then(|program| program.poll(now)) {
            match out {
                Out::Media(event) => {
                    self.rates.output += unit(&event).map_or(0, |unit| unit.data.len());
                    self.fanout.send(&event);
                }
                Out::Switched {
                    showing,
                    cause,
                    gap_ms,
                } => self.switched(showing, cause, gap_ms),
                Out::Live(live, cause) => {
                    self.report.set_live(live);
                    self.report.set_live_cause(cause.unwrap_or_default());
                    self.news = true;
                }
                Out::LoopUnreadable(text) => self.problem("LOOP_UNREADABLE", text, false),
                Out::Failed(text) => {
                    self.problem("PROGRAM_FAILED", text, true);
                    return Some(exit::FAILED);
                }
            }
        }
        let now = Instant::now();
        if self.link.is_none() && now >= self.away_since + self.args.orphan_timeout {
            tracing::warn!("boothd did not come back");
            return Some(exit::ORPHANED);
        }
        self.inputs_tick(now);
        if let Some(text) = self.hls.as_ref().and_then(Hls::problem) {
            self.problem("HLS_FAILED", text, false);
        }
        if self.report_due().is_some_and(|at| now >= at) {
            self.report();
        }
        if now >= self.figures_at + FIGURES_EVERY {
            self.figures(now);
        }
        None
    }

    /// When [`Unit::advance`] has something to do if nothing else happens.
    pub fn due(&self) -> Instant {
        let program = self.program.as_ref().and_then(|program| program.next_due());
        let program =
            program.map(|due| self.started + Duration::from_nanos(due.max(0).unsigned_abs()));
        let orphaned = self
            .link
            .is_none()
            .then(|| self.away_since + self.args.orphan_timeout);
        let inputs = [
            self.socket_retry,
            self.srt.due(),
            self.whip_retry,
            self.claim_due(),
        ];
        [program, orphaned, self.report_due()]
            .into_iter()
            .chain(inputs)
            .flatten()
            .fold(self.figures_at + FIGURES_EVERY, Instant::min)
    }

    /// Ends all outputs in good order.
    pub async fn stop(mut self) {
        self.socket = None;
        let destinations = std::mem::take(&mut self.destinations).into_values();
        self.ending.extend(destinations.map(Destination::end));
        self.ending.extend(self.monitor.take().map(Monitor::end));
        self.ending.extend(self.hls.take().map(Hls::end));
        self.whip = None;
        let srt = self.srt;
        self.ending
            .push(tokio::task::spawn_blocking(move || srt.end()));
        for task in self.ending {
            let _ = task.await;
        }
    }

    fn want(&mut self, desired: ChannelDesired) -> Option<u8> {
        let settings = desired.settings.clone().unwrap_or_default();
        let fixed = Fixed::of(&settings);
        if self.fixed.as_ref().is_some_and(|present| *present != fixed) {
            tracing::info!("the program's settings changed");
            return Some(exit::SETTINGS_CHANGED);
        }
        if self.program.is_none() {
            let wake = Arc::clone(&self.events.program);
            match build(&settings, self.now(), wake) {
                Ok(program) => self.program = Some(program),
                Err(text) => {
                    self.problem("PROGRAM_FAILED", text, true);
                    return Some(exit::FAILED);
                }
            }
            self.fixed = Some(fixed);
        }
        self.desired = desired;
        self.set_program();
        if self.socket.as_ref().map(MediaSocket::path) != Some(settings.media_socket.as_ref()) {
            self.listen();
        }
        let gone = self.srt.set(settings::srt_input(&settings));
        gone.into_iter().for_each(|fact| self.srt_fact(fact));
        let whip = self.desired.whip.clone();
        self.want_live(self.desired.publisher, whip.as_ref());
        self.describe();
        self.set_destinations();
        self.set_monitor(&settings);
        self.set_hls(&settings);
        self.report.generation = self.desired.generation;
        self.news = true;
        None
    }

    fn set_program(&mut self) {
        let now = self.now();
        let (wish, loops) = (Wish::of(&self.desired), Loops::of(&self.desired));
        let Some(program) = &mut self.program else {
            return;
        };
        if self.wish.as_ref() != Some(&wish) {
            program.set(now, &wish);
            let looks = |wish: &Wish| (wish.frozen, wish.black, wish.silent);
            let changed = self.wish.as_ref().map(looks) != Some(looks(&wish));
            self.wish = Some(wish);
            if changed {
                program.verdict(now, Verdict::default());
                self.look();
            }
        }
        let Some(program) = &mut self.program else {
            return;
        };
        if self.loops != loops {
            program.set_loops(now, &loops);
            self.loops = loops;
        }
    }

    /// Opens the media socket, or tries again later.
    fn listen(&mut self) {
        self.socket_retry = None;
        self.socket = None;
        let path = self
            .desired
            .settings
            .as_ref()
            .map(|s| s.media_socket.clone());
        let Some(path) = path.filter(|path| !path.is_empty()) else {
            return;
        };
        let events = self.events.socket.clone();
        match MediaSocket::listen(path.as_ref(), events, self.connections) {
            Ok(socket) => self.socket = Some(socket),
            Err(error) => {
                self.problem("MEDIA_SOCKET", format!("{path}: {error}"), false);
                self.socket_retry = Some(Instant::now() + SOCKET_RETRY);
            }
        }
    }

    /// Starts, ends and restarts destinations so that there are those that are wished for.
    fn set_destinations(&mut self) {
        let wished: BTreeMap<&str, &DestinationSettings> = self
            .desired
            .destinations
            .iter()
            .map(|d| (d.id.as_str(), d))
            .collect();
        let keep = |id: &String, present: &mut Destination| {
            wished
                .get(id.as_str())
                .is_some_and(|wished| *wished == present.settings())
        };
        let gone = extract(&mut self.destinations, keep);
        let mut ended: BTreeMap<String, JoinHandle<()>> = gone
            .into_iter()
            .map(|gone| (gone.settings().id.clone(), gone.end()))
            .collect();
        for (id, settings) in wished {
            if self.destinations.contains_key(id) {
                continue;
            }
            let destination = Destination::start(
                settings.clone(),
                ended.remove(id),
                self.fanout.attach(),
                Arc::clone(&self.trust),
                Arc::clone(&self.events.destinations),
            );
            self.destinations.insert(id.to_owned(), destination);
        }
        self.ending.retain(|task| !task.is_finished());
        self.ending.extend(ended.into_values());
        self.destinations_changed();
    }

    /// Opens, closes or moves the listener to watch the channel.
    fn set_monitor(&mut self, settings: &ChannelSettings) {
        let wished = settings::monitor(settings);
        if self.monitor.as_ref().map(Monitor::settings) == wished.as_ref() {
            return;
        }
        self.ending.extend(self.monitor.take().map(Monitor::end));
        self.monitor = wished.map(|srt| Monitor::start(srt, self.fanout.attach()));
    }

    fn set_hls(&mut self, settings: &ChannelSettings) {
        let wished = (!settings.hls_dir.is_empty()).then(|| PathBuf::from(&settings.hls_dir));
        if self.hls.as_ref().map(Hls::dir) == wished.as_deref() {
            return;
        }
        self.ending.extend(self.hls.take().map(Hls::end));
        self.hls = wished.map(|dir| Hls::start(dir, self.fanout.attach()));
    }
}

/// Takes out what `keep` does not want.
fn extract<V>(
    map: &mut BTreeMap<String, V>,
    mut keep: impl FnMut(&String, &mut V) -> bool,
) -> Vec<V> {
    map.extract_if(.., |id, value| !keep(id, value))
        .map(|(_, value)| value)
        .collect()
}
