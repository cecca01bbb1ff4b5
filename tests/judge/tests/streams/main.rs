//! The judge judged: good streams have no defect, and each deliberate defect is found.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cli;
mod content;
mod flv;
mod property;
mod scene;
mod srt;
mod transport;
