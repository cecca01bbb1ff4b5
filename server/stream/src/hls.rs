//! HLS (RFC 8216) for monitoring a channel: media events in; segments, the playlist's text and names to delete out. Who
//! calls writes them where a web server finds them.
//!
//! Segments are MPEG-TS, each with its own tables and, at its key picture, its own parameter sets. They begin at the first
//! key picture after [`TARGET`]; only a stream without any for [`LONGEST`] is cut elsewhere, and a player then goes on
//! with what it has. A change of format is a discontinuity.

use std::collections::VecDeque;
use std::fmt::Write as _;

use bytes::Bytes;

use crate::ts::{TsError, TsWriter};
use crate::{MediaEvent, Nanos, SECOND, Track};

/// A segment lasts so long at least, if nothing breaks it off.
pub const TARGET: Nanos = 2 * SECOND;
/// And at most; this is what the playlist says, and it may never change (§4.3.3.1).
pub const LONGEST: Nanos = 6 * SECOND;
/// Segments that the playlist names.
pub const WINDOW: usize = 6;
/// Segments that are kept after the playlist named them last: as long as that playlist was (§6.2.2), and one more.
const KEPT: usize = WINDOW + 1;
/// A segment is cut when it has so many bytes: 6 s of 22 Mb/s.
const MAX_BYTES: usize = 16 << 20;

/// A segment that is complete. Its data is handed out and not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub name: String,
    pub data: Bytes,
    pub duration: Nanos,
    /// Names of files that no player may ask for any more.
    pub delete: Vec<String>,
}

/// A segment as the playlist names it.
#[derive(Debug)]
struct Named {
    sequence: u64,
    duration: Nanos,
    /// Follows a change of format.
    discontinuity: bool,
    /// Milliseconds since 1970 at its beginning.
    wall_ms: Option<i64>,
}

/// The segment that grows.
#[derive(Debug)]
struct Open {
    named: Named,
    start: Nanos,
}

#[derive(Debug)]
pub struct Segmenter {
    prefix: String,
    writer: TsWriter,
    video: bool,
    next: u64,
    open: Option<Open>,
    data: Vec<u8>,
    /// DTS of the last unit.
    last: Nanos,
    /// The format changed since the last unit.
    changed: bool,
    window: VecDeque<Named>,
    /// Sequence numbers out of the window, whose files are still there.
    gone: VecDeque<u64>,
    /// Discontinuities that left the window (§4.3.3.3).
    discontinuities: u64,
}

impl Segmenter {
    /// Files are named `<prefix><sequence>.ts`. Sequence numbers of one playlist never fall: who begins again gives the
    /// next one, or another prefix.
    #[must_use]
    pub fn new(prefix: &str, first_sequence: u64) -> Self {
        Self {
            prefix: prefix.to_owned(),
            writer: TsWriter::new(),
            video: false,
            next: first_sequence,
            open: None,
            data: Vec::new(),
            last: 0,
            changed: false,
            window: VecDeque::new(),
            gone: VecDeque::new(),
            discontinuities: 0,
        }
    }

    /// Takes the next event, and gives the segment that ended before it. `wall_ms` is the time of day at which the event
    /// is on air, in milliseconds since 1970, if players are to know.
    pub fn push(
        &mut self,
        event: &MediaEvent,
        wall_ms: Option<i64>,
    ) -> Result<Option<Segment>, TsError> {
        let unit = match event {
            MediaEvent::Unit(unit) => unit,
            MediaEvent::Video(_) | MediaEvent::Audio(_) => {
                self.video |= matches!(event, MediaEvent::Video(_));
                if self.writer.changes(event) {
                    self.changed = self.open.is_some();
                }
                self.writer.write(event, &mut self.data)?;
                return Ok(None);
            }
        };
        let done = match &self.open {
            Some(open) if self.cuts(open, unit.track, unit.dts, unit.key) => self.cut(unit.dts),
            _ => None,
        };
        if self.open.is_none() {
            let named = Named {
                sequence: self.next,
                duration: 0,
                discontinuity: std::mem::take(&mut self.changed),
                wall_ms,
            };
            self.next += 1;
            self.open = Some(Open {
                named,
                start: unit.dts,
            });
            self.writer.restart();
        }
        self.last = unit.dts;
        // A unit that cannot be written is left out; the segment that ended before it is not lost.
        match self.writer.write(event, &mut self.data) {
            Err(error) if done.is_none() => Err(error),
            _ => Ok(done),
        }
    }

    fn cuts(&self, open: &Open, track: Track, dts: Nanos, key: bool) -> bool {
        let lasted = dts - open.start;
        let place = key && (track == Track::Video) == self.video;
        self.changed
            || lasted >= LONGEST
            || self.data.len() >= MAX_BYTES
            || place && lasted >= TARGET
    }

    /// Ends the segment that grows, as for the end of the stream.
    pub fn finish(&mut self) -> Option<Segment> {
        self.cut(self.last)
    }

    fn cut(&mut self, end: Nanos) -> Option<Segment> {
        let Open { mut named, start } = self.open.take()?;
        named.duration = (end - start).max(0);
        let segment = Segment {
            name: self.name(named.sequence),
            data: Bytes::from(std::mem::take(&mut self.data)),
            duration: named.duration,
            delete: Vec::new(),
        };
        self.window.push_back(named);
        while self.window.len() > WINDOW
            && let Some(old) = self.window.pop_front()
        {
            self.discontinuities += u64::from(old.discontinuity);
            self.gone.push_back(old.sequence);
        }
        let over = self.gone.len().saturating_sub(KEPT);
        let delete: Vec<u64> = self.gone.drain(..over).collect();
        let delete = delete.into_iter().map(|sequence| self.name(sequence));
        Some(Segment {
            delete: delete.collect(),
            ..segment
        })
    }

    fn name(&self, sequence: u64) -> String {
        format!("{}{sequence}.ts", self.prefix)
    }

    /// The playlist's text after the last segment; written after that segment's file. None before the first.
    #[must_use]
    pub fn playlist(&self) -> Option<String> {
        let first = self.window.front()?;
        let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:3\n");
        let _ = writeln!(text, "#EXT-X-TARGETDURATION:{}", LONGEST / SECOND);
        let _ = writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{}", first.sequence);
        if self.discontinuities > 0 {
            let count = self.discontinuities;
            let _ = writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{count}");
        }
        for named in &self.window {
            if named.discontinuity {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if let Some(wall_ms) = named.wall_ms {
                let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", date_time(wall_ms));
            }
            let ms = (named.duration + 500_000) / 1_000_000;
            let _ = writeln!(text, "#EXTINF:{}.{:03},", ms / 1000, ms % 1000);
            let _ = writeln!(text, "{}", self.name(named.sequence));
        }
        Some(text)
    }
}

/// ISO 8601 in UTC. The day's date by counting from March, so that leap days come last in their year.
fn date_time(wall_ms: i64) -> String {
    let (days, ms) = (
        wall_ms.div_euclid(86_400_000),
        wall_ms.rem_euclid(86_400_000),
    );
    // From 1 March of year 0, in eras of 400 years.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = match month {
        0..=9 => (month + 3, 0),
        _ => (month - 9, 1),
    };
    let year = era * 400 + year + carry;
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
#[path = "hls_tests.rs"]
mod tests;
