//! The judge judged: good streams have no defect, and each deliberate defect is found.

mod cli;
mod content;
mod property;
mod scene;
mod srt;
mod transport;
