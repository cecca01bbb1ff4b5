//! Opening: lock, judge the journal, verify the folded state, replay, heal, go.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use booth_core::{Key, Record, State};

use crate::backup;
use crate::error::OpenError;
use crate::files;
use crate::folded::{self, Loaded};
use crate::folder::{Begin, Outbox};
use crate::journal::disk::{Disk, Start};
use crate::journal::frame::{self, Kind};
use crate::journal::heal::{self, Base};
use crate::journal::scan::{self, Gap, Journal, Segment};
use crate::journal::{Chain, RECORD_VERSION, segment};
use crate::layout::{Layout, Piece, Source};
use crate::ledger::{Ledger, Opened, Options, Parts};
use crate::lock;
use crate::report::{Folded, Loss, OpenReport, Quarantined};
use crate::writer::Medium;

/// Quarantined copies of the folded state that are kept; it holds nothing that the journal does not.
const KEPT: usize = 3;

impl Ledger {
    /// Opens the ledger in `dir`, making it when it is not there. Damage is survived and reported; an error means that
    /// the journal is as it was. Blocks: reads the whole journal.
    pub fn open(dir: &Path, options: Options) -> Result<Opened, OpenError> {
        files::create_dir(dir).map_err(OpenError::io(dir))?;
        let lock = lock::lock(dir)?;
        let mut report = OpenReport::new();
        let journal_dir = dir.join("journal");
        backup::finish_restore(dir).map_err(OpenError::io(dir))?;
        files::create_dir(&journal_dir).map_err(OpenError::io(&journal_dir))?;
        let mut journal = scan::scan(&journal_dir, &mut report)?;
        let sled = Sled::find(dir, &journal, &mut report);
        let base = sled.settle(&mut journal, &journal_dir, &mut report);
        let lineage = match journal.lineage.or(sled.lineage()) {
            Some(lineage) => lineage,
            None => files::random_id().map_err(OpenError::io(&journal_dir))?,
        };
        for segment in &mut journal.segments {
            segment.header.lineage = lineage;
        }
        let replayed = sled.replay(&journal, &mut report)?;
        remove_leftovers(&journal_dir);
        let appendable = heal::heal(&journal_dir, &mut journal, base, &mut report);
        let layout = Arc::new(Mutex::new(layout(&journal)));
        let last = journal.segments.last().map(|s| s.path.clone());
        let chain = journal.chain.unwrap_or_default();
        let disk = Disk::start(Start {
            dir: journal_dir,
            ballast: dir.join("ballast"),
            ballast_bytes: options.ballast_bytes,
            segment_bytes: options.segment_bytes,
            lineage,
            next: journal.next,
            chain,
            layout: Arc::clone(&layout),
            append_to: last.filter(|_| appendable),
        });
        let outbox = Arc::new(Outbox::new(
            replayed.state.clone(),
            chain,
            replayed.folded_revision,
        ));
        outbox.touch(replayed.touched);
        let ledger = Self::start(Parts {
            medium: Medium::Disk(Box::new(disk)),
            layout,
            outbox,
            begin: replayed.begin,
            lineage,
            queue: options.queue,
            lock: Some(lock),
        });
        Ok(Opened {
            ledger,
            state: replayed.state,
            report,
        })
    }
}

/// The folded state as it was found.
struct Sled {
    path: PathBuf,
    loaded: Option<Loaded>,
    /// Why it is not used.
    why: String,
}

struct Replayed {
    state: State,
    folded_revision: Option<u64>,
    /// Rows that the folded state has to catch up with.
    touched: BTreeSet<Key>,
    begin: Begin,
}

impl Sled {
    fn find(dir: &Path, journal: &Journal, report: &mut OpenReport) -> Self {
        let path = dir.join("sled");
        let marker = dir.join("sled.opening");
        // Set while sled reads its files: damage that ends the whole process (an absurd allocation) does so once.
        let first = if marker.exists() {
            Err("the last start ended while opening it".to_owned())
        } else {
            let _ = fs::write(&marker, b"");
            folded::load(&path)
        };
        let checked = first.and_then(|loaded| check(loaded, journal));
        let (loaded, why) = match checked {
            Ok(Some(loaded)) => (Some(loaded), String::new()),
            Ok(None) => (None, "there was none".to_owned()),
            Err(why) => {
                let rescued = quarantine(dir, &path, &why, report)
                    // Worth a second look only when the journal alone does not have everything.
                    .filter(|_| !report.lost.is_empty() || journal.segments.is_empty())
                    .and_then(|saved| without_snapshot(&saved, &path))
                    .and_then(|()| folded::load(&path).and_then(|l| check(l, journal)).ok()?);
                if rescued.is_none() {
                    let _ = fs::remove_dir_all(&path);
                }
                (rescued, why)
            }
        };
        let _ = fs::remove_file(&marker);
        Self { path, loaded, why }
    }

