//! Facts of the transport layer: tables, counters, the program clock; PES packets go on to picture and sound.

use super::{Analysis, Unit};
use crate::{
    defect::DefectClass,
    demux::{Fact, Pes},
    report::StreamReport,
    ts::ticks_to_ms,
};

/// H.264 in the program map.
pub const H264: u8 = 0x1b;
/// AAC in ADTS.
pub const AAC_ADTS: u8 = 0x0f;

fn kind(stream_type: u8) -> &'static str {
    match stream_type {
        0x01 | 0x02 => "MPEG-2 video",
        0x03 | 0x04 => "MPEG audio",
        AAC_ADTS => "AAC",
        0x11 => "AAC LATM",
        H264 => "H.264",
        0x24 => "HEVC",
        0x81 => "AC-3",
        0x06 => "private",
        _ => "other",
    }
}

impl Analysis {
    pub(super) fn take_fact(&mut self, fact: Fact, at_ns: u64, units: &mut Vec<Unit>) {
        use DefectClass as D;
        match fact {
            Fact::NullPacket => self.transport.null_packets += 1,
            Fact::TransportError { pid } => {
                self.defects.add(
                    D::TransportError,
                    at_ns,
                    Some(pid),
                    None,
                    "marked broken".into(),
                );
            }
            Fact::Scrambled { pid } => {
                self.defects.add(
                    D::TransportError,
                    at_ns,
                    Some(pid),
                    None,
                    "scrambled".into(),
                );
            }
            Fact::BrokenPes { pid } => {
                self.defects.add(
                    D::TransportError,
                    at_ns,
                    Some(pid),
                    None,
                    "no PES header where one starts".into(),
                );
            }
            Fact::Discontinuity { pid } => {
                self.defects.add(
                    D::Discontinuity,
                    at_ns,
                    Some(pid),
                    None,
                    "indicator set".into(),
                );
            }
            Fact::Continuity { pid, lost } => {
                self.transport.continuity_errors += 1;
                self.transport.lost_packets += u64::from(lost);
                self.defects.add(
                    D::Continuity,
                    at_ns,
                    Some(pid),
                    None,
                    format!("{lost} packets missing (mod 16)"),
                );
            }
            Fact::BrokenSection { pid } => {
                self.defects
                    .add(D::BadTable, at_ns, Some(pid), None, "broken section".into());
            }
            Fact::Pat { changed, detail } => {
                if changed {
                    self.transport.pat_changes += 1;
                    self.defects
                        .add(D::PatChange, at_ns, Some(0), None, detail.clone());
                }
                self.transport.pat = Some(detail);
            }
            Fact::Pmt {
                changed,
                pmt,
                detail,
            } => {
                if changed {
                    self.transport.pmt_changes += 1;
                    self.defects
                        .add(D::PmtChange, at_ns, None, None, detail.clone());
                }
                self.transport.pmt = Some(detail);
                self.tables_seen = true;
                self.pcr.pid = Some(pmt.pcr_pid);
                self.video_pid = pmt
                    .streams
                    .iter()
                    .find(|s| matches!(s.1, H264 | 0x02 | 0x24))
                    .map(|s| s.0);
                self.audio_pid = pmt
                    .streams
                    .iter()
                    .find(|s| matches!(s.1, AAC_ADTS | 0x03 | 0x04 | 0x11 | 0x81))
                    .map(|s| s.0);
            }
            Fact::Pcr {
                pid,
                ticks_27m,
                flagged,
            } => self.take_pcr(pid, ticks_27m, flagged, at_ns),
            Fact::Pes(pes) => self.take_pes(pes, units),
        }
    }

    fn take_pcr(&mut self, pid: u16, ticks_27m: i64, flagged: bool, at_ns: u64) {
        if self.pcr.pid.is_some_and(|own| own != pid) {
            return;
        }
        let stamp = self.pcr_unwrap.next(ticks_27m) / 300;
        let Some(step) = self.pcr.steps.add(stamp) else {
            return;
        };
        let step_ms = ticks_to_ms(step);
        // A flagged discontinuity is a defect of its own, and the step over it none.
        if step < 0 && !flagged {
            self.pcr.steps.back_steps += 1;
            self.defects.add(
                DefectClass::PcrBack,
                at_ns,
                Some(pid),
                Some(stamp),
                format!("{step_ms:.1} ms"),
            );
        } else if step_ms > self.options.max_pcr_step_ms && !flagged {
            self.pcr.steps.gaps += 1;
            self.defects.add(
                DefectClass::PcrGap,
                at_ns,
                Some(pid),
                Some(stamp),
                format!("{step_ms:.1} ms"),
            );
        }
    }

    fn take_pes(&mut self, pes: Pes, units: &mut Vec<Unit>) {
        let stream = self.streams.entry(pes.pid).or_insert_with(|| StreamReport {
            stream_type: pes.stream_type,
            kind: kind(pes.stream_type),
            ..StreamReport::default()
        });
        stream.pes_packets += 1;
        stream.bytes += pes.payload.len() as u64;
        stream.damaged += u64::from(pes.damaged);
        if Some(pes.pid) == self.video_pid {
            units.extend(self.take_video(pes).map(Unit::Video));
        } else if Some(pes.pid) == self.audio_pid {
            self.take_audio(pes, units);
        }
    }
}
