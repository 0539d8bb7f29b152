//! Requests of commands that work with or without a server: through the control socket where one runs, else on the data
//! directory itself, whose lock is then held for the length of the request. Exit codes: 5 when somebody holds the lock
//! and does not answer (a server that starts or stops), 3 when there is nothing to look at.
use std::process::ExitCode;

use serde_json::Value;

use super::{Global, remote};
use crate::{
    app::offline::{Offline, OfflineError},
    config::load,
    http::local::{self, LocalError},
};

/// A request with a JSON answer; the same endpoints answer either way. Errors are printed.
///
/// # Errors
/// The exit code.
pub fn ask(global: &Global, method: &str, uri: &str, body: Option<Value>) -> Result<Value, ExitCode> {
    let dir = global.data_dir()?;
    let runtime = remote::runtime()?;
    match runtime.block_on(local::ask_json(&dir, method, uri, body.clone())) {
        Err(LocalError::NotRunning { .. }) => {}
        answered => return answered.map_err(|e| remote::failed(&e)),
    }
    let configured = load(&global.sources()).map(|l| l.config.storage.path.exists()).unwrap_or(false);
    if method == "GET" && !configured {
        eprintln!("fts: no fts is running in {} and there is no database either (is --data-dir right?)", dir.display());
        return Err(ExitCode::from(3));
    }
    runtime.block_on(async {
        let offline = tokio::task::spawn_blocking({
            let sources = global.sources();
            move || Offline::open(&sources)
        });
        let offline = offline.await.unwrap_or_else(|e| Err(OfflineError::Other(e.to_string())));
        let offline = offline.map_err(|error| {
            eprintln!("fts: {error}");
            match error {
                OfflineError::Config(_) => ExitCode::from(4),
                OfflineError::Locked(_) => ExitCode::from(5),
                OfflineError::Other(_) => ExitCode::FAILURE,
            }
        })?;
        let body = body.map(|b| b.to_string()).unwrap_or_default();
        let answer = offline.ask(method, uri, body).await;
        let done = tokio::task::spawn_blocking(move || drop(offline)).await;
        let said = answer.and_then(|(status, text)| {
            let value: Value = serde_json::from_slice(&text).unwrap_or_default();
            if status.is_success() {
                return Ok(value);
            }
            let message = value.get("message").and_then(Value::as_str).map(str::to_owned);
            Err(message.unwrap_or_else(|| String::from_utf8_lossy(&text).into_owned()))
        });
        said.and_then(|value| done.map(|()| value).map_err(|e| e.to_string())).map_err(|message| {
            eprintln!("fts: {message}");
            ExitCode::FAILURE
        })
    })
}
