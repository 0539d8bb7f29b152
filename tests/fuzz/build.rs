//! Compiles the TAK protocol's messages as core/build.rs does.
//!
//! The definition is core's own file, so that the fuzzed code and the server's cannot differ.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../../core/proto/takmessage.proto");
    let set = protox::compile(["../../core/proto/takmessage.proto"], ["../../core/proto"])?;
    prost_build::Config::new().compile_fds(set)?;
    Ok(())
}
