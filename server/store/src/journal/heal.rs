//! Writes down what `scan` judged: originals of damaged files are kept in quarantine, the files are replaced by what
//! holds, and a gap frame stands where revisions were lost, so that the loss is named once and never forgotten.

use std::fs;
use std::path::{Path, PathBuf};

use booth_core::Row;

use super::RECORD_VERSION;
use super::frame::{self, Chain, Kind};
use super::scan::{Gap, Hole, Journal, Segment};
use super::segment::HEADER_LEN;
use crate::files;
use crate::report::{OpenReport, Quarantined};

/// The state at a revision, kept in the journal because the records before it are not complete any more.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Base {
    pub revision: u64,
    pub rows: Vec<Row>,
}

/// Repairs the files in `dir`. Answers whether the last segment can be appended to.
pub fn heal(
    dir: &Path,
    journal: &mut Journal,
    mut base: Option<Base>,
    report: &mut OpenReport,
) -> bool {
    let quarantine = dir.join("quarantine");
    for (path, why) in std::mem::take(&mut journal.strangers) {
        let saved = files::create_dir(&quarantine).ok().and_then(|()| {
            let to = files::free_name(&quarantine, &name_of(&path));
            fs::rename(&path, &to).ok().map(|()| to)
        });
        report.quarantined.push(Quarantined {
            file: path,
            saved,
            why,
        });
    }
    // The base goes into the last gap that starts below it: replay then needs nothing from before.
    let base_revision = base.as_ref().map_or(0, |b| b.revision);
    let base_at = (0..journal.segments.len())
        .flat_map(|s| (0..journal.segments[s].holes.len()).map(move |h| (s, h)))
        .rfind(|(s, h)| {
            let lost = journal.segments[*s].holes[*h].lost;
            lost.is_some_and(|(from, _)| from <= base_revision)
        });
    let mut appendable = true;
    let last = journal.segments.len().saturating_sub(1);
    let end_chain = journal.chain;
    let end = journal.last();
    for (index, segment) in journal.segments.iter_mut().enumerate() {
        let Some(why) = segment.damage.clone() else {
            continue;
        };
        let mut safe = true;
        if segment.path.exists() {
            let saved = save_copy(&quarantine, &segment.path);
            safe = saved.is_some();
            report.quarantined.push(Quarantined {
                file: segment.path.clone(),
                saved,
                why,
            });
        }
        let bytes = rebuild(segment, |hole, at| {
            let (from, to) = hole.lost?;
            let here = base_at == Some((index, at));
            Some(Gap {
                from,
                to,
                chain: end_chain.filter(|_| to == end),
                base: here.then(|| base.take()).flatten(),
            })
        });
        // What cannot be kept is not overwritten.
        let replaced = bytes.filter(|_| safe).and_then(|bytes| {
            files::replace(&segment.path, &bytes).ok()?;
            Some(bytes.len())
        });
        match replaced {
            Some(length) => {
                segment.end = length;
                segment.patched = None;
                segment.holes.clear();
                segment.damage = None;
            }
            // Disk full: what was read is good, and the next open repairs again. Nothing is appended to this file.
            None if index == last => appendable = false,
            None => {}
        }
    }
    appendable & cut_tail(&quarantine, journal)
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn save_copy(quarantine: &Path, file: &Path) -> Option<PathBuf> {
    files::create_dir(quarantine).ok()?;
    let to = files::free_name(quarantine, &name_of(file));
    fs::copy(file, &to).ok()?;
    Some(to)
}

fn rebuild(
    segment: &Segment,
    mut gap_for: impl FnMut(&Hole, usize) -> Option<Gap<Base>>,
) -> Option<Vec<u8>> {
    let bytes = segment.bytes().ok()?;
    let mut out = segment.header.encode().to_vec();
    let mut cursor = HEADER_LEN;
    for (at, hole) in segment.holes.iter().enumerate() {
        if hole.start > segment.end {
            break;
        }
        out.extend_from_slice(bytes.get(cursor..hole.start).unwrap_or_default());
        if let Some(gap) = gap_for(hole, at) {
            let payload = serde_json::to_vec(&gap).ok()?;
            let prev = hole.prev.unwrap_or(Chain::default());
            frame::encode(
                &mut out,
                &prev,
                gap.from,
                RECORD_VERSION,
                Kind::Gap,
                &payload,
            );
        }
        cursor = hole.end;
    }
    out.extend_from_slice(bytes.get(cursor..segment.end).unwrap_or_default());
    Some(out)
}

/// Takes the torn bytes off the last segment; a copy stays in quarantine.
fn cut_tail(quarantine: &Path, journal: &Journal) -> bool {
    let (Some((offset, length)), Some(last)) = (journal.torn, journal.segments.last()) else {
        return true;
    };
    // A rewritten segment has lost them already.
    let on_disk = fs::read(&last.path).unwrap_or_default();
    if on_disk.len() != offset + length {
        return on_disk.len() == last.end;
    }
    if files::create_dir(quarantine).is_ok() {
        let name = format!("{}.tail", name_of(&last.path));
        // Never acknowledged: worth keeping for a look, not worth failing for.
        let _ = fs::write(files::free_name(quarantine, &name), &on_disk[offset..]);
    }
    let cut = fs::OpenOptions::new()
        .write(true)
        .open(&last.path)
        .and_then(|file| {
            file.set_len(offset as u64)?;
            file.sync_all()
        });
    cut.is_ok()
}
