//! vMix as a receiver that tells and is told: its tally goes to callers and operators, callers' names to its titles.
//!
//! ```text
//!   board ──▶ room: what each vMix should do ──▶ link (one task for each address) ⇄ TCP 8099
//!                                                  └──▶ tallies ──▶ watchers, the callers' pages
//! ```
//!
//! It reads the board and writes tallies: the director and the outputs do not know it. A vMix that stalls, lies or is
//! not there costs its own link its time, and nobody else anything.

mod inputs;
mod link;
mod session;
mod tallies;
mod wire;

use std::collections::BTreeMap;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::board::Board;
use session::Plan;
pub use tallies::{SlotVmix, Tallies, Tally, TallyMap};

/// Runs until `stop`. Titles stay as they are then: the outputs show who they showed.
pub async fn run(board: Board, tallies: Tallies, stop: CancellationToken) {
    let mut states = board.follow();
    // A link that is not wanted any more has an empty plan until it has ended, so that there is never a second one.
    let mut links: BTreeMap<String, watch::Sender<Plan>> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let mut plans = session::plans(&states.borrow_and_update().clone());
        let slots = plans.iter().flat_map(|(address, plan)| {
            let slots = plan.keys().cloned();
            slots.map(|slot| (slot, address.clone()))
        });
        tallies.assign(&slots.collect());
        for (address, link) in &links {
            let plan = plans.remove(address).unwrap_or_default();
            link.send_if_modified(|old| {
                let changed = *old != plan;
                *old = plan;
                changed
            });
        }
        for (address, plan) in plans {
            let (link, follows) = watch::channel(plan);
            tasks.spawn(link::run(address.clone(), follows, tallies.clone()));
            links.insert(address, link);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = states.changed() => if changed.is_err() { return },
            Some(ended) = tasks.join_next() => {
                if let Err(error) = ended {
                    error!(%error, "a link to a vMix ended by a fault");
                }
                links.retain(|_, link| !link.is_closed());
            }
        }
    }
}
