//! [`CertError`]: what goes wrong with certificates and keys. Texts name the file or the rule and what to do; never a
//! key or a password.
use std::path::{Path, PathBuf};

use crate::store::error::StoreError;

/// What went wrong with a certificate or key file; names the file and what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum CertError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}: {what}", path.display())]
    Bad { path: PathBuf, what: String },
    #[error("{0}")]
    Making(String),
    /// The request breaks a rule: whoever asked must ask differently.
    #[error("{0}")]
    Refused(String),
    /// Too much of it in a short time; seconds to wait.
    #[error("too many certificates in a short time; try again in {0} s")]
    TooMany(u32),
    /// What was shown as a password is used up or has ended.
    #[error("this enrolment token is used up or has ended; ask for a new one")]
    TokenSpent,
    /// Nothing of that name, serial or fingerprint.
    #[error("{0}")]
    Unknown(String),
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl CertError {
    pub(crate) fn bad(path: &Path, what: impl Into<String>) -> Self {
        Self::Bad { path: path.to_owned(), what: what.into() }
    }
}

impl From<rcgen::Error> for CertError {
    fn from(error: rcgen::Error) -> Self {
        CertError::Making(format!("a certificate could not be made: {error}"))
    }
}
