use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{LoopSource, MILLISECOND, VideoCodec};

fn video() -> VideoConfig {
    VideoConfig {
        codec: VideoCodec::H264,
        record: Bytes::from_static(&[1, 77, 0, 31, 255]),
        width: 1280,
        height: 720,
        profile: 77,
        level: 31,
        fps_milli: 25_000,
        bit_depth: 8,
        chroma_420: true,
    }
}

fn audio() -> AudioConfig {
    AudioConfig {
        asc: Bytes::from_static(&[0x11, 0x90]),
        sample_rate: 48_000,
        channels: 2,
        frame_samples: 1024,
    }
}

/// Two seconds at 25 fps with a key picture each second and sound; what was pushed.
fn units() -> Vec<(LoopUnit, Vec<u8>)> {
    let mut units: Vec<(Track, Nanos, bool)> = (0..50)
        .map(|n| (Track::Video, (n - 2) * 40 * MILLISECOND, n % 25 == 0))
        .collect();
    units.extend((0..93).map(|n| (Track::Audio, n * audio().frame(), true)));
    units.sort_by_key(|unit| unit.1);
    let mut offset = HEADER as u64;
    let with_data = |(n, (track, dts, key)): (usize, (Track, Nanos, bool))| {
        let data: Vec<u8> = (0..20 + n * 13 % 700)
            .map(|byte| (byte + n) as u8)
            .collect();
        let entry = LoopUnit {
            track,
            dts,
            pts: dts
                + if track == Track::Video {
                    80 * MILLISECOND
                } else {
                    0
                },
            key,
            offset,
            size: data.len() as u32,
        };
        offset += data.len() as u64;
        (entry, data)
    };
    units.into_iter().enumerate().map(with_data).collect()
}

#[track_caller]
fn write(path: &Path) -> Vec<(LoopUnit, Vec<u8>)> {
    let mut writer = LoopWriter::create(path).unwrap();
    writer.video(&video()).unwrap();
    writer.audio(&audio()).unwrap();
    let units = units();
    for (unit, data) in &units {
        writer
            .push(unit.track, unit.pts, unit.dts, unit.key, data)
            .unwrap();
    }
    writer.finish(2 * SECOND).unwrap();
    units
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.loop");
    (folder, path)
}

#[test]
fn a_loop_reads_back_as_it_was_written() {
    let (folder, path) = place();
    let units = write(&path);
    let file = LoopFile::open(&path).unwrap();
    file.verify().unwrap();
    let info = file.info().clone();
    assert_eq!((&*info.video, &*info.audio), (&video(), &audio()));
    assert_eq!(
        (info.duration, info.units, info.video_units),
        (2 * SECOND, 143, 50)
    );
    for (index, (entry, data)) in units.iter().enumerate() {
        assert_eq!(file.unit(index).unwrap(), *entry);
        assert_eq!(file.read(index).unwrap(), *data);
        file.ahead(index);
    }
    for index in (0..units.len()).rev() {
        assert_eq!(file.unit(index).unwrap(), units[index].0);
    }
    assert!(file.unit(143).is_none() && file.read(usize::MAX).is_none());
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "left-overs"
    );
}

#[test]
fn starting_places_are_the_last_key_picture_shown_by_then() {
    let (_folder, path) = place();
    let units = write(&path);
    let file = LoopFile::open(&path).unwrap();
    for pts in (-100..2_500).step_by(7).map(|ms| ms * MILLISECOND) {
        let shown = |entry: &LoopUnit| entry.key && entry.track == Track::Video && entry.pts <= pts;
        let best = units
            .iter()
            .rposition(|(entry, _)| shown(entry))
            .unwrap_or(0);
        assert_eq!(file.key_before(pts).unwrap(), best, "{pts}");
    }
}

#[test]
fn key_pictures_closer_than_those_remembered_are_found_too() {
    let (_folder, path) = place();
    let mut writer = LoopWriter::create(&path).unwrap();
    writer.video(&video()).unwrap();
    writer.audio(&audio()).unwrap();
    writer.push(Track::Audio, 0, 0, true, &[1]).unwrap();
    for n in 0..500 {
        let at = n * 40 * MILLISECOND;
        writer.push(Track::Video, at, at, n % 3 == 0, &[1]).unwrap();
    }
    writer.finish(20 * SECOND).unwrap();
    let file = LoopFile::open(&path).unwrap();
    for n in 0..500usize {
        let at = file.key_before(n as i64 * 40 * MILLISECOND + 1);
        assert_eq!(at.unwrap(), n / 3 * 3 + 1);
    }
}

