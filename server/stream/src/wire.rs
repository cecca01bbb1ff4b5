//! Media between booth's own processes: from the ingest worker to a channel's worker, over a Unix stream socket.
//!
//! ```text
//!  ┌─────────┬──────┬────────────┬───────────────────┐
//!  │ version │ kind │ length LE  │ body              │   Hello, then events, then End; a closed socket without End is
//!  │ 1       │ 1    │ 4          │ length            │   a publisher's loss all the same.
//!  └─────────┴──────┴────────────┴───────────────────┘
//! ```
//!
//! Both ends are booth, but may be of different versions for as long as an upgrade takes: hence the version in every
//! frame. Payloads are never copied here on the way in, and need not be on the way out ([`parts`]).

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{AccessUnit, AudioConfig, MediaEvent, Track, VideoCodec, VideoConfig};

const VERSION: u8 = 1;
const HEAD: usize = 6;

/// An access unit has at most this many bytes: an intra picture of 2160p at 100 Mb/s has less than half.
pub const MAX_UNIT: usize = 8 << 20;
/// Decoder configurations are below 1 KiB in practice; ISO bounds each parameter set at 64 KiB.
pub const MAX_CONFIG: usize = 64 << 10;
/// A sentence for the event log.
pub const MAX_REASON: usize = 1 << 10;

const HELLO: u8 = 0;
const VIDEO: u8 = 1;
const AUDIO: u8 = 2;
const UNIT: u8 = 3;
const END: u8 = 4;

const UNIT_HEAD: usize = 17;
const VIDEO_HEAD: usize = 17;
const AUDIO_HEAD: usize = 9;

const FLAG_AUDIO: u8 = 1;
const FLAG_KEY: u8 = 2;

