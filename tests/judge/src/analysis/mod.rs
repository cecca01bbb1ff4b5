//! The state of a judgement: fed with bytes and with what decoders saw, it can give a report at any time.
//! Everything in it is bounded; nothing in it reads a clock.

mod audio;
mod findings;
mod transport;
mod video;

use std::collections::{BTreeMap, VecDeque};

pub use audio::AudioFrame;
pub use video::VideoFrame;

use crate::{
    clock::between_ms,
    defect::{DefectClass, Defects},
    demux::{Demux, Fact},
    options::Options,
    report::{ArrivalGap, Epoch, PcrReport, Report, StreamReport, TransportReport},
    sense::{Ears, Eyes},
    stamps::Unwrap,
    ts::sync::Syncer,
};

/// Frames cut out of the stream, for the decoders.
#[derive(Debug)]
pub enum Unit {
    Video(VideoFrame),
    Audio(AudioFrame),
}

/// All that is known.
#[derive(Debug)]
pub struct Analysis {
    options: Options,
    live: bool,
    syncer: Syncer,
    demux: Demux,
    defects: Defects,
    transport: TransportReport,
    epochs: VecDeque<Epoch>,
    epochs_total: u64,
    connect_failures: u64,
    last_connect_error: Option<String>,
    messages: u64,
    last_at_ns: u64,
    last_in_epoch_ns: Option<u64>,
    gaps: VecDeque<ArrivalGap>,
    largest_gap_ms: f64,
    streams: BTreeMap<u16, StreamReport>,
    pcr: PcrReport,
    pcr_unwrap: Unwrap,
    video: video::Video,
    audio: audio::Audio,
    pub(crate) eyes: Eyes,
    pub(crate) ears: Ears,
    video_pid: Option<u16>,
    audio_pid: Option<u16>,
    tables_seen: bool,
    overruns: u64,
    ended: bool,
}

impl Analysis {
    pub fn new(options: Options, live: bool) -> Self {
        Self {
            eyes: Eyes::new(&options),
            ears: Ears::new(&options),
            options,
            live,
            syncer: Syncer::default(),
            demux: Demux::default(),
            defects: Defects::default(),
            transport: TransportReport::default(),
            epochs: VecDeque::new(),
            epochs_total: 0,
            connect_failures: 0,
            last_connect_error: None,
            messages: 0,
            last_at_ns: 0,
            last_in_epoch_ns: None,
            gaps: VecDeque::new(),
            largest_gap_ms: 0.0,
            streams: BTreeMap::new(),
            pcr: PcrReport::default(),
            pcr_unwrap: Unwrap::pcr(),
            video: video::Video::default(),
            audio: audio::Audio::default(),
            video_pid: None,
            audio_pid: None,
            tables_seen: false,
            overruns: 0,
            ended: false,
        }
    }

    /// The connection stands: a new epoch.
    pub fn connected(&mut self, at_ns: u64) {
        self.epochs_total += 1;
        if self.epochs.len() == self.options.keep.max(1) {
            self.epochs.pop_front();
        }
        let number = u32::try_from(self.epochs_total).unwrap_or(u32::MAX);
        self.epochs.push_back(Epoch {
            number,
            connected_at_ns: at_ns,
            ..Epoch::default()
        });
        if self.epochs_total > 1 {
            self.defects.add(
                DefectClass::Reconnect,
                at_ns,
                None,
                None,
                format!("connection {number}"),
            );
        }
    }

    /// The connection ended. Units that were still open are returned.
    pub fn disconnected(&mut self, at_ns: u64, reason: &str) -> Vec<Unit> {
        let units = self.drain_units();
        if let Some(epoch) = self.epochs.back_mut() {
            epoch.disconnected_at_ns = Some(at_ns);
            epoch.reason = Some(reason.to_owned());
        }
        self.syncer.restart();
        self.demux = Demux::default();
        self.last_in_epoch_ns = None;
        self.pcr.steps.restart();
        for stream in self.streams.values_mut() {
            stream.pts.restart();
            stream.dts.restart();
        }
        self.video.new_epoch();
        self.audio.new_epoch();
        units
    }

    pub fn connect_failed(&mut self, error: &str) {
        self.connect_failures += 1;
        self.last_connect_error = Some(error.to_owned());
    }

    /// Input was thrown away because it could not be looked at in time.
    pub fn overrun(&mut self, at_ns: u64, what: &str) {
        self.overruns += 1;
        self.defects
            .add(DefectClass::Overrun, at_ns, None, None, what.to_owned());
    }

    /// Bytes as they arrived. Returns the frames found in them.
    pub fn bytes(&mut self, data: &[u8], at_ns: u64) -> Vec<Unit> {
        self.note_arrival(data.len(), at_ns);
        let mut syncer = std::mem::take(&mut self.syncer);
        let mut demux = std::mem::take(&mut self.demux);
        let mut facts = Vec::new();
        let (losses, skipped) = (syncer.losses(), syncer.skipped());
        let mut packets = 0;
        syncer.push(data, |raw| {
            packets += 1;
            demux.packet(raw, at_ns, &mut |fact| facts.push(fact));
        });
        self.transport.packets += packets;
        self.note_sync(syncer.losses() - losses, syncer.skipped() - skipped, at_ns);
        (self.syncer, self.demux) = (syncer, demux);
        self.take_facts(facts, at_ns)
    }

