use booth_core::SwitchCause;

use super::*;

fn told(event: &Event, actor: &Actor) -> v1::Event {
    super::event(event, actor, Lookup(&[]))
}

#[test]
fn a_switch_is_one_line_that_says_what_why_and_since_when() {
    let switch = |from, to, cause| Event::ChannelSwitched {
        id: "radio".parse().unwrap(),
        from,
        to,
        cause,
        gap_ms: 0,
        before_ms: 2 * 3_600_000 + 13 * 60_000 + 5_000,
    };
    use ChannelShowing::{Backup, Live, Off};
    let event = told(
        &switch(Live, Backup, SwitchCause::LiveStalled),
        &Actor::System,
    );
    assert_eq!(
        (event.r#type.as_str(), event.resource.as_str()),
        ("CHANNEL_SWITCHED", "channels/radio")
    );
    assert_eq!(
        event.text,
        "channel radio shows its backup: the publisher stalled (gap 0 ms, live was on for 2 h 13 min)"
    );
    assert_eq!(
        told(&switch(Off, Backup, SwitchCause::Started), &Actor::System).text,
        "channel radio shows its backup: the output began"
    );
    assert_eq!(
        told(&switch(Live, Off, SwitchCause::Stopped), &Actor::System).text,
        "channel radio is off: it was stopped (live was on for 2 h 13 min)"
    );
}

#[test]
fn who_was_shown_a_key_is_said() {
    let event = Event::ChannelKeyRevealed {
        id: "radio".parse().unwrap(),
        destination: Some("youtube".parse().unwrap()),
    };
    let event = told(&event, &Actor::Operator("anna".parse().unwrap()));
    assert_eq!(
        event.text,
        "key of destination youtube of channel radio shown by anna"
    );
}

#[test]
fn spans_have_their_two_largest_units() {
    for (ms, text) in [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (61_000, "1 min 1 s"),
        (3_600_000, "1 h 0 min"),
        (90_000_000, "1 d 1 h"),
    ] {
        assert_eq!(span(ms), text);
    }
}
