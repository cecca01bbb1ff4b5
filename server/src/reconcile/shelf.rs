//! Prepared loops on disk, `<data>/loops/<channel>-<key>.loop` and `…-slate.loop`: which there are, and which go. Looked at
//! by a blocking thread; everybody else reads what it saw last.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use booth_core::ChannelId;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{debug, warn};

const EVERY: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Shelf {
    loops: PathBuf,
    hls: PathBuf,
    seen: Option<Seen>,
    /// Said to be there since the last look began.
    promised: BTreeSet<PathBuf>,
    /// Those of them that the look at work will see.
    sought: BTreeSet<PathBuf>,
    remove: Vec<PathBuf>,
    due: Instant,
    job: Option<JoinHandle<Seen>>,
}

/// What one look saw.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    loops: BTreeMap<PathBuf, Name>,
    /// Directories of HLS segments.
    hls: BTreeMap<PathBuf, ChannelId>,
}

/// What may stay of one channel.
#[derive(Debug)]
pub(super) struct Keep {
    pub channel: ChannelId,
    /// Loops of these keys; `None` for all there are.
    pub keys: Option<BTreeSet<String>>,
    pub hls: bool,
}

/// A loop's file name, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    channel: ChannelId,
    key: String,
    slate: bool,
    /// Still being written.
    part: bool,
}

impl Shelf {
    pub fn new(loops: PathBuf, hls: PathBuf) -> Self {
        Self {
            loops,
            hls,
            seen: None,
            promised: BTreeSet::new(),
            sought: BTreeSet::new(),
            remove: Vec::new(),
            due: Instant::now(),
            job: None,
        }
    }

    pub fn backup_path(&self, channel: &ChannelId, key: &str) -> PathBuf {
        self.loops.join(format!("{channel}-{key}.loop"))
    }

    pub fn slate_path(&self, channel: &ChannelId, key: &str) -> PathBuf {
        self.loops.join(format!("{channel}-{key}-slate.loop"))
    }

    /// Whether it was looked at; from then on the directory is there.
    pub fn is_known(&self) -> bool {
        self.seen.is_some()
    }

    pub fn has_backup(&self, channel: &ChannelId, key: &str) -> bool {
        self.has(&self.backup_path(channel, key))
    }

    pub fn has_slate(&self, channel: &ChannelId, key: &str) -> bool {
        self.has(&self.slate_path(channel, key))
    }

    /// Just made, as its worker says: there until a look that began later.
    pub fn promise(&mut self, path: PathBuf) {
        self.promised.insert(path);
        self.due = Instant::now();
    }

    fn has(&self, path: &Path) -> bool {
        let seen = self.seen.as_ref();
        seen.is_some_and(|seen| seen.loops.contains_key(path))
            || self.promised.contains(path)
            || self.sought.contains(path)
    }

    /// What does not stay goes at the next look.
    pub fn keep(&mut self, all: impl Iterator<Item = Keep>) {
        let Some(seen) = &self.seen else { return };
        let all: BTreeMap<ChannelId, Keep> = all.map(|k| (k.channel.clone(), k)).collect();
        let loops = seen.loops.iter().filter(|(_, name)| {
            let keys = all.get(&name.channel).map(|keep| keep.keys.as_ref());
            match keys {
                None => true,
                Some(None) => false,
                Some(Some(keys)) => !keys.contains(&name.key),
            }
        });
        let hls = seen
            .hls
            .iter()
            .filter(|(_, channel)| !all.get(*channel).is_some_and(|keep| keep.hls));
        self.remove = loops
            .map(|(path, _)| path)
            .chain(hls.map(|(path, _)| path))
            .cloned()
            .collect();
    }

    /// Ends when there was another look. Dropped in between, nothing is lost.
    pub async fn looked(&mut self) {
        let job = match &mut self.job {
            Some(job) => job,
            None => {
                tokio::time::sleep_until(self.due).await;
                let (loops, hls) = (self.loops.clone(), self.hls.clone());
                let remove = std::mem::take(&mut self.remove);
                self.sought = std::mem::take(&mut self.promised);
                self.job.insert(tokio::task::spawn_blocking(move || {
                    look(&loops, &hls, &remove)
                }))
            }
        };
        let seen = job.await;
        self.job = None;
        self.sought.clear();
        self.due = Instant::now();
        if self.promised.is_empty() {
            self.due += EVERY;
        }
        if let Ok(seen) = seen {
            self.seen = Some(seen);
        }
    }
}