    /// The input is at its end, and everything is decoded.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// What is still open comes out as it is.
    pub fn drain_units(&mut self) -> Vec<Unit> {
        let at_ns = self.last_at_ns;
        let (mut facts, mut packets) = (Vec::new(), 0);
        let Self { syncer, demux, .. } = self;
        let left = syncer.finish(|raw| {
            packets += 1;
            demux.packet(raw, at_ns, &mut |fact| facts.push(fact));
        });
        demux.flush(&mut |fact| facts.push(fact));
        self.transport.packets += packets;
        self.note_sync(0, left as u64, at_ns);
        let units = self.take_facts(facts, at_ns);
        self.finish_video(at_ns);
        units
    }

    fn note_arrival(&mut self, length: usize, at_ns: u64) {
        self.messages += 1;
        self.last_at_ns = at_ns;
        self.transport.bytes += length as u64;
        if let Some(epoch) = self.epochs.back_mut() {
            epoch.bytes += length as u64;
            epoch.first_packet_at_ns.get_or_insert(at_ns);
        }
        if let Some(last) = self.last_in_epoch_ns.replace(at_ns)
            && self.live
        {
            let gap_ms = between_ms(last, at_ns);
            self.rank_gap(ArrivalGap { gap_ms, at_ns });
            if gap_ms > self.options.max_arrival_gap_ms {
                self.defects.add(
                    DefectClass::ArrivalGap,
                    at_ns,
                    None,
                    None,
                    format!("{gap_ms:.1} ms"),
                );
            }
        }
    }

    /// Keeps the gaps that no later one exceeds: a short list that answers "the largest since" for any moment.
    fn rank_gap(&mut self, gap: ArrivalGap) {
        const KEEP: usize = 256;
        self.largest_gap_ms = self.largest_gap_ms.max(gap.gap_ms);
        while self.gaps.back().is_some_and(|g| g.gap_ms <= gap.gap_ms) {
            self.gaps.pop_back();
        }
        if self.gaps.len() == KEEP {
            self.gaps.pop_front();
        }
        self.gaps.push_back(gap);
    }

    fn note_sync(&mut self, losses: u64, skipped: u64, at_ns: u64) {
        self.transport.sync_losses += losses;
        self.transport.skipped_bytes += skipped;
        if skipped > 0 {
            self.defects.add(
                DefectClass::Sync,
                at_ns,
                None,
                None,
                format!("{skipped} bytes passed over"),
            );
        }
    }

    fn take_facts(&mut self, facts: Vec<Fact>, at_ns: u64) -> Vec<Unit> {
        let mut units = Vec::new();
        for fact in facts {
            self.take_fact(fact, at_ns, &mut units);
        }
        units
    }

    /// The current connection's number, 0 before the first.
    pub(crate) fn epoch(&self) -> u32 {
        self.epochs.back().map_or(0, |e| e.number)
    }

    /// The report as of `now_ns`.
    pub fn report(&self, input: &str, started_at_ns: u64, now_ns: u64) -> Report {
        let mut report = Report {
            input: input.to_owned(),
            live: self.live,
            started_at_ns,
            taken_at_ns: now_ns,
            ended: self.ended,
            transport: self.transport.clone(),
            epochs: self.epochs.clone(),
            epochs_total: self.epochs_total,
            connect_failures: self.connect_failures,
            last_connect_error: self.last_connect_error.clone(),
            streams: self.streams.clone(),
            pcr: self.pcr.clone(),
            video: self.video_report(),
            audio: self.audio_report(),
            ..Report::default()
        };
        report.transport.bit_rate = self.bit_rate();
        report.arrivals.messages = self.messages;
        report.arrivals.last_at_ns = self.last_at_ns;
        report.arrivals.since.clone_from(&self.gaps);
        report.arrivals.largest_gap_ms = self.largest_gap_ms;
        if self.options.decode {
            report.picture = Some(self.eyes.report());
            report.sound = Some(self.ears.report());
            report.av_skew = self.skew();
        }
        report.defects = self.all_defects(&report);
        report
    }

    fn bit_rate(&self) -> f64 {
        let seconds = if self.live {
            let first = self
                .epochs
                .iter()
                .find_map(|e| e.first_packet_at_ns)
                .unwrap_or(self.last_at_ns);
            between_ms(first, self.last_at_ns) / 1e3
        } else {
            match (self.pcr.steps.first, self.pcr.steps.last) {
                (Some(first), Some(last)) => (last - first) as f64 / 90e3,
                _ => 0.0,
            }
        };
        if seconds > 0.0 {
            self.transport.bytes as f64 * 8.0 / seconds
        } else {
            0.0
        }
    }
}
