//! Requests to a running server through its local socket, and what to do when there is none (exit code 3).
use std::{io::Write, process::ExitCode};

use http_body_util::BodyExt;
use serde_json::Value;

use super::Global;
use crate::http::local::{self, LocalError};

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, ExitCode> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        eprintln!("fts: {error}");
        ExitCode::FAILURE
    })
}

pub(super) fn failed(error: &LocalError) -> ExitCode {
    eprintln!("fts: {error}");
    if matches!(error, LocalError::NotRunning { .. }) { ExitCode::from(3) } else { ExitCode::FAILURE }
}

/// A request with a JSON answer.
pub fn ask(global: &Global, method: &str, uri: &str, body: Option<Value>) -> Result<Value, ExitCode> {
    let dir = global.data_dir()?;
    runtime()?.block_on(local::ask_json(&dir, method, uri, body)).map_err(|e| failed(&e))
}

/// A request whose answer is a stream of lines, each given to `show` until it says stop, the stream ends or nobody
/// reads the output any more.
pub fn stream(global: &Global, uri: &str, mut show: impl FnMut(&Value) -> String) -> Result<(), ExitCode> {
    let dir = global.data_dir()?;
    runtime()?.block_on(async {
        let mut answer = local::ask(&dir, "GET", uri, None).await.map_err(|e| failed(&e))?;
        let mut rest = Vec::new();
        while let Some(frame) = answer.frame().await {
            let Ok(data) = frame.map_err(|_| ()).and_then(|f| f.into_data().map_err(|_| ())) else { break };
            rest.extend_from_slice(&data);
            while let Some(end) = rest.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let Ok(value) = serde_json::from_slice(&line) else { continue };
                if std::io::stdout()
                    .write_all(show(&value).as_bytes())
                    .and_then(|()| std::io::stdout().flush())
                    .is_err()
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    })
}

/// Percent-encodes a path segment or query value.
pub fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Prints JSON, or what `human` makes of it.
pub fn show(global: &Global, answer: Result<Value, ExitCode>, human: impl FnOnce(&Value) -> String) -> ExitCode {
    match answer {
        Err(code) => code,
        Ok(value) => {
            let text = if global.json { format!("{value:#}\n") } else { human(&value) };
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
    }
}
