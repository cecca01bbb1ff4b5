//! The whole system as its users have it: real server, real workers, real WebRTC callers and encoders, and an independent
//! judge at the outputs: SRT, RTMP destinations, HLS. Each test has a server of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod air;
mod api;
mod channel;
mod console;
mod consoles;
mod desk;
mod faults;
mod inputs;
mod pictures;
mod radio;
mod scripting;
mod vmix;

use std::time::Duration;

use booth_judge::{DefectClass, Judge, JudgeInput, Options, Report, SrtInput};
use booth_tests::Booth;

/// Long enough for a loaded machine; nothing waits for it when the value is there.
const SOON: Duration = Duration::from_secs(20);

/// A judge that pulls slot `number`.
fn judge(booth: &Booth, number: u16) -> Judge {
    let input = SrtInput::new("127.0.0.1", booth.slot_port(number));
    Judge::spawn(JudgeInput::Srt(input), Options::default()).unwrap()
}

/// What a receiver must never see, whatever happens behind the slot. How the picture looks is each test's business.
#[track_caller]
fn assert_unbroken(report: &Report) {
    use DefectClass::*;
    let never = [
        Sync,
        TransportError,
        Continuity,
        Discontinuity,
        BadTable,
        PatChange,
        PmtChange,
        PtsBack,
        PtsGap,
        DtsOrder,
        NoPts,
        PcrBack,
        SpsChange,
        PpsChange,
        AudioChange,
        BFrames,
        Chroma,
        Reconnect,
        EpochStep,
        NoVideo,
        NoAudio,
    ];
    let found: Vec<_> = report
        .defects
        .iter()
        .filter(|d| never.contains(&d.class))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(report.epochs_total, 1, "{:#?}", report.epochs);
}

/// Approves a caller and takes them to a slot.
fn put_on_air(booth: &Booth, number: u16, caller: &str) {
    booth.cli(&["caller", "approve", caller]);
    booth.cli(&["slot", "take", &number.to_string(), caller]);
}