#[test]
fn ten_hours_need_less_than_two_mebibytes_of_memory() {
    // What an open file keeps is its keys and its window; made here without the hours' data.
    let (_folder, path) = place();
    let mut writer = LoopWriter::create(&path).unwrap();
    writer.video(&video()).unwrap();
    writer.audio(&audio()).unwrap();
    let (mut sound, ten_hours) = (0i64, 36_000 * SECOND);
    for n in 0..36_000 * 30i64 {
        let at = n * SECOND / 30;
        while sound * audio().frame() <= at {
            let at = sound * audio().frame();
            writer.push(Track::Audio, at, at, true, &[2]).unwrap();
            sound += 1;
        }
        writer
            .push(Track::Video, at, at, n % 30 == 0, &[1])
            .unwrap();
    }
    writer.finish(ten_hours).unwrap();
    let resident = || {
        let status = fs::read_to_string("/proc/self/statm").unwrap();
        status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    let before = resident();
    let file = LoopFile::open(&path).unwrap();
    assert_eq!(file.info().units, 1_080_000 + sound as u32);
    for at in 0..1000 {
        let key = file.key_before(at * 36 * SECOND).unwrap();
        assert_eq!(file.read(key).unwrap().len(), 1);
    }
    // Other tests run in this process too: their share is small.
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown}");
    assert!(file.memory() < 2 << 20, "{}", file.memory());
}

#[test]
fn a_maker_that_is_killed_leaves_the_old_loop() {
    let (folder, path) = place();
    write(&path);
    let before = fs::read(&path).unwrap();
    let mut writer = LoopWriter::create(&path).unwrap();
    writer.video(&video()).unwrap();
    writer
        .push(Track::Video, 0, 0, true, &[1; 400_000])
        .unwrap();
    // Killed: no destructor runs, the part stays, the loop is the old one.
    std::mem::forget(writer);
    assert_eq!(fs::read(&path).unwrap(), before);
    let part = folder.path().join("a.loop.part");
    assert!(matches!(LoopFile::open(&part), Err(LoopError::Magic)));
    // The next one is not held up by it, and one that gives up cleans up.
    let units = write(&path);
    assert_eq!(
        LoopFile::open(&path).unwrap().info().units,
        units.len() as u32
    );
    drop(LoopWriter::create(&path).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_is_cut_off_anywhere_is_refused() {
    let (_folder, path) = place();
    write(&path);
    let whole = fs::read(&path).unwrap();
    let cut = path.with_extension("cut");
    for length in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
        fs::write(&cut, &whole[..length]).unwrap();
        assert!(LoopFile::open(&cut).is_err(), "{length}");
    }
    fs::write(&cut, [&whole[..], &[0]].concat()).unwrap();
    assert!(matches!(LoopFile::open(&cut), Err(LoopError::Damaged(_))));
    fs::write(&cut, []).unwrap();
    assert!(matches!(LoopFile::open(&cut), Err(LoopError::Magic)));
    assert!(matches!(
        LoopFile::open(&path.with_extension("none")),
        Err(LoopError::Io(_))
    ));
}

#[test]
fn a_flipped_bit_is_found_in_header_and_table_at_once_and_in_data_when_asked() {
    let (_folder, path) = place();
    write(&path);
    let whole = fs::read(&path).unwrap();
    let data_end = LoopFile::open(&path).unwrap().header.configs_at() as usize;
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for at in (0..whole.len()).filter(|at| *at < HEADER || *at >= data_end || at % 501 == 0) {
        file.write_all_at(&[whole[at] ^ 0x10], at as u64).unwrap();
        let opened = LoopFile::open(&path);
        if (HEADER..data_end).contains(&at) {
            assert!(opened.unwrap().verify().is_err(), "{at}");
        } else {
            assert!(opened.is_err(), "{at}");
        }
        file.write_all_at(&whole[at..=at], at as u64).unwrap();
    }
    LoopFile::open(&path).unwrap().verify().unwrap();
}

#[test]
fn another_version_is_named() {
    let (_folder, path) = place();
    write(&path);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&7u32.to_le_bytes(), 8).unwrap();
    assert!(matches!(LoopFile::open(&path), Err(LoopError::Version(7))));
}

