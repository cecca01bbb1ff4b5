use booth_core::*;

use crate::world::*;

#[test]
fn a_port_belongs_to_one_slot() {
    let mut world = World::new();
    let taken = Denied::SlotPortTaken {
        port: 9001,
        by: slot("1"),
    };
    assert_eq!(world.denied(create_slot("3", 9001)), taken);
    world.ok(create_slot("3", 9004));
    let settings = SlotSettings::listening(9001);
    assert_eq!(
        world.denied(Command::UpdateSlot {
            id: slot("3"),
            settings
        }),
        taken
    );
    assert_eq!(
        world.denied(create_slot("3", 9005)),
        Denied::SlotExists { slot: slot("3") }
    );
}

#[test]
fn an_update_with_the_same_settings_changes_nothing() {
    let mut world = World::new();
    let settings = SlotSettings::listening(9001);
    world.no_change(Command::UpdateSlot {
        id: slot("1"),
        settings: settings.clone(),
    });
    let settings = SlotSettings {
        latency_ms: 20,
        ..settings
    };
    world.ok(Command::UpdateSlot {
        id: slot("1"),
        settings,
    });
    assert_eq!(world.effects, [Effect::ReconcileSlot(slot("1"))]);
}

#[test]
fn a_slot_needs_a_show() {
    let mut world = World::new();
    let settings = SlotSettings::listening(9_004);
    let create = Command::CreateSlot {
        id: slot("3"),
        show: show("no"),
        settings,
    };
    assert_eq!(
        world.denied(create),
        Denied::ShowNotFound { show: show("no") }
    );
}

#[test]
fn verbs_name_a_slot_that_is_not_there() {
    let mut world = World::new();
    let settings = SlotSettings::listening(9_004);
    let no = Denied::SlotNotFound { slot: slot("9") };
    assert_eq!(
        world.denied(Command::UpdateSlot {
            id: slot("9"),
            settings
        }),
        no
    );
    assert_eq!(world.denied(Command::DeleteSlot { id: slot("9") }), no);
    assert_eq!(world.denied(release("9", Disposition::Hold)), no);
}

#[test]
fn deleting_an_occupied_slot_holds_its_caller_at_the_head_of_the_queue() {
    let mut world = World::new();
    world.on_air("a", "1");
    world.waiting("b");
    world.ok(Command::DeleteSlot { id: slot("1") });
    assert_eq!(world.state_of("a"), CallerState::Held);
    assert_eq!(world.queue(), ["a", "b"]);
    assert_eq!(world.effects[0], Effect::RetireSlot(slot("1")));
}

