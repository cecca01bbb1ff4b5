//! What a worker knows and does: boothd's wish, the engine, the decoders. One owner, no locks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use booth_proto::worker::from_worker::Message as Say;
use booth_proto::worker::to_worker::Message as Heard;
use booth_proto::worker::{
    Hello, KeyframeRequest, Meters, Packets, Pong, Problem, SlotDesired, SlotReport, Source,
    SourceReport, SrtStats, Tile, slot_report,
};
use tokio::sync::mpsc;

use crate::engine::{Done, Engine};
use crate::facts::{Decoded, Fact, Facts};
use crate::input::{RtpInput, stuck_teardowns};
use crate::keyframes::KeyFrames;
use crate::link::{LinkEvent, Sender};
use crate::pacer::Control;
use crate::settings::{OutputSettings, idle_from_wire, settings_digest};
use crate::switcher::{Desired, Report, Showing, SourceId};
use crate::worker::{WorkerArgs, exit};

/// A decoder that failed is built again, at most this often.
const REBUILD_SPACING: Duration = Duration::from_secs(1);
/// Figures of SRT are read this often.
const STATS_EVERY: Duration = Duration::from_secs(1);
/// A problem of the same kind is told again after this long at the earliest.
const PROBLEM_SPACING: Duration = Duration::from_secs(10);
/// With more teardowns stuck than this, the process is given up: its memory only grows.
const STUCK_MAX: usize = 8;

struct Caller {
    source: Source,
    input: Option<RtpInput>,
    build: u64,
    keys: KeyFrames,
    rebuilt_at: Option<Instant>,
    rebuild: bool,
}

/// See the module.
pub struct Unit {
    args: WorkerArgs,
    facts: Facts,
    done: mpsc::Sender<Done>,
    link: Option<Sender>,
    away_since: Instant,
    started: Instant,
    engine: Option<Engine>,
    digest: u64,
    desired: SlotDesired,
    callers: BTreeMap<SourceId, Caller>,
    builds: u64,
    unused: Vec<SourceId>,
    report: Report,
    stats: Option<SrtStats>,
    stats_at: Instant,
    told: BTreeMap<&'static str, Instant>,
}

impl Unit {
    /// Nothing runs yet: the first wish brings the settings.
    pub fn new(args: WorkerArgs, facts: Facts, done: mpsc::Sender<Done>) -> Self {
        let now = Instant::now();
        Self {
            args,
            facts,
            done,
            link: None,
            away_since: now,
            started: now,
            engine: None,
            digest: 0,
            desired: SlotDesired::default(),
            callers: BTreeMap::new(),
            builds: 0,
            unused: Vec::new(),
            report: Report::default(),
            stats: None,
            stats_at: now,
            told: BTreeMap::new(),
        }
    }

    /// boothd came, spoke or went. Some code ends the worker.
    pub fn link(&mut self, event: LinkEvent) -> Option<u8> {
        match event {
            LinkEvent::Up(sender) => {
                self.link = Some(sender);
                self.greet();
                None
            }
            LinkEvent::Down => {
                self.link = None;
                self.away_since = Instant::now();
                tracing::info!("boothd is away; the output goes on");
                None
            }
            LinkEvent::Message(message) => match message.message? {
                Heard::Slot(desired) => self.want(desired),
                Heard::Packets(packets) => {
                    self.packets(packets);
                    None
                }
                Heard::Ping(ping) => {
                    self.say(Say::Pong(Pong { nonce: ping.nonce }));
                    None
                }
                Heard::Shutdown(_) => Some(exit::SHUTDOWN),
                // Meant for units of other kinds.
                Heard::Channel(_)
                | Heard::Ingest(_)
                | Heard::Publish(_)
                | Heard::Prepare(_)
                | Heard::Drill(_) => None,
            },
        }
    }

