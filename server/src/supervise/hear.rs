//! What workers say, as facts and readings. A worker is heard only on what its unit has to do with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use booth_core::{
    CallerId, ChannelId, Fact, PublishProtocol, SessionId, Showing, SlotId, State, TOPIC_MAX, Text,
};
use booth_proto::worker::{
    ChannelFigures, ChannelReport, Hello, Meters, Problem, SlotReport, Tile as Picture, ToWorker,
    from_worker, slot_report, to_worker,
};
use tokio::sync::watch;
use tracing::warn;

use super::{Context, Supervisor, UnitId, channel_facts};
use crate::meters::{DestinationMeter, Tile};

/// What an attached worker means for the state.
pub(super) fn greeting(state: &State, unit: &UnitId, hello: &Hello) -> Vec<Fact> {
    match unit {
        UnitId::Slot(slot) => vec![Fact::WorkerUp {
            slot: slot.clone(),
            showing: hello
                .showing
                .as_ref()
                .and_then(showing)
                .unwrap_or(Showing::Idle),
        }],
        UnitId::Channel(id) => {
            let channel = id.clone();
            let up = Fact::ChannelWorkerUp { channel };
            let known = state.channels.get(id).zip(hello.channel.as_ref());
            let rest = known.map(|(channel, report)| channel_facts::from_greeting(channel, report));
            std::iter::once(up)
                .chain(rest.into_iter().flatten())
                .collect()
        }
        UnitId::Ingest => state
            .channels
            .values()
            .filter_map(|channel| {
                let publisher = channel.publisher.as_ref()?;
                let here = matches!(
                    publisher.protocol,
                    PublishProtocol::Rtmp | PublishProtocol::Rtmps
                );
                (here && !hello.publishers.contains(&publisher.id.0)).then(|| Fact::PublisherDown {
                    channel: channel.id.clone(),
                    id: publisher.id,
                    reason: Text::scrub("its connection was lost", TOPIC_MAX),
                })
            })
            .collect(),
        UnitId::Prepare(_) | UnitId::Drill(_) => Vec::new(),
    }
}

/// What a lost link means for the state. Publishers of the ingest worker live on until its process is known to be gone.
pub(super) fn farewell(unit: &UnitId) -> Option<Fact> {
    match unit {
        UnitId::Slot(slot) => Some(Fact::WorkerDown { slot: slot.clone() }),
        UnitId::Channel(channel) => Some(Fact::ChannelWorkerDown {
            channel: channel.clone(),
        }),
        UnitId::Ingest | UnitId::Prepare(_) | UnitId::Drill(_) => None,
    }
}

/// Readings of a worker that is away are nobody's.
pub(super) fn forget(context: &Context, unit: &UnitId) {
    match unit {
        UnitId::Slot(slot) => context.meters.forget_slot(slot),
        UnitId::Channel(channel) => context.meters.forget_channel(channel),
        UnitId::Prepare(channel) => prepared_percent(context, channel, 0.0),
        UnitId::Ingest | UnitId::Drill(_) => {}
    }
}

/// Hears one link's worker.
pub(super) struct Ear {
    pub supervisor: Supervisor,
    pub context: Context,
    pub unit: UnitId,
    /// Of the link.
    pub serial: u64,
    pub answered: Arc<AtomicU64>,
    /// The order in force.
    pub desired: watch::Receiver<Option<ToWorker>>,
    /// What a channel's worker said last.
    pub channel: Option<ChannelReport>,
}

impl Ear {
    pub async fn heed(&mut self, message: from_worker::Message) {
        use from_worker::Message as M;
        let message = match message {
            M::Pong(_) | M::Hello(_) => return,
            M::Problem(problem) => return self.problem(&problem),
            M::Keyframe(wish) => {
                self.context.hub.request_keyframe(SessionId(wish.session));
                return;
            }
            other => other,
        };
        match (self.unit.clone(), message) {
            (UnitId::Slot(slot), message) => self.slot(slot, message).await,
            (UnitId::Channel(id), M::Channel(report)) => self.channel(id, report).await,
            (UnitId::Channel(id), M::Switch(switch)) => {
                self.tell(channel_facts::switched(&id, &switch)).await;
            }
            (UnitId::Channel(id), M::PublishStart(start)) => {
                self.tell(Some(channel_facts::publisher_up(&id, &start)))
                    .await;
            }
            (UnitId::Channel(id), M::PublishEnd(end)) => {
                self.tell(Some(channel_facts::publisher_down(&id, &end)))
                    .await;
            }
            (UnitId::Channel(id), M::ChannelFigures(figures)) => {
                figures_of(&self.context, &id, &figures);
            }
            (UnitId::Ingest, M::Publish(ask)) => {
                let (supervisor, serial) = (self.supervisor.clone(), self.serial);
                self.context.publish.ask(supervisor, serial, ask);
            }
            (UnitId::Ingest, M::PublishEnd(end)) => {
                let state = self.context.board.state();
                // Found by the publisher's own number: what the worker calls the channel is only for the log.
                let of = |p: &booth_core::Publisher| p.id.0 == end.publisher;
                let mut channels = state.channels.values();
                let fed = channels.find(|c| c.publisher.as_ref().is_some_and(of));
                // One whose acceptance is not durable yet is known by its channel alone.
                let named = || {
                    let id = ChannelId::new(&end.channel).ok()?;
                    state.channels.get(&id)
                };
                let fed = fed.or_else(named);
                let down = fed.map(|channel| channel_facts::publisher_down(&channel.id, &end));
                self.tell(down).await;
            }
            (UnitId::Prepare(id), M::Prepare(report)) => self.prepared(id, report).await,
            (UnitId::Drill(id), M::Drill(report)) => self.context.drills.report(&id, report),
            // Listeners know nothing of levels.
            (UnitId::Channel(_) | UnitId::Drill(_), M::Meters(_) | M::Tile(_) | M::Source(_)) => {}
            _ => warn!(unit = %self.unit, "a report that does not belong to the unit"),
        }
    }

