//! The server itself: status, configuration, logs, drain, stop. Local socket only.
use std::convert::Infallible;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, Shared, read};

pub(super) async fn status(State(control): State<Shared>) -> Json<Value> {
    Json(control.status())
}

pub(super) async fn config(State(control): State<Shared>) -> Json<Value> {
    Json(control.config())
}

pub(super) async fn reload(State(control): State<Shared>) -> Result<Json<Value>, Refusal> {
    let reloaded = tokio::task::spawn_blocking(move || control.reload()).await;
    let reloaded = reloaded.unwrap_or_else(|e| Err(e.to_string()));
    Ok(Json(json!(reloaded.map_err(|error| Refusal(StatusCode::BAD_REQUEST, error))?)))
}

pub(super) async fn log_level(State(control): State<Shared>) -> Json<Value> {
    Json(json!({"filter": control.log_level()}))
}

#[derive(Deserialize)]
pub(super) struct Filter {
    filter: String,
}

pub(super) async fn set_log_level(State(control): State<Shared>, body: Bytes) -> Result<Json<Value>, Refusal> {
    control.set_log_level(&read::<Filter>(&body)?.filter).map_err(|error| Refusal(StatusCode::BAD_REQUEST, error))?;
    Ok(Json(json!({"filter": control.log_level()})))
}

#[derive(Deserialize)]
pub(super) struct Logs {
    #[serde(default)]
    since: i64,
    level: Option<String>,
    #[serde(default)]
    follow: bool,
}

/// The newest warnings, then, with `follow`, everything as it comes: one JSON object a line.
pub(super) async fn logs(State(control): State<Shared>, Query(wanted): Query<Logs>) -> Result<Response, Refusal> {
    let bad =
        |text: &String| Refusal(StatusCode::BAD_REQUEST, format!("level {text:?}: error, warn, info, debug or trace"));
    let level = match &wanted.level {
        Some(text) => text.parse::<tracing::Level>().map_err(|_| bad(text))?,
        None => tracing::Level::TRACE,
    };
    let line = |line: &crate::observe::log::Line| Bytes::from(format!("{}\n", json!(line)));
    let kept: Vec<_> = control.log_lines(wanted.since).iter().filter(|l| l.level <= level).map(line).collect();
    if !wanted.follow {
        return Ok(Body::from(kept.concat()).into_response());
    }
    let live = stream::unfold(control.log_follow(), move |mut from| async move {
        loop {
            match from.recv().await {
                Ok(found) if found.level <= level => return Some((line(&found), from)),
                Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return None,
            }
        }
    });
    let all = futures_util::StreamExt::chain(stream::iter(kept), live);
    Ok(Body::from_stream(futures_util::StreamExt::map(all, Ok::<_, Infallible>)).into_response())
}

#[derive(Deserialize)]
pub(super) struct Drain {
    on: bool,
}

pub(super) async fn drain(State(control): State<Shared>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let wanted: Drain = read(&body)?;
    control.drain(wanted.on);
    Ok(Json(json!({"draining": wanted.on})))
}

pub(super) async fn stop(State(control): State<Shared>) -> Json<Value> {
    control.stop();
    Json(json!({"stopping": true}))
}
