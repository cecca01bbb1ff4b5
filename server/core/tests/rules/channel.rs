use booth_core::*;

use crate::air24::*;
use crate::world::*;

#[test]
fn a_new_channel_is_off_in_auto_and_has_its_loops_prepared() {
    let mut world = World::empty();
    let answer = world.ok(create("radio", film()));
    assert_eq!(answer.target, Target::Channel(channel("radio")));
    let radio = world.channel("radio");
    assert!(!radio.running);
    assert_eq!(radio.force, Force::Auto);
    assert_eq!(radio.showing, ChannelShowing::Off);
    assert_eq!(radio.live, LiveState::Absent);
    assert_eq!(radio.worker, WorkerState::Down);
    assert_eq!((radio.created_at, radio.revision), (NOW, 1));
    assert_eq!(world.effects, [reconcile("radio")]);
    assert_eq!(world.state.poll_timeout(), None);
}

#[test]
fn a_channels_id_is_its_own() {
    let mut world = World::radio();
    let exists = Denied::ChannelExists {
        channel: channel("radio"),
    };
    assert_eq!(world.denied(create("radio", film())), exists);
}

#[test]
fn verbs_name_a_channel_that_is_not_there() {
    let mut world = World::empty();
    let no = Denied::ChannelNotFound {
        channel: channel("no"),
    };
    for command in [
        update("no", film()),
        delete("no"),
        start("no"),
        stop("no"),
        force("no", Force::Live),
        rotate("no", "k"),
        kick("no"),
        publish("no", 1),
        add("no", "a"),
        enable("no", "a", true),
        Command::RevealKey {
            id: channel("no"),
            destination: None,
        },
    ] {
        assert_eq!(world.denied(command), no);
    }
}

#[test]
fn starting_and_stopping_again_changes_nothing() {
    let mut world = World::empty();
    world.ok(create("radio", film()));
    world.no_change(stop("radio"));
    world.ok(start("radio"));
    assert_eq!(world.effects, [reconcile("radio")]);
    world.no_change(start("radio"));
    world.ok(stop("radio"));
    assert_eq!(world.effects, [retire("radio")]);
    world.no_change(stop("radio"));
}

#[test]
fn a_stop_ends_the_output_the_publisher_the_destinations_and_the_alerts() {
    let mut world = World::radio();
    world.on_live("radio", 1);
    world.fact(sends("radio", "b", DestinationState::Retrying, "refused"));
    world.pass(30_000);
    assert_eq!(world.channel("radio").alerts.len(), 1);
    world.ok(stop("radio"));
    let down = ChannelAlert::DestinationDown(destination("b"));
    assert_eq!(
        world.events(),
        [
            Event::ChannelStopped {
                id: channel("radio")
            },
            Event::ChannelSwitched {
                id: channel("radio"),
                from: ChannelShowing::Live,
                to: ChannelShowing::Off,
                cause: SwitchCause::Stopped,
                gap_ms: 0,
                before_ms: 30_000,
            },
            Event::PublisherDisconnected {
                id: channel("radio"),
                publisher: PublisherId(1),
                reason: text("channel stopped"),
            },
            Event::ChannelAlertCleared {
                id: channel("radio"),
                alert: down,
            },
        ]
    );
    let radio = world.channel("radio");
    assert_eq!(
        (radio.showing, radio.cause),
        (ChannelShowing::Off, SwitchCause::Stopped)
    );
    assert_eq!(
        (&radio.live, &radio.live_format),
        (&LiveState::Absent, &None)
    );
    assert!(radio.publisher.is_none() && radio.alerts.is_empty());
    for to in ["a", "b"] {
        let to = world.radio_to(to);
        assert_eq!(to.state, DestinationState::Idle);
        assert_eq!(to.down_since, None);
    }
    assert_eq!(world.state.poll_timeout(), None);
}

#[test]
fn a_running_channel_is_not_deleted() {
    let mut world = World::radio();
    let running = Denied::ChannelRunning {
        channel: channel("radio"),
    };
    assert_eq!(world.denied(delete("radio")), running);
    world.ok(stop("radio"));
    world.ok(delete("radio"));
    assert_eq!(world.effects, [retire("radio")]);
    assert_eq!(world.state.row(&Key::Channel(channel("radio"))), None);
}

