//! What boothd is told: greetings, switches, whole reports, figures and problems.

use std::collections::BTreeMap;
use std::time::Duration;

use booth_proto::worker::from_worker::Message as Say;
use booth_proto::worker::{
    ChannelFigures, ChannelShowing, ChannelSwitch, DestinationFigures, Hello, Problem, SwitchCause,
};
use tokio::time::Instant;

use super::Unit;
use crate::channel::destination::Destination;
use crate::channel::monitor::Monitor;
use crate::channel::settings::Fixed;

/// Reports that may wait for each other: changes of the live input can come with every frame of a bad network.
const REPORT_SPACING: Duration = Duration::from_millis(400);
pub(super) const FIGURES_EVERY: Duration = Duration::from_millis(500);
/// A problem of the same kind is told again after this long at the earliest.
const PROBLEM_SPACING: Duration = Duration::from_secs(10);

/// Bytes since the last figures.
#[derive(Debug, Default)]
pub(super) struct Rates {
    pub live: usize,
    pub output: usize,
    sent: BTreeMap<String, u64>,
}

impl Unit {
    pub(super) fn switched(&mut self, showing: ChannelShowing, cause: SwitchCause, gap_ms: u32) {
        tracing::info!(?showing, ?cause, gap_ms, "the output changed");
        self.report.set_showing(showing);
        self.say_surely(Say::Switch(ChannelSwitch {
            showing: showing.into(),
            cause: cause.into(),
            gap_ms,
        }));
        self.report();
    }

    pub(super) fn greet(&mut self) {
        self.say_surely(Say::Hello(Hello {
            unit: self.args.unit.clone(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings_digest: self.fixed.as_ref().map_or(0, Fixed::digest),
            channel: Some(self.report.clone()),
            ..Hello::default()
        }));
        self.news = false;
    }

    pub(super) fn report_due(&self) -> Option<Instant> {
        let due = self
            .reported_at
            .map_or(self.started, |at| at + REPORT_SPACING);
        self.news.then_some(due)
    }

    pub(super) fn report(&mut self) {
        self.news = false;
        self.reported_at = Some(Instant::now());
        self.say_surely(Say::Channel(self.report.clone()));
    }

    pub(super) fn figures(&mut self, now: Instant) {
        let seconds = (now - self.figures_at).as_secs_f64();
        self.figures_at = now;
        let kbps = |bytes: f64| bytes * 8.0 / 1000.0 / seconds;
        let before = std::mem::take(&mut self.rates);
        let mut destinations: Vec<DestinationFigures> = self
            .destinations
            .values()
            .map(Destination::figures)
            .collect();
        for figures in &mut destinations {
            let sent = before.sent.get(&figures.id).copied().unwrap_or(0);
            figures.rate_kbps = kbps(figures.sent_bytes.saturating_sub(sent) as f64);
            self.rates
                .sent
                .insert(figures.id.clone(), figures.sent_bytes);
        }
        let late_frames = self
            .program
            .as_ref()
            .map_or(0, |program| program.late_frames());
        self.say(Say::ChannelFigures(ChannelFigures {
            live_rate_kbps: kbps(before.live as f64),
            output_rate_kbps: kbps(before.output as f64),
            late_frames,
            monitor_clients: self.monitor.as_ref().map_or(0, Monitor::clients),
            destinations,
        }));
    }

    /// Tells operators, in the log too, but not the same thing all the time.
    pub(super) fn problem(&mut self, reason: &'static str, text: String, fatal: bool) {
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
    pub(super) fn say(&self, message: Say) {
        if let Some(link) = &self.link {
            link.send(message);
        }
    }

    /// Says what must not be lost: when it does not fit, boothd hears the whole state anew with the next Hello.
    pub(super) fn say_surely(&self, message: Say) {
        if let Some(link) = &self.link
            && !link.send(message)
        {
            tracing::warn!("boothd is too slow; dropping the connection");
            link.hang_up();
        }
    }
}