    /// Something happened. Some code ends the worker.
    pub fn fact(&mut self, fact: Fact) -> Option<u8> {
        match fact {
            Fact::Showing(report) => {
                self.report = report;
                self.say_surely(Say::Slot(self.slot_report()));
            }
            Fact::Unused(unused) => {
                self.unused = unused;
                return self.tidy();
            }
            Fact::Levels(levels) => {
                let srt = self.stats.take();
                self.say(Say::Meters(Meters {
                    rms_dbfs: levels.rms_dbfs.to_vec(),
                    peak_dbfs: levels.peak_dbfs.to_vec(),
                    srt,
                }));
            }
            Fact::Decoded(decoded) => self.say_surely(Say::Source(self.source_report(decoded))),
            Fact::KeyFrameNeeded(id) => {
                let now = self.started.elapsed();
                if self
                    .callers
                    .get_mut(&id)
                    .is_some_and(|caller| caller.keys.loss(now))
                {
                    self.say(Say::Keyframe(KeyframeRequest { session: id }));
                }
            }
            Fact::SourceFailed { id, build, text } => {
                tracing::warn!(session = id, text, "a decoder failed");
                // A decoder may fail more than once, and again after another has taken its place.
                let failed = |caller: &&mut Caller| caller.build == build;
                if let Some(caller) = self.callers.get_mut(&id).filter(failed) {
                    caller.input = None;
                    caller.rebuild = true;
                }
            }
            Fact::IdleFailed { token, text } => self.idle_unreadable(token, text),
            Fact::OutputFailed { text } => {
                self.problem("OUTPUT_FAILED", text, true);
                return Some(exit::FAILED);
            }
            Fact::SrtFailed { generation, text } => {
                let failed = |engine: &mut Engine| engine.srt_failed(generation);
                if self.engine.as_mut().is_some_and(failed) {
                    // Nobody is connected now; the next figures come with the next sink.
                    self.stats = Some(SrtStats::default());
                    self.problem("SRT_FAILED", text, false);
                }
            }
            Fact::ClientAdded => {
                if let Some(engine) = &mut self.engine {
                    engine.client_added();
                }
            }
            Fact::ClientRefused { stream_id } => {
                let text = format!("a receiver asked for stream id {stream_id:?}");
                self.problem("SRT_STREAM_ID_REFUSED", text, false);
            }
            Fact::Tile { source, jpeg } => {
                let caller = source.map_or_else(String::new, |id| self.name(id));
                self.say(Say::Tile(Tile {
                    caller,
                    jpeg: jpeg.into(),
                }));
            }
        }
        None
    }

    /// Work done elsewhere came back.
    pub fn done(&mut self, done: Done) {
        let Some(engine) = &mut self.engine else {
            return;
        };
        match done {
            Done::SrtStarted(generation, started) => {
                if let Some(text) = engine.srt_started(generation, started) {
                    self.problem("SRT_NOT_OPEN", text, false);
                }
            }
            Done::Stats(generation, stats) => {
                if engine.stats_read(generation) {
                    self.stats = Some(stats);
                }
            }
            Done::Image(token, Ok(frame)) => engine.idle_loaded(token, frame),
            Done::Image(token, Err(error)) => self.idle_unreadable(token, error.to_string()),
        }
    }

    /// Ten times a second. Some code ends the worker.
    pub fn tick(&mut self) -> Option<u8> {
        if self.link.is_none() && self.away_since.elapsed() >= self.args.orphan_timeout {
            tracing::warn!("boothd did not come back");
            return Some(exit::ORPHANED);
        }
        if stuck_teardowns() > STUCK_MAX {
            self.problem("TEARDOWN_STUCK", "decoders do not end".to_owned(), true);
            return Some(exit::FAILED);
        }
        if self.stats_at.elapsed() >= STATS_EVERY {
            self.stats_at = Instant::now();
            if let Some(engine) = &mut self.engine {
                engine.read_stats();
            }
        }
        self.rebuild_failed();
        let now = self.started.elapsed();
        let asking: Vec<SourceId> = self
            .callers
            .iter_mut()
            .filter_map(|(id, caller)| {
                let input = caller.input.as_ref().filter(|input| input.tracks().video)?;
                caller.keys.poll(now, input.pictures()).then_some(*id)
            })
            .collect();
        for session in asking {
            self.say(Say::Keyframe(KeyframeRequest { session }));
        }
        None
    }

    /// Ends the output and all decoders.
    pub fn stop(mut self) {
        self.callers.clear();
        if let Some(engine) = self.engine.take() {
            engine.stop();
        }
    }

