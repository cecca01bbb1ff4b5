//! Every view by keys alone, at three sizes.

use booth_tui::msg::{Answer, LinkMsg};
use insta::assert_snapshot;

use crate::stage::Stage;

const SIZES: [(u16, u16); 3] = [(80, 24), (100, 30), (200, 60)];

fn at_each_size(name: &str, script: &str) {
    for (width, height) in SIZES {
        let mut stage = Stage::full(width, height);
        stage.keys(script);
        assert_snapshot!(format!("{name}-{width}x{height}"), stage.screen());
    }
}

#[test]
fn air() {
    at_each_size("air", "");
}

#[test]
fn queue() {
    at_each_size("queue", "g q j");
}

#[test]
fn caller() {
    at_each_size("caller", "space");
}

#[test]
fn channels() {
    at_each_size("channels", "g c j");
}

#[test]
fn channel_that_is_live() {
    at_each_size("channel-live", "g c 1");
}

#[test]
fn log() {
    at_each_size("log", "g l");
}

#[test]
fn health() {
    at_each_size("health", "g h");
}

#[test]
fn help() {
    at_each_size("help", "?");
}

#[test]
fn palette() {
    at_each_size("palette", ": b r");
}

#[test]
fn a_prefix_shows_what_may_follow() {
    at_each_size("prefix", "R");
}

#[test]
fn armed() {
    at_each_size("armed", "t");
}

#[test]
fn a_destructive_action_asks_for_the_name() {
    at_each_size("confirm", "d");
}

#[test]
fn nobody_there() {
    for (width, height) in SIZES {
        let stage = Stage::empty(width, height);
        assert_snapshot!(format!("empty-{width}x{height}"), stage.screen());
    }
}

#[test]
fn no_channel_says_how_to_make_one() {
    let mut stage = Stage::empty(100, 30);
    stage.keys("g c");
    assert_snapshot!("empty-channels-100x30", stage.screen());
}

#[test]
fn not_connected_yet() {
    let mut stage = Stage::dark(100, 30);
    stage.link(LinkMsg::Down {
        why: "Connection refused (os error 111)".into(),
        next: "is boothd running there? booth doctor looks for the cause".into(),
        retry_ms: 2_000,
    });
    assert_snapshot!("dark-100x30", stage.screen());
}

#[test]
fn a_lost_server_is_one_banner_and_the_slots_stay() {
    let mut stage = Stage::full(100, 30);
    stage.silence(4_000);
    stage.link(LinkMsg::Down {
        why: "broken pipe".into(),
        next: String::new(),
        retry_ms: 1_000,
    });
    stage.silence(9_000);
    assert_snapshot!("lost-100x30", stage.screen());
}

#[test]
fn the_join_link_comes_with_its_code() {
    for (width, height) in SIZES {
        let mut stage = Stage::empty(width, height);
        stage.keys("i");
        let (id, _) = stage.sent_one();
        let url =
            "http://studio.example:8080/join/main#dFzevnWDj8SkzKmVpajGNJ40vDrmvDk3t-SdNjRSIGA"
                .to_owned();
        stage.link(LinkMsg::Answer {
            request_id: id,
            result: Ok(Answer { revision: 41, url }),
        });
        assert_snapshot!(format!("invite-{width}x{height}"), stage.screen());
    }
}

/// As `make run` opens it.
fn invited(width: u16, height: u16) -> Stage {
    let mut start = crate::stage::start(width, height);
    start.join_url =
        "http://studio.example:8080/join/main#dFzevnWDj8SkzKmVpajGNJ40vDrmvDk3t-SdNjRSIGA".into();
    Stage::with(start)
}

#[test]
fn while_nobody_is_there_the_join_link_and_its_code_stand_in_every_empty_view() {
    for (width, height) in SIZES {
        let mut stage = invited(width, height);
        stage.keys("g h");
        assert!(
            stage.screen().contains("http://studio.example:8080/join"),
            "Health, not connected"
        );
        stage.keys("g a");
        stage.connect(booth_proto::v1::Role::Operator);
        stage.snapshot(booth_proto::v1::Snapshot {
            shows: vec![crate::props::show(&[])],
            slots: vec![crate::props::slot("1", 9001), crate::props::slot("2", 9002)],
            ..Default::default()
        });
        assert_snapshot!(format!("welcome-{width}x{height}"), stage.screen());
        for (view, keys) in [("queue", "g q"), ("channels", "g c"), ("log", "g l")] {
            stage.keys(keys);
            let screen = stage.screen();
            assert!(
                screen.contains("http://studio.example:8080/join") && screen.contains("█ ▄▄▄ █"),
                "{view} at {width}x{height}:\n{screen}"
            );
        }
        stage.model.view = booth_tui::model::View::Caller;
        let screen = stage.screen();
        assert!(
            screen.contains("No caller is selected") && screen.contains("█ ▄▄▄ █"),
            "{screen}"
        );
    }
    let mut stage = invited(80, 24);
    stage.connect(booth_proto::v1::Role::Operator);
    stage.snapshot(booth_proto::v1::Snapshot {
        shows: vec![crate::props::show(&[])],
        ..Default::default()
    });
    stage.keys("g c");
    assert_snapshot!("welcome-channels-80x24", stage.screen());
    stage.keys("g l");
    assert_snapshot!("welcome-log-80x24", stage.screen());
}

#[test]
fn a_bulk_action_asks_what_and_how_many() {
    at_each_size("bulk", "g q V x s p a m enter");
}

#[test]
fn every_destination_has_a_key() {
    for (width, height) in [(80, 24), (200, 60)] {
        let mut stage = Stage::full(width, height);
        let mut channel = crate::props::krishna();
        channel.destinations = crate::props::destinations("krishna", 50);
        channel.revision += 50;
        stage.change(
            "operators/anna",
            "X",
            &channel.name.clone(),
            "many",
            vec![booth_proto::v1::resource::Resource::Channel(channel)],
        );
        stage.keys("g c 1 D");
        assert_snapshot!(format!("destinations-{width}x{height}"), stage.screen());
        stage.keys("O");
        assert!(
            stage.says().contains("Switch d50 of krishna OFF"),
            "{}",
            stage.says()
        );
    }
}

#[test]
fn below_the_least_size_the_names_on_air_stay() {
    let stage = Stage::full(59, 15);
    assert_snapshot!("small-59x15", stage.screen());
    let stage = Stage::full(20, 3);
    assert!(
        stage.screen().contains("ON AIR  Alpha"),
        "{}",
        stage.screen()
    );
}

#[test]
fn the_least_size_works() {
    let stage = Stage::full(60, 16);
    assert_snapshot!("least-60x16", stage.screen());
}
