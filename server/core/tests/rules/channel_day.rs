//! A day on air by a fast clock, and what holds whatever happens to a channel.

use booth_core::*;
use proptest::prelude::*;

use crate::air24::*;
use crate::properties::config;
use crate::world::*;

const DAY_MS: i64 = 24 * 3_600_000;

/// An encoder that sends for up to 20 minutes and is away for up to 10, a destination that fails now and then, a worker
/// that is lost and a boothd that is restarted: every two minutes something.
#[test]
fn the_record_of_a_day_has_no_gaps_and_alerts_come_in_pairs() {
    let mut world = World::radio();
    let (begin, first) = (world.now, world.journal.len());
    let mut n: i64 = 0;
    while world.now.0 - begin.0 < DAY_MS {
        n += 1;
        world.pass(1 + (n * 7_919) % 600_000);
        match n % 7 {
            0 => {
                world.fact(worker_down("radio"));
                world.pass(1_500);
                world.on_backup("radio");
            }
            1 => {
                world.fact(Fact::Started);
                world.pass(800);
                world.fact(worker_up("radio"));
            }
            2 | 4 => {
                let id = u64::try_from(n).unwrap();
                let gone = world.publisher("radio");
                gone.into_iter()
                    .for_each(|gone| world.fact(publisher_down("radio", gone)));
                world.on_live("radio", id);
            }
            3 | 6 => {
                world.fact(live("radio", stalled()));
                world.fact(shows(
                    "radio",
                    ChannelShowing::Backup,
                    SwitchCause::LiveStalled,
                ));
            }
            _ => {
                world.fact(sends("radio", "a", DestinationState::Retrying, "refused"));
                world.pass(20_000 + (n % 3) * 20_000);
            }
        }
        for to in ["a", "b"] {
            world.fact(sends("radio", to, DestinationState::Live, ""));
        }
    }
    let (mut recorded, mut switches) = (0, 0);
    let mut showing = ChannelShowing::Backup;
    let mut raised = std::collections::BTreeSet::new();
    for event in world.journal[first..].iter().flat_map(|r| &r.events) {
        match event {
            Event::ChannelSwitched {
                from,
                to,
                before_ms,
                ..
            } => {
                assert_eq!(*from, showing, "the record has a hole");
                showing = *to;
                recorded += i64::try_from(*before_ms).unwrap();
                switches += 1;
            }
            Event::ChannelAlertRaised { alert, .. } => assert!(raised.insert(alert.clone())),
            Event::ChannelAlertCleared { alert, .. } => assert!(raised.remove(alert)),
            _ => {}
        }
    }
    let radio = world.channel("radio");
    let now = world.now.0 - radio.showing_since.0;
    assert_eq!(recorded + now, world.now.0 - begin.0);
    assert_eq!(raised, radio.alerts);
    assert!(switches > 100, "{switches}");
    let mut again = State::default();
    for record in &world.journal {
        again.fold(record);
    }
    assert!(again == world.state);
}

#[derive(Debug, Clone)]
enum Step {
    Ask(Box<Command>),
    Tell(Fact),
    Pass(i64),
}

fn on() -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(vec!["radio", "radio", "tv"])
}
fn to() -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(vec!["a", "b", "c"])
}

