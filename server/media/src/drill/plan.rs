//! What is rehearsed, and what of it passes: bounds as the documentation gives them, from the channel's own policy.

use booth_proto::worker::{ChannelMode, ChannelSettings, DrillStep};

/// Viewers see nothing of a gap up to here (copy).
const FREEZE_COPY_MS: u32 = 50;
/// Decoding, mixing and encoding add to it (transcode): a publisher that hung up, and one that has to be waited for.
const FREEZE_KILLED_MS: u32 = 100;
const FREEZE_STALLED_MS: u32 = 150;
/// Presentation times go on frame by frame, give or take their rounding.
const STEP_MS: u32 = 1;
/// What the machine may add to any reaction.
const MARGIN_MS: u32 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    LiveTaken,
    Killed,
    BackAfterKill,
    Stalled,
    BackAfterStall,
    ForcedBackup,
    ForcedLive,
}

impl Step {
    pub const ALL: [Self; 7] = [
        Self::LiveTaken,
        Self::Killed,
        Self::BackAfterKill,
        Self::Stalled,
        Self::BackAfterStall,
        Self::ForcedBackup,
        Self::ForcedLive,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::LiveTaken => "live taken",
            Self::Killed => "publisher killed",
            Self::BackAfterKill => "back to live after the kill",
            Self::Stalled => "publisher stalled",
            Self::BackAfterStall => "back to live after the stall",
            Self::ForcedBackup => "backup forced",
            Self::ForcedLive => "live forced",
        }
    }

    /// Losses of the live input before this step: each doubles the time for which it has to be stable again.
    fn losses(self) -> u32 {
        match self {
            Self::LiveTaken | Self::Killed => 0,
            Self::BackAfterKill | Self::Stalled => 1,
            Self::BackAfterStall | Self::ForcedBackup | Self::ForcedLive => 2,
        }
    }

    /// The step ends in live; in what stands in for it otherwise.
    pub fn to_live(self) -> bool {
        match self {
            Self::LiveTaken | Self::BackAfterKill | Self::BackAfterStall | Self::ForcedLive => true,
            Self::Killed | Self::Stalled | Self::ForcedBackup => false,
        }
    }
}

/// What a step may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub reaction_ms: u32,
    pub freeze_ms: u32,
}

/// `gop_ms` is the longest time between two key frames of the rehearsed media.
pub fn bounds(step: Step, settings: &ChannelSettings, gop_ms: u32) -> Bounds {
    let copy = settings.mode() != ChannelMode::Transcode;
    let key = if copy { gop_ms } else { 0 };
    let doubled = settings.stable_ms.saturating_mul(1 << step.losses());
    let stable = doubled.min(settings.stable_max_ms.max(settings.stable_ms));
    let away = settings.delay_ms + key + MARGIN_MS;
    let reaction_ms = match step {
        Step::LiveTaken | Step::BackAfterKill | Step::BackAfterStall => stable + away,
        Step::Killed | Step::ForcedBackup | Step::ForcedLive => away,
        Step::Stalled => settings.lost_ms + away,
    };
    // What the delay does not hide.
    let bare = settings.lost_ms.saturating_sub(settings.delay_ms);
    let freeze_ms = match (copy, step) {
        (true, Step::Stalled) => FREEZE_COPY_MS + bare,
        (true, _) => FREEZE_COPY_MS,
        (false, Step::Stalled) => FREEZE_STALLED_MS + bare,
        (false, _) => FREEZE_KILLED_MS,
    };
    Bounds {
        reaction_ms,
        freeze_ms,
    }
}

/// What the shadow's receiver saw of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Absent when the output did not change.
    pub reaction_ms: Option<u32>,
    pub freeze_ms: u32,
    /// Beyond a frame.
    pub timestamp_step_ms: u32,
    /// Presentation times that did not rise.
    pub back: u32,
}

pub fn judge(step: Step, bounds: Bounds, measured: Measured) -> DrillStep {
    let mut wrong = Vec::new();
    match measured.reaction_ms {
        None => wrong.push(format!("nothing changed within {} ms", bounds.reaction_ms)),
        Some(ms) if ms > bounds.reaction_ms => {
            wrong.push(format!("took {ms} ms, {} at most", bounds.reaction_ms));
        }
        Some(_) => {}
    }
    if measured.freeze_ms > bounds.freeze_ms {
        let (was, most) = (measured.freeze_ms, bounds.freeze_ms);
        wrong.push(format!("no picture for {was} ms, {most} at most"));
    }
    if measured.timestamp_step_ms > STEP_MS {
        wrong.push(format!(
            "timestamps step by {} ms",
            measured.timestamp_step_ms
        ));
    }
    if measured.back > 0 {
        wrong.push(format!("timestamps went back {} times", measured.back));
    }
    DrillStep {
        step: step.name().to_owned(),
        reaction_ms: measured.reaction_ms.unwrap_or(bounds.reaction_ms),
        freeze_ms: measured.freeze_ms,
        timestamp_step_ms: measured.timestamp_step_ms,
        passed: wrong.is_empty(),
        text: if wrong.is_empty() {
            format!(
                "within {} ms, without picture for {} ms at most",
                bounds.reaction_ms, bounds.freeze_ms
            )
        } else {
            wrong.join("; ")
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ChannelSettings {
        ChannelSettings {
            mode: ChannelMode::Copy.into(),
            stable_ms: 5_000,
            stable_max_ms: 60_000,
            lost_ms: 300,
            delay_ms: 600,
            ..ChannelSettings::default()
        }
    }

    fn good() -> Measured {
        Measured {
            reaction_ms: Some(700),
            freeze_ms: 34,
            timestamp_step_ms: 0,
            back: 0,
        }
    }

    #[test]
    fn a_stall_within_the_delay_may_not_be_seen_and_a_longer_one_by_the_rest() {
        assert_eq!(bounds(Step::Stalled, &settings(), 2_000).freeze_ms, 50);
        let slow = ChannelSettings {
            lost_ms: 2_000,
            ..settings()
        };
        assert_eq!(bounds(Step::Stalled, &slow, 2_000).freeze_ms, 1_450);
        assert_eq!(bounds(Step::Killed, &slow, 2_000).freeze_ms, 50);
    }

    #[test]
    fn every_loss_doubles_the_way_back_up_to_the_most() {
        let back = |step| bounds(step, &settings(), 0).reaction_ms;
        assert_eq!(back(Step::BackAfterKill) - back(Step::LiveTaken), 5_000);
        assert_eq!(back(Step::BackAfterStall) - back(Step::LiveTaken), 15_000);
        let capped = ChannelSettings {
            stable_max_ms: 6_000,
            ..settings()
        };
        let back = |step| bounds(step, &capped, 0).reaction_ms;
        assert_eq!(back(Step::BackAfterStall) - back(Step::LiveTaken), 1_000);
    }

    #[test]
    fn what_is_wrong_is_said_with_both_numbers() {
        let bounds = bounds(Step::Killed, &settings(), 1_000);
        assert!(judge(Step::Killed, bounds, good()).passed);
        let seen = Measured {
            freeze_ms: 400,
            ..good()
        };
        let step = judge(Step::Killed, bounds, seen);
        assert!(!step.passed);
        assert_eq!(step.text, "no picture for 400 ms, 50 at most");
        let never = Measured {
            reaction_ms: None,
            ..good()
        };
        assert_eq!(
            judge(Step::Killed, bounds, never).text,
            "nothing changed within 2600 ms"
        );
    }
}