    fn want(&mut self, desired: SlotDesired) -> Option<u8> {
        let settings = desired.settings.clone().unwrap_or_default();
        let digest = settings_digest(&settings);
        if self.engine.is_some() && digest != self.digest {
            tracing::info!("the output's settings changed");
            return Some(exit::SETTINGS_CHANGED);
        }
        if self.engine.is_none() {
            match OutputSettings::from_wire(&settings) {
                Ok(output) => match Engine::start(output, &self.facts, self.done.clone()) {
                    Ok(engine) => {
                        self.engine = Some(engine);
                        self.digest = digest;
                    }
                    Err(error) => {
                        self.problem("OUTPUT_FAILED", error.to_string(), true);
                        return Some(exit::FAILED);
                    }
                },
                Err(error) => {
                    self.problem("SETTINGS_INVALID", error.to_string(), false);
                    return None;
                }
            }
        }
        let idle = idle_from_wire(&settings);
        if let Some(Err(error)) = self.engine.as_mut().map(|engine| engine.set_idle(&idle)) {
            self.problem("IDLE_FILE_UNREADABLE", error.to_string(), false);
        }
        self.desired = desired;
        for source in [self.desired.armed.clone(), self.desired.on_air.clone()]
            .into_iter()
            .flatten()
        {
            if !self.callers.contains_key(&source.session)
                && let Some(code) = self.decode(source)
            {
                return Some(code);
            }
        }
        let wish = Desired {
            generation: self.desired.generation,
            on_air: self.desired.on_air.as_ref().map(|source| source.session),
            armed: self.desired.armed.as_ref().map(|source| source.session),
            fade: self.fade(),
            muted: self.desired.muted,
        };
        self.order(Control::Want(wish)).or_else(|| self.tidy())
    }

    /// The length of the wished change. The caller on air who comes back in a new session is no change to be faded.
    fn fade(&self) -> Duration {
        let shown = match self.report.showing {
            Showing::Caller(id) | Showing::Frozen(id) => self.callers.get(&id),
            Showing::Idle | Showing::Armed(_) => None,
        };
        let same = shown
            .zip(self.desired.on_air.as_ref())
            .is_some_and(|(shown, wanted)| shown.source.caller == wanted.caller);
        let fade_ms = if same { 0 } else { self.desired.fade_ms };
        Duration::from_millis(u64::from(fade_ms))
    }

    /// Begins to decode a session. Some code ends the worker.
    fn decode(&mut self, source: Source) -> Option<u8> {
        let id = source.session;
        // A codec that cannot be decoded has been told; the output goes on.
        let input = self.build(&source)?;
        let tracks = input.tracks();
        let caller = Caller {
            source,
            input: Some(input),
            build: self.builds,
            keys: KeyFrames::default(),
            rebuilt_at: None,
            rebuild: false,
        };
        self.callers.insert(id, caller);
        self.order(Control::Add(id, tracks))
    }

    fn build(&mut self, source: &Source) -> Option<RtpInput> {
        let engine = self.engine.as_ref()?;
        self.builds += 1;
        let (format, media) = (engine.format(), engine.media());
        match RtpInput::start(source, self.builds, format, &media, &self.facts) {
            Ok(input) => Some(input),
            Err(error) => {
                self.problem("SOURCE_NOT_DECODABLE", error.to_string(), false);
                None
            }
        }
    }

    fn rebuild_failed(&mut self) {
        let due = |at: Option<Instant>| at.is_none_or(|at| at.elapsed() >= REBUILD_SPACING);
        let failed: Vec<(SourceId, Source)> = self
            .callers
            .iter()
            .filter(|(_, caller)| caller.rebuild && due(caller.rebuilt_at))
            .map(|(id, caller)| (*id, caller.source.clone()))
            .collect();
        for (id, source) in failed {
            let input = self.build(&source);
            if let Some(caller) = self.callers.get_mut(&id) {
                caller.rebuild = input.is_none();
                caller.input = input;
                caller.build = self.builds;
                caller.keys = KeyFrames::default();
                caller.rebuilt_at = Some(Instant::now());
            }
        }
    }

