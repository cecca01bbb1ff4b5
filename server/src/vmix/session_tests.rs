use booth_core::SlotId;

use super::*;

fn at(ms: u64) -> Instant {
    thread_local! {
        static START: Instant = Instant::now();
    }
    START.with(|start| *start) + Duration::from_millis(ms)
}

fn slot(id: &str) -> SlotId {
    SlotId::new(id).unwrap()
}

fn title(input: &str) -> VmixTitle {
    VmixTitle {
        input: input.into(),
        field: None,
    }
}

fn want(input: &str, of: Option<&str>, text: &str) -> Want {
    Want {
        input: input.into(),
        title: of.map(title),
        text: text.into(),
    }
}

fn plan(of: &[(&str, Want)]) -> Plan {
    of.iter()
        .map(|(id, want)| (slot(id), want.clone()))
        .collect()
}

fn ok(command: &str, text: &str) -> Heard {
    Heard::Ok {
        command: command.into(),
        text: text.into(),
    }
}

fn er(command: &str, text: &str) -> Heard {
    Heard::Error {
        command: command.into(),
        text: text.into(),
    }
}

/// A session that has subscribed and knows this tally.
#[track_caller]
fn up(of: Plan, tally: &str) -> Session {
    let mut session = Session::new(of, at(0));
    assert_eq!(session.poll(at(0)).as_deref(), Some("SUBSCRIBE TALLY"));
    session.hear(ok("SUBSCRIBE", "TALLY"), at(1)).unwrap();
    assert_eq!(session.poll(at(1)).as_deref(), Some("TALLY"));
    session.hear(ok("TALLY", tally), at(2)).unwrap();
    session
}

#[track_caller]
fn told(session: &Session, id: &str) -> (Option<Tally>, String) {
    let told = session.told()[&slot(id)].clone();
    (told.tally, told.error)
}

#[test]
fn tally_is_told_by_place_and_follows_events() {
    let of = plan(&[("1", want("2", None, "")), ("2", want("4", None, ""))]);
    let mut session = up(of, "0120");
    assert_eq!(told(&session, "1").0, Some(Tally::Program));
    assert_eq!(told(&session, "2").0, Some(Tally::Off));
    session.hear(ok("TALLY", "0211"), at(3)).unwrap();
    assert_eq!(told(&session, "1").0, Some(Tally::Preview));
    assert_eq!(told(&session, "2").0, Some(Tally::Program));
    session.hear(ok("TALLY", "02"), at(4)).unwrap();
    assert_eq!(told(&session, "2"), (None, "it has no input «4»".into()));
    assert_eq!(session.poll(at(5)), None, "there is nothing to ask");
}

#[test]
fn one_request_at_a_time_and_events_are_no_answers_to_it() {
    let of = plan(&[("1", want("1", Some("7"), "Ada"))]);
    let mut session = up(of, "0");
    assert!(session.poll(at(3)).unwrap().ends_with("Value=Ada"));
    session.hear(ok("TALLY", "1"), at(4)).unwrap();
    session.hear(ok("ACTS", "Input 1 1"), at(4)).unwrap();
    assert_eq!(session.poll(at(4)), None);
    session.hear(ok("FUNCTION", "SetText"), at(5)).unwrap();
    assert_eq!(session.poll(at(6)), None, "it is right now");
    assert_eq!(told(&session, "1").0, Some(Tally::Program));
}

#[test]
fn a_title_follows_whoever_shows_and_is_emptied_when_nobody_does() {
    let of = |text: &str| plan(&[("1", want("1", Some("7"), text))]);
    let mut session = up(of(""), "0");
    let sent = |session: &mut Session, ms: u64| {
        let line = session.poll(at(ms))?;
        session.hear(ok("FUNCTION", ""), at(ms)).unwrap();
        Some(line.rsplit_once("Value=")?.1.to_owned())
    };
    assert_eq!(
        sent(&mut session, 3).as_deref(),
        Some(""),
        "whatever it said before"
    );
    session.plan(of("Ada"), at(4));
    assert_eq!(sent(&mut session, 4).as_deref(), Some("Ada"));
    session.plan(of("Ada"), at(5));
    assert_eq!(sent(&mut session, 5), None);
    session.plan(of(""), at(6));
    assert_eq!(sent(&mut session, 6).as_deref(), Some(""));
}

