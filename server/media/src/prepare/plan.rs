//! What will be done to files, from what they hold. Pure.

use booth_mix::RATE;
use booth_proto::worker::CheckedFile;
use booth_stream::MILLISECOND;

use super::probe::{KEYS_APART, Probe, short};

/// The channel's format, and whether what fits it is passed on undecoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    pub width: u32,
    pub height: u32,
    pub fps: u32,
    pub copy: bool,
}

/// What is done to all files of a list alike: one decoder configuration holds for the whole loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub copy_video: bool,
    pub copy_audio: bool,
}

impl Plan {
    pub fn of(probes: &[Probe], target: Target) -> Self {
        let Some(first) = probes.first() else {
            return Self {
                copy_video: false,
                copy_audio: false,
            };
        };
        let copy_video = target.copy
            && probes.iter().all(|probe| {
                video_obstacles(probe, target).is_empty()
                    && probe.video.record == first.video.record
            });
        // Without the pictures there is nothing to be won: the decoder reads the file anyway.
        let asc = |probe: &Probe| probe.audio.as_ref().and_then(|audio| audio.asc.clone());
        let copy_audio = copy_video
            && probes
                .iter()
                .all(|probe| fits(probe) && asc(probe) == asc(first));
        Self {
            copy_video,
            copy_audio,
        }
    }
}

/// What the API and the command line show of a file.
pub fn checked(probe: &Probe, plan: Plan, target: Target) -> CheckedFile {
    CheckedFile {
        path: probe.path.clone(),
        duration_ms: u64::try_from(probe.duration / MILLISECOND).unwrap_or(0),
        video: probe.video.describe(),
        audio: probe
            .audio
            .as_ref()
            .map(|audio| audio.describe())
            .unwrap_or_default(),
        changes: changes(probe, plan, target),
    }
}

fn changes(probe: &Probe, plan: Plan, target: Target) -> Vec<String> {
    let mut changes = Vec::new();
    if !plan.copy_video {
        changes = video_obstacles(probe, target);
        if changes.is_empty() && target.copy {
            changes.push("encoded anew, to be like the other files".to_owned());
        } else if changes.is_empty() {
            changes.push("encoded anew".to_owned());
        }
    }
    match &probe.audio {
        None => changes.push("no sound: silence".to_owned()),
        Some(_) if plan.copy_audio => {}
        Some(audio) => {
            if audio.rate != 0 && audio.rate != RATE as u32 {
                changes.push(format!("{} Hz → {RATE} Hz", audio.rate));
            }
            if audio.channels != 0 && audio.channels != 2 {
                changes.push(format!(
                    "{} → stereo",
                    audio.describe().rsplit(' ').next().unwrap_or_default()
                ));
            }
            if !audio.aac_lc {
                changes.push(format!("{} → AAC-LC", audio.name));
            }
        }
    }
    if probe.damaged {
        changes.push("damaged: what follows the damage is left out".to_owned());
    }
    changes
}

/// What keeps pictures from being passed on as they are; empty when nothing does.
fn video_obstacles(probe: &Probe, target: Target) -> Vec<String> {
    let video = &probe.video;
    let mut obstacles = Vec::new();
    let mut tell = |is: bool, text: String| {
        if is {
            obstacles.push(text);
        }
    };
    let codec = video.name.split(' ').next().unwrap_or_default();
    tell(!video.h264, format!("{codec} → H.264"));
    let size = format!(
        "{}x{} → {}x{}",
        video.width, video.height, target.width, target.height
    );
    tell(
        (video.width, video.height) != (target.width, target.height),
        size,
    );
    tell(
        video.stretched,
        "pixels that are not square → square".to_owned(),
    );
    tell(probe.turned, "turned upright".to_owned());
    let exact = (video.fps - f64::from(target.fps)).abs() < 0.001;
    tell(
        video.variable,
        format!("variable rate → {} fps", target.fps),
    );
    tell(
        !video.variable && !exact,
        format!("{} fps → {}", short(video.fps), target.fps),
    );
    tell(video.interlaced, "interlaced → progressive".to_owned());
    tell(
        video.bit_depth > 8,
        format!("{} bit → 8 bit", video.bit_depth),
    );
    let chroma = !video.chroma.is_empty() && video.chroma != "4:2:0";
    tell(chroma, format!("{} → 4:2:0", video.chroma));
    // The first picture of a loop with B-frames is shown some frames after it is decoded: a freeze at each switch.
    tell(video.h264 && video.b_frames, "B-frames → none".to_owned());
    tell(
        video.h264 && !video.starts_with_key,
        "begins without a key frame → with one".to_owned(),
    );
    let seconds = video.key_gap as f64 / 1e9;
    tell(
        video.h264 && video.key_gap > KEYS_APART,
        format!("key frames {seconds:.1} s apart → 1 s"),
    );
    tell(
        video.h264 && video.record.is_none(),
        "its parameter sets → usable ones".to_owned(),
    );
    obstacles
}

