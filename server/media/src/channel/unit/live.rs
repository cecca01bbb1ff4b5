//! The live input: who counts, from whichever of the three ways, and what it sends.

use std::sync::Arc;
use std::time::Duration;

use booth_proto::worker::from_worker::Message as Say;
use booth_proto::worker::{
    ChannelMode, KeyframeRequest, Packets, PublishEnd, PublishStart, Source,
};
use booth_stream::MediaEvent;
use tokio::time::Instant;

use super::Unit;
use crate::channel::format;
use crate::channel::input::{SocketEvent, SrtEvent, WhipEvent, WhipInput};
use crate::channel::live::LiveChange;
use crate::channel::program::Verdict;
use crate::channel::sampler::{Sampler, Seen};
use crate::channel::srt_live::SrtFact;
use crate::worker::start_gstreamer;

/// Connections that are not of the media socket, which counts its own from 1.
const SRT: u64 = 1 << 62;
const WHIP: u64 = 1 << 63;
/// A WHIP pipeline that failed is built again after this long.
const WHIP_RETRY: Duration = Duration::from_secs(1);

impl Unit {
    /// The media socket has something.
    pub fn socket(&mut self, event: SocketEvent) {
        match event {
            SocketEvent::Hello {
                connection,
                publisher,
                take,
            } => {
                self.connections = self.connections.max(connection);
                let change = self.live.hello(connection, publisher, take);
                self.live_changed(change);
            }
            SocketEvent::Media { connection, event } => {
                if self.live.is_current(connection) {
                    self.srt.door().other_lives(self.takeover());
                    self.live_media(event);
                }
            }
            SocketEvent::Gone { connection, reason } => {
                let change = self.live.gone(connection);
                if change == LiveChange::End {
                    tracing::info!(reason, "the publisher is gone");
                }
                self.live_changed(change);
            }
        }
    }

    pub(super) fn live_changed(&mut self, change: LiveChange) {
        let now = self.now();
        if change != LiveChange::None {
            self.srt.door().other_is_gone();
            self.look();
        }
        match (change, &mut self.program) {
            (LiveChange::Begin, Some(program)) => program.live_begin(now),
            (LiveChange::End, Some(program)) => program.live_end(now),
            _ => {}
        }
        if change != LiveChange::None {
            (self.video, self.audio) = (None, None);
            self.describe();
        }
        let publisher = self.live.publisher();
        if self.report.publisher != publisher {
            self.report.publisher = publisher;
            self.news = true;
        }
    }

    pub(super) fn live_media(&mut self, event: MediaEvent) {
        match &event {
            MediaEvent::Video(config) => {
                self.video = Some(Arc::clone(config));
                self.describe();
            }
            MediaEvent::Audio(config) => {
                self.audio = Some(Arc::clone(config));
                self.describe();
            }
            MediaEvent::Unit(unit) => self.rates.live += unit.data.len(),
        }
        if let Some(sampler) = &mut self.sampler {
            sampler.see(&event);
        }
        let now = self.now();
        if let Some(program) = &mut self.program {
            program.live(now, event);
        }
    }

    pub(super) fn describe(&mut self) {
        let settings = self.desired.settings.clone().unwrap_or_default();
        let format = format::describe(self.video.as_deref(), self.audio.as_deref(), &settings);
        if self.report.live_format != format {
            self.report.live_format = format;
            self.news = true;
        }
    }

    /// The SRT listener has something.
    pub fn srt(&mut self, generation: u64, event: SrtEvent) {
        let mut facts = std::mem::take(&mut self.srt_facts);
        self.srt.event(generation, event, &mut facts);
        for fact in facts.drain(..) {
            self.srt_fact(fact);
        }
        self.srt_facts = facts;
    }

    pub(super) fn srt_fact(&mut self, fact: SrtFact) {
        match fact {
            SrtFact::Up { publisher, peer } => {
                tracing::info!(publisher, peer, "an SRT publisher came");
                self.srt_peer = peer;
                self.live.accept(SRT | publisher, publisher, Instant::now());
                self.live_changed(LiveChange::Begin);
                self.say_srt_publisher();
            }
            SrtFact::Media(event) => {
                if self.live.is_current(SRT | self.srt.publisher()) {
                    self.live_media(event);
                }
            }
            SrtFact::Down { publisher, reason } => {
                tracing::info!(publisher, reason, "the SRT publisher is gone");
                let change = self.live.gone(SRT | publisher);
                self.live_changed(change);
                self.take_whip();
                let unit = &self.args.unit;
                let channel = unit.split_once('-').map_or("", |(_, id)| id).to_owned();
                self.say_surely(Say::PublishEnd(PublishEnd {
                    publisher,
                    channel,
                    reason,
                }));
            }
            SrtFact::Problem(reason, text) => self.problem(reason, text, false),
        }
    }

    /// boothd did not let this one in, and has to hear of it.
    pub(super) fn say_srt_publisher(&self) {
        let publisher = self.srt.publisher();
        if publisher != 0 {
            self.say_surely(Say::PublishStart(PublishStart {
                publisher,
                protocol: "srt".to_owned(),
                peer: self.srt_peer.clone(),
                agent: String::new(),
            }));
        }
    }

    /// boothd named the publisher, or its WHIP session.
    pub(super) fn want_live(&mut self, publisher: u64, whip: Option<&Source>) {
        let change = self.live.want(publisher, Instant::now());
        self.live_changed(change);
        self.kick_srt();
        if self.whip_wished.as_ref() != whip {
            self.whip_wished = whip.cloned();
            self.start_whip();
        }
        self.take_whip();
    }

