//! Makes a prepared loop.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::BytesMut;

use super::{HEADER, Header, LoopError, Rules, pack};
use crate::wire::{self, Frame};
use crate::{AudioConfig, LoopUnit, MediaEvent, Nanos, Track, VideoConfig};

/// Writes a loop to `<path>.part`, and gives it its name when it is whole. Dropped before, it leaves nothing behind.
#[derive(Debug)]
pub struct LoopWriter {
    path: PathBuf,
    part: PathBuf,
    data: BufWriter<File>,
    data_sum: crc32fast::Hasher,
    /// The table while it grows: a file without a name, for 10 hours of it are 66 MB.
    table: BufWriter<File>,
    rules: Rules,
    video: Option<VideoConfig>,
    audio: Option<AudioConfig>,
    finished: bool,
}

impl LoopWriter {
    pub fn create(path: &Path) -> Result<Self, LoopError> {
        let beside = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let open = |path: &Path| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(true);
            options.open(path)
        };
        let table_path = beside(".table.part");
        let table = open(&table_path)?;
        fs::remove_file(&table_path)?;
        let part = beside(".part");
        let mut data = BufWriter::with_capacity(256 << 10, open(&part)?);
        // Zeros where the header comes last of all: a file that was not finished is none.
        data.write_all(&[0; HEADER])?;
        Ok(Self {
            path: path.to_owned(),
            part,
            data,
            data_sum: crc32fast::Hasher::new(),
            table: BufWriter::with_capacity(64 << 10, table),
            rules: Rules::default(),
            video: None,
            audio: None,
            finished: false,
        })
    }

    /// One configuration holds for the whole loop; another one is refused, the same again is not.
    pub fn video(&mut self, config: &VideoConfig) -> Result<(), LoopError> {
        match &self.video {
            Some(there) if there != config => Err(LoopError::Refused(
                "the pictures' format changes within the loop",
            )),
            _ => {
                self.video = Some(config.clone());
                Ok(())
            }
        }
    }

    /// As [`Self::video`].
    pub fn audio(&mut self, config: &AudioConfig) -> Result<(), LoopError> {
        match &self.audio {
            Some(there) if there != config => Err(LoopError::Refused(
                "the sound's format changes within the loop",
            )),
            _ => {
                self.audio = Some(config.clone());
                Ok(())
            }
        }
    }

    /// Appends a unit. Units come in order of DTS over both tracks.
    pub fn push(
        &mut self,
        track: Track,
        pts: Nanos,
        dts: Nanos,
        key: bool,
        data: &[u8],
    ) -> Result<(), LoopError> {
        let entry = LoopUnit {
            track,
            dts,
            pts,
            key,
            offset: HEADER as u64 + self.rules.data_len,
            size: u32::try_from(data.len()).unwrap_or(u32::MAX),
        };
        self.rules.next(&entry)?;
        self.data_sum.update(data);
        self.data.write_all(data)?;
        self.table.write_all(&pack(&entry))?;
        Ok(())
    }

    /// Units so far.
    #[must_use]
    pub fn units(&self) -> u32 {
        self.rules.units
    }

    /// Completes the file, waits until it is on disk, and puts it in the place of the old one.
    pub fn finish(mut self, duration: Nanos) -> Result<(), LoopError> {
        let (Some(video), Some(audio)) = (self.video.take(), self.audio.take()) else {
            return Err(LoopError::Refused("a configuration is missing"));
        };
        self.rules.end(duration)?;
        let configs = pack_configs(video, audio)?;
        let mut table_sum = crc32fast::Hasher::new();
        table_sum.update(&configs);
        self.data.write_all(&configs)?;
        let table_len = {
            self.table.flush()?;
            let table = self.table.get_mut();
            table.seek(SeekFrom::Start(0))?;
            let mut summed = Summed {
                to: &mut self.data,
                sum: &mut table_sum,
            };
            io::copy(table, &mut summed)?
        };
        let header = Header {
            duration,
            units: self.rules.units,
            video_units: self.rules.video_units,
            data_len: self.rules.data_len,
            configs_len: configs.len() as u32,
            data_crc: self.data_sum.clone().finalize(),
            table_crc: table_sum.finalize(),
        };
        if header.table_at() + table_len != header.end() {
            return Err(LoopError::Damaged("the table was cut while it was written"));
        }
        self.data.flush()?;
        let file = self.data.get_ref();
        file.write_all_at(&header.pack(), 0)?;
        file.sync_all()?;
        fs::rename(&self.part, &self.path)?;
        self.finished = true;
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        File::open(folder)?.sync_all()?;
        Ok(())
    }
}

impl Drop for LoopWriter {
    fn drop(&mut self) {
        if !self.finished {
            // Nobody to tell; the next one overwrites it.
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// The configurations, as they are sent between processes.
fn pack_configs(video: VideoConfig, audio: AudioConfig) -> Result<BytesMut, LoopError> {
    let mut out = BytesMut::new();
    let events = [
        MediaEvent::Video(Arc::new(video)),
        MediaEvent::Audio(Arc::new(audio)),
    ];
    for event in events {
        wire::encode(&Frame::Event(event), &mut out)
            .map_err(|_| LoopError::Refused("a configuration is longer than any"))?;
    }
    Ok(out)
}

struct Summed<'a, W> {
    to: W,
    sum: &'a mut crc32fast::Hasher,
}

impl<W: Write> Write for Summed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