    /// Ends the decoders that are neither wished for nor shown.
    fn tidy(&mut self) -> Option<u8> {
        let wished =
            [&self.desired.on_air, &self.desired.armed].map(|s| s.as_ref().map(|s| s.session));
        let gone: Vec<SourceId> = self
            .callers
            .keys()
            .copied()
            .filter(|id| !wished.contains(&Some(*id)) && self.unused.contains(id))
            .collect();
        for id in gone {
            self.callers.remove(&id);
            if let Some(code) = self.order(Control::Remove(id)) {
                return Some(code);
            }
        }
        None
    }

    fn packets(&mut self, packets: Packets) {
        let medium = packets.medium();
        let Some(caller) = self.callers.get(&packets.session) else {
            return;
        };
        let Some(input) = &caller.input else { return };
        if packets.rtcp {
            packets
                .data
                .iter()
                .for_each(|packet| input.rtcp(medium, packet));
        } else {
            packets
                .data
                .into_iter()
                .for_each(|packet| input.push(medium, packet));
        }
    }

    /// Orders the pacer; a code when it no longer takes orders, for then the output stands still.
    fn order(&mut self, order: Control) -> Option<u8> {
        let taken = self
            .engine
            .as_ref()
            .is_none_or(|engine| engine.order(order));
        if taken {
            return None;
        }
        self.problem(
            "OUTPUT_STUCK",
            "the pacing thread takes no orders".to_owned(),
            true,
        );
        Some(exit::FAILED)
    }

    fn idle_unreadable(&mut self, token: u64, text: String) {
        if self
            .engine
            .as_mut()
            .is_some_and(|engine| engine.idle_failed(token))
        {
            self.problem("IDLE_FILE_UNREADABLE", text, false);
        }
    }

    fn greet(&self) {
        self.say_surely(Say::Hello(Hello {
            unit: self.args.unit.clone(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings_digest: self.digest,
            showing: Some(self.slot_report()),
            ..Hello::default()
        }));
        for input in self
            .callers
            .values()
            .filter_map(|caller| caller.input.as_ref())
        {
            self.say_surely(Say::Source(self.source_report(input.decoded())));
        }
    }

    fn slot_report(&self) -> SlotReport {
        use slot_report::Showing as Wire;
        let (showing, id) = match self.report.showing {
            Showing::Idle => (Wire::Idle, None),
            Showing::Armed(id) => (Wire::Armed, Some(id)),
            Showing::Caller(id) => (Wire::Caller, Some(id)),
            Showing::Frozen(id) => (Wire::Frozen, Some(id)),
        };
        SlotReport {
            showing: showing.into(),
            caller: id.map_or_else(String::new, |id| self.name(id)),
            generation: self.report.generation,
        }
    }

    fn source_report(&self, decoded: Decoded) -> SourceReport {
        SourceReport {
            session: decoded.id,
            caller: self.name(decoded.id),
            picture: decoded.picture,
            sound: decoded.sound,
            width: decoded.size.0,
            height: decoded.size.1,
            fps: decoded.fps,
        }
    }

    fn name(&self, id: SourceId) -> String {
        self.callers
            .get(&id)
            .map(|caller| caller.source.caller.clone())
            .unwrap_or_default()
    }

    /// Tells operators, in the log too, but not the same thing all the time.
    fn problem(&mut self, reason: &'static str, text: String, fatal: bool) {
        let recent = self
            .told
            .get(reason)
            .is_some_and(|at| at.elapsed() < PROBLEM_SPACING);
        if recent && !fatal {
            return;
        }
        self.told.insert(reason, Instant::now());
        tracing::warn!(reason, text, fatal, "problem");
        self.say_surely(Say::Problem(Problem {
            reason: reason.to_owned(),
            text,
            fatal,
        }));
    }

    /// Says what may be lost when boothd is slow.
    fn say(&self, message: Say) {
        if let Some(link) = &self.link {
            link.send(message);
        }
    }

    /// Says what must not be lost: when it does not fit, boothd hears the whole state anew with the next Hello.
    fn say_surely(&self, message: Say) {
        if let Some(link) = &self.link
            && !link.send(message)
        {
            tracing::warn!("boothd is too slow; dropping the connection");
            link.hang_up();
        }
    }
}
