//! [`Fault`]: why a run could not be made. A run that was made and shows a broken promise is no fault but a verdict.

use std::{io, path::PathBuf};

/// See the file's head.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// The server did not come up.
    #[error("the server did not start: {0}\n{1}")]
    Start(String, String),
    /// No server binary.
    #[error("no server binary at {0}; build it (cargo build --release -p fts) or give --fts PATH")]
    NoServer(PathBuf),
    /// Clients and target do not understand each other.
    #[error("{0}")]
    Talk(String),
    /// TLS could not be set up.
    #[error("tls: {0}")]
    Tls(String),
}

/// Names what was tried.
pub trait Tried<T> {
    /// `what` as the context of the error.
    fn tried(self, what: impl Into<String>) -> Result<T, Fault>;
}

impl<T> Tried<T> for io::Result<T> {
    fn tried(self, what: impl Into<String>) -> Result<T, Fault> {
        self.map_err(|source| Fault::Io { what: what.into(), source })
    }
}
