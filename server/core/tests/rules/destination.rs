use booth_core::*;

use crate::air24::*;
use crate::world::*;

#[test]
fn a_destination_is_added_idle_and_told_to_the_worker() {
    let mut world = World::radio();
    let answer = world.ok(add("radio", "c"));
    let target = Target::Destination(channel("radio"), destination("c"));
    assert_eq!(answer.target, target);
    assert_eq!(world.effects, [reconcile("radio")]);
    let to = world.radio_to("c");
    assert!(to.enabled);
    assert_eq!(to.state, DestinationState::Idle);
    assert_eq!(to.down_since, Some(world.now), "it should be LIVE");
    assert_eq!(
        (to.revision, to.attempt),
        (answer.revision, answer.revision)
    );
    let exists = Denied::DestinationExists {
        channel: channel("radio"),
        destination: destination("c"),
    };
    assert_eq!(world.denied(add("radio", "c")), exists);
}

#[test]
fn the_same_name_may_stand_in_two_channels() {
    let mut world = World::radio();
    world.ok(create("tv", film()));
    world.ok(add("tv", "a"));
    world.ok(remove("tv", "a"));
    assert!(
        world
            .channel("radio")
            .destinations
            .contains_key(&destination("a"))
    );
}

#[test]
fn a_channel_has_a_limited_number_of_destinations() {
    let mut world = World::empty();
    world.ok(create("radio", film()));
    for n in 0..DESTINATIONS_MAX {
        world.ok(add("radio", &format!("d{n}")));
    }
    let full = Denied::DestinationsFull {
        channel: channel("radio"),
        max: 50,
    };
    assert_eq!(world.denied(add("radio", "more")), full);
    world.ok(remove("radio", "d0"));
    world.ok(add("radio", "more"));
}

#[test]
fn verbs_name_a_destination_that_is_not_there() {
    let mut world = World::radio();
    let no = Denied::DestinationNotFound {
        channel: channel("radio"),
        destination: destination("z"),
    };
    for command in [
        change("radio", "z", rtmp("rtmp://a/b")),
        enable("radio", "z", false),
        remove("radio", "z"),
    ] {
        assert_eq!(world.denied(command), no);
    }
}

#[test]
fn a_change_of_a_destination_moves_its_own_revision_only() {
    let mut world = World::radio();
    let radio = world.channel("radio").revision;
    let (a, b) = (world.radio_to("a").revision, world.radio_to("b").revision);
    world.ok(enable("radio", "a", false));
    world.fact(sends("radio", "b", DestinationState::Retrying, "refused"));
    world.ok(add("radio", "c"));
    world.ok(remove("radio", "c"));
    assert_eq!(world.channel("radio").revision, radio);
    assert!(world.radio_to("a").revision > a);
    world
        .ask_as(expecting(radio), force("radio", Force::Live))
        .unwrap();
    for command in [
        change("radio", "b", rtmp("rtmp://a/b")),
        enable("radio", "b", false),
        remove("radio", "b"),
    ] {
        let stale = world.ask_as(expecting(b), command).unwrap_err();
        assert_eq!(stale.kind(), DeniedKind::Conflict);
    }
    let b = world.radio_to("b").revision;
    world.ask_as(expecting(b), remove("radio", "b")).unwrap();
}

#[test]
fn an_update_is_another_attempt_and_the_same_settings_change_nothing() {
    let mut world = World::radio();
    let attempt = world.radio_to("a").attempt;
    let same = world.radio_to("a").settings.clone();
    world.no_change(change("radio", "a", same));
    world.ok(change("radio", "a", rtmp("rtmp://other.example/app")));
    assert_eq!(world.effects, [reconcile("radio")]);
    assert!(world.radio_to("a").attempt > attempt);
    assert_eq!(
        world.radio_to("a").state,
        DestinationState::Live,
        "until the worker says so"
    );
}

#[test]
fn a_disabled_destination_is_idle_and_not_missed() {
    let mut world = World::radio();
    world.fact(sends("radio", "a", DestinationState::Retrying, "refused"));
    world.pass(30_000);
    assert_eq!(world.channel("radio").alerts.len(), 1);
    world.ok(enable("radio", "a", false));
    assert_eq!(world.effects, [reconcile("radio")]);
    let to = world.radio_to("a");
    assert_eq!((to.state, to.down_since), (DestinationState::Idle, None));
    assert!(world.channel("radio").alerts.is_empty());
    assert!(matches!(
        world.events().last(),
        Some(Event::ChannelAlertCleared { .. })
    ));
    world.no_change(enable("radio", "a", false));
    // The worker had said that before it heard of it.
    world.ignored(sends("radio", "a", DestinationState::Live, ""));
    world.ok(enable("radio", "a", true));
    assert_eq!(world.radio_to("a").down_since, Some(world.now));
}

#[test]
fn enabling_one_that_failed_is_another_try() {
    let mut world = World::radio();
    world.no_change(enable("radio", "a", true));
    let attempt = world.radio_to("a").attempt;
    world.fact(sends("radio", "a", DestinationState::Failed, "wrong key"));
    assert_eq!(world.radio_to("a").last_error, text("wrong key"));
    world.ok(enable("radio", "a", true));
    let to = world.radio_to("a");
    assert!(to.attempt > attempt && to.last_error.is_empty());
    assert_eq!(to.state, DestinationState::Idle);
    assert_eq!(world.effects, [reconcile("radio")]);
}

