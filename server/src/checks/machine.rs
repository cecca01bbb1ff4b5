//! Disk and clock.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Found;
use super::media::Media;

const LOW_BYTES: u64 = 2_000_000_000;
/// The ledger keeps a ballast; below this even that will not help for long.
const FULL_BYTES: u64 = 200_000_000;
/// Written to measure, and removed: in pieces, each synced, for the ledger's own writes wait behind what is not on the disk.
const SAMPLE_BYTES: usize = 2 << 20;
const PIECE_BYTES: usize = 256 << 10;
const SYNCS: u32 = 10;
/// Commands wait for the disk: from here on people notice.
const SLOW_SYNC: Duration = Duration::from_millis(50);
/// Recordings and prepared loops of two channels need about this much.
const SLOW_BYTES_S: f64 = 10e6;
/// A jump that moves the time of as-run entries and of credentials.
const JUMP_MS: i64 = 2_000;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Disk {
    pub free_bytes: u64,
    pub bytes_s: f64,
    pub worst_sync: Duration,
}

pub async fn disk(dir: &Path) -> Vec<Found> {
    let dir = dir.to_owned();
    let shown = dir.display().to_string();
    let measured = tokio::task::spawn_blocking(move || measure(&dir)).await;
    let measured = measured.unwrap_or_else(|e| Err(std::io::Error::other(e)));
    match measured {
        Ok(disk) => vec![judge(&disk, &shown)],
        Err(error) => vec![Found::failed(
            format!("{shown} cannot be written: {error}"),
            "let boothd's user write there, free space, or move it with data.dir",
        )],
    }
}

fn measure(dir: &Path) -> std::io::Result<Disk> {
    let stat = rustix::fs::statvfs(dir)?;
    let free_bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free_bytes < FULL_BYTES {
        return Ok(Disk {
            free_bytes,
            bytes_s: f64::INFINITY,
            worst_sync: Duration::ZERO,
        });
    }
    let (bytes_s, worst_sync) = Sample::create(dir)?.write()?;
    Ok(Disk {
        free_bytes,
        bytes_s,
        worst_sync,
    })
}

/// A file that is gone when it is dropped, however the measuring ends.
struct Sample {
    file: std::fs::File,
    path: PathBuf,
}

impl Sample {
    fn create(dir: &Path) -> std::io::Result<Self> {
        let path = dir.join(format!("check-disk-{}.part", std::process::id()));
        let file = std::fs::File::create(&path)?;
        Ok(Self { file, path })
    }

    /// Bytes a second, and the longest sync.
    fn write(&self) -> std::io::Result<(f64, Duration)> {
        let mut file = &self.file;
        let began = Instant::now();
        // Not zeros: some file systems do not store them.
        let mut state = 0x9e37_79b9_u32;
        let block: Vec<u8> = (0..64 << 10)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_le_bytes()[3]
            })
            .collect();
        for _ in 0..SAMPLE_BYTES / PIECE_BYTES {
            for _ in 0..PIECE_BYTES / block.len() {
                file.write_all(&block)?;
            }
            file.sync_data()?;
        }
        let bytes_s = SAMPLE_BYTES as f64 / began.elapsed().as_secs_f64().max(1e-6);
        let mut worst_sync = Duration::ZERO;
        for _ in 0..SYNCS {
            let began = Instant::now();
            file.write_all(&block[..512])?;
            file.sync_data()?;
            worst_sync = worst_sync.max(began.elapsed());
        }
        Ok((bytes_s, worst_sync))
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn judge(disk: &Disk, dir: &str) -> Found {
    let free = format!("{:.1} GB free in {dir}", disk.free_bytes as f64 / 1e9);
    if disk.free_bytes < FULL_BYTES {
        return Found::failed(
            free,
            "free space now: when the disk is full commands are refused and recordings stop",
        );
    }
    let sync_ms = disk.worst_sync.as_secs_f64() * 1e3;
    let speed = format!(
        "{free}; {:.0} MB/s, a sync takes up to {sync_ms:.1} ms",
        disk.bytes_s / 1e6
    );
    if disk.free_bytes < LOW_BYTES {
        Found::warning(speed, "free space, or move data.dir to a larger disk")
    } else if disk.worst_sync > SLOW_SYNC || disk.bytes_s < SLOW_BYTES_S {
        Found::warning(
            speed,
            "every command waits for a sync: put data.dir on a local SSD, and no other busy program on the same disk",
        )
    } else {
        Found::ok(speed)
    }
}

pub fn clock(drift_ms: i64, media: &Result<Media, String>) -> Vec<Found> {
    if drift_ms.abs() >= JUMP_MS {
        let seconds = drift_ms as f64 / 1e3;
        return vec![Found::warning(
            format!(
                "the machine's clock has moved by {seconds:+.1} s against boothd's, which it took at its start"
            ),
            "nothing on air depends on it, but times in the log and of links do: restart boothd in a quiet moment (outputs stay up with workers.keep_on_stop)",
        )];
    }
    let kept = media.as_ref().ok().and_then(|media| media.clock_kept);
    match kept {
        Some(true) => vec![Found::ok("right, and kept by a time server")],
        Some(false) => vec![Found::warning(
            "nothing keeps the machine's clock right",
            "apt-get install systemd-timesyncd (or chrony): links and TURN credentials expire by this clock",
        )],
        None => vec![Found::ok(
            "it has not jumped; whether a time server keeps it is not known",
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    const WELL: Disk = Disk {
        free_bytes: 100_000_000_000,
        bytes_s: 300e6,
        worst_sync: Duration::from_millis(2),
    };

    #[test]
    fn space_comes_before_speed() {
        let judged = |disk: Disk| judge(&disk, "data").verdict;
        assert_eq!(judged(WELL), Verdict::Ok);
        let low = Disk {
            free_bytes: 1_000_000_000,
            ..WELL
        };
        assert_eq!(judged(low), Verdict::Warning);
        let full = Disk {
            free_bytes: 1_000_000,
            ..WELL
        };
        assert_eq!(judged(full), Verdict::Failed);
        let slow = Disk {
            worst_sync: Duration::from_millis(80),
            ..WELL
        };
        assert_eq!(judged(slow), Verdict::Warning);
    }

    #[tokio::test]
    async fn measuring_leaves_nothing_behind_and_a_missing_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let found = disk(dir.path()).await;
        assert!(found[0].text.contains("GB free"), "{found:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let found = disk(&dir.path().join("gone")).await;
        assert_eq!(found[0].verdict, Verdict::Failed);
        assert!(found[0].text.contains("gone"), "{found:?}");
    }

    /// Also when the measuring fails half-way.
    #[test]
    fn what_is_written_to_measure_is_small_and_gone_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let sample = Sample::create(dir.path()).unwrap();
        sample.write().unwrap();
        let length = std::fs::metadata(&sample.path).unwrap().len();
        assert!((1 << 20..=4 << 20).contains(&length), "{length} bytes");
        drop(sample);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut sample = Sample::create(dir.path()).unwrap();
        sample.file = std::fs::File::open(&sample.path).unwrap();
        assert!(sample.write().is_err(), "it is open for reading only");
        drop(sample);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_jump_of_the_clock_is_told_before_who_keeps_it() {
        let nobody = Err(String::new());
        assert_eq!(clock(0, &nobody)[0].verdict, Verdict::Ok);
        let jumped = clock(-61_000, &nobody);
        assert_eq!(jumped[0].verdict, Verdict::Warning);
        assert!(jumped[0].text.contains("-61.0 s"), "{jumped:?}");
    }
}