fn look(loops: &Path, hls: &Path, remove: &[PathBuf]) -> Seen {
    for path in remove {
        let gone = if path.starts_with(hls) {
            std::fs::remove_dir_all(path)
        } else {
            std::fs::remove_file(path)
        };
        debug!(path = %path.display(), ?gone, "removed");
    }
    let mut builder = std::fs::DirBuilder::new();
    if let Err(error) = builder.recursive(true).mode(0o700).create(loops) {
        warn!(path = %loops.display(), %error, "prepared loops have no place");
    }
    let entries = |dir: &Path| {
        let read = std::fs::read_dir(dir).into_iter().flatten().flatten();
        read.map(|entry| (entry.path(), entry.file_name()))
            .filter_map(|(path, name)| Some((path, name.into_string().ok()?)))
            .collect::<Vec<_>>()
    };
    let named = |(path, name): (PathBuf, String)| Some((path, parse(&name)?));
    let dirs = |(path, name): (PathBuf, String)| Some((path, ChannelId::new(&name).ok()?));
    Seen {
        loops: entries(loops).into_iter().filter_map(named).collect(),
        hls: entries(hls).into_iter().filter_map(dirs).collect(),
    }
}

/// Only what is surely ours is ever removed.
fn parse(name: &str) -> Option<Name> {
    let (stem, rest) = name.split_once(".loop")?;
    let (stem, slate) = match stem.strip_suffix("-slate") {
        Some(stem) => (stem, true),
        None => (stem, false),
    };
    let (channel, key) = stem.rsplit_once('-')?;
    let digits = key.len() == 16 && key.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then_some(())?;
    Some(Name {
        channel: ChannelId::new(channel).ok()?,
        key: key.to_owned(),
        slate,
        part: !rest.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789abcdef";
    const NEW: &str = "fedcba9876543210";

    fn channel(id: &str) -> ChannelId {
        ChannelId::new(id).unwrap()
    }

    #[test]
    fn names_are_read_as_they_are_made_and_others_are_nobodys() {
        let shelf = Shelf::new("/loops".into(), "/hls".into());
        for (id, slate) in [
            ("a", false),
            ("a-slate", true),
            ("slate", true),
            ("b-1", false),
        ] {
            let path = if slate {
                shelf.slate_path(&channel(id), OLD)
            } else {
                shelf.backup_path(&channel(id), OLD)
            };
            let name = parse(path.file_name().unwrap().to_str().unwrap()).unwrap();
            assert_eq!(
                (name.channel, name.slate, name.part),
                (channel(id), slate, false)
            );
            assert_eq!(name.key, OLD);
        }
        assert!(parse(&format!("a-{OLD}.loop.part")).unwrap().part);
        for other in [
            "holiday.mp4",
            "a-1.loop",
            "-0123456789abcdef.loop",
            "A-0123456789abcdef.loop",
            ".loop",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn what_nobody_plays_goes_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (loops, hls) = (dir.path().join("loops"), dir.path().join("hls"));
        let mut shelf = Shelf::new(loops.clone(), hls.clone());
        shelf.looked().await;
        assert!(shelf.is_known() && loops.is_dir());
        let (a, b, gone) = (channel("a"), channel("b"), channel("gone"));
        let kept = [
            shelf.backup_path(&a, NEW),
            shelf.slate_path(&a, NEW),
            shelf.backup_path(&b, OLD),
            loops.join("notes.txt"),
        ];
        let lost = [
            shelf.backup_path(&a, OLD),
            shelf.slate_path(&a, OLD),
            shelf.slate_path(&gone, NEW),
        ];
        for path in kept.iter().chain(&lost) {
            std::fs::write(path, "x").unwrap();
        }
        for id in ["a", "b"] {
            std::fs::create_dir_all(hls.join(id)).unwrap();
        }
        let keep = || {
            let of = |channel: &ChannelId, keys: Option<&str>, hls| Keep {
                channel: channel.clone(),
                keys: keys.map(|key| BTreeSet::from([key.to_owned()])),
                hls,
            };
            [of(&a, Some(NEW), true), of(&b, None, false)].into_iter()
        };
        shelf.due = Instant::now();
        shelf.looked().await;
        assert!(shelf.has_backup(&a, OLD));
        shelf.keep(keep());
        shelf.due = Instant::now();
        shelf.looked().await;
        assert!(kept.iter().all(|path| path.exists()));
        assert!(lost.iter().all(|path| !path.exists()));
        assert!(hls.join("a").exists() && !hls.join("b").exists());
        assert!(shelf.has_slate(&a, NEW) && !shelf.has_slate(&a, OLD));
    }
}
