//! Decoding by `ffmpeg` children, one for picture and one for sound, so that the judge shares no codec with the server.
//!
//! Every frame goes in with a label in place of its time stamp, and comes out with it: through a clean transport stream
//! of our own into the child, and beside the raw output as `framecrc` lines on standard error. So a decoded frame is
//! known by its own stamp and packets, whatever the stream's stamps did and whatever the decoder left out.

mod child;

use crate::{
    analysis::{AudioFrame, VideoFrame},
    timeline::Stamp,
    ts::write::TsWriter,
};
pub use child::{Child, Decoded, Event, Output};

const PID: u16 = 0x100;
const STREAM_TYPES: [u8; 2] = [0x1b, 0x0f];
/// Half of the 33 bits: a child that came so far is replaced at the next entry point.
const WORN: i64 = 1 << 32;
/// Tables are repeated after so many units, as a stream should.
const TABLES_EVERY: u64 = 30;
/// Labels go on by the stream's own steps up to this, and by a frame of 30 fps where those make no sense.
const MAX_STEP: i64 = 10 * 90_000;
const DEFAULT_STEP: i64 = 3000;

/// Gives frames their labels and writes them for a child.
#[derive(Debug)]
struct Feed {
    writer: TsWriter,
    units: u64,
    last_dts: Option<i64>,
    last_label: i64,
}

impl Feed {
    fn new(stream_type: u8) -> Self {
        Self {
            writer: TsWriter::new(&[(PID, stream_type)]),
            units: 0,
            last_dts: None,
            last_label: 90_000,
        }
    }

    fn write(&mut self, stream_id: u8, pts: i64, dts: i64, data: &[u8]) -> (i64, Vec<u8>) {
        let step = self.last_dts.map_or(0, |last| dts - last);
        let step = if (1..=MAX_STEP).contains(&step) || self.units == 0 {
            step
        } else {
            DEFAULT_STEP
        };
        self.last_dts = Some(dts);
        self.last_label += step;
        let label = self.last_label + (pts - dts).clamp(0, MAX_STEP);
        if self.units.is_multiple_of(TABLES_EVERY) {
            self.writer.tables();
        }
        self.units += 1;
        self.writer.unit(
            PID,
            stream_id,
            label,
            self.last_label,
            Some(self.last_label - 9000),
            data,
        );
        (label, self.writer.take())
    }
}

/// One of the two decoders; starts its child when there is something to decode.
pub struct Decoder {
    output: Output,
    running: Option<(Child, Feed)>,
    make: Box<dyn Fn() -> Decoded + Send>,
    wait: bool,
    broken: bool,
}

/// Why a frame was not decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("ffmpeg could not be started: {0}")]
    Start(std::io::Error),
    #[error("the decoder fell behind or ended; frames were left out")]
    Behind,
}

impl Decoder {
    /// `wait`: a full decoder makes the caller wait (files) instead of losing frames (live).
    /// `make` gives the receiver of decoded frames for each child.
    pub fn new(output: Output, wait: bool, make: impl Fn() -> Decoded + Send + 'static) -> Self {
        Self {
            output,
            running: None,
            make: Box::new(make),
            wait,
            broken: false,
        }
    }

    pub fn video(&mut self, frame: &VideoFrame) -> Result<(), DecodeError> {
        self.take(0xe0, frame.entry, frame.stamp, frame.dts, &frame.data)
    }

    pub fn audio(&mut self, frame: &AudioFrame) -> Result<(), DecodeError> {
        self.take(0xc0, true, frame.stamp, frame.stamp.pts, &frame.data)
    }

    fn take(
        &mut self,
        stream_id: u8,
        entry: bool,
        stamp: Stamp,
        dts: i64,
        data: &[u8],
    ) -> Result<(), DecodeError> {
        if entry && self.running.as_ref().is_some_and(|r| r.1.last_label > WORN) {
            self.finish();
        }
        if self.running.is_none() || self.broken {
            // Nothing can be decoded before a key frame with its parameter sets.
            if !entry {
                return Ok(());
            }
            self.broken = false;
        }
        if self.running.is_none() {
            let child = Child::start(self.output, (self.make)()).map_err(DecodeError::Start)?;
            self.running = Some((child, Feed::new(STREAM_TYPES[self.output as usize])));
        }
        let Some((child, feed)) = &mut self.running else {
            return Ok(());
        };
        let (label, bytes) = feed.write(stream_id, stamp.pts, dts, data);
        if child.push(label, stamp, bytes, self.wait) {
            return Ok(());
        }
        self.broken = true;
        if child.ended() {
            self.finish();
        }
        Err(DecodeError::Behind)
    }

    /// Lets the child decode what it has, and waits for it.
    pub fn finish(&mut self) {
        if let Some((child, _)) = self.running.take() {
            child.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_go_forward_whatever_the_stamps_do() {
        let mut feed = Feed::new(0x1b);
        let stamps = [0, 3000, 6000, 1000, 4000, 90_000_000, 90_003_000];
        let labels: Vec<i64> = stamps
            .iter()
            .map(|&s| feed.write(0xe0, s, s, &[0; 10]).0)
            .collect();
        assert_eq!(
            labels.iter().map(|l| l - 90_000).collect::<Vec<_>>(),
            [0, 3000, 6000, 9000, 12_000, 15_000, 18_000]
        );
    }
}
