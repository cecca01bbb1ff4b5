//! Receivers: several, refused, encrypted, called; sound alone; a port that is taken.

use std::net::UdpSocket;

use booth_proto::worker::from_worker::Message as Said;
use booth_proto::worker::slot_report::Showing;

use crate::FIVE;
use crate::caller::{Sending, source};
use crate::reader::Reader;
use crate::rig::{Rig, free_port, settings};

#[test]
fn several_receivers_are_served_at_once_and_counted() {
    let rig = Rig::start(settings());
    let readers = [
        Reader::open(rig.port()),
        Reader::open(rig.port()),
        Reader::open(rig.port()),
    ];
    for reader in &readers {
        reader
            .wait("pictures", |seen| seen.pictures >= 30)
            .assert_steady(30);
    }
    rig.boothd().hear("three clients", |said| match said {
        Said::Meters(meters) => meters
            .srt
            .as_ref()
            .filter(|srt| srt.clients == 3 && srt.sent_packets > 0)
            .map(|_| ()),
        _ => None,
    });
}

#[test]
fn a_receiver_needs_the_stream_id_in_either_spelling() {
    let rig = Rig::start(booth_proto::worker::SlotSettings {
        stream_id: "slot1".to_owned(),
        ..settings()
    });
    for stream_id in ["slot1", "#!::r=slot1,m=request"] {
        Reader::open_with(rig.port(), stream_id, "").wait("pictures", |seen| seen.pictures >= 5);
    }
    let stranger = Reader::open_once_with(rig.port(), "slot2", "");
    rig.boothd().hear("the refusal", |said| match said {
        Said::Problem(problem) => (problem.reason == "SRT_STREAM_ID_REFUSED").then_some(()),
        _ => None,
    });
    let seen = stranger.wait("its own refusal", |seen| seen.failed);
    assert!(seen.received_nothing(), "{seen:?}");
}

#[test]
fn an_encrypted_slot_is_read_with_the_passphrase_only() {
    let passphrase = "correct horse";
    let rig = Rig::start(booth_proto::worker::SlotSettings {
        passphrase: passphrase.to_owned(),
        ..settings()
    });
    // The port is open: nobody fails for want of it.
    let right = Reader::open_with(rig.port(), "", passphrase);
    right.wait("pictures", |seen| seen.pictures >= 30);
    for passphrase in ["another horse", ""] {
        let stranger = Reader::open_once_with(rig.port(), "", passphrase);
        let seen = stranger.wait("its refusal", |seen| seen.failed);
        assert!(seen.received_nothing(), "{seen:?}");
    }
    right.more(30).assert_steady(30);
}

#[test]
fn a_slot_that_pushes_calls_until_its_receiver_is_there() {
    let port = free_port();
    let rig = Rig::start(booth_proto::worker::SlotSettings {
        port: 0,
        push_url: format!("srt://127.0.0.1:{port}"),
        ..settings()
    });
    rig.boothd().hear("levels", |said| {
        matches!(said, Said::Meters(_)).then_some(())
    });
    {
        let reader = Reader::listen(port);
        reader.wait("pictures", |seen| seen.pictures >= 30);
    }
    let again = Reader::listen(port);
    again.wait("pictures after the receiver's restart", |seen| {
        seen.pictures >= 30
    });
}

#[test]
fn an_audio_only_slot_carries_the_callers_sound() {
    let mut rig = Rig::start(booth_proto::worker::SlotSettings {
        audio_only: true,
        ..settings()
    });
    let reader = Reader::open(rig.port());
    reader.wait("silence", |seen| {
        seen.audio_pts.is_some() && seen.level_dbfs < -90.0
    });
    let anna = source("anna", 11, &FIVE, true);
    rig.want(|wish| wish.on_air = Some(anna));
    let _sending = Sending::start(rig.boothd(), 11, &FIVE);
    rig.shows(Showing::Caller, "anna");
    let seen = reader.wait("anna's tone", |seen| seen.tone == Some(5));
    assert_eq!((seen.pictures, seen.backwards), (0, 0));
}

#[test]
fn a_taken_port_is_told_and_opened_as_soon_as_it_is_free() {
    let settings = settings();
    let squatter = UdpSocket::bind(("127.0.0.1", u16::try_from(settings.port).unwrap())).unwrap();
    let rig = Rig::start(settings);
    rig.boothd().hear("the problem", |said| match said {
        Said::Problem(problem) => {
            (problem.reason == "SRT_NOT_OPEN" && !problem.fatal).then_some(())
        }
        _ => None,
    });
    drop(squatter);
    Reader::open(rig.port()).wait("pictures", |seen| seen.pictures >= 5);
}
