use std::{env, path::PathBuf};

fn main() -> std::io::Result<()> {
    let descriptors = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("logger.bin");
    tonic_prost_build::configure()
        .build_client(false)
        .file_descriptor_set_path(descriptors)
        .compile_protos(&["../../contracts/logger.proto"], &["../../contracts"])
}