#[test]
fn force_is_kept_through_a_stop() {
    let mut world = World::radio();
    world.no_change(force("radio", Force::Auto));
    world.ok(force("radio", Force::Backup));
    assert_eq!(world.effects, [reconcile("radio")]);
    world.no_change(force("radio", Force::Backup));
    world.ok(stop("radio"));
    world.ok(start("radio"));
    assert_eq!(world.channel("radio").force, Force::Backup);
}

#[test]
fn an_update_with_the_same_settings_changes_nothing() {
    let mut world = World::radio();
    world.no_change(update("radio", film()));
    let settings = ChannelSettings {
        title: text("Radio"),
        ..film()
    };
    world.ok(update("radio", settings));
    assert_eq!(world.effects, [reconcile("radio")]);
}

#[test]
fn the_live_key_in_force_is_the_last_one_and_showing_it_is_recorded() {
    let mut world = World::radio();
    world.ok(rotate("radio", "new"));
    assert_eq!(world.channel("radio").key, sealed("new"));
    let revision = world.channel("radio").revision;
    world.ok(Command::RevealKey {
        id: channel("radio"),
        destination: None,
    });
    assert_eq!(
        world.events(),
        [Event::ChannelKeyRevealed {
            id: channel("radio"),
            destination: None
        }]
    );
    assert_eq!(world.effects, []);
    assert_eq!(world.channel("radio").revision, revision);
    let answer = world.ok(Command::RevealKey {
        id: channel("radio"),
        destination: Some(destination("a")),
    });
    let target = Target::Destination(channel("radio"), destination("a"));
    assert_eq!(answer.target, target);
    let unknown = world.denied(Command::RevealKey {
        id: channel("radio"),
        destination: Some(destination("z")),
    });
    assert_eq!(unknown.reason(), "DESTINATION_NOT_FOUND");
}

#[test]
fn a_verb_that_expects_an_older_channel_is_refused() {
    let mut world = World::radio();
    let seen = world.channel("radio").revision;
    world.ok(force("radio", Force::Live));
    let revision = world.channel("radio").revision;
    for command in [
        update("radio", ChannelSettings::default()),
        stop("radio"),
        delete("radio"),
        force("radio", Force::Auto),
        rotate("radio", "k"),
        kick("radio"),
    ] {
        let stale = Denied::Stale {
            expected: seen,
            revision,
        };
        assert_eq!(world.ask_as(expecting(seen), command), Err(stale));
    }
    world.ask_as(expecting(revision), stop("radio")).unwrap();
}

fn listening(port: u16) -> ChannelSettings {
    ChannelSettings {
        srt_input: Some(SrtInput {
            port,
            latency_ms: 200,
            stream_id: None,
            passphrase: None,
        }),
        ..film()
    }
}

fn watched(port: u16) -> ChannelSettings {
    ChannelSettings {
        monitor_port: Some(port),
        ..film()
    }
}

#[test]
fn a_port_belongs_to_one_slot_or_channel() {
    let mut world = World::new();
    let taken = |port, by: &str| Denied::PortTaken {
        port,
        by: by.into(),
    };
    for settings in [listening(9_001), watched(9_001)] {
        assert_eq!(
            world.denied(create("radio", settings)),
            taken(9_001, "slot 1")
        );
    }
    let both = ChannelSettings {
        monitor_port: Some(9_101),
        ..listening(9_100)
    };
    world.ok(create("radio", both.clone()));
    world.no_change(update("radio", both));
    for settings in [
        listening(9_100),
        listening(9_101),
        watched(9_100),
        watched(9_101),
    ] {
        let port = settings.ports().next().unwrap();
        assert_eq!(
            world.denied(create("tv", settings)),
            taken(port, "channel radio")
        );
    }
    world.ok(create("tv", listening(9_102)));
    assert_eq!(
        world.denied(update("tv", listening(9_100))),
        taken(9_100, "channel radio")
    );
    assert_eq!(
        world.denied(create_slot("3", 9_101)),
        taken(9_101, "channel radio")
    );
    let settings = SlotSettings::listening(9_102);
    assert_eq!(
        world.denied(Command::UpdateSlot {
            id: slot("1"),
            settings
        }),
        taken(9_102, "channel tv")
    );
    let ports: Vec<u16> = world.state.ports().map(|(port, _)| port).collect();
    assert_eq!(ports, [9_001, 9_002, 9_100, 9_101, 9_102]);
    world.ok(delete("tv"));
    world.ok(create_slot("3", 9_102));
}

