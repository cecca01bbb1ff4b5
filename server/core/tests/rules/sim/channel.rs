//! Channels in the simulation: what is asked and told, and what has to agree.

use booth_core::*;

use crate::air24::*;

use super::Sim;

pub(super) const CHANNELS: [&str; 3] = ["radio", "tv", "late"];
const OUTLETS: [&str; 3] = ["a", "b", "c"];

impl Sim {
    pub(super) fn channel_command(&mut self) -> Command {
        let id = if self.dice.one_in(60) {
            "nowhere"
        } else {
            *self.dice.pick(&CHANNELS)
        };
        let to = *self.dice.pick(&OUTLETS);
        match self.dice.below(40) {
            0..=2 => create(id, self.channel_settings()),
            3..=4 => update(id, self.channel_settings()),
            5 if self.dice.one_in(3) => delete(id),
            6..=9 => start(id),
            10 if self.dice.one_in(2) => stop(id),
            11..=14 => {
                let forces = [Force::Auto, Force::Auto, Force::Live, Force::Backup];
                force(id, *self.dice.pick(&forces))
            }
            15 => {
                self.session += 1;
                rotate(id, &format!("key {}", self.session))
            }
            16 => kick(id),
            17..=25 => {
                self.session += 1;
                let ways = [
                    PublishProtocol::Rtmp,
                    PublishProtocol::Rtmps,
                    PublishProtocol::Whip,
                ];
                let known = self.state.channels.get(&channel(id));
                let key = known.map_or_else(|| sealed("key"), |known| known.key.clone());
                Command::Publish {
                    channel: channel(id),
                    publisher: encoder(self.session, *self.dice.pick(&ways)),
                    key,
                }
            }
            26..=30 => add(id, to),
            31..=32 => {
                let port = 1_935 + self.dice.below(3);
                change(id, to, rtmp(&format!("rtmp://live.example:{port}/app")))
            }
            33..=37 => enable(id, to, !self.dice.one_in(3)),
            38 => remove(id, to),
            _ => start(id),
        }
    }

    fn channel_settings(&mut self) -> ChannelSettings {
        let mut settings = film();
        // Slots have some of these.
        let mut port = || 9_003 + u16::try_from(self.dice.below(5)).unwrap();
        let (input, monitor) = (port(), port());
        settings.policy.takeover_ms = *self.dice.pick(&[1_000, 1_000, 0, 5_000]);
        settings.policy.alert_backup_ms = *self.dice.pick(&[300_000, 5_000, 0]);
        settings.policy.alert_destination_ms = *self.dice.pick(&[30_000, 4_000, 0]);
        if self.dice.one_in(3) {
            settings.srt_input = Some(SrtInput {
                port: input,
                latency_ms: 200,
                stream_id: None,
                passphrase: None,
            });
        }
        if self.dice.one_in(3) && monitor != input {
            settings.monitor_port = Some(monitor);
        }
        settings
    }

    pub(super) fn channel_fact(&mut self) -> Fact {
        let id = *self.dice.pick(&CHANNELS);
        let known = self.state.channels.get(&channel(id));
        let present = known.and_then(|c| c.publisher.as_ref()).map(|p| p.id.0);
        // Mostly about the one who is there.
        let who = match present {
            Some(present) if !self.dice.one_in(4) => present,
            _ => self.session.saturating_sub(2),
        };
        match self.dice.below(40) {
            0..=7 => worker_up(id),
            8..=9 => worker_down(id),
            10..=17 => {
                let sources = [
                    ChannelShowing::Live,
                    ChannelShowing::Live,
                    ChannelShowing::Backup,
                    ChannelShowing::Slate,
                ];
                shows(id, *self.dice.pick(&sources), SwitchCause::LiveStable)
            }
            18..=24 => {
                let states = [
                    LiveState::Absent,
                    LiveState::Settling,
                    LiveState::Stable,
                    stalled(),
                ];
                let state = self.dice.pick(&states).clone();
                live(id, state)
            }
            25..=26 => {
                self.session += 1;
                publisher_up(
                    id,
                    self.session
                        .saturating_sub(if self.dice.one_in(4) { 5 } else { 0 }),
                )
            }
            27..=28 => publisher_down(id, who),
            29 if self.dice.one_in(4) => Fact::IngestDown,
            _ => {
                let (to, states) = (
                    *self.dice.pick(&OUTLETS),
                    [
                        (DestinationState::Connecting, ""),
                        (DestinationState::Live, ""),
                        (DestinationState::Live, ""),
                        (DestinationState::Retrying, "refused"),
                        (DestinationState::Failed, "wrong key"),
                    ],
                );
                let (state, error) = *self.dice.pick(&states);
                sends(id, to, state, error)
            }
        }
    }

    #[track_caller]
    pub(super) fn compare_channels(&self) {
        assert_eq!(self.state.channels.len(), self.model.stations.len());
        for expected in &self.model.stations {
            let found = &self.state.channels[&channel(&expected.id)];
            let worker = (found.worker == WorkerState::Up, found.worker_since.0);
            let known = expected
                .worker
                .map_or_else(|at| (false, at), |at| (true, at));
            assert_eq!(worker, known, "{}", expected.id);
            assert_eq!(
                (found.running, found.force),
                (expected.running, expected.force)
            );
            assert_eq!(found.key.0, expected.key);
            assert_eq!((found.showing, found.showing_since.0), expected.showing);
            assert_eq!(
                (&found.live, found.live_since.0),
                (&expected.live.0, expected.live.1)
            );
            let publisher = found.publisher.as_ref();
            let publisher = publisher.map(|p| (p.id.0, p.protocol, p.since.0));
            assert_eq!(publisher, expected.publisher);
            assert_eq!(found.off_live_since.map(|at| at.0), expected.off_live);
            let alerts: Vec<_> = found.alerts.iter().cloned().collect();
            assert_eq!(alerts, expected.alerts);
            assert_eq!(found.destinations.len(), expected.outlets.len());
            for (to, outlet) in found.destinations.values().zip(&expected.outlets) {
                assert_eq!(
                    (
                        to.id.as_str(),
                        to.settings.url.as_str(),
                        to.enabled,
                        to.state
                    ),
                    (
                        outlet.id.as_str(),
                        outlet.url.as_str(),
                        outlet.enabled,
                        outlet.state
                    ),
                );
                assert_eq!(to.last_error.as_str(), outlet.error);
                assert_eq!(to.down_since.map(|at| at.0), outlet.down);
            }
        }
    }
}
