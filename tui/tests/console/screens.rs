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

#[test]
fn while_nobody_is_there_the_join_link_stands_in_the_queue() {
    for (width, height) in SIZES {
        let mut start = crate::stage::start(width, height);
        start.join_url =
            "http://studio.example:8080/join/main#dFzevnWDj8SkzKmVpajGNJ40vDrmvDk3t-SdNjRSIGA"
                .into();
        let mut stage = Stage::with(start);
        stage.connect(booth_proto::v1::Role::Operator);
        stage.snapshot(booth_proto::v1::Snapshot {
            shows: vec![crate::props::show(&[])],
            slots: vec![crate::props::slot("1", 9001), crate::props::slot("2", 9002)],
            ..Default::default()
        });
        assert_snapshot!(format!("welcome-{width}x{height}"), stage.screen());
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
