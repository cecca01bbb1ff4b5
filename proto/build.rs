//! Compiles the protos without a system protoc, with the proto3 JSON mapping for the public package.

use std::fmt::Write;

use prost::Message;
use prost_types::FileDescriptorSet;

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
    std::fs::write(out.join("methods.rs"), methods(&descriptors)?)?;

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
            ".booth.v1.GetLinkTokenResponse",
        ])
        .compile_fds(descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&encoded)?
        .build(&[".booth.v1"])?;
    Ok(())
}

/// One line for every RPC of the public package: what the JSON door translates by (`src/methods.rs`).
fn methods(descriptors: &FileDescriptorSet) -> Result<String, std::fmt::Error> {
    let mut table = "&[\n".to_owned();
    let public = descriptors
        .file
        .iter()
        .filter(|file| file.package() == "booth.v1");
    for service in public.flat_map(|file| &file.service) {
        for method in &service.method {
            let message = |name: &str| name.trim_start_matches(".booth.v1.").to_owned();
            let (asked, answer) = (message(method.input_type()), message(method.output_type()));
            let path = format!("/booth.v1.{}/{}", service.name(), method.name());
            let streams = method.server_streaming();
            let kinds = kinds(descriptors, &answer);
            writeln!(
                table,
                "Method::new::<v1::{asked}, v1::{answer}>({path:?}, {streams}, &{kinds:?}),"
            )?;
        }
    }
    table.push(']');
    Ok(table)
}

/// The JSON names of those fields of a message of which it has one at a time.
fn kinds(descriptors: &FileDescriptorSet, message: &str) -> Vec<String> {
    let public = descriptors
        .file
        .iter()
        .filter(|file| file.package() == "booth.v1");
    public
        .flat_map(|file| &file.message_type)
        .filter(|found| found.name() == message)
        .flat_map(|found| &found.field)
        .filter(|field| field.oneof_index.is_some() && !field.proto3_optional())
        .map(|field| field.json_name().to_owned())
        .collect()
}
