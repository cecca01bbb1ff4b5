//! Keys, palette, filters, sorting.

use booth_tui::action::ACTIONS;
use booth_tui::command::Command;
use booth_tui::command::Effect;
use booth_tui::model::View;
use booth_tui::msg::LinkMsg;
use booth_tui::view::footer;

use crate::stage::Stage;

#[test]
fn queue_keys_send_what_they_say() {
    let expected = [
        (
            "a",
            Command::Approve {
                caller: "shows/main/callers/cc".into(),
            },
        ),
        (
            "h",
            Command::Hold {
                caller: "shows/main/callers/cc".into(),
            },
        ),
        (
            "s",
            Command::Screen {
                caller: "shows/main/callers/cc".into(),
            },
        ),
        (
            "J",
            Command::Move {
                caller: "shows/main/callers/cc".into(),
                position: 3,
            },
        ),
        (
            "K",
            Command::Move {
                caller: "shows/main/callers/cc".into(),
                position: 1,
            },
        ),
        (
            "x n o enter",
            Command::Reject {
                caller: "shows/main/callers/cc".into(),
                reason: "no".into(),
            },
        ),
        (
            "n o k enter",
            Command::Note {
                caller: "shows/main/callers/cc".into(),
                text: "ok".into(),
            },
        ),
        (
            "c h i enter",
            Command::Chat {
                caller: "shows/main/callers/cc".into(),
                text: "hi".into(),
            },
        ),
    ];
    for (keys, command) in expected {
        let mut stage = Stage::full(100, 30);
        stage.keys("j").keys(keys);
        assert_eq!(stage.sent_one().1, command, "{keys}");
    }
}

#[test]
fn esc_leaves_whatever_is_open_without_sending() {
    for keys in ["x", "n", "c", "d", "/", ":", "?", "R", "g", "F"] {
        let mut stage = Stage::full(100, 30);
        stage.keys(keys).keys("esc");
        assert!(
            stage.model.modal.is_none() && stage.model.prefix.is_empty(),
            "{keys}"
        );
        assert!(stage.sent().is_empty(), "{keys}");
    }
}

#[test]
fn the_palette_finds_commands_callers_slots_and_channels() {
    let mut stage = Stage::full(100, 30);
    stage.keys(":").typed("charl").keys("enter");
    assert_eq!(stage.model.view, View::Caller);
    assert_eq!(
        stage.model.queue.selected.as_deref(),
        Some("shows/main/callers/cc")
    );
    stage.keys(":").typed("wahe").keys("enter");
    assert_eq!(stage.model.view, View::Channels);
    assert_eq!(
        stage.model.channels.selected.as_deref(),
        Some("channels/waheguru")
    );
    stage.keys(":").typed("slot 2").keys("enter");
    assert_eq!(
        (stage.model.view, stage.model.slot.as_deref()),
        (View::Air, Some("slots/2"))
    );
    stage.keys("k k :").typed("take").keys("enter");
    assert!(
        stage.says().contains("TAKE 2 ← Bravo"),
        "an on-air command arms from the palette too: {}",
        stage.says()
    );
}

#[test]
fn every_action_with_a_meaning_here_is_in_the_palette_by_its_name() {
    let mut stage = Stage::full(100, 30);
    stage.keys("g c");
    for spec in ACTIONS.iter().filter(|spec| stage.model.works(spec.action)) {
        let hits = booth_tui::update::palette::search(&stage.model, &spec.name.replace('-', " "));
        assert_eq!(hits[0].title, spec.name.replace('-', " "));
    }
}

#[test]
fn the_queue_is_sorted_and_filtered() {
    let names = |stage: &Stage| -> String {
        let ids = stage
            .model
            .queue
            .rows
            .iter()
            .map(|n| n.rsplit('/').next().unwrap().to_owned());
        ids.collect::<Vec<_>>().join(" ")
    };
    let mut stage = Stage::full(100, 30);
    assert_eq!(names(&stage), "cb cc cd");
    for (keys, order) in [
        ("o n", "cd cb cc"),
        ("o r", "cc cb cd"),
        ("o r o s", "cb cc cd"),
        ("o w", "cb cc cd"),
        ("o q", "cb cd cc"),
        ("o l", "cb cc cd"),
    ] {
        stage.keys(keys);
        assert_eq!(names(&stage), order, "{keys}");
    }
    stage.keys("o p /").typed("LIB").keys("enter");
    assert_eq!(names(&stage), "cc");
    stage.keys("esc");
    assert_eq!(names(&stage), "cb cc cd");
    stage.keys("/").typed("ex-driver");
    assert_eq!(names(&stage), "cb", "notes are searched, as one types");
    stage.keys("esc");
    assert_eq!(
        names(&stage),
        "cb cc cd",
        "Esc gives the filter back as it was"
    );
}

#[test]
fn the_log_is_filtered_and_enter_goes_to_its_subject() {
    let mut stage = Stage::full(100, 30);
    stage.keys("g l /").typed("anna").keys("enter");
    assert_eq!(stage.model.logs.rows.len(), 1);
    stage.keys("enter");
    assert_eq!(
        (stage.model.view, stage.model.slot.as_deref()),
        (View::Air, Some("slots/1"))
    );
}

