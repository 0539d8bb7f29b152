//! Compiles the TAK protocol's messages for the test clients.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../core/proto/takmessage.proto");
    let set = protox::compile(["../core/proto/takmessage.proto"], ["../core/proto"])?;
    prost_build::Config::new().compile_fds(set)?;
    Ok(())
}
