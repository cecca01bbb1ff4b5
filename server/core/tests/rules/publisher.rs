//! Who feeds a channel.

use booth_core::*;

use crate::air24::*;
use crate::world::*;

#[test]
fn a_channel_that_is_off_takes_no_publisher() {
    let mut world = World::empty();
    world.ok(create("radio", film()));
    let off = Denied::ChannelOff {
        channel: channel("radio"),
    };
    assert_eq!(world.denied(publish("radio", 1)), off);
    world.ignored(publisher_up("radio", 1));
    assert_eq!(world.effects, [reconcile("radio")]);
}

#[test]
fn an_accepted_publisher_is_told_to_the_workers() {
    let mut world = World::radio();
    world.pass(700);
    world.ok(publish("radio", 1));
    assert_eq!(world.effects, [reconcile("radio")]);
    let publisher = world.channel("radio").publisher.clone().unwrap();
    assert_eq!((publisher.id, publisher.since), (PublisherId(1), world.now));
    world.no_change(publish("radio", 1));
}

#[test]
fn a_second_publisher_is_refused_while_the_first_is_healthy() {
    let mut world = World::radio();
    world.ok(publish("radio", 1));
    let busy = Denied::ChannelBusy {
        channel: channel("radio"),
        by: "RTMP from 192.0.2.1:5000".into(),
    };
    // It has not had the time to send anything yet.
    assert_eq!(world.denied(publish("radio", 2)), busy);
    for state in [LiveState::Settling, LiveState::Stable] {
        world.fact(live("radio", state));
        world.pass(600_000);
        assert_eq!(world.denied(publish("radio", 2)), busy);
    }
    world.fact(live("radio", stalled()));
    world.pass(999);
    assert_eq!(world.denied(publish("radio", 2)), busy);
    assert_eq!(world.publisher("radio"), Some(1));
}

#[track_caller]
fn taken_over(world: &mut World) {
    world.ok(publish("radio", 2));
    let gone = Event::PublisherDisconnected {
        id: channel("radio"),
        publisher: PublisherId(1),
        reason: text("taken over by 192.0.2.2:5000"),
    };
    assert_eq!(world.events()[0], gone);
    assert_eq!(world.publisher("radio"), Some(2));
    assert_eq!(world.effects, [reconcile("radio")]);
}

#[test]
fn a_second_publisher_takes_over_from_one_that_stalled() {
    let mut world = World::radio();
    world.on_live("radio", 1);
    world.fact(live("radio", stalled()));
    world.pass(1_000);
    taken_over(&mut world);
    // What was said of the one before does not make the new one stale.
    assert_eq!(world.denied(publish("radio", 3)).reason(), "CHANNEL_BUSY");
    world.pass(1_000);
    world.ok(publish("radio", 3));
}

#[test]
fn a_second_publisher_takes_over_from_one_that_never_sent_a_frame() {
    let mut world = World::radio();
    world.pass(60_000);
    world.ok(publish("radio", 1));
    world.pass(999);
    assert_eq!(world.denied(publish("radio", 2)).reason(), "CHANNEL_BUSY");
    world.pass(1);
    taken_over(&mut world);
}

#[test]
fn nobody_takes_over_while_no_worker_can_tell() {
    let mut world = World::radio();
    world.on_live("radio", 1);
    world.fact(worker_down("radio"));
    world.pass(60_000);
    assert_eq!(world.denied(publish("radio", 2)).reason(), "CHANNEL_BUSY");
    world.on_backup("radio");
    world.pass(999);
    assert_eq!(world.denied(publish("radio", 2)).reason(), "CHANNEL_BUSY");
    world.pass(1);
    taken_over(&mut world);
}

#[test]
fn the_time_to_a_takeover_is_a_setting() {
    let mut world = World::radio();
    let mut settings = film();
    settings.policy.takeover_ms = 20_000;
    world.ok(update("radio", settings));
    world.ok(publish("radio", 1));
    world.pass(19_999);
    assert_eq!(world.denied(publish("radio", 2)).reason(), "CHANNEL_BUSY");
    world.pass(1);
    taken_over(&mut world);
}

#[test]
fn who_is_kicked_may_come_back_at_once() {
    let mut world = World::radio();
    let nobody = Denied::NoPublisher {
        channel: channel("radio"),
    };
    assert_eq!(world.denied(kick("radio")), nobody);
    world.on_live("radio", 1);
    world.ok(kick("radio"));
    assert_eq!(world.publisher("radio"), None);
    assert_eq!(world.effects, [reconcile("radio")]);
    world.ok(publish("radio", 2));
}

