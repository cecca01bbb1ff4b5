//! Defects that are conditions rather than moments: they are told from the state when a report is made.

use super::Analysis;
use crate::{
    defect::{Defect, DefectClass as D},
    report::{Report, SkewReport},
    sense::pair_skew,
    timeline::StretchReport,
};

impl Analysis {
    pub(super) fn skew(&self) -> SkewReport {
        pair_skew(self.eyes.flashes(), self.ears.beeps(), |flash| {
            self.eyes.caller_at(flash)
        })
    }

    pub(super) fn all_defects(&self, report: &Report) -> Vec<Defect> {
        let mut defects = self.defects.clone();
        let now = self.last_at_ns;
        let mut stretches = |class, list: &StretchReport| {
            for stretch in &list.list {
                let detail = format!("{:.0} ms", stretch.duration_ms);
                let since = stretch.since;
                defects.add(
                    class,
                    since.first_packet_at_ns,
                    None,
                    Some(since.pts),
                    detail,
                );
            }
        };
        if let Some(picture) = &report.picture {
            stretches(D::Frozen, &picture.frozen);
            stretches(D::Black, &picture.black);
        }
        if let Some(sound) = &report.sound {
            stretches(D::Silent, &sound.silent);
        }
        let lost = (
            report.picture.as_ref().map_or(0, |p| p.undecoded),
            report.sound.as_ref().map_or(0, |s| s.undecoded),
        );
        if lost != (0, 0) {
            defects.add(
                D::Undecoded,
                now,
                None,
                None,
                format!("{} pictures, {} audio frames", lost.0, lost.1),
            );
        }
        if let Some(skew) = report.av_skew.median_ms
            && skew.abs() > self.options.max_av_skew_ms
        {
            let late = if skew > 0.0 {
                "sound late"
            } else {
                "sound early"
            };
            defects.add(
                D::AvSkew,
                now,
                None,
                None,
                format!("{:.1} ms, {late}", skew.abs()),
            );
        }
        if let Some(at_ns) = self.b_frames_at() {
            defects.add(D::BFrames, at_ns, self.video_pid, None, "B slices".into());
        }
        if let Some(sps) = report.video.as_ref().and_then(|v| v.sps.as_ref())
            && (sps.chroma_format_idc != 1 || sps.bit_depth != 8)
        {
            defects.add(
                D::Chroma,
                now,
                self.video_pid,
                None,
                format!("{} {}-bit", sps.chroma(), sps.bit_depth),
            );
        }
        if self.tables_seen {
            if self.video_pid.is_none() {
                defects.add(
                    D::NoVideo,
                    now,
                    None,
                    None,
                    "none in the program map".into(),
                );
            }
            if self.audio_pid.is_none() {
                defects.add(
                    D::NoAudio,
                    now,
                    None,
                    None,
                    "none in the program map".into(),
                );
            }
        }
        defects.into_list()
    }
}
