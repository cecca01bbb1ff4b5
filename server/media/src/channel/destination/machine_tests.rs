use super::*;

const ALL: u64 = u64::MAX;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn refused() -> Failure {
    Failure {
        text: "refused: bad name".to_owned(),
        kind: FailureKind::Refused,
    }
}

fn broken() -> Failure {
    Failure::passing("the connection broke")
}

#[test]
fn a_destination_is_live_only_after_it_took_more_than_a_handshake() {
    let mut machine = Machine::new();
    machine.connected(at(0), 3_500);
    machine.taken(at(1), 7_000, 7_000).unwrap();
    assert_eq!(machine.state(), DestinationState::Connecting);
    machine.taken(at(2), 7_596, 7_596).unwrap();
    assert_eq!(machine.state(), DestinationState::Live);
}

#[test]
fn a_peer_that_takes_nothing_for_10_s_has_failed() {
    let mut machine = Machine::new();
    machine.connected(at(5), 3_500);
    machine.taken(at(14), 5_000, 5_000).unwrap();
    let failure = machine.taken(at(15), 5_000, 5_000).unwrap_err();
    assert_eq!(
        machine
            .failed(at(0), &failure, ALL)
            .unwrap()
            .as_secs_f64()
            .round(),
        1.0
    );
    assert_eq!(machine.state(), DestinationState::Retrying);
    assert_eq!(machine.error(), "the peer takes nothing");
}

#[test]
fn waits_start_small_again_only_after_ten_seconds_without_error() {
    let mut machine = Machine::new();
    let mut now = 0;
    let mut session = |seconds: u64| {
        machine.connected(at(now), 0);
        machine.taken(at(now), 10_000, 10_000).unwrap();
        machine.taken(at(now + seconds), 90_000, 90_000).unwrap();
        now += seconds;
        machine
            .failed(at(0), &broken(), ALL)
            .unwrap()
            .as_secs_f64()
            .round()
    };
    let waits = [9, 9, 9, 10, 9].map(&mut session);
    assert_eq!(waits, [1.0, 2.0, 4.0, 1.0, 2.0]);
}

#[test]
fn refusals_in_a_row_are_for_good_only_when_they_have_lasted_five_minutes() {
    let mut machine = Machine::new();
    let mut fail = |now, failure: Failure| machine.failed(at(now), &failure, ALL).is_some();
    assert!((0..20).all(|now| fail(now, refused())), "the peer restarts");
    assert!(fail(299, refused()));
    assert!(fail(300, broken()), "another failure begins the count anew");
    assert!(fail(301, refused()));
    assert!(fail(900, refused()), "two are not a row");
    assert!(!fail(901, refused()));
    assert_eq!(machine.state(), DestinationState::Failed);
    assert_eq!(machine.error(), "refused: bad name");
}

#[test]
fn a_peer_that_has_flowed_and_takes_nothing_for_8_s_is_stuck() {
    let mut machine = Machine::new();
    machine.connected(at(0), 0);
    machine.taken(at(1), 10_000, 10_000).unwrap();
    machine.taken(at(5), 10_000, 10_000).unwrap();
    machine.taken(at(12), 10_000, 10_000).unwrap();
    machine.taken(at(19), 10_000, 20_000).unwrap();
    let failure = machine.taken(at(20), 10_000, 30_000).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Passing);
    assert!(failure.text.starts_with("stuck"), "{}", failure.text);
}

#[test]
fn a_key_that_has_worked_is_never_refused_for_good() {
    let mut machine = Machine::new();
    machine.connected(at(0), 0);
    machine.taken(at(1), 10_000, 10_000).unwrap();
    machine.taken(at(11), 90_000, 90_000).unwrap();
    assert!((0..20).all(|tries| machine.failed(at(900 * tries), &refused(), ALL).is_some()));
    assert_eq!(machine.state(), DestinationState::Retrying);
}

#[test]
fn settings_that_can_never_work_fail_at_once() {
    let mut machine = Machine::new();
    let failure = Failure {
        text: "the address cannot be used: it has no path".to_owned(),
        kind: FailureKind::Settings,
    };
    assert_eq!(machine.failed(at(0), &failure, ALL), None);
    assert_eq!(machine.state(), DestinationState::Failed);
}

#[test]
fn a_planned_reconnect_stays_live_until_it_fails() {
    let mut machine = Machine::new();
    machine.connected(at(0), 0);
    machine.taken(at(1), 10_000, 10_000).unwrap();
    machine.planned();
    assert_eq!(machine.state(), DestinationState::Live);
    assert!(machine.failed(at(0), &broken(), ALL).is_some());
    assert_eq!(machine.state(), DestinationState::Retrying);
}
