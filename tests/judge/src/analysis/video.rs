//! Video access units: order and steps of their stamps, parameter sets, key frames.

use std::collections::BTreeMap;

use super::{Analysis, transport::H264};
use crate::{
    clock::between_ms,
    defect::DefectClass as D,
    demux::Pes,
    es::h264::{AccessUnit, Sps, pps_id},
    report::VideoReport,
    stamps::{Unwrap, UsualStep},
    timeline::Stamp,
    ts::ticks_to_ms,
};

/// One access unit for the decoder.
#[derive(Debug)]
pub struct VideoFrame {
    pub stamp: Stamp,
    pub dts: i64,
    /// A decoder can begin here.
    pub entry: bool,
    pub data: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Video {
    report: VideoReport,
    stamps: Unwrap,
    last_dts: Option<i64>,
    /// Presentation times that a later unit may still come before.
    waiting: Vec<i64>,
    usual: UsualStep,
    sps: BTreeMap<u32, Vec<u8>>,
    pps: BTreeMap<u32, Vec<u8>>,
    last_key: Option<i64>,
    last_at_ns: Option<u64>,
    /// The highest presentation time of the connection before.
    epoch_floor: Option<i64>,
    b_slices_at: Option<u64>,
}

impl Default for Video {
    fn default() -> Self {
        Self {
            report: VideoReport::default(),
            stamps: Unwrap::stamps(),
            last_dts: None,
            waiting: Vec::new(),
            usual: UsualStep::default(),
            sps: BTreeMap::new(),
            pps: BTreeMap::new(),
            last_key: None,
            last_at_ns: None,
            epoch_floor: None,
            b_slices_at: None,
        }
    }
}

impl Video {
    pub(super) fn new_epoch(&mut self) {
        self.epoch_floor = self.last_dts;
        self.last_dts = None;
        self.waiting.clear();
        self.sps.clear();
        self.pps.clear();
        self.last_key = None;
        self.last_at_ns = None;
    }
}

/// Decoders hold back at most 16 pictures (H.264 A.3.1 h); one more cannot be waiting.
const MAX_WAITING: usize = 17;

impl Analysis {
    pub(super) fn take_video(&mut self, pes: Pes) -> Option<VideoFrame> {
        let (pid, at_ns) = (pes.pid, pes.first_at_ns);
        let report = &mut self.video.report;
        report.pid = pid;
        report.frames += 1;
        report.last_at_ns = at_ns;
        if let Some(last) = self.video.last_at_ns.replace(at_ns)
            && self.live
        {
            report.largest_arrival_gap_ms =
                report.largest_arrival_gap_ms.max(between_ms(last, at_ns));
        }
        let Some(raw_pts) = pes.pts else {
            self.defects
                .add(D::NoPts, at_ns, Some(pid), None, "video access unit".into());
            return None;
        };
        let pts = self.video.stamps.next(raw_pts);
        // The offset is small, so that DTS needs no unwrapping of its own.
        let lead = pes.dts.map_or(0, |dts| {
            (raw_pts - dts + (1 << 32)).rem_euclid(1 << 33) - (1 << 32)
        });
        let dts = pts - lead;
        self.check_decoding_order(pid, pts, dts, at_ns);
        self.order_presentation(pid, pts, dts, at_ns);

        let unit = if pes.stream_type == H264 {
            self.video.report.codec = "H.264";
            AccessUnit::scan(&pes.payload)
        } else {
            self.video.report.codec = "other";
            AccessUnit::default()
        };
        self.take_parameter_sets(pid, pts, at_ns, &unit);
        if unit.b_slices {
            self.video.report.b_frames = true;
            self.video.b_slices_at.get_or_insert(at_ns);
        }
        if unit.idr {
            self.take_key_frame(pid, pts, at_ns);
        }
        let entry = unit.idr && !unit.sps.is_empty();
        let stamp = Stamp {
            pts,
            first_packet_at_ns: at_ns,
            last_packet_at_ns: pes.last_at_ns,
            epoch: self.epoch(),
        };
        (pes.stream_type == H264).then_some(VideoFrame {
            stamp,
            dts,
            entry,
            data: pes.payload,
        })
    }

    fn check_decoding_order(&mut self, pid: u16, pts: i64, dts: i64, at_ns: u64) {
        let Some(stream) = self.streams.get_mut(&pid) else {
            return;
        };
        if let Some(floor) = self.video.epoch_floor.take()
            && dts <= floor
        {
            let back_ms = ticks_to_ms(floor - dts);
            self.defects.add(
                D::EpochStep,
                at_ns,
                Some(pid),
                Some(pts),
                format!("{back_ms:.1} ms back"),
            );
        }
        if let Some(step) = stream.dts.add(dts)
            && step <= 0
        {
            stream.dts.back_steps += 1;
            let detail = format!("step of {:.1} ms", ticks_to_ms(step));
            self.defects
                .add(D::DtsOrder, at_ns, Some(pid), Some(pts), detail);
        }
        if pts < dts {
            let detail = format!("decoded {:.1} ms after it is shown", ticks_to_ms(dts - pts));
            self.defects
                .add(D::DtsOrder, at_ns, Some(pid), Some(pts), detail);
        }
        self.video.last_dts = Some(dts);
    }

