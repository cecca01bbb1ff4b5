//! Helpers that speak of channels.

use booth_core::*;

use crate::world::*;

pub fn channel(s: &str) -> ChannelId {
    ChannelId::new(s).unwrap()
}
pub fn destination(s: &str) -> DestinationId {
    DestinationId::new(s).unwrap()
}
pub fn sealed(s: &str) -> Sealed {
    Sealed(s.into())
}

/// With a looping film.
pub fn film() -> ChannelSettings {
    ChannelSettings {
        backup: Some(Backup {
            files: vec!["/srv/loop.mp4".into()],
            digest: "d1".into(),
        }),
        ..ChannelSettings::default()
    }
}

pub fn create(id: &str, settings: ChannelSettings) -> Command {
    Command::CreateChannel {
        id: channel(id),
        settings,
        key: sealed("key"),
    }
}
pub fn update(id: &str, settings: ChannelSettings) -> Command {
    Command::UpdateChannel {
        id: channel(id),
        settings,
    }
}
pub fn delete(id: &str) -> Command {
    Command::DeleteChannel { id: channel(id) }
}
pub fn start(id: &str) -> Command {
    Command::StartChannel { id: channel(id) }
}
pub fn stop(id: &str) -> Command {
    Command::StopChannel { id: channel(id) }
}
pub fn force(id: &str, force: Force) -> Command {
    Command::ForceChannel {
        id: channel(id),
        force,
    }
}
pub fn rotate(id: &str, key: &str) -> Command {
    Command::RotateChannelKey {
        id: channel(id),
        key: sealed(key),
    }
}
pub fn kick(id: &str) -> Command {
    Command::KickPublisher { id: channel(id) }
}
pub fn encoder(n: u64, protocol: PublishProtocol) -> Publisher {
    Publisher {
        id: PublisherId(n),
        protocol,
        peer: text(&format!("192.0.2.{n}:5000")),
        agent: text("FMLE/3.0"),
        since: Timestamp(0),
    }
}
pub fn publish(id: &str, n: u64) -> Command {
    Command::Publish {
        channel: channel(id),
        publisher: encoder(n, PublishProtocol::Rtmp),
        key: sealed("key"),
    }
}

pub fn rtmp(url: &str) -> DestinationSettings {
    DestinationSettings {
        preset: DestinationPreset::Custom,
        url: url.into(),
        key: Some(sealed("stream key")),
        session_max_s: 0,
        latency_ms: 200,
        stream_id: None,
    }
}
pub fn add(id: &str, to: &str) -> Command {
    Command::AddDestination {
        channel: channel(id),
        id: destination(to),
        settings: rtmp("rtmps://live.example:443/app"),
        enabled: true,
    }
}
pub fn change(id: &str, to: &str, settings: DestinationSettings) -> Command {
    Command::UpdateDestination {
        channel: channel(id),
        id: destination(to),
        settings,
    }
}
pub fn enable(id: &str, to: &str, enabled: bool) -> Command {
    Command::SetDestinationEnabled {
        channel: channel(id),
        id: destination(to),
        enabled,
    }
}
pub fn remove(id: &str, to: &str) -> Command {
    Command::RemoveDestination {
        channel: channel(id),
        id: destination(to),
    }
}

pub fn worker_up(id: &str) -> Fact {
    let channel = channel(id);
    Fact::ChannelWorkerUp { channel }
}
pub fn worker_down(id: &str) -> Fact {
    let channel = channel(id);
    Fact::ChannelWorkerDown { channel }
}
pub fn shows(id: &str, showing: ChannelShowing, cause: SwitchCause) -> Fact {
    Fact::ChannelShowing {
        channel: channel(id),
        showing,
        cause,
        gap_ms: 33,
    }
}
pub fn live(id: &str, live: LiveState) -> Fact {
    let format = (live != LiveState::Absent).then(hd);
    Fact::ChannelLive {
        channel: channel(id),
        live,
        format,
    }
}
pub fn stalled() -> LiveState {
    let cause = SwitchCause::LiveStalled;
    LiveState::Lost { cause }
}
pub fn hd() -> LiveFormat {
    LiveFormat {
        video: text("H.264 High 4.0"),
        width: 1_280,
        height: 720,
        fps_milli: 30_000,
        audio: text("AAC-LC 48000 Hz stereo"),
        differs: Text::default(),
    }
}
pub fn publisher_up(id: &str, n: u64) -> Fact {
    Fact::PublisherUp {
        channel: channel(id),
        publisher: encoder(n, PublishProtocol::Srt),
    }
}
pub fn publisher_down(id: &str, n: u64) -> Fact {
    Fact::PublisherDown {
        channel: channel(id),
        id: PublisherId(n),
        reason: text("hung up"),
    }
}
pub fn sends(id: &str, to: &str, state: DestinationState, error: &str) -> Fact {
    Fact::DestinationState {
        channel: channel(id),
        id: destination(to),
        state,
        error: text(error),
    }
}

pub fn reconcile(id: &str) -> Effect {
    Effect::ReconcileChannel(channel(id))
}
pub fn retire(id: &str) -> Effect {
    Effect::RetireChannel(channel(id))
}

impl World {
    /// Channel `radio` with a film, on air on its backup, with destinations `a` and `b` LIVE.
    pub fn radio() -> Self {
        let mut world = Self::empty();
        world.ok(create("radio", film()));
        world.ok(add("radio", "a"));
        world.ok(add("radio", "b"));
        world.ok(start("radio"));
        world.on_backup("radio");
        for to in ["a", "b"] {
            world.fact(sends("radio", to, DestinationState::Live, ""));
        }
        world
    }

    /// A fresh worker comes and begins with the backup.
    pub fn on_backup(&mut self, id: &str) {
        self.fact(worker_up(id));
        self.fact(shows(id, ChannelShowing::Backup, SwitchCause::Started));
    }

    /// This encoder publishes, and is on air.
    pub fn on_live(&mut self, id: &str, n: u64) {
        self.ok(publish(id, n));
        self.fact(live(id, LiveState::Settling));
        self.pass(5_000);
        self.fact(live(id, LiveState::Stable));
        self.fact(shows(id, ChannelShowing::Live, SwitchCause::LiveStable));
    }

    pub fn channel(&self, id: &str) -> &Channel {
        &self.state.channels[&channel(id)]
    }
    pub fn radio_to(&self, to: &str) -> &Destination {
        &self.channel("radio").destinations[&destination(to)]
    }
    pub fn publisher(&self, id: &str) -> Option<u64> {
        self.channel(id).publisher.as_ref().map(|p| p.id.0)
    }
    pub fn events(&self) -> &[Event] {
        &self.journal.last().unwrap().events
    }

    /// A fact that changes nothing.
    #[track_caller]
    pub fn ignored(&mut self, fact: Fact) {
        let (said, before) = (format!("{fact:?}"), self.state.clone());
        self.fact(fact);
        assert!(self.state == before, "{said} changed the state");
    }
}
