//! What holds whatever is asked, in whatever order.

use booth_core::*;
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::world::*;

/// Failures print their smallest input; nothing is written into the source tree.
pub fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}

fn who() -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(vec!["a", "b", "c", "d", "e"])
}
fn which() -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(vec!["1", "2", "3"])
}

fn command() -> impl Strategy<Value = Command> {
    let verb = prop::sample::select(vec![screen, approve, hold, reject, drop_call, leave]);
    let disposition = prop::sample::select(vec![
        Disposition::Hold,
        Disposition::Requeue,
        Disposition::Drop,
    ]);
    prop_oneof![
        4 => who().prop_map(join),
        3 => (verb, who()).prop_map(|(verb, id)| verb(id)),
        4 => who().prop_map(approve),
        2 => (who(), 0..7u32).prop_map(|(id, to)| move_to(id, to)),
        1 => (who(), any::<bool>()).prop_map(|(id, muted)| mute(id, muted)),
        1 => who().prop_map(rejoin),
        3 => (which(), who()).prop_map(|(slot, id)| take(slot, id)),
        2 => (which(), who()).prop_map(|(slot, id)| overridden(take(slot, id))),
        3 => which().prop_map(take_next),
        2 => (which(), disposition).prop_map(|(slot, how)| release(slot, how)),
        2 => (which(), prop::option::of(who())).prop_map(|(slot, id)| arm(slot, id)),
        1 => which().prop_map(|slot| Command::DeleteSlot { id: SlotId::new(slot).unwrap() }),
        1 => (which(), 9_001..9_004u16).prop_map(|(slot, port)| create_slot(slot, port)),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Ask(Box<Command>),
    Tell(Fact),
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let session = 1..4u64;
    let up = (who(), session.clone()).prop_map(|(id, session)| Fact::MediaUp {
        caller: caller(id),
        session: SessionId(session),
        audio: true,
        video: true,
    });
    let down = (who(), session).prop_map(|(id, session)| Fact::MediaDown {
        caller: caller(id),
        session: SessionId(session),
    });
    let worker = which().prop_map(|id| Fact::WorkerUp {
        slot: slot(id),
        showing: Showing::Idle,
    });
    prop_oneof![
        8 => command().prop_map(|command| Step::Ask(Box::new(command))),
        4 => up.prop_map(Step::Tell),
        1 => down.prop_map(Step::Tell),
        1 => worker.prop_map(Step::Tell),
        1 => Just(Step::Tell(Fact::Started)),
        1 => (0..200_000i64).prop_map(Step::Pass),
    ]
}

/// The invariants (who is queued, who is on which slot, answers in order) are checked after every step by the world.
fn run(steps: Vec<Step>) -> World {
    let mut world = World::new();
    for step in steps {
        match step {
            Step::Ask(command) => drop(world.ask(*command)),
            Step::Tell(fact) => world.fact(fact),
            Step::Pass(ms) => world.pass(ms),
        }
    }
    world
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn a_journal_folds_to_the_state_that_grew_and_so_do_its_rows(steps in prop::collection::vec(step(), 1..80)) {
        let world = run(steps);
        let mut again = State::default();
        for record in &world.journal {
            let before = again.clone();
            let touched = again.fold(record);
            for (key, row) in again.rows() {
                prop_assert!(touched.contains(&key) || before.row(&key) == Some(row), "{:?} changed unsaid", key);
            }
            for (key, _) in before.rows() {
                prop_assert!(touched.contains(&key) || again.row(&key).is_some(), "{:?} went unsaid", key);
            }
        }
        prop_assert!(again == world.state);
        let rows = again.rows().map(|(_, row)| row);
        prop_assert!(State::from_rows(again.revision, rows) == world.state);
    }

    #[test]
    fn whatever_is_lost_of_a_journal_the_rest_folds_to_a_sound_state(
        steps in prop::collection::vec(step(), 1..80),
        kept in prop::collection::vec(prop::bool::weighted(0.8), 400),
    ) {
        let mut state = State::default();
        for (record, kept) in run(steps).journal.iter().zip(kept) {
            if kept {
                state.fold(record);
            }
            prop_assert_eq!(state.invariants(), Ok(()));
        }
    }

    #[test]
    fn nobody_is_on_two_slots_and_places_have_no_gaps(steps in prop::collection::vec(step(), 1..80)) {
        let world = run(steps);
        let assigned: Vec<_> = world.state.slots.values().filter_map(|s| s.assigned.as_ref()).map(|a| &a.caller).collect();
        for (n, id) in assigned.iter().enumerate() {
            prop_assert!(!assigned[..n].contains(id));
        }
        let queue = world.queue();
        for (place, id) in (1..).zip(&queue) {
            prop_assert_eq!(world.state.position(&caller(id)), Some(place));
        }
        let placed = world.state.callers.keys().filter(|id| world.state.position(id).is_some());
        prop_assert_eq!(placed.count(), queue.len());
    }

    #[test]
    fn next_is_first_in_first_out(ready in prop::collection::vec((any::<bool>(), any::<bool>()), 1..12)) {
        let mut world = World::new();
        let mut expected = Vec::new();
        for (n, (approved, connected)) in ready.into_iter().enumerate() {
            let id = format!("c{n}");
            world.waiting(&id);
            if approved {
                world.ok(approve(&id));
            }
            if !connected {
                world.media_down(&id, 1);
            }
            if approved && connected {
                expected.push(id);
            }
        }
        for id in expected {
            world.ok(take_next("1"));
            prop_assert_eq!(world.on("1"), Some(id.as_str()));
            world.ok(release("1", Disposition::Hold));
        }
        prop_assert_eq!(world.denied(take_next("1")).reason(), "NO_CALLER_READY");
    }

    #[test]
    fn an_order_is_given_for_every_slot_whose_wants_change(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            let input = match step {
                Step::Ask(command) => Input::Command(meta(), *command),
                Step::Tell(fact) => Input::Fact(fact),
                Step::Pass(ms) => {
                    world.now = Timestamp(world.now.0 + ms);
                    Input::Tick
                }
            };
            let before = world.state.clone();
            if world.input(&input).is_err() {
                continue;
            }
            for (id, slot) in &world.state.slots {
                let old = before.slots.get(id);
                let same = old.is_some_and(|old| old.assigned == slot.assigned && old.settings == slot.settings)
                    && before.armed_for(id) == world.state.armed_for(id);
                prop_assert!(same || world.effects.contains(&Effect::ReconcileSlot(id.clone())));
            }
            for (id, caller) in &world.state.callers {
                let ended = |state: &State| state.callers.get(id).is_none_or(|c| c.state.is_ended());
                let closes = world.effects.contains(&Effect::CloseCaller(id.clone()));
                prop_assert!(!ended(&world.state) || ended(&before) || closes);
                let changed = before.callers.get(id).is_none_or(|old| old.state != caller.state);
                let looked_at = world.effects.contains(&Effect::ReconcileCaller(id.clone()));
                prop_assert!(!changed || ended(&world.state) || looked_at);
            }
        }
    }
}
