//! The local control socket: `<data_dir>/run/fts.sock`, 0600. Both ends: the server's listener and the client the `fts`
//! command uses.
use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};

/// Where it is.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("run/fts.sock")
}

/// Binds it; only the server's user may connect. The lock on the directory says that an old one is nobody's.
///
/// # Errors
/// What the system says.
pub fn bind(data_dir: &Path) -> io::Result<UnixListener> {
    let path = path(data_dir);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Why a request through the socket got no answer.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// No server has the socket open.
    #[error("no fts is running in {}: {source} (is --data-dir right?)", dir.display())]
    NotRunning {
        /// The data directory.
        dir: PathBuf,
        /// Why its socket could not be reached.
        source: io::Error,
    },
    /// It answered with a refusal.
    #[error("{message}")]
    Refused {
        /// How.
        status: StatusCode,
        /// Why.
        message: String,
    },
    /// The connection broke.
    #[error("the server did not answer: {0}")]
    Broken(String),
}

/// One request; the answer as it comes, of whatever status.
///
/// # Errors
/// `NotRunning`, `Broken`: no answer came.
pub async fn send(
    data_dir: &Path,
    method: &str,
    uri: &str,
    content_type: &str,
    body: Body,
) -> Result<Response<Incoming>, LocalError> {
    let stream = UnixStream::connect(path(data_dir))
        .await
        .map_err(|source| LocalError::NotRunning { dir: data_dir.to_owned(), source })?;
    let broken = |e: hyper::Error| LocalError::Broken(e.to_string());
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(uri).header("host", "fts").header("content-type", content_type);
    let request = request.body(body).map_err(|e| LocalError::Broken(e.to_string()))?;
    send.send_request(request).await.map_err(broken)
}

/// The body of a good answer.
///
/// # Errors
/// `Refused`, with what it says; `Broken`.
pub async fn good(answer: Response<Incoming>) -> Result<Incoming, LocalError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer.into_body());
    }
    let text = answer.into_body().collect().await.map_err(|e| LocalError::Broken(e.to_string()))?.to_bytes();
    let message = serde_json::from_slice::<serde_json::Value>(&text)
        .ok()
        .and_then(|v| Some(v.get("message")?.as_str()?.to_owned()));
    let message = message.unwrap_or_else(|| String::from_utf8_lossy(&text).into_owned());
    Err(LocalError::Refused { status, message })
}

/// One request; the body of a good answer, or of one that says the server is not ready.
///
/// # Errors
/// [`LocalError`].
pub async fn ask(
    data_dir: &Path,
    method: &str,
    uri: &str,
    body: Option<serde_json::Value>,
) -> Result<Incoming, LocalError> {
    let body = body.map(|b| b.to_string()).unwrap_or_default();
    let answer = send(data_dir, method, uri, "application/json", Body::from(body)).await?;
    if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
        return Ok(answer.into_body());
    }
    good(answer).await
}

/// One request with a JSON answer.
///
/// # Errors
/// [`LocalError`].
pub async fn ask_json(
    data_dir: &Path,
    method: &str,
    uri: &str,
    body: Option<serde_json::Value>,
) -> Result<serde_json::Value, LocalError> {
    let answer = ask(data_dir, method, uri, body).await?;
    let text = answer.collect().await.map_err(|e| LocalError::Broken(e.to_string()))?.to_bytes();
    serde_json::from_slice(&text).map_err(|e| LocalError::Broken(e.to_string()))
}
