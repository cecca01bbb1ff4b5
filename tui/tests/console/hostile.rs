//! Names and messages of strangers, and terminals of all kinds.

use booth_proto::v1::{self, resource::Resource};
use booth_tui::snapshot;
use booth_tui::text;
use unicode_segmentation::UnicodeSegmentation;

use crate::props::{caller, everything, show};
use crate::stage::Stage;

fn hostile() -> Vec<String> {
    vec![
        "\u{1b}[2J\u{1b}[31mred".into(),
        "\u{1b}]52;c;ZXZpbA==\u{7}clip".into(),
        "\u{9b}31m\u{90}q\u{9c}c1".into(),
        "abc\u{202e}cba\u{202c}\u{2066}x".into(),
        "zero\u{200b}\u{200d}\u{feff}\u{2060}width".into(),
        "tag\u{e0041}\u{e0042}s".into(),
        "x".repeat(10_000),
        "漢".repeat(5_000),
        format!("za{}lgo", "\u{0301}".repeat(3_000)),
        "👩‍👩‍👧‍👦".repeat(100),
        "line\nbreak\r\ttab\u{b}\u{c}".into(),
        "\u{301}\u{301}".into(),
        String::new(),
        "🇩🇪🇩🇪 flags ﷽ wide".into(),
    ]
}

/// No cell holds anything that moves a cursor, and every row is as wide as the terminal.
#[track_caller]
fn harmless(stage: &Stage) {
    let cells = snapshot::cells(&stage.model);
    for cell in cells.content() {
        let bad = cell.symbol().chars().any(|c| {
            c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{e0000}'..='\u{e0fff}')
        });
        assert!(!bad, "{:?}", cell.symbol());
        assert!(
            cell.symbol().graphemes(true).count() <= 1,
            "{:?}",
            cell.symbol()
        );
        assert!(
            cell.symbol().len() <= 64,
            "{} bytes in a cell",
            cell.symbol().len()
        );
    }
    for row in snapshot::text(&cells).lines() {
        assert!(text::width(row) <= usize::from(stage.model.width), "{row}");
    }
}

#[test]
fn hostile_text_is_harmless_wherever_it_is_shown() {
    for bad in hostile() {
        let mut one = caller("ca", &bad, v1::caller::State::OnAir);
        one.slot = "slots/1".into();
        one.topic = bad.clone();
        let mut two = caller("cb", &bad, v1::caller::State::Ready);
        two.topic = bad.clone();
        two.notes.push(v1::Note {
            text: bad.clone(),
            operator: bad.clone(),
            ..Default::default()
        });
        two.chat.push(v1::ChatMessage {
            text: bad.clone(),
            ..Default::default()
        });
        two.end_note = bad.clone();
        let mut snapshot = everything();
        snapshot.callers = vec![one, two.clone()];
        snapshot.shows = vec![v1::Show {
            title: bad.clone(),
            ..show(&["cb"])
        }];
        snapshot.slots[1].settings.as_mut().unwrap().title = Some(bad.clone());
        snapshot.slots[1]
            .settings
            .as_mut()
            .unwrap()
            .idle
            .as_mut()
            .unwrap()
            .path = bad.clone();
        let channel = &mut snapshot.channels[0];
        channel.alerts = vec![bad.clone()];
        channel.cause = bad.clone();
        channel.live_cause = bad.clone();
        channel.publisher.as_mut().unwrap().agent = bad.clone();
        channel.live_format.as_mut().unwrap().video = bad.clone();
        channel.live_format.as_mut().unwrap().differs = bad.clone();
        channel.destinations[1].last_error = bad.clone();
        for size in [(80, 24), (100, 30), (200, 60)] {
            let mut stage = Stage::full(size.0, size.1);
            stage.snapshot(snapshot.clone());
            let mut status = stage.model.status.clone().unwrap();
            status.version = bad.clone();
            status.join_base_url = bad.clone();
            status.units[0].last_error = bad.clone();
            status.ledger.as_mut().unwrap().findings = vec![bad.clone()];
            stage.model.status = Some(status);
            stage.change(
                &format!("operators/{bad}"),
                "CALLER_NOTED",
                "shows/main/callers/cb",
                &bad,
                vec![Resource::Caller(two.clone())],
            );
            for keys in [
                "g a",
                "t",
                "esc g q",
                "space",
                "c",
                "esc d",
                "esc esc g c",
                "D",
                "esc g l",
                "g h",
                ": x",
            ] {
                stage.keys(keys);
                harmless(&stage);
            }
            stage.refuse("nobody", "INTERNAL", "", &bad);
        }
        let mut stage = Stage::full(40, 10);
        stage.snapshot(snapshot);
        harmless(&stage);
    }
}

#[test]
fn a_refusal_in_hostile_words_is_harmless() {
    for bad in hostile() {
        let mut stage = Stage::full(80, 24);
        stage.keys("a");
        let (id, _) = stage.sent_one();
        stage.refuse(&id, "FAILED_PRECONDITION", "X", &bad);
        harmless(&stage);
        stage.keys("g l");
        harmless(&stage);
    }
}

#[test]
fn pasted_escapes_do_not_reach_the_server() {
    let mut stage = Stage::full(100, 30);
    stage.keys("c");
    stage.feed(booth_tui::msg::Msg::Paste(
        "hello\u{1b}]52;c;x\u{7}\nworld".into(),
    ));
    harmless(&stage);
    stage.keys("enter");
    let (_, command) = stage.sent_one();
    let booth_tui::command::Command::Chat { text, .. } = command else {
        panic!()
    };
    assert_eq!(text, "hello]52;c;x world");
}

#[test]
fn a_paste_outside_of_a_line_is_no_row_of_keys() {
    let mut stage = Stage::full(100, 30);
    stage.feed(booth_tui::msg::Msg::Paste("t\ndaxP".into()));
    assert!(stage.sent().is_empty());
    assert!(stage.model.armed.is_none() && stage.model.modal.is_none());
}

#[test]
fn wide_names_keep_the_columns_in_line() {
    let mut stage = Stage::full(100, 30);
    let mut bravo = caller(
        "cb",
        "山田太郎さんとゆかいな仲間たちのグループ",
        v1::caller::State::Ready,
    );
    bravo.topic = "ਵਾਹਿਗੁਰੂ 👩‍👩‍👧‍👦 夜のバス".into();
    stage.change(
        "system",
        "CALLER_RENAMED",
        "shows/main/callers/cb",
        "x",
        vec![Resource::Caller(bravo)],
    );
    insta::assert_snapshot!("wide-names-100x30", stage.screen());
    harmless(&stage);
}

#[test]
fn ten_thousand_callers_are_a_queue_like_any_other() {
    let mut stage = Stage::full(100, 30);
    let callers: Vec<v1::Caller> = (0..10_000)
        .map(|n| {
            caller(
                &format!("n{n}"),
                &format!("Nr {n}"),
                v1::caller::State::Waiting,
            )
        })
        .collect();
    let names: Vec<String> = (0..10_000).map(|n| format!("n{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut all = everything();
    all.callers.extend(callers);
    all.shows = vec![show(&names)];
    stage.snapshot(all);
    stage.keys("G");
    let screen = stage.screen();
    assert!(
        screen.contains("Nr 9999") && screen.contains("10000 of 10000"),
        "{screen}"
    );
    stage.keys("/").typed("nr 77 wait").keys("enter");
    assert!(
        stage.screen().contains("filter: nr 77 wait"),
        "{}",
        stage.screen()
    );
    assert!(stage.model.queue.rows.len() < 400);
}
