//! Audio: ADTS frames out of PES packets, and whether each starts where the one before ended.

use super::{Analysis, Unit, transport::AAC_ADTS};
use crate::{
    defect::DefectClass as D,
    demux::Pes,
    es::adts::{AdtsHeader, Next, next_frame},
    report::AudioReport,
    stamps::Unwrap,
    timeline::Stamp,
    ts::ticks_to_ms,
};

/// One ADTS frame for the decoder.
#[derive(Debug)]
pub struct AudioFrame {
    pub stamp: Stamp,
    pub data: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Audio {
    report: AudioReport,
    stamps: Unwrap,
    rest: Vec<u8>,
    rest_at_ns: u64,
    /// Where the next frame should start, and the stamp that the next frame takes when its PES has none.
    expected: Option<f64>,
    last_pts: Option<i64>,
    epoch_floor: Option<i64>,
    format: Option<(u8, u32, u8)>,
}

impl Default for Audio {
    fn default() -> Self {
        Self {
            report: AudioReport::default(),
            stamps: Unwrap::stamps(),
            rest: Vec::new(),
            rest_at_ns: 0,
            expected: None,
            last_pts: None,
            epoch_floor: None,
            format: None,
        }
    }
}

impl Audio {
    pub(super) fn new_epoch(&mut self) {
        self.epoch_floor = self.last_pts.take();
        self.rest.clear();
        self.expected = None;
        self.format = None;
    }
}

impl Analysis {
    pub(super) fn take_audio(&mut self, mut pes: Pes, units: &mut Vec<Unit>) {
        self.audio.report.pid = pes.pid;
        self.audio.report.last_at_ns = pes.first_at_ns;
        let pts = pes.pts.map(|raw| self.audio.stamps.next(raw));
        if let Some(pts) = pts {
            self.check_audio_order(&pes, pts);
        }
        if pes.stream_type != AAC_ADTS {
            self.audio.report.codec = "other";
            self.audio.report.frames += 1;
            return;
        }
        self.audio.report.codec = "AAC";
        let carried = self.audio.rest.len();
        let mut data = std::mem::take(&mut self.audio.rest);
        data.append(&mut pes.payload);
        // The stamp belongs to the first frame that starts in this packet, not to the one carried over.
        let mut pending = pts;
        let mut at = 0;
        loop {
            match next_frame(&data[at..]) {
                Next::Short => break,
                Next::Skip(count) => at += count,
                Next::Frame(header) => {
                    let end = at + header.frame_length;
                    let stamped = if at >= carried { pending.take() } else { None };
                    let first_at_ns = if at < carried {
                        self.audio.rest_at_ns
                    } else {
                        pes.arrival_of(at - carried)
                    };
                    let last_at_ns = pes.arrival_of(end.saturating_sub(carried + 1));
                    self.take_adts(
                        &pes,
                        &header,
                        stamped,
                        (first_at_ns, last_at_ns),
                        &data[at..end],
                        units,
                    );
                    at = end;
                }
            }
        }
        if at < data.len() {
            self.audio.rest_at_ns = if at < carried {
                self.audio.rest_at_ns
            } else {
                pes.arrival_of(at - carried)
            };
        }
        data.drain(..at);
        self.audio.rest = data;
    }

    fn check_audio_order(&mut self, pes: &Pes, pts: i64) {
        let Some(stream) = self.streams.get_mut(&pes.pid) else {
            return;
        };
        let at_ns = pes.first_at_ns;
        if let Some(floor) = self.audio.epoch_floor.take()
            && pts <= floor
        {
            let back_ms = ticks_to_ms(floor - pts);
            self.defects.add(
                D::EpochStep,
                at_ns,
                Some(pes.pid),
                Some(pts),
                format!("{back_ms:.1} ms back"),
            );
        }
        if let Some(step) = stream.pts.add(pts)
            && step <= 0
        {
            stream.pts.back_steps += 1;
            let detail = format!("step of {:.1} ms", ticks_to_ms(step));
            self.defects
                .add(D::PtsBack, at_ns, Some(pes.pid), Some(pts), detail);
        }
        self.audio.last_pts = Some(pts);
    }

    fn take_adts(
        &mut self,
        pes: &Pes,
        header: &AdtsHeader,
        stamped: Option<i64>,
        (first_packet_at_ns, last_packet_at_ns): (u64, u64),
        data: &[u8],
        units: &mut Vec<Unit>,
    ) {
        let format = (header.object_type, header.sample_rate, header.channels);
        let report = &mut self.audio.report;
        report.frames += 1;
        (report.object_type, report.sample_rate, report.channels) = format;
        if self
            .audio
            .format
            .replace(format)
            .is_some_and(|old| old != format)
        {
            report.changes += 1;
            let detail = format!(
                "{} Hz, {} channels, type {}",
                header.sample_rate, header.channels, header.object_type
            );
            self.defects.add(
                D::AudioChange,
                first_packet_at_ns,
                Some(pes.pid),
                stamped,
                detail,
            );
        }
        if let (Some(expected), Some(pts)) = (self.audio.expected, stamped) {
            let off_ms = (pts as f64 - expected) / 90.0;
            let report = &mut self.audio.report;
            report.largest_gap_ms = report.largest_gap_ms.max(off_ms.abs());
            // A step back is its own class.
            if off_ms.abs() > self.options.max_audio_gap_ms
                && pts as f64 > expected - header.ticks()
            {
                if let Some(stream) = self.streams.get_mut(&pes.pid) {
                    stream.pts.gaps += 1;
                }
                let detail = format!("{off_ms:+.1} ms from the end of the frame before");
                self.defects.add(
                    D::PtsGap,
                    first_packet_at_ns,
                    Some(pes.pid),
                    Some(pts),
                    detail,
                );
            }
        }
        let Some(start) = stamped.map(|pts| pts as f64).or(self.audio.expected) else {
            return;
        };
        self.audio.expected = Some(start + header.ticks());
        let stamp = Stamp {
            pts: start.round() as i64,
            first_packet_at_ns,
            last_packet_at_ns,
            epoch: self.epoch(),
        };
        units.push(Unit::Audio(AudioFrame {
            stamp,
            data: data.to_vec(),
        }));
    }

    pub(super) fn audio_report(&self) -> Option<AudioReport> {
        (self.audio.report.frames > 0).then(|| self.audio.report.clone())
    }
}
