//! The live input's format in words, and how it differs from what the channel's loops are made in.

use booth_proto::worker::{ChannelSettings, LiveFormat};
use booth_stream::{AudioConfig, VideoCodec, VideoConfig};

/// What the live input sends; nothing before its video is known.
pub fn describe(
    video: Option<&VideoConfig>,
    audio: Option<&AudioConfig>,
    settings: &ChannelSettings,
) -> Option<LiveFormat> {
    let video = video?;
    Some(LiveFormat {
        video: video_text(video),
        width: video.width,
        height: video.height,
        fps_milli: video.fps_milli,
        audio: audio.map(audio_text).unwrap_or_default(),
        differs: differs(video, audio, settings),
    })
}

fn video_text(video: &VideoConfig) -> String {
    match video.codec {
        VideoCodec::H264 => format!(
            "H.264 {} {}",
            h264_profile(video.profile),
            level(video.level, 10)
        ),
        // `general_level_idc` is the level times 30.
        VideoCodec::H265 => format!(
            "H.265 {} {}",
            h265_profile(video.profile),
            level(video.level, 30)
        ),
    }
}

fn level(idc: u8, scale: u8) -> String {
    format!("{:.1}", f64::from(idc) / f64::from(scale))
}

fn h264_profile(profile: u8) -> String {
    let name = match profile {
        66 => "Baseline",
        77 => "Main",
        88 => "Extended",
        100 => "High",
        110 => "High 10",
        122 => "High 4:2:2",
        244 => "High 4:4:4",
        other => return format!("profile {other}"),
    };
    name.to_owned()
}

fn h265_profile(profile: u8) -> String {
    let name = match profile {
        1 => "Main",
        2 => "Main 10",
        other => return format!("profile {other}"),
    };
    name.to_owned()
}

fn audio_text(audio: &AudioConfig) -> String {
    let channels = match audio.channels {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        more => format!("{more} channels"),
    };
    format!("AAC-LC {} Hz {channels}", audio.sample_rate)
}

/// Fields that differ from the channel's format, each with both values; empty when a switch needs no decoder reset.
fn differs(video: &VideoConfig, audio: Option<&AudioConfig>, settings: &ChannelSettings) -> String {
    let mut fields = Vec::new();
    if video.codec != VideoCodec::H264 {
        fields.push("codec H.265, channel H.264".to_owned());
    }
    if (video.width, video.height) != (settings.width, settings.height) {
        fields.push(format!(
            "size {}x{}, channel {}x{}",
            video.width, video.height, settings.width, settings.height
        ));
    }
    // Streams that say none are taken at their word: their times tell. 29.97 and 30 are not the same.
    if video.fps_milli != 0 && video.fps_milli.abs_diff(settings.fps * 1000) > 5 {
        let fps = f64::from(video.fps_milli) / 1000.0;
        fields.push(format!("{fps} fps, channel {}", settings.fps));
    }
    if video.bit_depth != 8 || !video.chroma_420 {
        fields.push("not 8-bit 4:2:0".to_owned());
    }
    match audio {
        None => fields.push("no sound".to_owned()),
        Some(audio) if audio.sample_rate != 48_000 || audio.channels != 2 => {
            fields.push(format!("{}, channel 48000 Hz stereo", audio_text(audio)));
        }
        Some(_) => {}
    }
    fields.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video() -> VideoConfig {
        VideoConfig {
            codec: VideoCodec::H264,
            record: bytes::Bytes::new(),
            width: 1280,
            height: 720,
            profile: 100,
            level: 40,
            fps_milli: 30_000,
            bit_depth: 8,
            chroma_420: true,
        }
    }

    fn audio() -> AudioConfig {
        AudioConfig {
            asc: bytes::Bytes::new(),
            sample_rate: 48_000,
            channels: 2,
            frame_samples: 1024,
        }
    }

    fn settings() -> ChannelSettings {
        ChannelSettings {
            width: 1280,
            height: 720,
            fps: 30,
            ..ChannelSettings::default()
        }
    }

    #[test]
    fn the_format_is_told_in_words() {
        let format = describe(Some(&video()), Some(&audio()), &settings()).unwrap();
        assert_eq!(format.video, "H.264 High 4.0");
        assert_eq!(format.audio, "AAC-LC 48000 Hz stereo");
        assert_eq!(format.differs, "");
        assert_eq!(describe(None, Some(&audio()), &settings()), None);
    }

    #[test]
    fn what_differs_is_named_with_both_values() {
        let video = VideoConfig {
            width: 1920,
            height: 1080,
            fps_milli: 25_000,
            ..video()
        };
        let audio = AudioConfig {
            sample_rate: 44_100,
            ..audio()
        };
        let format = describe(Some(&video), Some(&audio), &settings()).unwrap();
        assert_eq!(
            format.differs,
            "size 1920x1080, channel 1280x720; 25 fps, channel 30; \
             AAC-LC 44100 Hz stereo, channel 48000 Hz stereo"
        );
    }
}
