//! Plugins: what runs and how, and changes of it. Local socket only, like everything below `/admin`.
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Value, json};

use super::{Refusal, Shared};

pub(super) async fn list(State(control): State<Shared>) -> Json<Value> {
    Json(control.plugins().into())
}

pub(super) async fn order(State(control): State<Shared>) -> Json<Value> {
    Json(control.plugin_order().into())
}

pub(super) async fn one(State(control): State<Shared>, Path(name): Path<String>) -> Result<Json<Value>, Refusal> {
    let unknown = || Refusal(StatusCode::NOT_FOUND, format!("there is no plugin {name}"));
    control.plugin(&name).map(Json).ok_or_else(unknown)
}

/// Waits until it is done.
pub(super) async fn change(
    State(control): State<Shared>,
    Path((name, change)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let (of, plugin) = (control.clone(), name.clone());
    let done = tokio::task::spawn_blocking(move || of.plugin_change(&plugin, &change)).await;
    let done = done.unwrap_or_else(|e| Err(e.to_string())).map_err(|why| Refusal(StatusCode::BAD_REQUEST, why))?;
    Ok(Json(json!({"done": done, "plugin": control.plugin(&name)})))
}
