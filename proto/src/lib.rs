//! The wire: generated types of the public API and of the worker protocol, and the conversions from and to the core's.

pub mod checks;
pub mod convert;
pub mod methods;

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

/// Messages that carry a secret print as their name: what is logged of them by mistake tells nothing.
macro_rules! opaque {
    ($($message:ty),* $(,)?) => {
        $(impl std::fmt::Debug for $message {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($message), "(…)"))
            }
        })*
    };
}

opaque!(
    worker::PublishAsk,
    worker::DestinationSettings,
    worker::ChannelSettings,
    worker::SlotSettings,
    v1::CreateChannelResponse,
    v1::RotateChannelKeyResponse,
    v1::RevealDestinationKeyResponse,
    v1::GetChannelAddressResponse,
    v1::GetSlotAddressResponse,
    v1::GetLinkTokenResponse,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_with_secrets_prints_without_them() {
        let order = worker::ChannelDesired {
            settings: Some(worker::ChannelSettings {
                srt_passphrase: "canary-pass".into(),
                ..Default::default()
            }),
            destinations: vec![worker::DestinationSettings {
                key: "canary-key".into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let ask = worker::PublishAsk {
            key: "canary-ask".into(),
            ..Default::default()
        };
        let printed = format!("{order:?} {ask:?}");
        assert!(!printed.contains("canary"), "{printed}");
    }
}
