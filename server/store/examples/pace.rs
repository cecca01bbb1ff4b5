//! How fast the ledger is here: `cargo run --release -p booth-store --example pace -- [DIR] [RECORDS]`.
#![allow(clippy::print_stdout, clippy::unwrap_used)] // It prints its figures, and may stop at the first surprise.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use booth_core::{
    Actor, CallerId, CallerRole, ChatMessage, Event, InviteId, Record, ShowId, Text, Timestamp,
    TokenHash,
};
use booth_store::{Ledger, Options};

fn record(revision: u64) -> Record {
    let show = ShowId::new("main").unwrap();
    let caller = CallerId::new(&format!("c{}", revision % 200)).unwrap();
    let event = match revision {
        1 => Event::ShowCreated {
            id: show,
            title: Text::name("Main"),
        },
        2..=201 => Event::CallerJoined {
            id: caller,
            show,
            invite: InviteId::new("door").unwrap(),
            role: CallerRole::Caller,
            name: Text::name("Somebody"),
            topic: Text::name("Something"),
            rejoin: TokenHash([7; 32]),
        },
        _ => Event::CallerChatted {
            id: caller,
            message: ChatMessage {
                at: Timestamp(revision as i64),
                from: None,
                text: Text::name("a short message to the caller"),
            },
        },
    };
    Record {
        revision,
        at: Timestamp(revision as i64),
        actor: Actor::System,
        answered: None,
        events: vec![event],
    }
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{what}: p50 {:?} p99 {:?} max {:?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

fn size(dir: &Path) -> u64 {
    std::fs::read_dir(dir).map_or(0, |items| {
        items
            .flatten()
            .map(|item| match item.path() {
                path if path.is_dir() => size(&path),
                _ => item.metadata().map_or(0, |m| m.len()),
            })
            .sum()
    })
}

fn main() {
    let mut args = std::env::args().skip(1);
    let base = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let count: u64 = args.next().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let room = tempfile::tempdir_in(base).unwrap();
    let dir = room.path().join("data");

    let mut raw = std::fs::File::create(room.path().join("raw")).unwrap();
    let bare = (0..1_000).map(|_| {
        let start = Instant::now();
        raw.write_all(&[1; 300]).unwrap();
        raw.sync_data().unwrap();
        start.elapsed()
    });
    print("the disk's own write and fdatasync", bare.collect());

    let opened = Ledger::open(&dir, Options::default()).unwrap();
    let (tell, told) = mpsc::channel();
    let append = |revision| {
        let tell = tell.clone();
        opened.ledger.append(vec![record(revision)], move |answer| {
            tell.send(answer.unwrap()).unwrap();
        });
    };
    let single = (1..=1_000).map(|revision| {
        let start = Instant::now();
        append(revision);
        told.recv().unwrap();
        start.elapsed()
    });
    print("one append after another", single.collect());
    let start = Instant::now();
    for revision in 1_001..=count {
        append(revision);
        if revision > 1_500 {
            told.recv().unwrap();
        }
    }
    let rate = (count - 1_000) as f64 / start.elapsed().as_secs_f64();
    println!("500 appends under way: {rate:.0} a second");
    let start = Instant::now();
    let flushed = opened.ledger.flush(Duration::from_secs(60));
    println!("folded state caught up: {flushed}, {:?}", start.elapsed());
    println!("{:?}", opened.ledger.health());
    println!("sled: {} bytes", size(&dir.join("sled")));
    let start = Instant::now();
    drop(opened);
    println!("closed in {:?}", start.elapsed());

    for what in ["with the folded state", "without it"] {
        let start = Instant::now();
        let opened = Ledger::open(&dir, Options::default()).unwrap();
        println!(
            "opened {what}: {:?}, {:?}",
            start.elapsed(),
            opened.report.folded
        );
        drop(opened);
        std::fs::remove_dir_all(dir.join("sled")).unwrap();
    }
}
