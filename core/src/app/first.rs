//! The first start: the first administrator and how its password gets to a person. It comes from the environment
//! (`FTS_ADMIN_PASSWORD`, `FTS_ADMIN_PASSWORD_FILE`, a systemd credential of that name), or is made and shown once: on
//! the start page, or on standard error where nobody looks at a page. Never in the log.
use std::path::Path;

use super::boot::BootError;
use crate::identity::accounts::{AccountError, Accounts, Secret};

const NAME: &str = "FTS_ADMIN_PASSWORD";

/// The password somebody has chosen beforehand.
fn given() -> Result<Option<Secret>, BootError> {
    if let Ok(text) = std::env::var(NAME) {
        return Ok(Some(Secret::new(text)));
    }
    let named = std::env::var_os(format!("{NAME}_FILE")).map(std::path::PathBuf::from);
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY").map(|dir| Path::new(&dir).join(NAME));
    let Some(path) = named.or(credential.filter(|path| path.exists())) else { return Ok(None) };
    let text =
        std::fs::read_to_string(&path).map_err(|e| BootError::Log(format!("{NAME}_FILE: {}: {e}", path.display())))?;
    Ok(Some(Secret::new(text.trim_end_matches(['\r', '\n']))))
}

/// Makes the administrator where there never was one; Some = a password to be shown.
pub(super) fn start(accounts: &Accounts) -> Result<Option<Secret>, BootError> {
    accounts.first_start(given()?).map_err(|error| match error {
        AccountError::Store(error) => BootError::Store(error),
        error => BootError::Log(format!("{NAME}: {error}")),
    })
}

/// What is said about it.
pub(super) fn words(password: &Secret) -> String {
    format!(
        "  Administrator: user admin, password {}\n  It is shown only now. Another one: fts user passwd admin\n",
        password.reveal()
    )
}
