//! Compiles the protos without a system protoc, with the proto3 JSON mapping for the public package.

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let public = [
        "common",
        "show",
        "caller",
        "slot",
        "destination",
        "channel",
        "operator",
        "system",
        "watch",
    ]
    .map(|n| format!("booth/v1/{n}.proto"));
    let worker = "booth/worker/v1/worker.proto".to_owned();
    for file in public.iter().chain([&worker]) {
        println!("cargo:rerun-if-changed={file}");
    }

    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    let descriptors = protox::compile(public.iter().chain([&worker]), ["."])?;
    let encoded = descriptors.encode_to_vec();
    // Reflection serves this set.
    std::fs::write(out.join("descriptors.bin"), &encoded)?;

    tonic_prost_build::configure()
        .extern_path(".google.protobuf.Timestamp", "::pbjson_types::Timestamp")
        .extern_path(".google.protobuf.Duration", "::pbjson_types::Duration")
        .bytes(".booth.worker.v1")
        // Secrets pass through these: `opaque` in lib.rs prints their names alone.
        .skip_debug([
            ".booth.worker.v1.PublishAsk",
            ".booth.worker.v1.DestinationSettings",
            ".booth.worker.v1.ChannelSettings",
            ".booth.worker.v1.SlotSettings",
            ".booth.v1.CreateChannelResponse",
            ".booth.v1.RotateChannelKeyResponse",
            ".booth.v1.RevealDestinationKeyResponse",
            ".booth.v1.GetChannelAddressResponse",
            ".booth.v1.GetSlotAddressResponse",
        ])
        .compile_fds(descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&encoded)?
        .build(&[".booth.v1"])?;
    Ok(())
}