#[test]
fn a_key_that_was_replaced_since_it_was_compared_lets_nobody_in() {
    let mut world = World::radio();
    world.ok(rotate("radio", "new"));
    let wrong = Denied::Invalid {
        field: "key".into(),
        why: KEY_NOT_VALID.into(),
    };
    assert_eq!(world.denied(publish("radio", 1)), wrong);
    assert_eq!(world.publisher("radio"), None);
    // Nor is it told whether the channel is on.
    world.ok(stop("radio"));
    assert_eq!(world.denied(publish("radio", 1)), wrong);
    world.ok(start("radio"));
    world.ok(Command::Publish {
        channel: channel("radio"),
        publisher: encoder(2, PublishProtocol::Rtmp),
        key: sealed("new"),
    });
}

#[test]
fn a_new_key_disconnects_the_publisher() {
    let mut world = World::radio();
    world.on_live("radio", 1);
    world.ok(rotate("radio", "new"));
    assert_eq!(
        world.events(),
        [
            Event::ChannelKeyRotated {
                id: channel("radio"),
                key: sealed("new"),
            },
            Event::PublisherDisconnected {
                id: channel("radio"),
                publisher: PublisherId(1),
                reason: text("key rotated"),
            },
        ]
    );
    assert_eq!(world.publisher("radio"), None);
    assert_eq!(world.effects, [reconcile("radio")]);
    world.ok(rotate("radio", "newer"));
    assert_eq!(world.events().len(), 1, "nobody to disconnect");
}

#[test]
fn late_word_about_an_earlier_publisher_changes_nothing() {
    let mut world = World::radio();
    world.ok(publish("radio", 1));
    world.ok(kick("radio"));
    world.ok(publish("radio", 2));
    world.ignored(publisher_down("radio", 1));
    world.ignored(publisher_up("radio", 1));
    assert_eq!(
        world.effects,
        [reconcile("radio")],
        "it is to be hung up on"
    );
    world.fact(publisher_down("radio", 2));
    assert_eq!(world.publisher("radio"), None);
    world.ignored(publisher_down("radio", 2));
    world.ignored(publisher_down("no", 2));
    world.ignored(publisher_up("no", 2));
}

#[test]
fn a_publisher_by_srt_is_taken_as_one_by_rtmp_is() {
    let mut world = World::radio();
    world.fact(publisher_up("radio", 5));
    assert_eq!(world.publisher("radio"), Some(5));
    world.ignored(publisher_up("radio", 5));
    world.ignored(publisher_up("radio", 6));
    assert_eq!(
        world.effects,
        [reconcile("radio")],
        "it is to be hung up on"
    );
    world.pass(1_000);
    world.fact(publisher_up("radio", 6));
    assert_eq!(world.publisher("radio"), Some(6));
    assert_eq!(world.denied(publish("radio", 7)).reason(), "CHANNEL_BUSY");
}

#[test]
fn with_the_ingest_worker_go_those_who_published_through_it() {
    let mut world = World::radio();
    let by = [
        ("rtmp", PublishProtocol::Rtmp),
        ("rtmps", PublishProtocol::Rtmps),
        ("srt", PublishProtocol::Srt),
        ("whip", PublishProtocol::Whip),
    ];
    for (id, protocol) in by {
        world.ok(create(id, film()));
        world.ok(start(id));
        world.ok(Command::Publish {
            channel: channel(id),
            publisher: encoder(9, protocol),
            key: sealed("key"),
        });
    }
    world.fact(Fact::IngestDown);
    assert_eq!(
        (world.publisher("rtmp"), world.publisher("rtmps")),
        (None, None)
    );
    assert_eq!(world.publisher("srt"), Some(9));
    assert_eq!(world.publisher("whip"), Some(9));
    assert_eq!(world.effects, [reconcile("rtmp"), reconcile("rtmps")]);
    world.ignored(Fact::IngestDown);

    world.fact(Fact::Started);
    assert_eq!(world.publisher("whip"), None, "boothd carried it");
    assert_eq!(world.publisher("srt"), Some(9));
}

#[test]
fn with_a_channels_worker_goes_who_published_to_it_by_srt() {
    let mut world = World::radio();
    world.fact(publisher_up("radio", 5));
    world.fact(worker_down("radio"));
    assert_eq!(world.publisher("radio"), None);
    world.on_backup("radio");
    world.ok(publish("radio", 6));
    world.fact(worker_down("radio"));
    assert_eq!(
        world.publisher("radio"),
        Some(6),
        "the ingest worker has it"
    );
}
