//! Compiles the protos with protox (no protoc needed) into Rust code and into one descriptor set with comments,
//! which the gateway, the OpenAPI document and the tests read.

use std::{env, error::Error, fs, path::PathBuf};

use prost_build::Config;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let files = [
        "intake/v1/requests",
        "intake/v1/grants",
        "intake/v1/catalogue",
        "intake/v1/keys",
        "intake/v1/links",
        "intake/v1/history",
        "intake/v1/persons",
        "intake/v1/ledger",
        "validation/v1/validation",
        "expiry_scheduler/v1/expiry_scheduler",
        "notification/v1/notification",
        "gateway/v1/gateway",
    ]
    .map(|name| root.join(format!("portreeve/{name}.proto")));

    let descriptors = protox::Compiler::new([&root])?
        .include_imports(true)
        .include_source_info(true)
        .open_files(files)?
        .encode_file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let path = out.join("portreeve.binpb");
    fs::write(&path, &descriptors)?;

    let mut config = Config::new();
    config.skip_protoc_run().file_descriptor_set_path(&path);
    config.include_file("wire.rs");
    // Payloads that are only passed on are shared, not copied.
    config.bytes(["."]);
    // So that a message finds its descriptor.
    config.enable_type_names();
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        .compile_with_config(config, &[] as &[PathBuf], &[] as &[PathBuf])?;
    Ok(())
}
