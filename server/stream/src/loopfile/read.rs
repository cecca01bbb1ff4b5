//! Plays a prepared loop.

use std::fs::File;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};

use super::{ENTRY, HEADER, Header, KEY_EVERY, LoopError, LoopInfo, Rules, unpack};
use crate::wire::{Decoder, Frame};
use crate::{AudioConfig, LoopSource, LoopUnit, MediaEvent, Nanos, SECOND, Track, VideoConfig};

/// Entries of a window: a page.
const WINDOW: usize = 170;
/// What is asked to be read ahead: so long, and so much at most.
const AHEAD: Nanos = 4 * SECOND;
const AHEAD_MOST: u64 = 16 << 20;

/// An open loop, checked from its header to the last entry of its table. Reads of data are plain reads of the file.
#[derive(Debug)]
pub struct LoopFile {
    file: File,
    pub(super) header: Header,
    info: LoopInfo,
    /// Units to start at, no closer than [`KEY_EVERY`], by PTS.
    keys: Vec<(Nanos, u32)>,
    /// A place for each of two cursors; the one used last is first. Held for a read of one page at most.
    windows: Mutex<[Window; 2]>,
}

/// Entries of the table from `from` on.
#[derive(Debug, Default)]
struct Window {
    from: usize,
    units: Vec<LoopUnit>,
}

impl Window {
    fn get(&self, index: usize) -> Option<LoopUnit> {
        let at = index.checked_sub(self.from)?;
        self.units.get(at).copied()
    }
}

impl LoopFile {
    /// Opens a loop and checks all of it but the units' data; that is for [`Self::verify`].
    pub fn open(path: &Path) -> Result<Self, LoopError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        if length < HEADER as u64 {
            return Err(LoopError::Magic);
        }
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0)?;
        let header = Header::unpack(&header)?;
        if length != header.end() {
            return Err(LoopError::Damaged(
                "the file is cut off, or has more than it says",
            ));
        }
        let mut sum = crc32fast::Hasher::new();
        let mut configs = BytesMut::zeroed(header.configs_len as usize);
        file.read_exact_at(&mut configs, header.configs_at())?;
        sum.update(&configs);
        let (keys, rules) = check_table(&file, &header, &mut sum)?;
        if sum.finalize() != header.table_crc {
            return Err(LoopError::Damaged("the table's check sum"));
        }
        let (video, audio) = unpack_configs(configs)?;
        rules.end(header.duration)?;
        if rules.data_len != header.data_len || rules.video_units != header.video_units {
            return Err(LoopError::Damaged("the header and the table do not agree"));
        }
        Ok(Self {
            file,
            info: LoopInfo {
                video,
                audio,
                duration: header.duration,
                units: header.units,
                video_units: header.video_units,
                data_len: header.data_len,
            },
            header,
            keys,
            windows: Mutex::default(),
        })
    }

    #[must_use]
    pub fn info(&self) -> &LoopInfo {
        &self.info
    }

    /// Bytes of memory that the file keeps.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of_val(self)
            + self.keys.capacity() * size_of::<(Nanos, u32)>()
            + 2 * WINDOW * size_of::<LoopUnit>()
    }

    /// Unit `index`, without its data.
    pub fn entry(&self, index: usize) -> Result<LoopUnit, LoopError> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(unit) = windows[0].get(index) {
            return Ok(unit);
        }
        windows.reverse();
        if let Some(unit) = windows[0].get(index) {
            return Ok(unit);
        }
        let units = self.header.units as usize;
        if index >= units {
            return Err(LoopError::Refused("there is no such unit"));
        }
        // Some of what is before it too, for who goes backwards.
        let from = index.saturating_sub(WINDOW / 8);
        let mut bytes = [0; WINDOW * ENTRY];
        let bytes = &mut bytes[..WINDOW.min(units - from) * ENTRY];
        let at = self.header.table_at() + (from * ENTRY) as u64;
        self.file.read_exact_at(bytes, at)?;
        let window = &mut windows[0];
        window.from = from;
        window.units.clear();
        window.units.reserve_exact(WINDOW);
        window
            .units
            .extend(bytes.as_chunks::<ENTRY>().0.iter().map(unpack));
        window.get(index).ok_or(LoopError::Damaged("the table"))
    }

    /// The data of unit `index`.
    pub fn data(&self, index: usize) -> Result<Bytes, LoopError> {
        let unit = self.entry(index)?;
        // The table was checked when the file was opened; it may have been written over since.
        let end = self.header.configs_at();
        let fits = unit.offset >= HEADER as u64 && unit.offset + u64::from(unit.size) <= end;
        if !fits || unit.size as usize > crate::wire::MAX_UNIT {
            return Err(LoopError::Damaged("the table"));
        }
        let mut data = BytesMut::zeroed(unit.size as usize);
        self.file.read_exact_at(&mut data, unit.offset)?;
        Ok(data.freeze())
    }

    /// The last picture to start at that is shown at `pts` or before; the first one for what is before it.
    pub fn start_for(&self, pts: Nanos) -> Result<usize, LoopError> {
        let past = self.keys.partition_point(|(at, _)| *at <= pts);
        let from = self.keys[..past].last().or(self.keys.first());
        let Some((_, from)) = from.copied() else {
            return Err(LoopError::Damaged("no picture to start at"));
        };
        let mut found = from as usize;
        let until = self.keys.get(past).map_or(self.header.units, |key| key.1) as usize;
        for index in found + 1..until {
            let unit = self.entry(index)?;
            if unit.dts > pts {
                break;
            }
            if unit.key && unit.track == Track::Video && unit.pts <= pts {
                found = index;
            }
        }
        Ok(found)
    }

    /// Reads all data and compares its check sum: for who made the file, or has reason to doubt the disk.
    pub fn verify(&self) -> Result<(), LoopError> {
        let mut sum = crc32fast::Hasher::new();
        let mut buffer = vec![0; 256 << 10];
        let (mut at, end) = (HEADER as u64, self.header.configs_at());
        while at < end {
            let length = buffer.len().min((end - at) as usize);
            self.file.read_exact_at(&mut buffer[..length], at)?;
            sum.update(&buffer[..length]);
            at += length as u64;
        }
        if sum.finalize() != self.header.data_crc {
            return Err(LoopError::Damaged("the data's check sum"));
        }
        Ok(())
    }
}

