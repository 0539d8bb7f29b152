//! Requests to the mission plugin through the local socket, and what an error means to the person who typed the command.
//!
//! "Not found" is said by a server without the plugin, too; then the server is asked about the plugin first.
use std::{path::Path, process::ExitCode};

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::{StatusCode, body::Incoming};
use serde_json::Value;

use crate::{
    cli::{Global, output::text, remote},
    http::local::{self, LocalError},
};

/// Where the plugin's routes are.
pub const MISSIONS: &str = "/admin/missions";
/// What asks about it.
const PLUGIN: &str = "/admin/plugins/mission";

/// A request without a body; its answer is JSON, or nothing.
///
/// # Errors
/// The exit code; what is wrong was printed.
pub fn ask(global: &Global, method: &str, uri: &str) -> Result<Value, ExitCode> {
    let dir = global.data_dir()?;
    remote::runtime()?.block_on(async {
        let answer = async { json(send(&dir, method, uri, Body::empty()).await?).await };
        match answer.await {
            Ok(value) => Ok(value),
            Err(error) => Err(explain(&dir, &error).await),
        }
    })
}

/// A request; the body of its good answer.
///
/// # Errors
/// [`LocalError`], which [`explain`] prints.
pub async fn send(dir: &Path, method: &str, uri: &str, body: Body) -> Result<Incoming, LocalError> {
    local::good(local::send(dir, method, uri, "application/octet-stream", body).await?).await
}

/// Prints what is wrong; the exit code.
pub async fn explain(dir: &Path, error: &LocalError) -> ExitCode {
    let LocalError::Refused { status, message } = error else { return remote::failed(error) };
    if matches!(*status, StatusCode::NOT_FOUND | StatusCode::SERVICE_UNAVAILABLE) {
        let plugin = async { json(local::ask(dir, "GET", PLUGIN, None).await?).await };
        if let Some(why) = absent(plugin.await.ok().as_ref()) {
            eprintln!("fts: {why}");
            return ExitCode::FAILURE;
        }
    }
    eprintln!("fts: {}", meaning(*status, message));
    ExitCode::FAILURE
}

/// The JSON of a body; null for an empty one.
///
/// # Errors
/// `Broken`.
pub async fn json(body: Incoming) -> Result<Value, LocalError> {
    let text = body.collect().await.map_err(|e| LocalError::Broken(e.to_string()))?.to_bytes();
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&text).map_err(|e| LocalError::Broken(e.to_string()))
}

/// Why there are no missions, when the plugin is not running.
fn absent(plugin: Option<&Value>) -> Option<String> {
    match plugin {
        Some(plugin) if plugin["state"] == "running" => None,
        Some(plugin) => Some(format!(
            "the plugin mission is {}: {} (fts plugin enable mission starts it)",
            text(&plugin["state"]),
            text(&plugin["report"])
        )),
        None => Some(
            "this server has no plugin mission: is it in plugins.enabled and its file where plugins are looked for (fts plugin list)?"
                .to_owned(),
        ),
    }
}

/// What a refusal of the plugin says to whom typed the command.
fn meaning(status: StatusCode, message: &str) -> String {
    let said = message.strip_prefix("Not Found: ").unwrap_or(message);
    match status {
        StatusCode::NOT_FOUND if said.starts_with("no mission") => format!("{said} (fts mission list names all)"),
        StatusCode::NOT_FOUND if said.starts_with("no snapshot") => format!("{said} (fts mission show names all)"),
        StatusCode::GATEWAY_TIMEOUT => {
            format!("{said}: the server is still at it, fts mission list and fts logs say when it is done")
        }
        _ if said.is_empty() => format!("the server answered {status}; fts logs says why"),
        _ => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(absent(Some(&json!({"state": "running"}))), None);
        let off = absent(Some(&json!({"state": "disabled", "report": "by an operator"}))).unwrap();
        assert!(off.contains("is disabled: by an operator") && off.contains("fts plugin enable mission"), "{off}");
        assert!(absent(None).unwrap().contains("plugins.enabled"));
        let none = meaning(StatusCode::NOT_FOUND, "Not Found: no mission \"x\"");
        assert_eq!(none, "no mission \"x\" (fts mission list names all)");
        assert!(meaning(StatusCode::INTERNAL_SERVER_ERROR, "").contains("fts logs"));
        assert_eq!(meaning(StatusCode::CONFLICT, "it is there"), "it is there");
    }
}
