//! Secrets that are none of ours: what plugins keep for themselves (plugins.md 1.3, users / certs) is hashed with the same
//! algorithms and within the same number of places as the passwords of accounts. Nothing is stored here.
use super::{Accounts, Secret, error::AccountError, password::Checked};

/// The longest password, bytes: hashing it must not cost more than the hash.
const LONGEST: usize = 1_024;

impl Accounts {
    /// A new secret of so many random bytes, in base64url.
    pub fn random_secret(&self, bytes: usize) -> Secret {
        Secret::token("", bytes)
    }

    /// What may be stored of a password that is no account's (argon2id, PHC).
    ///
    /// # Errors
    /// [`AccountError::Busy`]; [`AccountError::Password`] when it is too long.
    pub fn hash_secret(&self, password: &str) -> Result<String, AccountError> {
        short_enough(password)?;
        self.hashing.hash(password).map_err(|_| AccountError::Busy)
    }

    /// Is it the password of this hash (argon2id or bcrypt)?
    ///
    /// # Errors
    /// As [`Accounts::hash_secret`].
    pub fn is_secret(&self, password: &str, hash: &str) -> Result<bool, AccountError> {
        short_enough(password)?;
        self.hashing.check(password, Some(hash)).map(|c| c != Checked::Wrong).map_err(|_| AccountError::Busy)
    }
}

fn short_enough(password: &str) -> Result<(), AccountError> {
    if password.len() > LONGEST { Err(AccountError::Password(1)) } else { Ok(()) }
}
