//! Compiles the TAK protocol's messages (no protoc needed), embeds the interface crate for `fts plugin new`, and notes the commit the binary was built from.
use std::{path::Path, process::Command};

#[path = "build/embed.rs"]
mod embed;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/takmessage.proto");
    let set = protox::compile(["proto/takmessage.proto"], ["proto"])?;
    prost_build::Config::new().compile_fds(set)?;
    let interface = Path::new(&std::env::var("OUT_DIR")?).join("interface.rs");
    embed::interface(Path::new("../plugin-api"), Path::new("../Cargo.toml"), &interface)?;
    let git = |args: &[&str]| {
        let out = Command::new("git").args(args).output().ok().filter(|o| o.status.success())?;
        Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    // The log of HEAD changes with every commit; HEAD itself only with the branch.
    for watched in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", watched]).filter(|p| std::path::Path::new(p).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    println!(
        "cargo:rustc-env=FTS_GIT={}",
        git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".into())
    );
    let rustc = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into())).arg("--version").output()?;
    println!("cargo:rustc-env=FTS_RUSTC={}", String::from_utf8_lossy(&rustc.stdout).trim());
    Ok(())
}
