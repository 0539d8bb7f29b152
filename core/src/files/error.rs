//! [`FileError`]: why the store of files did not do what it was asked. Texts go to clients, so none names a path.
use std::io;

use axum::http::StatusCode;

use crate::{http::answer::HandlerError, store::error::StoreError};

/// See the file's head.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// `files.max_total` would be passed.
    #[error("the store of files is full: {total} of {limit} bytes are taken; delete files or raise files.max_total")]
    Quota {
        /// Bytes stored now.
        total: u64,
        /// `files.max_total`.
        limit: u64,
    },
    /// `storage.min_free_bytes` would be passed, or nothing is free.
    #[error("the disk of the store of files is full; make space and try again")]
    Full,
    /// There is no such file.
    #[error("File not found")]
    NotFound,
    /// The row is there, its content is not: a new upload of the same bytes heals it.
    #[error("the content of {0} is missing; upload it again")]
    Missing(String),
    /// It stays; who says so, and why.
    #[error("it is in use: {0}")]
    Kept(String),
    /// Not this caller.
    #[error("{0}")]
    Forbidden(String),
    /// Something of the request does not do.
    #[error("{0}")]
    Invalid(String),
    /// The disk.
    #[error("the store of files failed: {0}")]
    Io(io::Error),
    /// The database.
    #[error("the database of files failed: {0}")]
    Store(StoreError),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}

impl From<StoreError> for FileError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(_) => Self::Full,
            error => Self::Store(error),
        }
    }
}

impl From<FileError> for HandlerError {
    fn from(error: FileError) -> Self {
        let status = match &error {
            FileError::Quota { .. } | FileError::Full => StatusCode::INSUFFICIENT_STORAGE,
            FileError::NotFound | FileError::Missing(_) => StatusCode::NOT_FOUND,
            FileError::Kept(_) => StatusCode::CONFLICT,
            FileError::Forbidden(_) => StatusCode::FORBIDDEN,
            FileError::Invalid(_) => StatusCode::BAD_REQUEST,
            FileError::Io(error) => {
                tracing::error!(event = "file.error", %error, "the store of files failed");
                return Self::internal("the store of files failed; the server's log says why");
            }
            FileError::Store(error) => {
                tracing::error!(event = "file.error", %error, "the database of files failed");
                return Self::internal("the database of files failed; the server's log says why");
            }
        };
        Self::new(status, error.to_string())
    }
}
