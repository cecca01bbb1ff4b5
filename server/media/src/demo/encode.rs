//! Encoding of one loop, as fast as the machine can.

use booth_mix::{CHANNELS, RATE, Tone};
use bytes::Bytes;
use gst::prelude::*;
use gst_app::{AppSink, AppSrc};

use super::draw::{Code, draw_frame};
use super::{DemoCodec, DemoProfile, EncodedFrame, EncodedLoop};
use crate::error::MediaError;
use crate::output::{audio_caps, make};
use crate::picture::Format;

const PACKET_FRAMES: usize = RATE / 50;
const QUIET: f32 = 0.1;
const LOUD: f32 = 0.5;

/// Encodes one loop of the synthetic caller `id`. Blocks while it encodes: about a tenth of the loop's length.
///
/// # Errors
/// When an encoder is missing or fails.
pub fn encode_loop(id: u8, profile: DemoProfile) -> Result<EncodedLoop, MediaError> {
    gst::init()?;
    let seconds = profile.seconds.max(2).next_multiple_of(2);
    Ok(EncodedLoop {
        video: encode_video(id, profile, seconds)?,
        audio: encode_audio(id, seconds)?,
        length_90k: seconds * 90_000,
    })
}

fn encode_video(
    id: u8,
    profile: DemoProfile,
    seconds: u32,
) -> Result<Vec<EncodedFrame>, MediaError> {
    let fps = profile.fps.max(1);
    let format = Format::new(profile.width, profile.height, fps)?;
    let kbps = i32::try_from(profile.video_kbps).unwrap_or(600);
    let (encoder, caps) = match profile.codec {
        DemoCodec::Vp8 => (
            make("vp8enc")?
                .property("deadline", 1i64)
                .property("cpu-used", 8i32)
                .property("threads", 1i32)
                .property("target-bitrate", kbps * 1000)
                .property("keyframe-max-dist", i32::try_from(fps).unwrap_or(30))
                .property("lag-in-frames", 0i32)
                .build()?,
            gst::Caps::builder("video/x-vp8").build(),
        ),
        DemoCodec::H264 => (
            make("x264enc")?
                .property_from_str("tune", "zerolatency")
                .property_from_str("speed-preset", "ultrafast")
                .property("bitrate", profile.video_kbps.max(1))
                .property("key-int-max", fps)
                .property("threads", 1u32)
                .property("option-string", "scenecut=0")
                .build()?,
            gst::Caps::builder("video/x-h264")
                .field("stream-format", "byte-stream")
                .field("alignment", "au")
                .field("profile", "constrained-baseline")
                .build(),
        ),
    };
    let frames = seconds * fps;
    let pictures = (0..frames).filter_map(|n| {
        // The counter runs on a 30 Hz grid, whatever the rate.
        let counter = u16::try_from(n * 30 / fps % 1024).unwrap_or(0);
        let mut buffer = draw_frame(&format, Code { id, counter })?.0;
        let picture = buffer.make_mut();
        picture.set_pts(gst::ClockTime::from_nseconds(
            u64::from(n) * 1_000_000_000 / u64::from(fps),
        ));
        picture.set_duration(gst::ClockTime::from_nseconds(
            1_000_000_000 / u64::from(fps),
        ));
        Some(buffer)
    });
    let encoded = encode(&format.caps()?, vec![encoder], caps, pictures)?;
    let encoded = encoded
        .into_iter()
        .zip(0..frames)
        .map(|((data, key), n)| EncodedFrame {
            data,
            key,
            at_90k: n * 90_000 / fps,
        });
    Ok(encoded.collect())
}

/// Two rounds are encoded and the second is kept: its first packet goes on where its last one ends.
fn encode_audio(id: u8, seconds: u32) -> Result<Vec<Bytes>, MediaError> {
    let encoder = make("opusenc")?
        .property("bitrate", 64_000i32)
        .property_from_str("audio-type", "restricted-lowdelay")
        .property("inband-fec", true)
        .build()?;
    let packets = seconds as usize * 50;
    let mut tone = Tone::new(400.0 + 50.0 * f64::from(id));
    let blocks = (0..packets * 2 + 2).map(|n| {
        let mut samples = [0.0; PACKET_FRAMES * CHANNELS];
        // 100 packets are the 2 s of the flash; its 100 ms are the first five.
        tone.fill(&mut samples, if n % 100 < 5 { LOUD } else { QUIET });
        let bytes: Vec<u8> = samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let sound = buffer.make_mut();
        sound.set_pts(gst::ClockTime::from_mseconds(n as u64 * 20));
        sound.set_duration(gst::ClockTime::from_mseconds(20));
        buffer
    });
    let convert = make("audioconvert")?.build()?;
    let caps = gst::Caps::builder("audio/x-opus").build();
    let encoded = encode(&audio_caps(), vec![convert, encoder], caps, blocks)?;
    let packets: Vec<Bytes> = encoded
        .into_iter()
        .map(|(data, _)| data)
        .skip(packets)
        .take(packets)
        .collect();
    Ok(packets)
}

/// Runs buffers through an encoder; each result with whether it is a key frame.
fn encode(
    raw: &gst::Caps,
    chain: Vec<gst::Element>,
    caps: gst::Caps,
    buffers: impl Iterator<Item = gst::Buffer> + Send,
) -> Result<Vec<(Bytes, bool)>, MediaError> {
    let pipeline = gst::Pipeline::new();
    // The encoder's pace is the pace: a few raw pictures at a time.
    let source = AppSrc::builder()
        .caps(raw)
        .format(gst::Format::Time)
        .max_bytes(8 << 20)
        .build();
    source.set_block(true);
    let sink = AppSink::builder()
        .caps(&caps)
        .sync(false)
        .async_(false)
        .build();
    let mut all: Vec<&gst::Element> = vec![source.upcast_ref()];
    all.extend(&chain);
    all.push(sink.upcast_ref());
    pipeline.add_many(&all)?;
    gst::Element::link_many(&all)?;
    pipeline.set_state(gst::State::Playing)?;
    let encoded = std::thread::scope(|scope| {
        scope.spawn(|| {
            for buffer in buffers {
                if source.push_buffer(buffer).is_err() {
                    break;
                }
            }
            let _ = source.end_of_stream();
        });
        let mut encoded = Vec::new();
        while let Ok(sample) = sink.pull_sample() {
            if let Some(buffer) = sample.buffer()
                && let Ok(map) = buffer.map_readable()
            {
                let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
                encoded.push((Bytes::copy_from_slice(map.as_slice()), key));
            }
        }
        encoded
    });
    pipeline.set_state(gst::State::Null)?;
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_has_every_picture_and_packet_and_starts_with_a_key_frame() {
        for codec in [DemoCodec::Vp8, DemoCodec::H264] {
            let profile = DemoProfile {
                width: 320,
                height: 180,
                seconds: 2,
                codec,
                ..DemoProfile::default()
            };
            let made = encode_loop(7, profile).unwrap();
            assert_eq!(made.video.len(), 60, "{codec:?}");
            assert_eq!(made.audio.len(), 100);
            assert_eq!(made.length_90k, 180_000);
            let keys: Vec<usize> = (0..60).filter(|n| made.video[*n].key).collect();
            assert_eq!(keys, [0, 30], "{codec:?}");
            assert_eq!(made.video[59].at_90k, 177_000);
        }
    }
}
