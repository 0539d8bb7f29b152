//! [`Offline`]: the server's parts on a data directory no server runs on, for commands that would otherwise ask it through
//! the control socket. The lock is held meanwhile; nothing is bound, no plugin is started, and everything closes with
//! this. The same endpoints answer, as to the local socket: a command cannot do more offline than online.
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};

use super::{
    boot::BootError,
    first,
    node::{self, Lock, NodeError},
    parts,
};
use crate::{
    config::{Sources, load},
    directory::Directory,
    http::{
        auth::Identity,
        body::BodyLimits,
        call::Came,
        listener::Listener,
        mux::{Mux, MuxSettings},
        native::Native,
    },
    identity::Authority,
    observe::clock,
    route::Router,
    session::Sessions,
};

/// The longest answer a command takes, bytes.
const ANSWER: usize = 64 << 20;

/// See the file's head.
pub(crate) struct Offline {
    native: Arc<Native>,
    bodies: Arc<BodyLimits>,
    _lock: Lock,
}

/// Why the directory could not be worked on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OfflineError {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(String),
    /// A server starts, stops or hangs in it.
    #[error("{0}")]
    Locked(String),
    /// The rest.
    #[error("{0}")]
    Other(String),
}

impl From<BootError> for OfflineError {
    fn from(error: BootError) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<NodeError> for OfflineError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Locked(..) => Self::Locked(error.to_string()),
            NodeError::Io(..) => Self::Other(error.to_string()),
        }
    }
}

impl Offline {
    /// Takes the directory. What the first start of a server would make there (database, certificates) is made. Where
    /// certificates cannot be read, the endpoints that need them say so.
    ///
    /// # Errors
    /// [`OfflineError`].
    pub(crate) fn open(sources: &Sources) -> Result<Self, OfflineError> {
        let mut config = load(sources).map_err(|e| OfflineError::Config(e.to_string()))?.config;
        let dir = config.server.data_dir.clone();
        let lock = node::lock(&dir)?;
        clock::tick();
        config.server.node_id = node::node_id(&dir, &config.server.node_id)?;
        let authority = match Authority::open(&config) {
            Ok(authority) => Some(Arc::new(authority)),
            Err(error) => {
                eprintln!("fts: note: {error}");
                None
            }
        };
        let config = Arc::new(config);
        let router = Arc::new(Router::new(Arc::new(Directory::default()), config.clone()));
        let sessions = Sessions::new(router.clone());
        let spool = dir.join("run/spool");
        std::fs::create_dir_all(&spool).map_err(|e| OfflineError::Other(format!("{}: {e}", spool.display())))?;
        let mux = Mux::new(MuxSettings::new(spool.clone()));
        let running = Arc::new(ArcSwap::from(config));
        let authority = Arc::new(ArcSwapOption::new(authority));
        let native = parts::open(running, router, sessions, mux, authority)?;
        Ok(Self { native, bodies: Arc::new(BodyLimits::new(ANSWER as u64, spool)), _lock: lock })
    }

    /// Makes the first administrator where there never was one. What is to be shown of it, once.
    ///
    /// # Errors
    /// The password that was chosen for it is not taken.
    pub(crate) fn first(&self) -> Result<Option<String>, OfflineError> {
        Ok(first::start(&self.native.accounts)?.as_ref().map(first::words))
    }

    /// One request as from the control socket: status and body of the answer.
    pub(crate) async fn ask(&self, method: &str, uri: &str, body: String) -> Result<(StatusCode, Vec<u8>), String> {
        let request = Request::builder().method(method).uri(uri).header("content-type", "application/json");
        let request = request.header("host", "fts").body(Body::from(body)).map_err(|e| e.to_string())?;
        let came = Came::new(Listener::Admin, Identity::local_admin(), self.bodies.clone());
        let answer = match self.native.mux.try_answer(came.clone(), request).await {
            Ok(answer) => answer,
            Err(missed) => missed.refusal(&came),
        };
        let status = answer.status();
        let body = to_bytes(answer.into_body(), ANSWER).await.map_err(|e| e.to_string())?;
        Ok((status, body.to_vec()))
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        if let Err(error) = self.native.db.close() {
            eprintln!("fts: {error}");
        }
    }
}