    /// An SRT caller that is not the live input is of no use.
    fn kick_srt(&mut self) {
        let caller = self.srt.publisher();
        if caller != 0 && !self.live.is_current(SRT | caller) {
            let gone = self.srt.kick("somebody else publishes");
            gone.into_iter().for_each(|fact| self.srt_fact(fact));
        }
    }

    /// The publisher's session counts as soon as its pipeline runs, unless somebody was let in since it was ordered.
    fn take_whip(&mut self) {
        let Some(session) = self.whip.as_ref().map(|whip| whip.source().session) else {
            return;
        };
        let publisher = self.desired.publisher;
        let wanted = publisher != 0 && publisher == self.live.wanted();
        if wanted && !self.live.is_current(WHIP | session) {
            self.live.accept(WHIP | session, publisher, Instant::now());
            self.live_changed(LiveChange::Begin);
        }
    }

    fn start_whip(&mut self) {
        self.whip = None;
        self.whip_retry = None;
        let Some(source) = self.whip_wished.clone() else {
            return;
        };
        let events = self.events.whip.clone();
        tokio::task::spawn_blocking(move || {
            let started = start_gstreamer()
                .map_err(|_| "GStreamer cannot be used on this machine".to_owned())
                .and_then(|()| {
                    WhipInput::start(&source, &events).map_err(|error| error.to_string())
                });
            let _ = events.blocking_send((source.session, WhipEvent::Opened(started)));
        });
    }

    /// RTP over the link.
    pub(super) fn packets(&mut self, packets: Packets) {
        let (medium, rtcp) = (packets.medium(), packets.rtcp);
        let whip = self.whip.as_ref();
        if let Some(whip) = whip.filter(|whip| whip.source().session == packets.session) {
            whip.push(medium, rtcp, packets.data);
        }
    }

    /// The WHIP pipeline has something.
    pub fn whip(&mut self, session: u64, event: WhipEvent) {
        let wished = self.whip_wished.as_ref().map(|source| source.session);
        if wished != Some(session) {
            return;
        }
        match event {
            WhipEvent::Opened(Ok(input)) => {
                if self.whip_wished.as_ref() == Some(input.source()) {
                    self.whip = Some(input);
                    self.take_whip();
                }
            }
            WhipEvent::Media(event) => {
                if self.live.is_current(WHIP | session) {
                    self.srt.door().other_lives(self.takeover());
                    self.live_media(event);
                }
            }
            WhipEvent::KeyFrameNeeded => self.say(Say::Keyframe(KeyframeRequest { session })),
            WhipEvent::Opened(Err(text)) | WhipEvent::Failed(text) => {
                self.problem("WHIP_INPUT_FAILED", text, false);
                self.whip = None;
                self.whip_retry = Some(Instant::now() + WHIP_RETRY);
            }
        }
    }

    /// What time has come for at the inputs.
    pub(super) fn inputs_tick(&mut self, now: Instant) {
        if self.socket_retry.is_some_and(|at| now >= at) {
            self.listen();
        }
        if self.srt.due().is_some_and(|at| now >= at) {
            let fact = self.srt.tick();
            fact.into_iter().for_each(|fact| self.srt_fact(fact));
        }
        if self.whip_retry.is_some_and(|at| now >= at) {
            self.start_whip();
        }
        if self.claim_due().is_some_and(|at| now >= at) {
            let change = self.live.tick(now);
            self.live_changed(change);
            self.kick_srt();
            self.take_whip();
        }
    }

    /// When a publisher that was let in here must have been ordered. Without boothd nobody can order it.
    pub(super) fn claim_due(&self) -> Option<Instant> {
        self.link.as_ref().and_then(|_| self.live.due())
    }

    /// Without media for so long a publisher is stale.
    fn takeover(&self) -> Duration {
        let settings = self.desired.settings.as_ref();
        Duration::from_millis(settings.map_or(0, |settings| settings.takeover_ms).into())
    }

    /// Looks into the live input anew, if that is asked for and passed on undecoded.
    pub(super) fn look(&mut self) {
        self.sampler = None;
        self.verdict = Verdict::default();
        let copy = self
            .fixed
            .as_ref()
            .is_some_and(|fixed| fixed.mode == ChannelMode::Copy);
        let asked = self
            .wish
            .is_some_and(|wish| wish.frozen + wish.black + wish.silent > 0);
        if !copy || !asked || self.live.publisher() == 0 {
            return;
        }
        match Sampler::start(self.events.sampler.clone()) {
            Ok(sampler) => {
                let sampler = self.sampler.insert(sampler);
                let video = self.video.clone().map(MediaEvent::Video);
                let audio = self.audio.clone().map(MediaEvent::Audio);
                video
                    .iter()
                    .chain(&audio)
                    .for_each(|config| sampler.see(config));
            }
            Err(error) => self.problem("SAMPLER_FAILED", error.to_string(), false),
        }
    }

    /// A look found something.
    pub fn seen(&mut self, seen: Seen) {
        seen.apply(&mut self.verdict);
        let (now, verdict) = (self.now(), self.verdict);
        if let (Some(program), Some(_)) = (&mut self.program, &self.sampler) {
            program.verdict(now, verdict);
        }
    }
}