    fn lineage(&self) -> Option<Chain> {
        self.loaded.as_ref().map(|loaded| loaded.meta.lineage)
    }

    /// Marks as kept what the folded state still knows; answers what the journal must take over from it.
    fn settle(&self, journal: &mut Journal, dir: &Path, report: &mut OpenReport) -> Option<Base> {
        let loaded = self.loaded.as_ref()?;
        let revision = loaded.meta.revision;
        if revision > journal.last() {
            if journal.segments.is_empty() {
                let path = dir.join(segment::file_name(1));
                journal
                    .segments
                    .push(Segment::missing(path, 1, loaded.meta.lineage));
            }
            journal.lose_at_end(report, revision, Some(loaded.meta.chain));
        }
        let mut losses = Vec::new();
        for mut loss in report.lost.drain(..) {
            if loss.from <= revision && revision < loss.to {
                losses.push(Loss {
                    from: revision + 1,
                    ..loss.clone()
                });
                loss.to = revision;
            }
            loss.kept_in_state = loss.to <= revision;
            losses.push(loss);
        }
        losses.sort_by_key(|loss| loss.from);
        report.lost = losses;
        report.lost.iter().any(|l| l.kept_in_state).then(|| Base {
            revision,
            rows: loaded.rows.clone(),
        })
    }

    fn replay(self, journal: &Journal, report: &mut OpenReport) -> Result<Replayed, OpenError> {
        let records = journal.entries.iter().filter(|e| e.kind == Kind::Record);
        report.records = records.count() as u64;
        report.segments = journal.segments.len();
        report.journal_bytes = journal.segments.iter().map(|s| s.end as u64).sum();
        report.revision = journal.last();
        let mut state = State::default();
        let mut touched = BTreeSet::new();
        let mut whole = true;
        let mut folded_revision = None;
        let begin = match self.loaded {
            Some(loaded) => {
                folded_revision = Some(loaded.meta.revision);
                state = State::from_rows(loaded.meta.revision, loaded.rows);
                whole = false;
                Begin::With(Box::new(loaded.folded))
            }
            None => Begin::Fresh(self.path),
        };
        let before = state.revision;
        let replayed = replay(journal, &mut state, &mut touched)?;
        // Lost revisions count too: the next record follows them.
        state.revision = journal.last();
        if whole {
            touched = state.rows().map(|(key, _)| key).collect();
            report.folded = Folded::Rebuilt { why: self.why };
        } else {
            report.folded = Folded::Used {
                revision: before,
                replayed,
            };
        }
        Ok(Replayed {
            state,
            folded_revision,
            touched,
            begin,
        })
    }
}

/// Whether the folded state belongs to this journal's history.
fn check(loaded: Option<Loaded>, journal: &Journal) -> Result<Option<Loaded>, String> {
    let Some(loaded) = loaded else {
        return Ok(None);
    };
    let meta = &loaded.meta;
    if journal.lineage.is_some_and(|known| known != meta.lineage) {
        return Err("it belongs to another journal".to_owned());
    }
    if let Some(entry) = journal.entry(meta.revision) {
        if entry.chain != meta.chain {
            return Err(format!(
                "its revision {} is not the journal's",
                meta.revision
            ));
        }
    } else if let Some(next) = journal.entry(meta.revision + 1) {
        let bytes = journal.segments[next.segment]
            .bytes()
            .map_err(|e| e.to_string())?;
        let payload = &bytes[next.offset..next.offset + next.length];
        let link = frame::chain(&meta.chain, next.sequence, next.version, next.kind, payload);
        if link != next.chain {
            return Err(format!(
                "the journal does not continue its revision {}",
                meta.revision
            ));
        }
    }
    Ok(Some(loaded))
}

/// Folds everything after `state.revision`; answers how many records that were.
pub(crate) fn replay(
    journal: &Journal,
    state: &mut State,
    touched: &mut BTreeSet<Key>,
) -> Result<u64, OpenError> {
    let mut count = 0;
    for (index, segment) in journal.segments.iter().enumerate() {
        let from = journal.entries.partition_point(|e| e.segment < index);
        let to = journal.entries.partition_point(|e| e.segment <= index);
        let entries = &journal.entries[from..to];
        let needed = |e: &&scan::Entry| e.sequence > state.revision || e.kind == Kind::Gap;
        if !entries.iter().any(|e| needed(&e)) {
            continue;
        }
        let bytes = segment.bytes()?;
        for entry in entries {
            let payload = &bytes[entry.offset..entry.offset + entry.length];
            let unreadable = |why: String| OpenError::Unreadable {
                revision: entry.sequence,
                version: entry.version,
                why,
            };
            match entry.kind {
                Kind::Record if entry.sequence > state.revision => {
                    if entry.version != RECORD_VERSION {
                        return Err(unreadable("an unknown version".to_owned()));
                    }
                    let record: Record =
                        serde_json::from_slice(payload).map_err(|e| unreadable(e.to_string()))?;
                    touched.append(&mut state.fold(&record));
                    state.revision = entry.sequence;
                    count += 1;
                }
                Kind::Record => {}
                Kind::Gap => {
                    let gap: Gap<Base> =
                        serde_json::from_slice(payload).map_err(|e| unreadable(e.to_string()))?;
                    if let Some(base) = gap.base.filter(|base| base.revision > state.revision) {
                        touched.extend(state.rows().map(|(key, _)| key));
                        *state = State::from_rows(base.revision, base.rows);
                        touched.extend(state.rows().map(|(key, _)| key));
                    }
                }
            }
        }
    }
    Ok(count)
}

