use booth_core::*;

use crate::world::*;

fn limited(id: &str, uses: Option<u32>, expires_at: Option<Timestamp>) -> Command {
    Command::Invite {
        id: invite(id),
        show: show("main"),
        role: CallerRole::Host,
        name: Text::name("Doctor Who"),
        token: token(id),
        uses,
        expires_at,
    }
}

#[test]
fn a_joiner_gets_the_last_place_and_is_joining_until_media_comes() {
    let mut world = World::new();
    world.join("a");
    let answer = world.ok(join("b"));
    assert_eq!(answer.target, Target::Caller(caller("b")));
    assert_eq!(world.queue(), ["a", "b"]);
    assert_eq!(world.state_of("b"), CallerState::Joining);
    assert_eq!(world.caller("b").link, Link::Down { since: NOW });
    world.connect("b");
    assert_eq!(world.state_of("b"), CallerState::Waiting);
}

#[test]
fn the_invite_gives_role_and_preset_name() {
    let mut world = World::new();
    world.ok(limited("guest", None, None));
    world.ok(join_by("guest", "bo"));
    assert_eq!(world.caller("bo").name.as_str(), "Doctor Who");
    assert_eq!(world.caller("bo").role, CallerRole::Host);
    let rename = Command::Rejoin {
        rejoin: token("bo"),
        name: Some(text("Rose")),
        topic: None,
    };
    world.no_change(rename);
}

#[test]
fn a_publisher_without_a_name_goes_by_its_id() {
    let mut world = World::new();
    let mut nameless = join("obs");
    if let Command::Join { name, .. } = &mut nameless {
        *name = Text::default();
    }
    world.ok(nameless);
    assert_eq!(world.caller("obs").name.as_str(), "obs");
}

#[test]
fn a_link_nobody_made_is_unknown() {
    let mut world = World::new();
    assert_eq!(world.denied(join_by("wrong", "bo")), Denied::InviteUnknown);
}

#[test]
fn a_revoked_link_is_unknown_and_its_callers_stay() {
    let mut world = World::new();
    world.waiting("bo");
    world.ok(Command::RevokeInvite { id: invite("main") });
    assert_eq!(world.denied(join("cy")), Denied::InviteUnknown);
    world.no_change(rejoin("bo"));
    let again = Command::RevokeInvite { id: invite("main") };
    assert_eq!(
        world.denied(again),
        Denied::InviteNotFound {
            invite: invite("main")
        }
    );
}

#[test]
fn a_link_expires_at_its_time() {
    let mut world = World::new();
    world.ok(limited("soon", None, Some(Timestamp(NOW.0 + 10))));
    world.pass(9);
    world.ok(join_by("soon", "a"));
    world.pass(1);
    assert_eq!(world.denied(join_by("soon", "b")), Denied::InviteExpired);
}

#[test]
fn a_link_that_expired_long_ago_is_forgotten() {
    let mut world = World::new();
    world.ok(limited("soon", None, Some(Timestamp(NOW.0 + 10))));
    let kept = i64::try_from(EXPIRED_KEPT_MS).unwrap();
    world.pass(9 + kept);
    assert_eq!(world.denied(join_by("soon", "a")), Denied::InviteExpired);
    let forget = Due::ForgetInvite(invite("soon"));
    assert_eq!(
        world.state.poll_timeout(),
        Some((Timestamp(NOW.0 + 10 + kept), forget))
    );
    world.pass(1);
    assert_eq!(world.denied(join_by("soon", "a")), Denied::InviteUnknown);
    assert_eq!(world.state.poll_timeout(), None);
}

#[test]
fn a_link_is_used_up_and_rejoins_do_not_count() {
    let mut world = World::new();
    world.ok(limited("once", Some(1), None));
    world.ok(join_by("once", "a"));
    world.ok(rejoin("a"));
    assert_eq!(world.denied(join_by("once", "b")), Denied::InviteUsedUp);
}

#[test]
fn a_link_that_could_never_work_is_not_made() {
    let mut world = World::new();
    assert_eq!(
        world.denied(limited("x", Some(0), None)).kind(),
        DeniedKind::Invalid
    );
    assert_eq!(
        world.denied(limited("x", None, Some(NOW))).kind(),
        DeniedKind::Invalid
    );
    assert_eq!(
        world.denied(open_invite("main")),
        Denied::InviteExists {
            invite: invite("main")
        }
    );
    assert_eq!(
        world.denied(open_invite("no")),
        Denied::ShowNotFound { show: show("no") }
    );
}

#[test]
fn a_closed_or_stopped_show_takes_nobody_new() {
    let closed = Denied::ShowClosed { show: show("main") };
    let mut world = World::new();
    world.waiting("bo");
    world.ok(Command::StopShow { id: show("main") });
    assert_eq!(world.denied(join("cy")), closed);
    world.no_change(rejoin("bo"));
    world.ok(Command::StartShow { id: show("main") });
    let settings = Some(ShowSettings {
        open: false,
        ..ShowSettings::default()
    });
    world.ok(Command::UpdateShow {
        id: show("main"),
        title: None,
        settings,
    });
    assert_eq!(world.denied(join("cy")), closed);
}

#[test]
fn a_full_show_counts_who_has_not_ended() {
    let mut world = World::new();
    let settings = Some(ShowSettings {
        max_callers: 2,
        ..ShowSettings::default()
    });
    world.ok(Command::UpdateShow {
        id: show("main"),
        title: None,
        settings,
    });
    world.on_air("a", "1");
    world.join("b");
    assert_eq!(
        world.denied(join("c")),
        Denied::ShowFull {
            show: show("main"),
            max: 2
        }
    );
    world.ok(leave("b"));
    world.ok(join("c"));
}

#[test]
fn ids_of_callers_are_not_reused() {
    let mut world = World::new();
    world.ended("bo");
    assert_eq!(
        world.denied(join("bo")),
        Denied::CallerExists {
            caller: caller("bo")
        }
    );
}

#[test]
fn a_rejoin_finds_place_notes_and_state_again() {
    let mut world = World::new();
    for id in ["a", "b", "c"] {
        world.waiting(id);
    }
    world.ok(Command::Note {
        id: caller("b"),
        text: text("has a dog"),
    });
    world.ok(approve("b"));
    world.media_down("b", 1);
    world.pass(299_999);
    let answer = world.ok(rejoin("b"));
    assert_eq!(answer.target, Target::Caller(caller("b")));
    world.media_up("b", 2);
    assert_eq!(world.state_of("b"), CallerState::Ready);
    assert_eq!(world.caller("b").notes.len(), 1);
    assert_eq!(world.state.position(&caller("b")), Some(2));
}

#[test]
fn names_are_corrected_until_ready() {
    let mut world = World::new();
    world.waiting("bo");
    let correct = |name: &str| Command::Rejoin {
        rejoin: token("bo"),
        name: Some(text(name)),
        topic: Some(text("cats")),
    };
    world.ok(correct("Bob"));
    assert_eq!(world.caller("bo").name.as_str(), "Bob");
    assert_eq!(world.caller("bo").topic.as_str(), "cats");
    world.no_change(correct(""));
    world.ok(approve("bo"));
    world.no_change(correct("Robert"));
}

#[test]
fn an_unknown_rejoin_secret_is_refused() {
    let mut world = World::new();
    assert_eq!(world.denied(rejoin("nobody")), Denied::RejoinUnknown);
}
