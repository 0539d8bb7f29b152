//! `/livez /readyz /healthz /metrics` and `/admin/*` (operations.md 6.3).
//!
//! Who may call: probes and metrics anybody who reaches the admin listener. `/admin/*` wants an administrator: a token of
//! scope admin, or the local socket `run/fts.sock` (mode 0600); a readonly user's token may look. Who calls was found out
//! by the listener ([`Came`] in the extensions of a request); a request without that is nobody's.
mod accounts;
mod certs;
mod clients;
mod control;
mod files;
mod import;
mod packages;
mod plugins;
mod probes;
mod server;
mod storage;

pub(super) use accounts::{other_password, remove as remove_user};

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{MatchedPath, Request},
    http::{Method, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde_json::json;

pub use control::{Control, Readiness, Reloaded};

use super::{
    auth::{Auth, Identity, Role, Scope},
    call::Came,
    mux::Mux,
    told::{Answered, Asked},
};

/// Routes that work on what is stored; they are of the mux, so that the `fts` command can ask them without a server.
pub fn book(book: &mut super::native::Book) {
    accounts::routes(book);
    certs::routes(book);
    files::routes(book);
    packages::routes(book);
    storage::routes(book);
}

/// The routes that are not of the mux, for the OpenAPI document: method, path, what it does, content type.
pub(super) const DESCRIBED: &[(&str, &str, &str, &str)] = &[
    ("GET", "/livez", "The event loop answers", "text/plain"),
    ("GET", "/readyz", "Whether the server is ready, and what was looked at", JSON),
    ("GET", "/healthz", "The same as readyz", JSON),
    ("GET", "/metrics", "Metrics, as Prometheus reads them", "text/plain"),
    ("GET", "/admin/status", "Version, listeners, clients, totals", JSON),
    ("GET", "/admin/config", "Every key with its value and origin", JSON),
    ("POST", "/admin/reload", "Reads the configuration again", JSON),
    ("GET", "/admin/log", "The log level", JSON),
    ("PUT", "/admin/log", "Changes the log level", JSON),
    ("GET", "/admin/logs", "Log lines", ""),
    ("POST", "/admin/drain", "Refuses new clients, or takes them again", JSON),
    ("POST", "/admin/stop", "Begins the shutdown", JSON),
    ("GET", "/admin/clients", "Connections", JSON),
    ("GET", "/admin/clients/{who}", "One connection", JSON),
    ("POST", "/admin/clients/{who}/kick", "Ends connections", JSON),
    ("POST", "/admin/clients/{who}/send", "Sends a chat", JSON),
    ("GET", "/admin/why", "Why who got what", JSON),
    ("GET", "/admin/tail", "Events as they are routed", ""),
    ("GET", "/admin/plugins", "Every plugin, in short", JSON),
    ("GET", "/admin/plugins/{name}", "One plugin", JSON),
    ("POST", "/admin/plugins/{name}/{change}", "Enables, disables, reloads or restarts a plugin", JSON),
    ("PUT", "/admin/plugins/{name}/config", "Sets a plugin's table", JSON),
    ("DELETE", "/admin/plugins/{name}/config", "Takes back what was set so", JSON),
    ("GET", "/admin/plugin-order", "Intercepts in the order they are asked", JSON),
    ("POST", "/admin/import", "Imports missions of a FreeTAKServer on this machine", JSON),
];

const JSON: &str = "application/json";

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
pub fn routes(control: Shared, mux: Arc<Mux>) -> Router {
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
        .route("/import", post(import::missions))
        .layer(middleware::from_fn(only_administrators));
    Router::new()
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .route("/healthz", get(probes::ready))
        .route("/metrics", get(probes::metrics))
        .nest("/admin", admin)
        .route_layer(middleware::from_fn(named))
        .fallback(move |request: Request| elsewhere(mux.clone(), request))
        .method_not_allowed_fallback(|| async {
            Refusal(StatusCode::METHOD_NOT_ALLOWED, "this resource does not take this method".into())
        })
        .layer(axum::extract::DefaultBodyLimit::max(64 * 1024))
        .with_state(control)
}

/// Routes of the mux: of plugins, and those the core has there.
async fn elsewhere(mux: Arc<Mux>, mut request: Request) -> Response {
    let Some(came) = request.extensions_mut().remove::<Came>() else { return stranger() };
    match mux.try_answer(came.clone(), request).await {
        Ok(response) => response,
        Err(missed) => missed.refusal(&came),
    }
}

/// Tells the log which route it was.
async fn named(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|p| p.as_str().into());
    let user = request.extensions().get::<Came>().and_then(|c| c.identity.user.clone());
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(Answered(route));
    }
    if let Some(user) = user {
        response.extensions_mut().insert(Asked(user));
    }
    response
}

async fn only_administrators(request: Request, next: Next) -> Response {
    let who = request.extensions().get::<Came>().map(|c| &c.identity);
    match who {
        Some(who) if administers(who, request.method()) => next.run(request).await,
        Some(who) if Auth::User.check(who).is_ok() => {
            let why = "your account or token does not allow this: administration needs the scope admin";
            Refusal(StatusCode::FORBIDDEN, why.into()).into_response()
        }
        _ => stranger(),
    }
}

/// An administrator with the scope for it; a readonly user or token may look (operations.md 6.3).
pub(super) fn administers(who: &Identity, method: &Method) -> bool {
    let looks = method == Method::GET || method == Method::HEAD;
    let may = who.role == Role::Admin && who.scopes.has(Scope::Admin);
    may || (looks && who.role == Role::ReadOnly && who.scopes.has(Scope::Read))
}

fn stranger() -> Response {
    let why = "administration needs a token of scope admin, or goes through the local socket run/fts.sock (the fts command uses it)";
    let mut refused = Refusal(StatusCode::UNAUTHORIZED, why.into()).into_response();
    refused.headers_mut().insert("www-authenticate", axum::http::HeaderValue::from_static("Bearer"));
    refused
}

#[cfg(test)]
mod tests;
