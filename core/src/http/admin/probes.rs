//! Probes and metrics: open to whoever reaches the listener; no secrets, no names of clients.
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};

use std::time::Duration;

use super::{Refusal, Shared};
use crate::observe::metrics;

/// How long the look at the database is waited for; what it came to until then is told.
const PATIENCE: Duration = Duration::from_secs(6);

/// The event loop answers.
pub(super) async fn live() -> &'static str {
    "ok"
}

/// Listeners bound, database writable, canary alive, not draining.
pub(super) async fn ready(State(control): State<Shared>) -> impl IntoResponse {
    let looking = control.clone();
    let looked = tokio::task::spawn_blocking(move || looking.probe());
    let _ = tokio::time::timeout(PATIENCE, looked).await;
    let readiness = control.readiness();
    let code =
        if matches!(readiness.status, "ok" | "degraded") { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(readiness))
}

/// Prometheus text 0.0.4.
pub(super) async fn metrics(State(control): State<Shared>) -> Result<impl IntoResponse, Refusal> {
    if !control.gauges() {
        return Err(Refusal(StatusCode::NOT_FOUND, "metrics.enabled is false".into()));
    }
    Ok(([("content-type", "text/plain; version=0.0.4; charset=utf-8")], metrics::render()))
}