/// What is said on the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// First of all: the number boothd gave to this publisher when it let it in.
    Hello {
        publisher: u64,
    },
    Event(MediaEvent),
    /// The publisher is gone, and why.
    End {
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("frame of version {0}, and this is version {VERSION}")]
    Version(u8),
    #[error("frame of unknown kind {0}")]
    Kind(u8),
    #[error("{what} of {bytes} bytes, and at most {most} are let through")]
    TooLarge {
        what: &'static str,
        bytes: usize,
        most: usize,
    },
    #[error("{0} is too short for what it must hold")]
    Short(&'static str),
    #[error("{what} has the impossible value {value}")]
    Value { what: &'static str, value: u64 },
    #[error("the stream went wrong before")]
    Broken,
}

/// Appends a frame, payload and all.
pub fn encode(frame: &Frame, out: &mut BytesMut) -> Result<(), WireError> {
    let payload = head(frame, out)?;
    out.extend_from_slice(&payload);
    Ok(())
}

/// A frame in two parts for a vectored write; the payload is shared, not copied.
pub fn parts(frame: &Frame) -> Result<(Bytes, Bytes), WireError> {
    let mut head_bytes = BytesMut::with_capacity(HEAD + UNIT_HEAD);
    let payload = head(frame, &mut head_bytes)?;
    Ok((head_bytes.freeze(), payload))
}

/// Appends all of a frame but its payload, which is returned. Nothing is appended if the frame is refused.
fn head(frame: &Frame, out: &mut BytesMut) -> Result<Bytes, WireError> {
    let mut begin = |kind: u8, fields: usize, payload: &Bytes| -> Result<(), WireError> {
        bound(kind, fields + payload.len())?;
        out.reserve(HEAD + fields);
        out.put_u8(VERSION);
        out.put_u8(kind);
        out.put_u32_le((fields + payload.len()) as u32);
        Ok(())
    };
    match frame {
        Frame::Hello { publisher } => {
            begin(HELLO, 8, &Bytes::new())?;
            out.put_u64_le(*publisher);
            Ok(Bytes::new())
        }
        Frame::Event(MediaEvent::Video(config)) => {
            begin(VIDEO, VIDEO_HEAD, &config.record)?;
            out.put_u8(codec_number(config.codec));
            out.put_u8(config.profile);
            out.put_u8(config.level);
            out.put_u8(config.bit_depth);
            out.put_u8(u8::from(config.chroma_420));
            out.put_u32_le(config.width);
            out.put_u32_le(config.height);
            out.put_u32_le(config.fps_milli);
            Ok(config.record.clone())
        }
        Frame::Event(MediaEvent::Audio(config)) => {
            begin(AUDIO, AUDIO_HEAD, &config.asc)?;
            out.put_u8(config.channels);
            out.put_u32_le(config.sample_rate);
            out.put_u32_le(config.frame_samples);
            Ok(config.asc.clone())
        }
        Frame::Event(MediaEvent::Unit(unit)) => {
            begin(UNIT, UNIT_HEAD, &unit.data)?;
            let audio = if unit.track == Track::Audio {
                FLAG_AUDIO
            } else {
                0
            };
            out.put_u8(audio | if unit.key { FLAG_KEY } else { 0 });
            out.put_i64_le(unit.dts);
            out.put_i64_le(unit.pts);
            Ok(unit.data.clone())
        }
        Frame::End { reason } => {
            let end = reason.floor_char_boundary(MAX_REASON);
            let reason = Bytes::copy_from_slice(&reason.as_bytes()[..end]);
            begin(END, 0, &reason)?;
            Ok(reason)
        }
    }
}

/// Takes frames out of what a socket brought. After an error the stream has no known place to go on from: every further
/// call fails too, and the socket is to be closed.
#[derive(Debug, Default)]
pub struct Decoder {
    broken: bool,
}

impl Decoder {
    /// The next frame, if all of it is there; what is taken is removed from `from`. Room for the rest of a frame that has
    /// begun is reserved, so that a reader fills it in one go. Payloads share the buffer they arrived in.
    pub fn decode(&mut self, from: &mut BytesMut) -> Result<Option<Frame>, WireError> {
        if self.broken {
            return Err(WireError::Broken);
        }
        let result = take(from);
        self.broken = result.is_err();
        result
    }
}

fn take(from: &mut BytesMut) -> Result<Option<Frame>, WireError> {
    // What is wrong is said at the first byte that shows it.
    let Some(version) = from.first() else {
        return Ok(None);
    };
    if *version != VERSION {
        return Err(WireError::Version(*version));
    }
    let Some(header) = from.first_chunk::<HEAD>() else {
        return Ok(None);
    };
    let [_, kind, length @ ..] = *header;
    let length = u32::from_le_bytes(length) as usize;
    bound(kind, length)?;
    if from.len() < HEAD + length {
        from.reserve(HEAD + length - from.len());
        return Ok(None);
    }
    from.advance(HEAD);
    let body = from.split_to(length).freeze();
    frame(kind, body).map(Some)
}

/// Refuses what is longer than its kind may be.
fn bound(kind: u8, length: usize) -> Result<(), WireError> {
    let (what, most) = match kind {
        HELLO => ("greeting", 8),
        VIDEO => ("video configuration", VIDEO_HEAD + MAX_CONFIG),
        AUDIO => ("audio configuration", AUDIO_HEAD + MAX_CONFIG),
        UNIT => ("access unit", UNIT_HEAD + MAX_UNIT),
        END => ("reason", MAX_REASON),
        other => return Err(WireError::Kind(other)),
    };
    if length > most {
        return Err(WireError::TooLarge {
            what,
            bytes: length,
            most,
        });
    }
    Ok(())
}

fn frame(kind: u8, mut body: Bytes) -> Result<Frame, WireError> {
    let (what, fields) = match kind {
        HELLO => ("greeting", 8),
        VIDEO => ("video configuration", VIDEO_HEAD),
        AUDIO => ("audio configuration", AUDIO_HEAD),
        UNIT => ("access unit", UNIT_HEAD),
        _ => ("reason", 0),
    };
    if body.len() < fields {
        return Err(WireError::Short(what));
    }
    Ok(match kind {
        HELLO => Frame::Hello {
            publisher: body.get_u64_le(),
        },
        VIDEO => Frame::Event(MediaEvent::Video(Arc::new(VideoConfig {
            codec: codec_of(body.get_u8())?,
            profile: body.get_u8(),
            level: body.get_u8(),
            bit_depth: body.get_u8(),
            chroma_420: flag("chroma", body.get_u8())?,
            width: body.get_u32_le(),
            height: body.get_u32_le(),
            fps_milli: body.get_u32_le(),
            record: body,
        }))),
        AUDIO => Frame::Event(MediaEvent::Audio(Arc::new(AudioConfig {
            channels: body.get_u8(),
            sample_rate: body.get_u32_le(),
            frame_samples: body.get_u32_le(),
            asc: body,
        }))),
        UNIT => {
            let flags = body.get_u8();
            if flags & !(FLAG_AUDIO | FLAG_KEY) != 0 {
                return Err(WireError::Value {
                    what: "flags",
                    value: flags.into(),
                });
            }
            let track = if flags & FLAG_AUDIO == 0 {
                Track::Video
            } else {
                Track::Audio
            };
            Frame::Event(MediaEvent::Unit(AccessUnit {
                track,
                key: flags & FLAG_KEY != 0,
                dts: body.get_i64_le(),
                pts: body.get_i64_le(),
                data: body,
            }))
        }
        _ => Frame::End {
            reason: String::from_utf8_lossy(&body).into_owned(),
        },
    })
}

fn codec_number(codec: VideoCodec) -> u8 {
    match codec {
        VideoCodec::H264 => 0,
        VideoCodec::H265 => 1,
    }
}

fn codec_of(number: u8) -> Result<VideoCodec, WireError> {
    match number {
        0 => Ok(VideoCodec::H264),
        1 => Ok(VideoCodec::H265),
        other => Err(WireError::Value {
            what: "codec",
            value: other.into(),
        }),
    }
}

fn flag(what: &'static str, value: u8) -> Result<bool, WireError> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(WireError::Value {
            what,
            value: other.into(),
        }),
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
