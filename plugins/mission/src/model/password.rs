//! [`PasswordHash`]: a mission's password as the server hashes it (mission.md 2.5; argon2id, and bcrypt of what was
//! imported). Its text is for the database only: never in an answer, a log, `Debug`.
use fts_plugin_api::sdk::{Host, Result as HostResult};

use crate::refusal::Refusal;

/// More bytes than this the server does not hash.
const LONGEST: usize = 1_024;

/// See the file's head.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Of a password. Takes tens of milliseconds, and not inside a transaction.
    ///
    /// # Errors
    /// It is empty or too long; the host has too much to hash.
    pub fn of(host: &Host, password: &str) -> Result<Self, Refusal> {
        if password.is_empty() || password.len() > LONGEST {
            return Err(Refusal::Bad(format!("a mission's password has 1 to {LONGEST} bytes")));
        }
        Ok(Self(host.tokens().hash(password)?))
    }

    /// As another server hashed it.
    ///
    /// # Errors
    /// It is neither argon2id nor bcrypt: nobody could ever say the password.
    pub fn foreign(text: &str) -> Result<Self, Refusal> {
        let known = ["$argon2id$", "$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|form| text.starts_with(form));
        if !known || text.len() > LONGEST || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Refusal::Bad("the hash of the password is neither argon2id nor bcrypt".into()));
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// For the database and the server's own archive (4.8).
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Is this the password? As long as [`PasswordHash::of`], and not inside a transaction either.
    ///
    /// # Errors
    /// The host has too much to hash.
    pub fn verify(&self, host: &Host, password: &str) -> HostResult<bool> {
        // Longer ones have no hash.
        if password.len() > LONGEST { Ok(false) } else { host.tokens().verify(password, &self.0) }
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_never_shown() {
        assert_eq!(format!("{:?}", PasswordHash::stored("secret".into())), "PasswordHash(…)");
    }

    #[test]
    fn a_foreign_hash_is_one_that_can_be_checked() {
        assert!(PasswordHash::foreign("$2a$10$abc").is_ok() && PasswordHash::foreign("$argon2id$v=19$x").is_ok());
        for bad in ["", "secret", "$1$abc", "$2a$10$a b", "5f4dcc3b5aa765d61d8327deb882cf99"] {
            assert!(PasswordHash::foreign(bad).is_err(), "{bad}");
        }
    }
}