impl LoopSource for LoopFile {
    fn video(&self) -> &Arc<VideoConfig> {
        &self.info.video
    }

    fn audio(&self) -> &Arc<AudioConfig> {
        &self.info.audio
    }

    fn duration(&self) -> Nanos {
        self.info.duration
    }

    fn count(&self) -> usize {
        self.info.units as usize
    }

    fn unit(&self, index: usize) -> Option<LoopUnit> {
        self.entry(index).ok()
    }

    fn read(&self, index: usize) -> Option<Bytes> {
        self.data(index).ok()
    }

    fn key_before(&self, pts: Nanos) -> Option<usize> {
        self.start_for(pts).ok()
    }

    /// Asks the kernel to have the next seconds from unit `index` in memory, so that reads of them wait for no disk.
    /// Advice only: what fails is nobody's loss.
    fn ahead(&self, index: usize) {
        let Ok(unit) = self.entry(index) else {
            return;
        };
        let per_second = u128::from(self.header.data_len) * SECOND.unsigned_abs() as u128
            / u128::from(self.header.duration.max(1).unsigned_abs());
        let most = self
            .header
            .configs_at()
            .saturating_sub(unit.offset)
            .min(AHEAD_MOST);
        // Twice the average, for pictures are not all alike.
        let length = (per_second * 2 * (AHEAD / SECOND).unsigned_abs() as u128).min(most.into());
        let length = NonZeroU64::new((length as u64).max(most.min(256 << 10)));
        let _ = rustix::fs::fadvise(
            &self.file,
            unit.offset,
            length,
            rustix::fs::Advice::WillNeed,
        );
    }
}

/// Reads the table once, from front to back.
fn check_table(
    file: &File,
    header: &Header,
    sum: &mut crc32fast::Hasher,
) -> Result<(Vec<(Nanos, u32)>, Rules), LoopError> {
    let mut rules = Rules::default();
    let mut keys: Vec<(Nanos, u32)> = Vec::new();
    let mut buffer = vec![0; ENTRY * 2730];
    let (mut at, end) = (header.table_at(), header.end());
    while at < end {
        let length = buffer.len().min((end - at) as usize);
        file.read_exact_at(&mut buffer[..length], at)?;
        sum.update(&buffer[..length]);
        at += length as u64;
        for packed in buffer[..length].as_chunks::<ENTRY>().0 {
            let unit = unpack(packed);
            let index = rules.units;
            if unit.offset != HEADER as u64 + rules.data_len {
                let what = "not where the one before it ends";
                return Err(LoopError::Unit { index, what });
            }
            rules.next(&unit)?;
            let far = |(last, _): &(Nanos, u32)| unit.pts >= last + KEY_EVERY;
            if unit.key && unit.track == Track::Video && keys.last().is_none_or(far) {
                keys.push((unit.pts, index));
            }
        }
    }
    keys.shrink_to_fit();
    Ok((keys, rules))
}

fn unpack_configs(mut from: BytesMut) -> Result<(Arc<VideoConfig>, Arc<AudioConfig>), LoopError> {
    let mut decoder = Decoder::default();
    let (mut video, mut audio) = (None, None);
    while let Ok(Some(frame)) = decoder.decode(&mut from) {
        match frame {
            Frame::Event(MediaEvent::Video(config)) => video = Some(config),
            Frame::Event(MediaEvent::Audio(config)) => audio = Some(config),
            _ => return Err(LoopError::Damaged("the configurations")),
        }
    }
    match (video, audio) {
        (Some(video), Some(audio)) if from.is_empty() => Ok((video, audio)),
        _ => Err(LoopError::Damaged("the configurations")),
    }
}