#[test]
fn tab_goes_around_all_views() {
    let mut stage = Stage::full(100, 30);
    let mut seen = vec![];
    for _ in 0..5 {
        seen.push(stage.model.view);
        stage.keys("tab");
    }
    assert_eq!(
        seen,
        [
            View::Air,
            View::Queue,
            View::Channels,
            View::Log,
            View::Health
        ]
    );
    assert_eq!(stage.model.view, View::Air);
    stage.keys("shift-tab");
    assert_eq!(stage.model.view, View::Health);
}

#[test]
fn footer_hints_fit_and_always_end_with_command_and_help() {
    for width in 60..=200 {
        for keys in ["g a", "g q", "space", "esc g c", "g l", "g h"] {
            let mut stage = Stage::full(width, 30);
            stage.keys(keys);
            let hints = footer::hints(&stage.model);
            assert!(hints.iter().all(|h| h.to <= width), "{width} {keys}");
            let last: Vec<_> = hints.iter().rev().take(2).map(|h| h.word).collect();
            assert_eq!(last, ["help", "command"], "{width} {keys}");
        }
    }
}

#[test]
fn practice_is_one_key_away_and_leaves_with_the_console() {
    let mut stage = Stage::empty(100, 30);
    assert!(
        stage
            .screen()
            .contains("P  lets three synthetic callers in"),
        "{}",
        stage.screen()
    );
    stage.keys("P");
    assert!(stage.effects.contains(&Effect::Practice {
        show: "shows/main".into(),
        callers: 3
    }));
    stage.feed(booth_tui::msg::Msg::Practice(
        booth_tui::msg::Practice::Started { callers: 3 },
    ));
    stage.keys("q");
    assert!(!stage.effects.contains(&Effect::Quit), "asked first");
    stage.keys("q");
    assert!(stage.effects.contains(&Effect::Quit));
}

#[test]
fn a_picture_is_asked_for_while_a_card_is_open_and_not_when_they_are_off() {
    let picture = |stage: &Stage| {
        stage
            .effects
            .iter()
            .filter(|e| matches!(e, Effect::Picture { .. }))
            .count()
    };
    let mut stage = Stage::full(100, 30);
    assert_eq!(picture(&stage), 0);
    stage.keys("space");
    assert_eq!(picture(&stage), 1);
    stage.forward(2_000);
    assert_eq!(picture(&stage), 3, "one a second");
    stage.keys(":").typed("pictures").keys("enter");
    stage.forward(2_000);
    assert_eq!(picture(&stage), 3);
}

#[test]
fn a_key_that_means_nothing_says_so_and_which_one_shows_those_that_do() {
    let mut stage = Stage::full(100, 30);
    for (keys, said) in [
        ("z", "z means nothing here"),
        ("g z", "g z means nothing here"),
    ] {
        stage.keys(keys);
        let says = stage.says();
        assert!(
            says.contains(said) && says.contains("? shows the keys that do"),
            "{says}"
        );
    }
    // Not over what went wrong, and not for the key that closes things.
    stage.keys("2").silence(4_000);
    stage.keys("t z");
    assert!(
        stage.says().contains("state is unknown"),
        "{}",
        stage.says()
    );
    let mut stage = Stage::full(100, 30);
    stage.keys("g esc");
    assert!(stage.model.notice.is_none());
}

#[test]
fn an_empty_view_says_what_to_do_next() {
    let mut stage = Stage::empty(100, 30);
    stage.keys("g c");
    assert!(
        stage.screen().contains("booth channel create"),
        "{}",
        stage.screen()
    );
    stage.keys("g a");
    stage.model.view = View::Caller;
    let screen = stage.screen();
    assert!(
        screen.contains("g q shows the queue")
            && screen.contains("callers join at http://studio.example:8080/join/main#…"),
        "{screen}"
    );
    let mut stage = Stage::full(100, 30);
    stage.keys("g c /").typed("zzz").keys("enter");
    assert!(
        stage.screen().contains("esc drops the filter"),
        "{}",
        stage.screen()
    );

    let mut stage = Stage::dark(100, 30);
    stage.link(LinkMsg::Down {
        why: "connection refused".into(),
        next: "is boothd running there?".into(),
        retry_ms: 250,
    });
    stage.keys("g h");
    let screen = stage.screen();
    assert!(
        screen.contains("connection refused") && screen.contains("what to do"),
        "{screen}"
    );
}

#[test]
fn ctrl_c_leaves_what_is_open_before_it_leaves_the_program() {
    for open in ["?", ":", "/", "c", "d", "g c D"] {
        let mut stage = Stage::full(100, 30);
        stage.keys(open).keys("ctrl-c");
        assert!(stage.model.modal.is_none(), "{open}");
        assert!(!stage.effects.contains(&Effect::Quit), "{open}");
        stage.keys("ctrl-c");
        assert!(stage.effects.contains(&Effect::Quit), "{open}");
    }
}