#[track_caller]
fn refused(field: &str, change: impl FnOnce(&mut SlotSettings)) {
    let mut world = World::new();
    let mut settings = SlotSettings::listening(9_004);
    change(&mut settings);
    match world.denied(Command::UpdateSlot {
        id: slot("1"),
        settings,
    }) {
        Denied::Invalid { field: named, .. } => assert_eq!(named, field),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn accepted(change: impl FnOnce(&mut SlotSettings)) {
    let mut world = World::new();
    let mut settings = SlotSettings::listening(9_004);
    change(&mut settings);
    world.ok(Command::UpdateSlot {
        id: slot("1"),
        settings,
    });
}

#[test]
fn a_vmix_has_an_address_an_input_and_maybe_a_title() {
    let vmix = |address: &str, input: &str, title: Option<(&str, Option<&str>)>| {
        let title = title.map(|(input, field)| VmixTitle {
            input: input.into(),
            field: field.map(Into::into),
        });
        Some(Box::new(VmixSettings {
            address: address.into(),
            input: input.into(),
            title,
        }))
    };
    for (input, title) in [
        ("1", None),
        ("1000", Some(("2", None))),
        (
            "26cae087-b7b6-4d45-98e4-de03ab4feb6b",
            Some(("Lower Third.gtzip", Some("Headline.Text"))),
        ),
    ] {
        accepted(|s| s.vmix = vmix("vmix:8099", input, title));
    }
    for address in ["", "vmix", "vmix:0", "VMIX:8099", "a b:8099"] {
        refused("vmix.address", |s| s.vmix = vmix(address, "1", None));
    }
    for input in ["", "0", "-1", "1001", "a\r\nFUNCTION Cut", &"x".repeat(201)] {
        refused("vmix.input", |s| s.vmix = vmix("vmix:8099", input, None));
        refused("vmix.title_input", |s| {
            s.vmix = vmix("vmix:8099", "1", Some((input, None)))
        });
    }
    for field in ["", "a\nb"] {
        refused("vmix.title_field", |s| {
            s.vmix = vmix("vmix:8099", "1", Some(("2", Some(field))))
        });
    }
}

#[test]
fn settings_of_before_there_was_vmix_are_read_and_keep_their_spelling() {
    let settings = SlotSettings::listening(9_001);
    let json = serde_json::to_string(&settings).unwrap();
    assert!(!json.contains("vmix"), "{json}");
    assert_eq!(
        serde_json::from_str::<SlotSettings>(&json).unwrap(),
        settings
    );
}

#[test]
fn srt_settings_have_ranges() {
    refused("output.port", |s| s.output = SlotOutput::Listen { port: 0 });
    for latency in [19, 8_001] {
        refused("latency_ms", |s| s.latency_ms = latency);
    }
    for latency in [20, 8_000] {
        accepted(|s| s.latency_ms = latency);
    }
    for id in [String::new(), "x".repeat(513), "a\nb".into()] {
        refused("stream_id", |s| s.stream_id = Some(id));
    }
    accepted(|s| s.stream_id = Some("#!::r=slot1,m=request".into()));
    for url in [
        "srt://host:9001?passphrase=0123456789",
        "srt://host:9001?mode=caller&streamid=live",
        "srt://anna:secret@host:9001",
        "rtmp://a:1",
        "srt://",
        "srt://host",
        "srt://host:0",
        "srt://:9000",
        "srt://a b:1",
    ] {
        refused("output.url", |s| {
            s.output = SlotOutput::Push { url: url.into() }
        });
    }
    for url in [
        "srt://host:9000",
        "srt://[::1]:9000?mode=caller",
        "srt://10.0.0.1:9000/",
    ] {
        accepted(|s| s.output = SlotOutput::Push { url: url.into() });
    }
}

#[test]
fn picture_and_sound_settings_have_ranges() {
    for width in [158, 3_842, 1_281] {
        refused("video.width", |s| s.video.width = width);
    }
    for height in [88, 2_162, 721] {
        refused("video.height", |s| s.video.height = height);
    }
    refused("video.fps", |s| s.video.fps = 29);
    for rate in [99, 50_001] {
        refused("video.bitrate_kbps", |s| s.video.bitrate_kbps = rate);
    }
    for rate in [31, 321] {
        refused("audio_bitrate_kbps", |s| s.audio_bitrate_kbps = rate);
    }
    refused("video.preset", |s| s.video.preset = "placebo".into());
    for preset in ["ultrafast", "medium"] {
        accepted(|s| s.video.preset = preset.into());
    }
    accepted(|s| {
        s.video.width = 3_840;
        s.video.height = 2_160;
        s.video.fps = 60;
        s.video.bitrate_kbps = 50_000;
        s.audio_bitrate_kbps = 320;
    });
}

#[test]
fn an_idle_file_is_named_by_an_absolute_path() {
    refused("idle.path", |s| {
        s.idle = IdleSource::Image {
            path: "logo.png".into(),
        }
    });
    refused("idle.path", |s| {
        s.idle = IdleSource::Video {
            path: "/loop\0.mp4".into(),
        }
    });
    accepted(|s| {
        s.idle = IdleSource::Video {
            path: "/srv/loop.mp4".into(),
        }
    });
    accepted(|s| s.idle = IdleSource::TestPattern);
}