fn step() -> impl Strategy<Value = Step> {
    let forces = prop::sample::select(vec![Force::Auto, Force::Live, Force::Backup]);
    let command = prop_oneof![
        1 => on().prop_map(|id| create(id, film())),
        1 => on().prop_map(delete),
        3 => on().prop_map(start),
        1 => on().prop_map(stop),
        1 => (on(), forces).prop_map(|(id, to)| force(id, to)),
        1 => on().prop_map(kick),
        1 => on().prop_map(|id| rotate(id, "new")),
        3 => (on(), 1..9u64).prop_map(|(id, n)| publish(id, n)),
        2 => (on(), to()).prop_map(|(id, to)| add(id, to)),
        1 => (on(), to()).prop_map(|(id, to)| remove(id, to)),
        2 => (on(), to(), any::<bool>()).prop_map(|(id, to, on)| enable(id, to, on)),
        1 => (on(), to()).prop_map(|(id, to)| change(id, to, rtmp("rtmp://other.example/app"))),
        1 => (on(), 0..2_000u32).prop_map(|(id, takeover_ms)| {
            let mut settings = film();
            settings.policy.takeover_ms = takeover_ms;
            update(id, settings)
        }),
    ];
    let showing = prop::sample::select(vec![
        ChannelShowing::Live,
        ChannelShowing::Backup,
        ChannelShowing::Slate,
    ]);
    let state = prop::sample::select(vec![
        LiveState::Absent,
        LiveState::Settling,
        LiveState::Stable,
        stalled(),
    ]);
    let sent = prop::sample::select(vec![
        DestinationState::Connecting,
        DestinationState::Live,
        DestinationState::Retrying,
        DestinationState::Failed,
    ]);
    let fact = prop_oneof![
        3 => on().prop_map(worker_up),
        1 => on().prop_map(worker_down),
        3 => (on(), showing).prop_map(|(id, to)| shows(id, to, SwitchCause::LiveEnded)),
        3 => (on(), state).prop_map(|(id, state)| live(id, state)),
        1 => (on(), 1..9u64).prop_map(|(id, n)| publisher_up(id, n)),
        1 => (on(), 1..9u64).prop_map(|(id, n)| publisher_down(id, n)),
        1 => Just(Fact::IngestDown),
        1 => Just(Fact::Started),
        3 => (on(), to(), sent).prop_map(|(id, to, state)| sends(id, to, state, "why")),
        1 => on().prop_map(|id| Fact::ChannelPrepared {
            channel: channel(id),
            prepared: Prepared::Ready {
                key: film().loop_key(),
                duration_ms: 1,
                note: Text::default(),
            },
        }),
    ];
    prop_oneof![
        5 => command.prop_map(|command| Step::Ask(Box::new(command))),
        5 => fact.prop_map(Step::Tell),
        1 => (0..400_000i64).prop_map(Step::Pass),
    ]
}

fn input(world: &mut World, step: Step) -> Input {
    match step {
        Step::Ask(command) => Input::Command(meta(), *command),
        Step::Tell(fact) => Input::Fact(fact),
        Step::Pass(ms) => {
            world.now = Timestamp(world.now.0 + ms);
            Input::Tick
        }
    }
}

/// What a worker is told, without what its reports bring about.
fn told(channel: &Channel) -> impl PartialEq + use<> {
    let destinations = channel.destinations.values();
    let destinations: Vec<_> = destinations
        .map(|d| (d.id.clone(), d.settings.clone(), d.enabled, d.attempt))
        .collect();
    let publisher = channel.publisher.as_ref().map(|p| p.id);
    let settings = channel.settings.clone();
    let wanted = (channel.running, channel.force, publisher);
    (settings, wanted, channel.loops.clone(), destinations)
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn a_worker_is_told_of_every_change_that_concerns_it(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::radio();
        for step in steps {
            let before = world.state.clone();
            let input = input(&mut world, step);
            if world.input(&input).is_err() {
                continue;
            }
            for (id, channel) in &world.state.channels {
                let old = before.channels.get(id);
                let same = old.is_some_and(|old| told(old) == told(channel));
                let looked_at = world.effects.contains(&Effect::ReconcileChannel(id.clone()));
                let stopped = old.is_some_and(|old| old.running) && !channel.running;
                let retired = world.effects.contains(&Effect::RetireChannel(id.clone()));
                prop_assert!(same || looked_at || (stopped && retired), "{:?} after {:?}", id, input);
            }
            for id in before.channels.keys().filter(|id| !world.state.channels.contains_key(*id)) {
                prop_assert!(world.effects.contains(&Effect::RetireChannel(id.clone())));
            }
        }
    }

    #[test]
    fn whatever_is_lost_of_a_journal_channels_stay_sound(
        steps in prop::collection::vec(step(), 1..80),
        kept in prop::collection::vec(prop::bool::weighted(0.8), 400),
    ) {
        let mut world = World::radio();
        for step in steps {
            let input = input(&mut world, step);
            let _ = world.input(&input);
            if input == Input::Tick && let Some((at, due)) = world.state.poll_timeout() {
                prop_assert!(at > world.now, "{:?} is still due after a tick", due);
            }
        }
        let mut state = State::default();
        for (record, kept) in world.journal.iter().zip(kept) {
            if kept {
                let before = state.clone();
                let touched = state.fold(record);
                for (key, row) in state.rows() {
                    prop_assert!(touched.contains(&key) || before.row(&key) == Some(row));
                }
            }
            prop_assert_eq!(state.invariants(), Ok(()));
        }
    }
}
