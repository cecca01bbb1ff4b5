//! The wire: generated types of the public API and of the worker protocol, and the conversions from and to the core's.

pub mod convert;

/// The public API.
#[allow(
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_types,
    missing_docs
)]
pub mod v1 {
    tonic::include_proto!("booth.v1");
    include!(concat!(env!("OUT_DIR"), "/booth.v1.serde.rs"));
}

/// What boothd and its workers say to each other.
#[allow(
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_types,
    missing_docs
)]
pub mod worker {
    tonic::include_proto!("booth.worker.v1");
}

/// The encoded descriptor set, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
