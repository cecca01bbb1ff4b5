//! `make bench`: what booth is measured by, with the goal and a peer or a physical limit beside each figure. Names as
//! arguments run only those benches.
#![allow(clippy::print_stdout, reason = "the table is the result")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench stops at the first surprise"
)]
#![allow(clippy::disallowed_methods, reason = "a measurement lasts for a time")]

mod air;
mod channel;
mod console;
mod control;
mod cost;
mod table;

use table::Row;

type Bench = (&'static str, fn(&mut Vec<Row>));

const BENCHES: &[Bench] = &[
    ("command", control::acknowledged_command),
    ("restart", control::restart),
    ("take", air::take),
    ("mouth", |rows| air::mouth(rows, false)),
    ("mouth-audio-only", |rows| air::mouth(rows, true)),
    ("slot", cost::slot),
    ("waiting", control::waiting_callers),
    ("console", console::console),
    ("channel-copy", |rows| channel::failover(rows, "copy")),
    ("channel-transcode", |rows| {
        channel::failover(rows, "transcode")
    }),
    ("channel-peers", channel::peers),
    ("channel-cost", channel::copy_cost),
    ("channel-fifty", channel::fifty),
];

/// Runs only when it is named: half an hour.
const SOAK: Bench = ("soak", channel::soak);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut rows = Vec::new();
    for (name, bench) in BENCHES {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            println!("… {name}");
            bench(&mut rows);
        }
    }
    if wanted.iter().any(|w| w == SOAK.0) {
        println!("… {}", SOAK.0);
        SOAK.1(&mut rows);
    }
    println!();
    table::print(&rows);
}