/// Moves the folded state aside; answers where to.
fn quarantine(dir: &Path, path: &Path, why: &str, report: &mut OpenReport) -> Option<PathBuf> {
    let room = dir.join("quarantine");
    thin_out(&room);
    let saved = files::create_dir(&room).ok().and_then(|()| {
        let to = files::free_name(&room, "sled");
        fs::rename(path, &to).ok().map(|()| to)
    });
    report.quarantined.push(Quarantined {
        file: path.to_owned(),
        saved: saved.clone(),
        why: why.to_owned(),
    });
    saved
}

fn thin_out(room: &Path) {
    let Ok(items) = fs::read_dir(room) else {
        return;
    };
    let mut kept: Vec<_> = items
        .flatten()
        .filter(|item| item.file_name().to_string_lossy().starts_with("sled"))
        .filter_map(|item| Some((item.metadata().ok()?.modified().ok()?, item.path())))
        .collect();
    kept.sort();
    let excess = (kept.len() + 1).saturating_sub(KEPT);
    for (_, path) in kept.into_iter().take(excess) {
        let _ = fs::remove_dir_all(path);
    }
}

/// A copy without the snapshot, which sled can do without and which may be what is damaged.
fn without_snapshot(from: &Path, to: &Path) -> Option<()> {
    fs::create_dir_all(to.join("blobs")).ok()?;
    for item in fs::read_dir(from).ok()?.flatten() {
        let name = item.file_name();
        if item.path().is_file() && !name.to_string_lossy().starts_with("snap.") {
            fs::copy(item.path(), to.join(name)).ok()?;
        }
    }
    for blob in fs::read_dir(from.join("blobs")).ok()?.flatten() {
        fs::copy(blob.path(), to.join("blobs").join(blob.file_name())).ok()?;
    }
    Some(())
}

fn remove_leftovers(journal_dir: &Path) {
    let Ok(items) = fs::read_dir(journal_dir) else {
        return;
    };
    for item in items.flatten() {
        if item.file_name().to_string_lossy().ends_with(".seg.tmp") {
            let _ = fs::remove_file(item.path());
        }
    }
}

fn layout(journal: &Journal) -> Layout {
    Layout {
        pieces: journal
            .segments
            .iter()
            .map(|segment| Piece {
                first: segment.header.first,
                len: segment.end as u64,
                source: Source::File(segment.path.clone()),
            })
            .collect(),
        revision: journal.last(),
        chain: journal.chain.unwrap_or_default(),
        records: journal
            .entries
            .iter()
            .filter(|e| e.kind == Kind::Record)
            .count() as u64,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use booth_core::{Actor, Timestamp};

    use super::*;

    fn append(ledger: &Ledger, revision: u64) {
        let record = Record {
            revision,
            at: Timestamp(1),
            actor: Actor::System,
            answered: None,
            events: Vec::new(),
        };
        let (tell, told) = mpsc::channel();
        ledger.append(vec![record], move |answer| tell.send(answer).unwrap());
        told.recv().unwrap().unwrap();
    }

    #[test]
    fn a_sound_record_of_a_later_booth_is_refused_and_not_taken_for_damage() {
        for (version, payload) in [
            (RECORD_VERSION + 1, &b"{}"[..]),
            (RECORD_VERSION, b"{\"revision\":3,\"unheard\":true}"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let opened = Ledger::open(dir.path(), Options::default()).unwrap();
            append(&opened.ledger, 1);
            append(&opened.ledger, 2);
            drop(opened);
            let journal = dir.path().join("journal");
            let found = scan::scan(&journal, &mut OpenReport::new()).unwrap();
            let path = &found.segments[0].path;
            let mut bytes = fs::read(path).unwrap();
            frame::encode(
                &mut bytes,
                &found.chain.unwrap(),
                3,
                version,
                Kind::Record,
                payload,
            );
            fs::write(path, &bytes).unwrap();
            let refused = Ledger::open(dir.path(), Options::default()).map(|o| o.report);
            assert!(
                matches!(refused, Err(OpenError::Unreadable { revision: 3, .. })),
                "{refused:?}"
            );
            assert_eq!(fs::read(path).unwrap(), bytes);
        }
    }
}
