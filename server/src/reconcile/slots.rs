//! Orders to slots.

use booth_core::{
    CallerId, IdleSource, SessionId, Slot, SlotOutput, State, Transition, VideoEncoder,
};
use booth_proto::worker::{self, IdleKind, SlotDesired, to_worker::Message};

use super::{Reconciler, session};
use crate::secrets::slot_passphrase_context;
use crate::supervise::UnitId;

impl Reconciler {
    pub(super) fn order_slots(&mut self, state: &State) {
        for slot in state.slots.values() {
            let unit = UnitId::Slot(slot.id.clone());
            let Some(link) = self.link(&unit) else {
                continue;
            };
            let Some(desired) = self.slot(state, slot, &unit) else {
                continue;
            };
            let sessions: Vec<SessionId> = [&desired.on_air, &desired.armed]
                .into_iter()
                .flatten()
                .filter(|s| s.session != 0)
                .map(|s| SessionId(s.session))
                .collect();
            self.parts
                .hub
                .subscribe(&unit.to_string(), &link.packets, &sessions);
            self.order(&unit, &link, Message::Slot(desired));
        }
    }

    /// `None` when the settings cannot be told (a passphrase of another key): better no order than one without it.
    fn slot(&mut self, state: &State, slot: &Slot, unit: &UnitId) -> Option<SlotDesired> {
        let on_air = slot
            .assigned
            .as_ref()
            .map(|a| self.source(state, &a.caller));
        let on_air_id = slot.assigned.as_ref().map(|a| &a.caller);
        let armed = state
            .armed_for(&slot.id)
            .filter(|id| Some(*id) != on_air_id)
            .map(|id| self.source(state, id))
            .filter(|s| s.session != 0);
        let transition = slot
            .assigned
            .as_ref()
            .map_or(slot.release_transition, |a| a.transition);
        let muted = on_air_id
            .and_then(|id| state.callers.get(id))
            .is_some_and(|c| c.muted);
        Some(SlotDesired {
            generation: 0,
            settings: Some(self.slot_settings(slot, unit)?),
            on_air,
            armed,
            fade_ms: match transition {
                Transition::Cut => 0,
                Transition::Fade { ms } => ms,
            },
            muted,
        })
    }

    /// A caller's session; with session 0 and no tracks while no media arrives.
    fn source(&self, state: &State, id: &CallerId) -> worker::Source {
        let nothing = || worker::Source {
            caller: id.to_string(),
            session: 0,
            audio: None,
            video: None,
        };
        state
            .callers
            .get(id)
            .and_then(|c| session(c))
            .and_then(|s| self.parts.hub.source(s))
            .unwrap_or_else(nothing)
    }

    fn slot_settings(&mut self, slot: &Slot, unit: &UnitId) -> Option<worker::SlotSettings> {
        let s = &slot.settings;
        let passphrase = match &s.passphrase {
            None => String::new(),
            Some(sealed) => {
                let context = slot_passphrase_context(&slot.id);
                self.open(unit, "PASSPHRASE", &context, sealed)?
            }
        };
        let (port, push_url) = match &s.output {
            SlotOutput::Listen { port } => (u32::from(*port), String::new()),
            SlotOutput::Push { url } => (0, url.clone()),
        };
        let (idle, idle_path) = match &s.idle {
            IdleSource::Black => (IdleKind::Black, String::new()),
            IdleSource::Image { path } => (IdleKind::Image, path.clone()),
            IdleSource::Video { path } => (IdleKind::Video, path.clone()),
            IdleSource::TestPattern => (IdleKind::TestPattern, String::new()),
        };
        Some(worker::SlotSettings {
            port,
            push_url,
            stream_id: s.stream_id.clone().unwrap_or_default(),
            passphrase,
            latency_ms: s.latency_ms,
            idle: idle.into(),
            idle_path,
            audio_only: s.audio_only,
            width: s.video.width,
            height: s.video.height,
            fps: s.video.fps,
            video_bitrate_kbps: s.video.bitrate_kbps,
            audio_bitrate_kbps: s.audio_bitrate_kbps,
            encoder: encoder(s.video.encoder),
            preset: s.video.preset.clone(),
            bind: self.parts.config.slots.bind.to_string(),
        })
    }
}

pub(super) fn encoder(encoder: VideoEncoder) -> String {
    match encoder {
        VideoEncoder::X264 => "x264".into(),
        VideoEncoder::Openh264 => "openh264".into(),
    }
}
