//! `/livez /readyz /healthz /metrics` and `/admin/*` (operations.md 6.3).
//!
//! Who may call: probes and metrics anybody who reaches the admin listener; `/admin/*` only through the local socket
//! `run/fts.sock` (mode 0600). Tokens for the listener come with users; until then it answers 401 there.
mod accounts;
mod certs;
mod clients;
mod control;
mod plugins;
mod probes;
mod server;
mod storage;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{ConnectInfo, Request},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde_json::json;

pub use control::{Control, Readiness, Reloaded};

use super::{auth::Identity, body::BodyLimits, call::Came, listener::Listener, mux::Mux};

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Through the local socket.
    Local,
    /// Through the admin listener.
    Listener,
}

/// Routes that work on what is stored; they are of the mux, so that the `fts` command can ask them without a server.
pub fn book(book: &mut super::native::Book) {
    accounts::routes(book);
    certs::routes(book);
    storage::routes(book);
}

type Shared = Arc<dyn Control>;

/// A refusal as JSON.
pub(crate) struct Refusal(pub StatusCode, pub String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"message": self.1}))).into_response()
    }
}

/// A JSON body; none at all is an empty object.
pub(crate) fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let text = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text).map_err(|e| Refusal(StatusCode::BAD_REQUEST, format!("the body must be JSON: {e}")))
}

/// All routes.
pub fn routes(control: Shared, access: Access, mux: Arc<Mux>, bodies: Arc<BodyLimits>) -> Router {
    let admin = Router::new()
        .route("/status", get(server::status))
        .route("/config", get(server::config))
        .route("/reload", post(server::reload))
        .route("/log", get(server::log_level).put(server::set_log_level))
        .route("/logs", get(server::logs))
        .route("/drain", post(server::drain))
        .route("/stop", post(server::stop))
        .route("/clients", get(clients::list))
        .route("/clients/{who}", get(clients::one))
        .route("/clients/{who}/kick", post(clients::kick))
        .route("/clients/{who}/send", post(clients::send))
        .route("/why", get(clients::why))
        .route("/tail", get(clients::tail))
        .route("/plugins", get(plugins::list))
        .route("/plugins/{name}", get(plugins::one))
        .route("/plugins/{name}/{change}", post(plugins::change))
        .route("/plugins/{name}/config", put(plugins::configure).delete(plugins::forget))
        .route("/plugin-order", get(plugins::order))
        .layer(middleware::from_fn(move |request: Request, next: Next| only_local(access, request, next)));
    Router::new()
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .route("/healthz", get(probes::ready))
        .route("/metrics", get(probes::metrics))
        .nest("/admin", admin)
        .fallback(move |request: Request| elsewhere(mux.clone(), bodies.clone(), access, request))
        .method_not_allowed_fallback(|| async {
            Refusal(StatusCode::METHOD_NOT_ALLOWED, "this resource does not take this method".into())
        })
        .layer(axum::extract::DefaultBodyLimit::max(64 * 1024))
        .with_state(control)
}

/// Routes of plugins. Who comes through the local socket is an administrator; on the listener nobody is known yet.
async fn elsewhere(mux: Arc<Mux>, body: Arc<BodyLimits>, access: Access, request: Request) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0);
    let identity = match access {
        Access::Local => Identity::local_admin(),
        Access::Listener => Identity::nobody(),
    };
    let came = Came { peer, ..Came::new(Listener::Admin, identity, body) };
    match mux.try_answer(came.clone(), request).await {
        Ok(response) => response,
        Err(missed) => missed.refusal(&came),
    }
}

async fn only_local(access: Access, request: Request, next: Next) -> Response {
    match access {
        Access::Local => next.run(request).await,
        Access::Listener => {
            let why = "administration goes through the local socket run/fts.sock (the fts command uses it); tokens for this listener come with users";
            let mut refused = Refusal(StatusCode::UNAUTHORIZED, why.into()).into_response();
            refused.headers_mut().insert("www-authenticate", axum::http::HeaderValue::from_static("Bearer"));
            refused
        }
    }
}

#[cfg(test)]
mod tests;
