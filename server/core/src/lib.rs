//! The rules of booth, without clock, I/O or randomness: what a command or a fact changes, and what is refused.
//!
//! `decide` turns an [`Input`] into a [`Decision`] (events and effects) or a [`Denied`]; [`State::fold`] applies the
//! events. Only the director calls both; the ledger folds while it replays.

mod alert;
mod caller;
mod channel;
mod command;
mod decide;
mod denied;
mod digest;
mod event;
mod fold;
mod ids;
mod initial;
mod invariants;
mod operator;
mod port;
mod query;
mod show;
mod slot;
mod state;
mod text;
mod time;
mod vmix;

pub use caller::*;
pub use channel::*;
pub use command::*;
pub use decide::*;
pub use denied::*;
pub use event::*;
pub use ids::*;
pub use operator::*;
pub use port::*;
pub use show::*;
pub use slot::*;
pub use state::*;
pub use text::*;
pub use time::*;
pub use vmix::*;
