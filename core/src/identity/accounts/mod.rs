//! [`Accounts`]: users, their passwords, tokens and groups, and who a caller is by what it showed (identity.md 6–9).
//! Everything here blocks (SQL, argon2): callers are blocking threads. Secrets come in and are hashed; none goes out
//! but once, when it was made.
//!
//! Parts: `users`, `password` (hashing), `guesses` (throttling), `tokens`, `enrollment`, `login` (the three ways in), `oauth` (access tokens),
//! `certificate` (from a certificate to a user), `groups` (the table), `channels` (what a user is in, and of that what is
//! switched on), `first` (the first administrator), `foreign` (hashes that plugins keep).
mod certificate;
mod channels;
mod enrollment;
mod error;
mod first;
mod foreign;
mod groups;
mod guesses;
mod login;
mod oauth;
mod password;
mod secret;
mod tokens;
mod users;

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

pub use channels::{Channel, Direction, Membership};
pub use enrollment::{EnrollmentToken, NewEnrollmentToken};
pub use error::{AccountError, AuthError};
pub use groups::Group;
pub use login::Login;
pub use oauth::{AccessToken, TokenError};
pub use secret::Secret;
pub use tokens::ApiToken;
pub use users::{NewUser, User};

use super::{audit::Audit, jwt::Signer};
use crate::{config::Config, directory::Directory, store::database::Database};

/// See the file's head.
pub struct Accounts {
    db: Database,
    running: Arc<ArcSwap<Config>>,
    /// What was changed, and who was not let in.
    pub audit: Arc<Audit>,
    hashing: password::Hashing,
    guesses: guesses::Guesses,
    /// The groups of this moment, as they are in the database.
    groups: ArcSwap<Vec<Group>>,
    /// One change of groups at a time.
    grouping: Mutex<()>,
    /// Where positions of new groups are told.
    directory: OnceLock<Arc<Directory>>,
    /// `auth.username_regex` and what it was made from.
    pattern: Mutex<Option<(String, regex::Regex)>>,
    /// Signs access tokens; None = not needed yet.
    signer: Mutex<Option<Arc<Signer>>>,
}

impl Accounts {
    /// On this database.
    pub fn new(db: Database, running: Arc<ArcSwap<Config>>) -> Arc<Self> {
        let audit = Arc::new(Audit::new(db.clone()));
        Arc::new(Self {
            db,
            running,
            audit,
            hashing: password::Hashing::new(),
            guesses: guesses::Guesses::default(),
            groups: ArcSwap::default(),
            grouping: Mutex::default(),
            directory: OnceLock::new(),
            pattern: Mutex::default(),
            signer: Mutex::default(),
        })
    }

    fn config(&self) -> Arc<Config> {
        self.running.load_full()
    }
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod groups_tests;
#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
