//! Import of another server's data (operations.md 8): `fts mission import` of an installation. Through the local socket
//! only: who asks could read the files themselves; a token of the admin listener must not make the server read any it can.
use std::path::PathBuf;

use axum::{Extension, Json, body::Bytes, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::{Refusal, Shared, read};
use crate::{
    directory::ANON,
    http::{auth::Via, call::Came},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    /// A folder, or a database in it.
    path: PathBuf,
    /// Groups of what is imported; none = `__ANON__`.
    #[serde(default)]
    groups: Vec<String>,
}

/// Missions with all that belongs to them; answers when all is done.
pub(super) async fn missions(
    State(control): State<Shared>,
    Extension(came): Extension<Came>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    if came.identity.via != Via::Local {
        let why = "an installation is imported only with the fts command on the server's machine";
        return Err(Refusal(StatusCode::FORBIDDEN, why.into()));
    }
    let From { path, mut groups } = read(&body)?;
    if groups.is_empty() {
        groups.push(ANON.to_owned());
    }
    let done = tokio::task::spawn_blocking(move || control.import(&path, &groups)).await;
    let done = done.unwrap_or_else(|e| Err(e.to_string()));
    done.map(Json).map_err(|why| Refusal(StatusCode::BAD_REQUEST, why))
}