#[test]
fn a_name_that_changed_while_the_last_was_on_its_way_is_sent_after_it() {
    let of = |text: &str| plan(&[("1", want("1", Some("7"), text))]);
    let mut session = up(of("Ada"), "0");
    assert!(session.poll(at(3)).unwrap().ends_with("=Ada"));
    session.plan(of("Bea"), at(4));
    assert_eq!(session.poll(at(4)), None);
    session.hear(ok("FUNCTION", ""), at(5)).unwrap();
    assert!(session.poll(at(5)).unwrap().ends_with("=Bea"));
}

#[test]
fn a_refused_title_is_named_and_tried_again_without_haste() {
    let of = plan(&[("1", want("1", Some("Lower"), "Ada"))]);
    let mut session = up(of, "0");
    assert!(session.poll(at(3)).is_some());
    session
        .hear(er("FUNCTION", "Input not found"), at(10))
        .unwrap();
    let (tally, error) = told(&session, "1");
    assert_eq!(
        (tally, error.as_str()),
        (
            Some(Tally::Off),
            "it refuses the title «Lower»: Input not found"
        )
    );
    assert_eq!(session.poll(at(11)), None);
    assert_eq!(session.due(), at(10) + PROBE.min(REFUSED));
    assert!(
        session
            .poll(at(10) + REFUSED)
            .unwrap()
            .contains("Input=Lower&")
    );
    session.hear(ok("FUNCTION", ""), at(6_000)).unwrap();
    assert_eq!(told(&session, "1").1, "");
}

#[test]
fn a_title_that_no_slot_has_any_more_is_emptied_before_it_is_forgotten() {
    let of = |title: &str| plan(&[("1", want("1", Some(title), "Ada"))]);
    let mut session = up(of("7"), "0");
    assert!(session.poll(at(3)).is_some());
    session.hear(ok("FUNCTION", ""), at(3)).unwrap();
    session.plan(of("8"), at(4));
    let mut lines = Vec::new();
    while let Some(line) = session.poll(at(5)) {
        lines.push(line);
        session.hear(ok("FUNCTION", ""), at(5)).unwrap();
    }
    lines.sort();
    assert!(
        lines[0].contains("Input=7&") && lines[0].ends_with("Value="),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("Input=8&") && lines[1].ends_with("Value=Ada"),
        "{lines:?}"
    );
    session.plan(Plan::new(), at(6));
    assert!(!session.is_over());
    assert!(session.poll(at(6)).unwrap().contains("Input=8&"));
    // Gone in vMix too: that is as good as empty.
    session.hear(er("FUNCTION", "no"), at(7)).unwrap();
    assert!(session.is_over());
}

#[test]
fn of_slots_that_share_a_title_the_one_that_shows_somebody_has_it() {
    let of = |one: &str, two: &str| {
        plan(&[
            ("1", want("1", Some("7"), one)),
            ("2", want("2", Some("7"), two)),
        ])
    };
    let mut session = up(of("", "Bea"), "00");
    assert!(session.poll(at(3)).unwrap().ends_with("=Bea"));
    session.hear(ok("FUNCTION", ""), at(3)).unwrap();
    session.plan(of("Ada", "Bea"), at(4));
    assert!(session.poll(at(4)).unwrap().ends_with("=Ada"));
}

#[test]
fn an_input_that_goes_by_name_is_looked_up_and_followed_when_it_moves() {
    let state = |order: [&str; 2]| {
        Heard::Data {
        command: "XML".into(),
        bytes: format!(
            "<vmix><inputs><input key='a' number='1' title='{}'/><input key='b' number='2' title='{}'/></inputs></vmix>",
            order[0], order[1]
        )
        .into(),
    }
    };
    let of = plan(&[
        ("1", want("Caller 1", None, "")),
        ("2", want("Nobody", None, "")),
    ]);
    let mut session = up(of, "01");
    assert_eq!(
        told(&session, "1"),
        (None, String::new()),
        "not looked up yet"
    );
    assert_eq!(session.poll(at(3)).as_deref(), Some("XML"));
    assert_eq!(session.asks_for(), Some("XML"));
    session.hear(state(["Cam", "Caller 1"]), at(10)).unwrap();
    assert_eq!(told(&session, "1").0, Some(Tally::Program));
    assert_eq!(
        told(&session, "2"),
        (None, "it has no input «Nobody»".into())
    );
    assert_eq!(session.poll(at(11)), None);
    assert_eq!(session.due(), at(10) + LOOK);
    assert_eq!(session.poll(at(10) + LOOK).as_deref(), Some("XML"));
    session.hear(state(["Caller 1", "Cam"]), at(2_100)).unwrap();
    assert_eq!(told(&session, "1").0, Some(Tally::Off));
    // Another number of inputs: looked up at once.
    session.hear(ok("TALLY", "012"), at(2_200)).unwrap();
    assert_eq!(session.poll(at(2_200)).as_deref(), Some("XML"));
    session
        .hear(
            Heard::Data {
                command: "XML".into(),
                bytes: b"<html>".to_vec(),
            },
            at(2_300),
        )
        .unwrap();
    assert_eq!(
        told(&session, "1").0,
        Some(Tally::Off),
        "what was known last holds"
    );
    assert!(
        told(&session, "2")
            .1
            .starts_with("its state cannot be read"),
        "{:?}",
        told(&session, "2")
    );
}