#[test]
fn a_table_that_lies_with_a_good_check_sum_is_still_refused() {
    let (_folder, path) = place();
    write(&path);
    let whole = fs::read(&path).unwrap();
    let header = LoopFile::open(&path).unwrap().header;
    let (configs_at, table_at) = (header.configs_at() as usize, header.table_at() as usize);
    let with = |change: &dyn Fn(&mut LoopUnit, usize)| {
        let mut bytes = whole.clone();
        for (n, packed) in bytes[table_at..]
            .as_chunks_mut::<ENTRY>()
            .0
            .iter_mut()
            .enumerate()
        {
            let mut entry = unpack(packed);
            change(&mut entry, n);
            *packed = pack(&entry);
        }
        let table_crc = crc32fast::hash(&bytes[configs_at..]);
        bytes[..HEADER].copy_from_slice(
            &Header {
                table_crc,
                ..header
            }
            .pack(),
        );
        fs::write(&path, bytes).unwrap();
        LoopFile::open(&path).map(|_| ())
    };
    with(&|_, _| ()).unwrap();
    let at_9 = |change: fn(&mut LoopUnit)| {
        with(&|entry, n| {
            if n == 9 {
                change(entry);
            }
        })
    };
    for change in [
        (|entry: &mut LoopUnit| entry.offset = OFFSET) as fn(&mut LoopUnit),
        |entry| entry.size += 1,
        |entry| entry.size = 0,
        |entry| entry.dts = -5 * SECOND,
        |entry| entry.dts += 3600 * SECOND,
        |entry| entry.pts = entry.dts + MAX_LEAD + 1,
        |entry| {
            entry.track = if entry.track == Track::Video {
                Track::Audio
            } else {
                Track::Video
            }
        },
    ] {
        assert!(at_9(change).is_err());
    }
    assert!(matches!(
        with(&|entry, n| entry.key &= n > 3),
        Err(LoopError::Unit { .. })
    ));
}

#[test]
fn what_makes_no_loop_is_refused_by_the_writer() {
    let (_folder, path) = place();
    let writer = || {
        let mut writer = LoopWriter::create(&path).unwrap();
        writer.video(&video()).unwrap();
        writer.audio(&audio()).unwrap();
        writer
    };
    assert!(
        writer().push(Track::Video, 0, 0, false, &[1]).is_err(),
        "not a key"
    );
    assert!(
        writer().push(Track::Video, 0, 0, true, &[]).is_err(),
        "empty"
    );
    assert!(
        writer()
            .push(Track::Video, i64::MAX, 0, true, &[1])
            .is_err()
    );
    assert!(
        writer()
            .push(Track::Video, i64::MIN, 0, true, &[1])
            .is_err()
    );
    assert!(
        writer()
            .push(Track::Video, 0, i64::MIN, true, &[1])
            .is_err()
    );
    assert!(writer().finish(SECOND).is_err(), "no pictures");
    let mut other = writer();
    assert!(
        other
            .video(&VideoConfig {
                width: 640,
                ..video()
            })
            .is_err()
    );
    other.push(Track::Video, 0, 0, true, &[1]).unwrap();
    assert!(
        other.push(Track::Video, 0, 0, true, &[1]).is_err(),
        "same DTS"
    );
    other.push(Track::Audio, 0, 0, true, &[1]).unwrap();
    other
        .push(Track::Video, SECOND, SECOND, false, &[1])
        .unwrap();
    assert!(
        other.finish(SECOND).is_err(),
        "the next round would step back"
    );
    let mut silent = writer();
    silent.push(Track::Video, 0, 0, true, &[1]).unwrap();
    assert!(silent.finish(SECOND).is_err(), "no sound");
    let mut nothing = LoopWriter::create(&path).unwrap();
    nothing.push(Track::Video, 0, 0, true, &[1]).unwrap();
    assert!(nothing.finish(SECOND).is_err(), "no configuration");
    assert!(!path.exists());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_of_random_bytes_panics(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..600),
        units in 0u32..20,
        magic in any::<bool>(),
    ) {
        let (_folder, path) = place();
        if magic && bytes.len() > HEADER {
            // A header that is right about the file's length, and garbage behind it.
            let rest = (bytes.len() - HEADER) as u64;
            let table = u64::from(units) * ENTRY as u64;
            let header = Header {
                duration: SECOND,
                units,
                video_units: 1,
                data_len: rest.saturating_sub(table),
                configs_len: 0,
                data_crc: 0,
                table_crc: crc32fast::hash(&bytes[bytes.len() - table.min(rest) as usize..]),
            };
            bytes[..HEADER].copy_from_slice(&header.pack());
        }
        fs::write(&path, &bytes).unwrap();
        prop_assert!(LoopFile::open(&path).is_err());
    }
}
