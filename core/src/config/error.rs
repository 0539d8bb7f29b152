//! What can be wrong with a configuration, said so that it can be mended: what, where, what to do.
use std::path::PathBuf;

/// See the file's head. Exit code 4.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ConfigError {
    #[error("{place}: not TOML: {message}")]
    Syntax { place: String, message: String },
    #[error("cannot read {}: {message}", path.display())]
    Unreadable { path: PathBuf, message: String },
    #[error("{place}: unknown key {key}{}", hint.as_ref().map(|h| format!(", did you mean {h}?")).unwrap_or_default())]
    Unknown { place: String, key: String, hint: Option<String> },
    #[error("{place}: {key} belongs to a part that this version of fts does not have yet")]
    Later { place: String, key: String },
    #[error("{place}: {key}: expected {expected}, found {found}")]
    Wrong { place: String, key: String, expected: String, found: String },
    #[error("{place}: {key}: {message}")]
    Rule { place: String, key: String, message: String },
    #[error("{} holds a FreeTAKServer installation and no fts.toml; choose another --data-dir (its import comes with a later version)", .0.display())]
    ForeignDirectory(PathBuf),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Many(Vec<ConfigError>),
}

impl ConfigError {
    /// One error or all of several.
    pub(super) fn all(mut errors: Vec<ConfigError>) -> Option<Self> {
        match errors.len() {
            0 => None,
            1 => errors.pop(),
            _ => Some(ConfigError::Many(errors)),
        }
    }
}
