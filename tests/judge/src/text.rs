//! A report for people.

use std::fmt::Write;

use crate::{
    clock::between_ms,
    report::{PictureReport, Report, SoundReport},
    sense::{Hearing, Showing},
    timeline::{Stamp, StretchReport},
};

/// How many spans, stretches or occurrences of each kind are written out.
const SHOWN: usize = 12;

impl std::fmt::Display for Showing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Caller { id } => write!(f, "caller {id}"),
            Self::Black => f.write_str("black"),
            Self::Other => f.write_str("another picture"),
        }
    }
}

impl std::fmt::Display for Hearing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Caller { id } => write!(f, "caller {id}"),
            Self::Silence => f.write_str("silence"),
            Self::Other => f.write_str("another sound"),
        }
    }
}

/// The whole report, one fact a line.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_report(&mut out, report);
    out
}

fn write_report(out: &mut String, report: &Report) -> std::fmt::Result {
    let transport = &report.transport;
    let seconds = between_ms(report.started_at_ns, report.taken_at_ns) / 1e3;
    writeln!(out, "input       {} ({seconds:.1} s)", report.input)?;
    writeln!(
        out,
        "transport   {} bytes, {} packets, {:.0} kb/s, {} continuity errors ({} lost), {} bytes passed over",
        transport.bytes,
        transport.packets,
        transport.bit_rate / 1e3,
        transport.continuity_errors,
        transport.lost_packets,
        transport.skipped_bytes,
    )?;
    write!(out, "connections {}", report.epochs_total)?;
    if report.connect_failures > 0 {
        let error = report.last_connect_error.as_deref().unwrap_or("");
        write!(
            out,
            ", {} calls without answer, last: {error}",
            report.connect_failures
        )?;
    }
    writeln!(out)?;
    if report.live {
        writeln!(
            out,
            "arrivals    {}, largest gap {:.1} ms",
            report.arrivals.messages, report.arrivals.largest_gap_ms
        )?;
    }
    for (pid, stream) in &report.streams {
        writeln!(
            out,
            "pid {pid:<7} {}: {} units, {} bytes; PTS step {:.1}…{:.1} ms, {} back, {} gaps; DTS {} back",
            stream.kind,
            stream.pes_packets,
            stream.bytes,
            stream.pts.smallest_step_ms,
            stream.pts.largest_step_ms,
            stream.pts.back_steps,
            stream.pts.gaps,
            stream.dts.back_steps,
        )?;
    }
    let pcr = &report.pcr.steps;
    writeln!(
        out,
        "PCR         largest step {:.1} ms, {} back",
        pcr.largest_step_ms, pcr.back_steps
    )?;
    if let Some(video) = &report.video {
        writeln!(
            out,
            "video       {} {} level {} {}x{} {} {:.2} fps, key frame every ≤ {:.0} ms{}",
            video.codec,
            video.profile,
            video.level,
            video.width,
            video.height,
            video.chroma,
            video.fps.unwrap_or(0.0),
            video.largest_key_interval_ms,
            if video.b_frames { ", B-frames" } else { "" },
        )?;
    }
    if let Some(audio) = &report.audio {
        writeln!(
            out,
            "audio       {} type {} {} Hz, {} channels, frames within {:.2} ms of their place",
            audio.codec, audio.object_type, audio.sample_rate, audio.channels, audio.largest_gap_ms
        )?;
    }
    if let Some(picture) = &report.picture {
        write_picture(out, report, picture)?;
    }
    if let Some(sound) = &report.sound {
        write_sound(out, report, sound)?;
    }
    let skew = &report.av_skew;
    if let (Some(median), Some(min), Some(max)) = (skew.median_ms, skew.min_ms, skew.max_ms) {
        let pairs = skew.pairs;
        writeln!(
            out,
            "A/V skew    {median:+.1} ms ({min:+.1}…{max:+.1}) of {pairs} flashes; + is sound late"
        )?;
    }
    if report.defects.is_empty() {
        return writeln!(out, "defects     none");
    }
    for defect in &report.defects {
        writeln!(
            out,
            "DEFECT      {} × {} ({})",
            defect.class,
            defect.count,
            defect.class.meaning()
        )?;
        for one in defect.occurrences.iter().take(SHOWN) {
            let pid = one.pid.map_or(String::new(), |p| format!(" pid {p}"));
            let seconds = between_ms(report.started_at_ns, one.at_ns) / 1e3;
            writeln!(out, "            at {seconds:.3} s{pid}: {}", one.detail)?;
        }
    }
    Ok(())
}

fn write_picture(out: &mut String, report: &Report, picture: &PictureReport) -> std::fmt::Result {
    writeln!(
        out,
        "picture     {} decoded, {} not; {} changes; callers' frames: {} repeated, {} passed over, {} back",
        picture.decoded,
        picture.undecoded,
        picture.changes,
        picture.counter_repeats,
        picture.counter_skips,
        picture.counter_back
    )?;
    for span in picture.timeline.iter().rev().take(SHOWN).rev() {
        let frames = span.frames;
        writeln!(
            out,
            "            {} {} ({frames} frames)",
            moment(report, &span.since),
            span.what
        )?;
    }
    write_stretches(out, report, "frozen", &picture.frozen)?;
    write_stretches(out, report, "black", &picture.black)
}

fn write_sound(out: &mut String, report: &Report, sound: &SoundReport) -> std::fmt::Result {
    let level = |value: Option<f64>| value.map_or("-∞".to_owned(), |v| format!("{v:.1}"));
    writeln!(
        out,
        "sound       {:.1} s decoded, {} frames not; level {} dBFS now, {} mean, {} peak; {} beeps",
        sound.decoded_ms / 1e3,
        sound.undecoded,
        level(sound.level_dbfs),
        level(sound.mean_dbfs),
        level(sound.peak_dbfs),
        sound.beeps_total
    )?;
    for span in sound.timeline.iter().rev().take(SHOWN).rev() {
        writeln!(
            out,
            "            {} {} ({:.0} ms)",
            moment(report, &span.since),
            span.what,
            span.duration_ms()
        )?;
    }
    write_stretches(out, report, "silent", &sound.silent)
}

fn write_stretches(
    out: &mut String,
    report: &Report,
    name: &str,
    stretches: &StretchReport,
) -> std::fmt::Result {
    for stretch in stretches.list.iter().rev().take(SHOWN).rev() {
        let open = if stretch.open { " so far" } else { "" };
        let since = moment(report, &stretch.since);
        writeln!(
            out,
            "            {since} {name} for {:.0} ms{open}",
            stretch.duration_ms
        )?;
    }
    Ok(())
}

fn moment(report: &Report, stamp: &Stamp) -> String {
    let arrived = between_ms(report.started_at_ns, stamp.first_packet_at_ns) / 1e3;
    format!(
        "PTS {:.3} s, arrived {arrived:.3} s:",
        stamp.pts as f64 / 90e3
    )
}