#[test]
fn a_destination_is_down_from_its_first_failure_until_it_is_live_however_often_it_tries() {
    let mut world = World::radio();
    world.pass(5_000);
    let first = world.now;
    world.fact(sends("radio", "a", DestinationState::Retrying, "refused"));
    assert_eq!(world.effects, [], "the worker knows");
    for _ in 0..10_000 {
        world.now = Timestamp(world.now.0 + 30_000);
        world.ignored(sends("radio", "a", DestinationState::Connecting, ""));
        world.ignored(sends("radio", "a", DestinationState::Retrying, "refused"));
    }
    let to = world.radio_to("a");
    assert_eq!((to.down_since, to.state_since), (Some(first), first));
    assert_eq!(to.last_error, text("refused"));
    world.ignored(sends("radio", "a", DestinationState::Retrying, "refused"));
    world.fact(sends("radio", "a", DestinationState::Retrying, "timed out"));
    assert_eq!(world.radio_to("a").last_error, text("timed out"));
    world.fact(sends("radio", "a", DestinationState::Live, ""));
    let to = world.radio_to("a");
    assert_eq!((to.down_since, to.last_error.as_str()), (None, ""));
    assert_eq!(
        world.radio_to("b").state,
        DestinationState::Live,
        "untouched"
    );
    world.ignored(sends("radio", "z", DestinationState::Live, ""));
}

#[test]
fn a_start_misses_every_enabled_destination_until_it_is_live() {
    let mut world = World::radio();
    world.ok(enable("radio", "b", false));
    world.ok(stop("radio"));
    assert_eq!(world.radio_to("a").down_since, None);
    world.pass(60_000);
    world.ok(start("radio"));
    assert_eq!(world.radio_to("a").down_since, Some(world.now));
    assert_eq!(world.radio_to("b").down_since, None);
}

#[track_caller]
fn refused(field: &str, settings: DestinationSettings) {
    let mut world = World::radio();
    match world.denied(change("radio", "a", settings)) {
        Denied::Invalid { field: named, why } => {
            assert_eq!(named, field);
            assert!(!why.contains("hunter2"), "it repeats what was given");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_url_is_that_of_a_server_and_holds_no_password() {
    for url in [
        "",
        "live.example/app",
        "http://live.example/app",
        "file:///etc/passwd",
        "RTMP://live.example/app",
        "rtmp://",
        "rtmp:///app",
        "rtmp://:1935/app",
        "rtmp://user:hunter2@live.example/app",
        "rtmps://hunter2@live.example/app",
        "rtmp://live.example:0/app",
        "rtmp://live.example:66000/app",
        "rtmp://live.example:1935:1/app",
        "rtmp://live.example/app live=1",
        "rtmp://live.example/app\n",
        "rtmp://live example/app",
        "rtmp://[::g]/app",
        "rtmp://[::1/app",
        "rtmp://[::1]1935/app",
        "rtmp://l\u{ef}ve.example/app",
        "srt://live.example",
        "srt://live.example/path",
        "srt://:9000",
        "srt://live.example:9000?streamid=publish/hunter2",
        "srt://live.example:9000?mode=caller&Passphrase=hunter2",
        "rtmp://live.example/app?token=hunter2",
        "rtmp://live.example/app?backup=1&key=hunter2",
    ] {
        refused("url", rtmp(url));
    }
    refused(
        "url",
        rtmp(&format!("rtmp://live.example/{}", "a".repeat(1_010))),
    );
    for url in [
        "rtmp://live.example",
        "rtmp://live.example/app",
        "rtmps://a.rtmps.youtube.com:443/live2",
        "rtmps://b.rtmps.youtube.com:443/live2?backup=1",
        "rtmp://[2001:db8::1]/app",
        "rtmp://[2001:db8::1]:1935/app",
        "rtmp://192.0.2.1:1935/app/@user",
        "srt://live.example:9000",
        "srt://[::1]:9000?mode=caller",
    ] {
        World::radio().ok(change("radio", "a", rtmp(url)));
    }
}

#[test]
fn destinations_have_ranges() {
    let with = |session_max_s, latency_ms, id: Option<&str>| DestinationSettings {
        session_max_s,
        latency_ms,
        stream_id: id.map(Into::into),
        ..rtmp("srt://live.example:9000")
    };
    refused("session_max_s", with(1, 200, None));
    refused("session_max_s", with(59, 200, None));
    refused("latency_ms", with(0, 19, None));
    refused("latency_ms", with(0, 8_001, None));
    refused("stream_id", with(0, 200, Some("")));
    refused("stream_id", with(0, 200, Some("a\tb")));
    for settings in [
        with(0, 20, None),
        with(60, 8_000, Some("publish:radio")),
        with(8 * 3_600, 200, None),
    ] {
        World::radio().ok(change("radio", "a", settings));
    }
}
