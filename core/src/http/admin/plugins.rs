//! Plugins: what runs and how, and changes of it. Local socket only, like everything below `/admin`.
//!
//! A change waits until it is done and answers with what was done and the plugin as it is then; what went wrong is a 400
//! with one line. A change costs a thread of the blocking pool, never one that serves.
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Map, Value, json};

use super::{Refusal, Shared, read};

type Answer = Result<Json<Value>, Refusal>;

fn unknown(control: &Shared, name: &str) -> Refusal {
    let all = control.plugins();
    let all: Vec<&str> = all.iter().filter_map(|p| p["name"].as_str()).collect();
    let there = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
    Refusal(StatusCode::NOT_FOUND, format!("there is no plugin {name}; there are: {there}"))
}

pub(super) async fn list(State(control): State<Shared>) -> Json<Value> {
    Json(control.plugins().into())
}

pub(super) async fn order(State(control): State<Shared>) -> Json<Value> {
    Json(control.plugin_order().into())
}

pub(super) async fn one(State(control): State<Shared>, Path(name): Path<String>) -> Answer {
    control.plugin(&name).map(Json).ok_or_else(|| unknown(&control, &name))
}

/// enable, disable, reload, restart.
pub(super) async fn change(State(control): State<Shared>, Path((name, change)): Path<(String, String)>) -> Answer {
    // Only enabling may name one that does not run here yet.
    if change != "enable" && control.plugin(&name).is_none() {
        return Err(unknown(&control, &name));
    }
    let (before, reload) = (control.plugin(&name).map(|p| p["sha256"].clone()), change == "reload");
    let mut done = changed(control, name, move |control, name| control.plugin_change(name, &change)).await?;
    // A reload of the file that runs already is worth knowing.
    if reload {
        let same = before.is_some_and(|sha256| sha256.is_string() && sha256 == done.0["plugin"]["sha256"]);
        done.0["unchanged"] = json!(same);
    }
    Ok(done)
}

/// A new table at run time.
pub(super) async fn configure(State(control): State<Shared>, Path(name): Path<String>, body: Bytes) -> Answer {
    let table: Map<String, Value> = read(&body)?;
    set(control, name, table).await
}

/// What was set at run time goes.
pub(super) async fn forget(State(control): State<Shared>, Path(name): Path<String>) -> Answer {
    set(control, name, Map::new()).await
}

async fn set(control: Shared, name: String, table: Map<String, Value>) -> Answer {
    if control.plugin(&name).is_none() {
        return Err(unknown(&control, &name));
    }
    changed(control, name, move |control, name| control.plugin_configure(name, table)).await
}

async fn changed(
    control: Shared,
    name: String,
    change: impl FnOnce(&Shared, &str) -> Result<String, String> + Send + 'static,
) -> Answer {
    let (of, plugin) = (control.clone(), name.clone());
    let done = tokio::task::spawn_blocking(move || change(&of, &plugin)).await;
    let done = done.unwrap_or_else(|e| Err(e.to_string())).map_err(|why| Refusal(StatusCode::BAD_REQUEST, why))?;
    Ok(Json(json!({"done": done, "plugin": control.plugin(&name)})))
}
