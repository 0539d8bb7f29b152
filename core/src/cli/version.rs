//! `fts version`.
use std::process::ExitCode;

use serde_json::json;

use super::Global;

pub fn run(global: &Global) -> ExitCode {
    let (version, git, rustc) = (env!("CARGO_PKG_VERSION"), env!("FTS_GIT"), env!("FTS_RUSTC"));
    if global.json {
        println!("{:#}", json!({"version": version, "git": git, "rustc": rustc, "abi": "1.0", "features": []}));
    } else {
        println!("fts {version} ({git}), plugin interface 1.0, {rustc}");
    }
    ExitCode::SUCCESS
}