#[test]
fn silence_is_asked_about_and_no_answer_is_the_end() {
    let mut session = up(plan(&[("1", want("1", None, ""))]), "0");
    assert_eq!(session.due(), at(2) + PROBE);
    assert_eq!(session.poll(at(2) + PROBE).as_deref(), Some("TALLY"));
    assert_eq!(session.due(), at(2) + PROBE + ANSWER);
    assert_eq!(session.check(at(1) + PROBE + ANSWER), Ok(()));
    assert_eq!(session.check(at(2) + PROBE + ANSWER), Err(Lost::Silent));

    let mut stalled = Session::new(Plan::new(), at(0));
    assert!(stalled.poll(at(0)).is_some());
    // Events are no answer.
    stalled.hear(ok("TALLY", "0"), at(4_000)).unwrap();
    assert_eq!(stalled.check(at(0) + ANSWER), Err(Lost::Silent));
}

#[test]
fn a_refused_subscription_a_strange_tally_and_a_flood_end_it() {
    let mut session = Session::new(Plan::new(), at(0));
    session.poll(at(0));
    let refused = session.hear(er("SUBSCRIBE", "not allowed"), at(1));
    assert_eq!(refused, Err(Lost::NoTally("not allowed".into())));

    let mut session = up(Plan::new(), "0");
    assert!(matches!(
        session.hear(ok("TALLY", "01x"), at(3)),
        Err(Lost::Broken(Broken::Garbage(_)))
    ));

    let mut session = up(Plan::new(), "0");
    let flood = (0..MESSAGES_MAX + 2).map(|_| session.hear(ok("TALLY", "1"), at(5)));
    assert!(flood.into_iter().any(|r| r == Err(Broken::Flood.into())));
    // The same number over a longer time is none.
    let mut session = up(Plan::new(), "0");
    for n in 0..u64::from(MESSAGES_MAX) * 2 {
        session.hear(ok("TALLY", "1"), at(5 + n)).unwrap();
    }
}

#[test]
fn a_refused_title_that_is_not_wanted_any_more_wakes_nobody_and_is_no_fault() {
    let named = |text: &str| plan(&[("1", want("1", Some("Lower"), text))]);
    let mut session = up(named(""), "0");
    session.poll(at(3)).unwrap();
    session.hear(ok("FUNCTION", ""), at(4)).unwrap();
    session.plan(named("Ada"), at(5));
    session.poll(at(5)).unwrap();
    session.hear(er("FUNCTION", "no input"), at(6)).unwrap();
    assert!(session.told()[&slot("1")].error.contains("no input"));
    session.plan(named(""), at(7));
    assert_eq!(session.poll(at(20_000)).as_deref(), Some("TALLY"));
    session.hear(ok("TALLY", "0"), at(20_001)).unwrap();
    assert_eq!(session.poll(at(20_002)), None);
    assert!(session.due() > at(20_002), "it would turn for ever");
    assert_eq!(session.told()[&slot("1")].error, "");
}

#[test]
fn a_name_that_is_being_written_while_its_title_is_taken_away_is_emptied_again() {
    let mut session = up(plan(&[("1", want("1", Some("Lower"), "Ada"))]), "0");
    assert!(session.poll(at(3)).unwrap().contains("Value=Ada"));
    session.plan(Plan::new(), at(4));
    assert!(!session.is_over());
    session.hear(ok("FUNCTION", ""), at(5)).unwrap();
    let goodbye = session.poll(at(6)).unwrap();
    assert!(goodbye.ends_with("Value="), "{goodbye}");
    session.hear(ok("FUNCTION", ""), at(7)).unwrap();
    assert!(session.is_over());
}