    async fn tell(&self, facts: impl IntoIterator<Item = Fact>) {
        for fact in facts {
            self.context.director.fact(fact).await;
        }
    }

    fn problem(&self, problem: &Problem) {
        let Problem {
            reason,
            text,
            fatal,
        } = problem;
        warn!(unit = %self.unit, reason, text, fatal, "worker's problem");
        self.supervisor
            .note_problem(&self.unit, format!("{reason}: {text}"));
    }

    async fn slot(&self, slot: SlotId, message: from_worker::Message) {
        let context = &self.context;
        match message {
            from_worker::Message::Slot(report) => {
                let fact = showing(&report).map(|showing| Fact::SlotShowing { slot, showing });
                self.tell(fact).await;
            }
            from_worker::Message::Source(report) => {
                if let Ok(caller) = CallerId::new(&report.caller) {
                    context.meters.caller(&caller, |m| {
                        m.width = report.width;
                        m.height = report.height;
                        m.fps = report.fps;
                    });
                }
            }
            from_worker::Message::Meters(meters) => levels(context, &slot, meters),
            from_worker::Message::Tile(tile) => picture(context, slot, tile),
            _ => warn!(unit = %self.unit, "a report that does not belong to the unit"),
        }
    }

    async fn channel(&mut self, id: ChannelId, report: ChannelReport) {
        let before = self.channel.take().unwrap_or_default();
        self.answered.store(report.generation, Ordering::Release);
        if report.generation != before.generation {
            // What files are in use may be known now.
            self.supervisor.changed.notify_one();
        }
        let state = self.context.board.state();
        let facts = state
            .channels
            .get(&id)
            .map(|channel| channel_facts::from_change(channel, &before, &report));
        self.channel = Some(report);
        self.tell(facts.into_iter().flatten()).await;
    }

    async fn prepared(&self, id: ChannelId, report: booth_proto::worker::PrepareReport) {
        let wanted = match self
            .desired
            .borrow()
            .as_ref()
            .and_then(|d| d.message.as_ref())
        {
            Some(to_worker::Message::Prepare(order)) => order.key.clone(),
            _ => String::new(),
        };
        // The rest of a run whose work nobody wants any more.
        if report.key != wanted {
            return;
        }
        let percent = if report.done || !report.error.is_empty() {
            0.0
        } else {
            report.percent
        };
        prepared_percent(&self.context, &id, percent);
        self.tell(channel_facts::prepared(&id, &report)).await;
    }
}

fn prepared_percent(context: &Context, channel: &ChannelId, percent: f64) {
    context.meters.update(|readings| {
        if percent > 0.0 {
            let meter = readings.channels.entry(channel.clone()).or_default();
            meter.prepared_percent = percent.clamp(0.0, 100.0);
        } else if let Some(meter) = readings.channels.get_mut(channel) {
            meter.prepared_percent = 0.0;
        }
    });
}

fn figures_of(context: &Context, channel: &ChannelId, figures: &ChannelFigures) {
    let destinations = figures.destinations.iter().filter_map(|d| {
        let id = booth_core::DestinationId::new(&d.id).ok()?;
        let meter = DestinationMeter {
            rate_kbps: d.rate_kbps,
            dropped_frames: d.dropped_frames,
            sent_bytes: d.sent_bytes,
            retry_in_s: d.retry_in_s,
        };
        Some((id, meter))
    });
    let destinations = destinations.collect();
    context.meters.channel(channel, |m| {
        m.live_rate_kbps = figures.live_rate_kbps;
        m.output_rate_kbps = figures.output_rate_kbps;
        m.late_frames = figures.late_frames;
        m.monitor_clients = figures.monitor_clients;
        m.destinations = destinations;
    });
}

fn levels(context: &Context, slot: &SlotId, meters: Meters) {
    context.meters.slot(slot, |m| {
        m.rms_dbfs = meters.rms_dbfs;
        m.peak_dbfs = meters.peak_dbfs;
        if let Some(srt) = meters.srt {
            m.clients = srt.clients;
            m.sent_packets = srt.sent_packets;
            m.lost_packets = srt.lost_packets;
            m.send_rate_kbps = srt.send_rate_kbps;
            m.rtt_ms = srt.rtt_ms;
        }
    });
}

fn picture(context: &Context, slot: SlotId, tile: Picture) {
    let picture = Tile {
        jpeg: tile.jpeg,
        at: context.clock.now(),
    };
    let caller = CallerId::new(&tile.caller).ok();
    context.meters.update(|r| match caller {
        Some(caller) => r.caller_tiles.insert(caller, picture),
        None => r.slot_tiles.insert(slot, picture),
    });
}

fn showing(report: &SlotReport) -> Option<Showing> {
    use slot_report::Showing as S;
    let caller = || CallerId::new(&report.caller).ok();
    match S::try_from(report.showing).ok()? {
        S::Unspecified => None,
        S::Idle => Some(Showing::Idle),
        S::Armed => Some(Showing::Armed { caller: caller()? }),
        S::Caller => Some(Showing::Caller { caller: caller()? }),
        S::Frozen => Some(Showing::Frozen { caller: caller()? }),
    }
}