    /// Presentation times in the order they are shown: one is final when nothing that follows can come before it.
    fn order_presentation(&mut self, pid: u16, pts: i64, dts: i64, at_ns: u64) {
        self.video.waiting.push(pts);
        self.video.waiting.sort_unstable();
        while let Some(&first) = self.video.waiting.first()
            && (first <= dts || self.video.waiting.len() > MAX_WAITING)
        {
            self.video.waiting.remove(0);
            self.present(pid, first, at_ns);
        }
    }

    fn present(&mut self, pid: u16, pts: i64, at_ns: u64) {
        let Some(stream) = self.streams.get_mut(&pid) else {
            return;
        };
        let Some(step) = stream.pts.add(pts) else {
            return;
        };
        let step_ms = ticks_to_ms(step);
        if step <= 0 {
            stream.pts.back_steps += 1;
            self.defects.add(
                D::PtsBack,
                at_ns,
                Some(pid),
                Some(pts),
                format!("step of {step_ms:.1} ms"),
            );
            return;
        }
        let usual = self.video.usual.get();
        let limit = self
            .options
            .max_video_step_ms
            .or(usual.map(|u| ticks_to_ms(u) * 1.8));
        if limit.is_some_and(|limit| step_ms > limit) {
            stream.pts.gaps += 1;
            self.defects.add(
                D::PtsGap,
                at_ns,
                Some(pid),
                Some(pts),
                format!("step of {step_ms:.1} ms"),
            );
        }
        self.video.usual.add(step);
    }

    /// The end of a connection: what waited for its order is shown.
    pub(super) fn finish_video(&mut self, at_ns: u64) {
        let Some(pid) = self.video_pid else { return };
        for pts in std::mem::take(&mut self.video.waiting) {
            self.present(pid, pts, at_ns);
        }
    }

    fn take_parameter_sets(&mut self, pid: u16, pts: i64, at_ns: u64, unit: &AccessUnit<'_>) {
        for &raw in &unit.sps {
            let Some(sps) = Sps::parse(raw) else { continue };
            let old = self.video.sps.insert(sps.id.min(31), raw.to_vec());
            let report = &mut self.video.report;
            if old.is_some_and(|old| old != raw) {
                report.sps_changes += 1;
                let detail = format!(
                    "{}x{} {} level {}",
                    sps.width,
                    sps.height,
                    sps.profile(),
                    sps.level()
                );
                self.defects
                    .add(D::SpsChange, at_ns, Some(pid), Some(pts), detail);
            }
            let report = &mut self.video.report;
            (report.width, report.height) = (sps.width, sps.height);
            (report.profile, report.level) = (sps.profile().to_owned(), sps.level());
            report.chroma = format!("{} {}-bit", sps.chroma(), sps.bit_depth);
            report.sps = Some(sps);
        }
        for &raw in &unit.pps {
            let Some(id) = pps_id(raw) else { continue };
            if self
                .video
                .pps
                .insert(id.min(255), raw.to_vec())
                .is_some_and(|old| old != raw)
            {
                self.video.report.pps_changes += 1;
                self.defects.add(
                    D::PpsChange,
                    at_ns,
                    Some(pid),
                    Some(pts),
                    format!("picture parameter set {id}"),
                );
            }
        }
    }

    fn take_key_frame(&mut self, pid: u16, pts: i64, at_ns: u64) {
        let report = &mut self.video.report;
        report.key_frames += 1;
        let Some(last) = self.video.last_key.replace(pts) else {
            return;
        };
        let interval_ms = ticks_to_ms(pts - last);
        report.largest_key_interval_ms = report.largest_key_interval_ms.max(interval_ms);
        if interval_ms > self.options.max_key_interval_ms {
            self.defects.add(
                D::KeyInterval,
                at_ns,
                Some(pid),
                Some(pts),
                format!("{interval_ms:.0} ms"),
            );
        }
    }

    pub(super) fn video_report(&self) -> Option<VideoReport> {
        let fps = self
            .video
            .usual
            .get()
            .filter(|&step| step > 0)
            .map(|step| 90_000.0 / step as f64);
        (self.video.report.frames > 0).then(|| VideoReport {
            fps,
            ..self.video.report.clone()
        })
    }

    pub(super) fn b_frames_at(&self) -> Option<u64> {
        self.video.b_slices_at
    }
}
