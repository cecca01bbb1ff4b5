//! Tests of the rules: by verb, as properties, and a seeded simulation against a reference model.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests may stop at the first surprise"
)]

mod air;
mod air24;
mod caller;
mod channel;
mod channel_alert;
mod channel_day;
mod channel_fact;
mod channel_settings;
mod destination;
mod fold;
mod join;
mod link;
mod model;
mod operator;
mod properties;
mod publisher;
mod repeat;
mod show;
mod sim;
mod slot;
mod text;
mod time;
mod world;