#[test]
fn loops_are_made_anew_only_for_what_they_are_made_of() {
    let key = |change: fn(&mut ChannelSettings)| {
        let mut settings = film();
        change(&mut settings);
        settings.loop_key()
    };
    let same = film().loop_key();
    assert_eq!(key(|s| s.title = text("x")), same);
    assert_eq!(key(|s| s.policy.delay_ms = 0), same);
    assert_eq!(key(|s| s.monitor_port = Some(9_100)), same);
    assert_ne!(key(|s| s.video.fps = 25), same);
    assert_ne!(key(|s| s.slate = Some("/s.png".into())), same);
    assert_ne!(key(|s| s.backup.as_mut().unwrap().digest.push('x')), same);
    assert_ne!(key(|s| s.mode = ChannelMode::Transcode), same);
}

#[test]
fn no_secret_of_a_channel_shows_in_debug() {
    let mut world = World::empty();
    let canary = "canary-canary";
    let settings = ChannelSettings {
        srt_input: Some(SrtInput {
            port: 9_100,
            latency_ms: 200,
            stream_id: None,
            passphrase: Some(sealed(canary)),
        }),
        ..film()
    };
    let to = DestinationSettings {
        key: Some(sealed(canary)),
        ..rtmp("rtmp://live.example/app")
    };
    let commands = [
        Command::CreateChannel {
            id: channel("radio"),
            settings: settings.clone(),
            key: sealed(canary),
        },
        rotate("radio", canary),
        Command::AddDestination {
            channel: channel("radio"),
            id: destination("a"),
            settings: to,
            enabled: true,
        },
    ];
    for command in commands {
        assert!(!format!("{command:?}").contains(canary));
        world.ok(command);
    }
    for said in [
        format!("{:?}", world.journal),
        format!("{:?}", world.state),
        format!("{:?}", world.state.rows().collect::<Vec<_>>()),
    ] {
        assert!(said.contains("Sealed(…)") && !said.contains(canary));
    }
}

#[test]
fn a_repeat_with_other_seals_ports_and_file_dates_is_the_same_command() {
    let mut world = World::empty();
    let settings = |port, seal: &str| {
        let mut settings = listening(port);
        settings.srt_input.as_mut().unwrap().passphrase = Some(sealed(seal));
        settings.backup.as_mut().unwrap().digest = seal.into();
        settings
    };
    let make = |port, seal: &str| Command::CreateChannel {
        id: channel("radio"),
        settings: settings(port, seal),
        key: sealed(seal),
    };
    let first = world.ask_as(requested("c"), make(9_100, "one")).unwrap();
    assert_eq!(world.ask_as(requested("c"), make(9_101, "two")), Ok(first));

    let rotated = world.ask_as(requested("r"), rotate("radio", "k1")).unwrap();
    let again = world.ask_as(requested("r"), rotate("radio", "k2"));
    assert_eq!(again, Ok(rotated));
    assert_eq!(world.channel("radio").key, sealed("k1"));

    let add = |seal: Option<&str>| Command::AddDestination {
        channel: channel("radio"),
        id: destination("a"),
        settings: DestinationSettings {
            key: seal.map(sealed),
            ..rtmp("rtmp://live.example/app")
        },
        enabled: true,
    };
    let added = world.ask_as(requested("a"), add(Some("s1"))).unwrap();
    assert_eq!(world.ask_as(requested("a"), add(Some("s2"))), Ok(added));
    // One without a key is another one.
    let reused = world.ask_as(requested("a"), add(None));
    assert_eq!(reused, Err(Denied::RequestReused));

    let update = |seal: &str| update("radio", settings(9_100, seal));
    let updated = world.ask_as(requested("u"), update("three")).unwrap();
    assert_eq!(world.ask_as(requested("u"), update("four")), Ok(updated));
}