fn fits(probe: &Probe) -> bool {
    probe.audio.as_ref().is_some_and(|audio| {
        audio.aac_lc && audio.rate == RATE as u32 && audio.channels == 2 && audio.asc.is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Audio, Video};
    use super::*;

    const TARGET: Target = Target {
        width: 1280,
        height: 720,
        fps: 30,
        copy: true,
    };

    fn file() -> Probe {
        Probe {
            path: "/a.mp4".to_owned(),
            duration: 3_000 * MILLISECOND,
            video: Video {
                name: "H.264 High".to_owned(),
                h264: true,
                width: 1280,
                height: 720,
                fps: 30.0,
                bit_depth: 8,
                chroma: "4:2:0".to_owned(),
                key_gap: 2_000 * MILLISECOND,
                starts_with_key: true,
                record: Some(vec![1]),
                ..Video::default()
            },
            audio: Some(Audio {
                name: "AAC-LC".to_owned(),
                aac_lc: true,
                rate: 48_000,
                channels: 2,
                asc: Some(vec![0x11, 0x90]),
            }),
            turned: false,
            damaged: false,
        }
    }

    fn changed(change: fn(&mut Probe)) -> Vec<String> {
        let mut probe = file();
        change(&mut probe);
        let plan = Plan::of(std::slice::from_ref(&probe), TARGET);
        checked(&probe, plan, TARGET).changes
    }

    #[test]
    fn a_file_in_the_channels_format_is_passed_on_as_it_is() {
        let plan = Plan::of(&[file(), file()], TARGET);
        assert_eq!(
            plan,
            Plan {
                copy_video: true,
                copy_audio: true
            }
        );
        assert_eq!(changed(|_| ()), Vec::<String>::new());
    }

    #[test]
    fn every_difference_is_named_and_keeps_the_pictures_from_being_copied() {
        type Change = fn(&mut Probe);
        let cases: [(Change, &str); 12] = [
            (|p| p.video.h264 = false, "H.264 → H.264"),
            (|p| p.video.height = 1080, "1280x1080 → 1280x720"),
            (
                |p| p.video.stretched = true,
                "pixels that are not square → square",
            ),
            (|p| p.turned = true, "turned upright"),
            (|p| p.video.fps = 29.97, "29.97 fps → 30"),
            (|p| p.video.variable = true, "variable rate → 30 fps"),
            (|p| p.video.interlaced = true, "interlaced → progressive"),
            (|p| p.video.bit_depth = 10, "10 bit → 8 bit"),
            (|p| p.video.chroma = "4:4:4".into(), "4:4:4 → 4:2:0"),
            (|p| p.video.b_frames = true, "B-frames → none"),
            (
                |p| p.video.starts_with_key = false,
                "begins without a key frame → with one",
            ),
            (
                |p| p.video.key_gap = 10_000 * MILLISECOND,
                "key frames 10.0 s apart → 1 s",
            ),
        ];
        for (change, text) in cases {
            assert_eq!(changed(change), [text]);
        }
    }

    #[test]
    fn sound_that_does_not_fit_leaves_the_pictures_as_they_are() {
        assert_eq!(changed(|p| p.audio = None), ["no sound: silence"]);
        let mono = changed(|p| {
            p.audio = Some(Audio {
                name: "Opus".into(),
                rate: 44_100,
                channels: 1,
                ..Audio::default()
            });
        });
        assert_eq!(
            mono,
            ["44100 Hz → 48000 Hz", "mono → stereo", "Opus → AAC-LC"]
        );
    }

    #[test]
    fn files_with_other_parameter_sets_are_encoded_to_be_alike() {
        let mut other = file();
        other.video.record = Some(vec![2]);
        let plan = Plan::of(&[file(), other.clone()], TARGET);
        assert!(!plan.copy_video);
        assert_eq!(
            checked(&other, plan, TARGET).changes,
            ["encoded anew, to be like the other files"]
        );
    }

    #[test]
    fn without_copy_everything_is_encoded() {
        let target = Target {
            copy: false,
            ..TARGET
        };
        let plan = Plan::of(&[file()], target);
        assert_eq!(
            plan,
            Plan {
                copy_video: false,
                copy_audio: false
            }
        );
        assert_eq!(checked(&file(), plan, target).changes, ["encoded anew"]);
    }
}
