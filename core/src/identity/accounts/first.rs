//! The first administrator (identity.md 6.4, 10 rule 5): there is no account anybody could know. The first start makes
//! `admin` with a random password, which is shown once, or with the one it was given. It happens once in the life of a
//! database: whoever deletes that account does not get it back with the next start.
use super::{AccountError, Accounts, NewUser, Secret};
use crate::{
    identity::{Role, audit::Actor},
    store::error::StoreError,
};

/// Its name.
const NAME: &str = "admin";
const MADE: &str = "accounts.first_start";

impl Accounts {
    /// Makes the administrator where there never was one; the password comes back to be shown if it was made here.
    ///
    /// # Errors
    /// The given password is too short; the database's.
    pub fn first_start(&self, given: Option<Secret>) -> Result<Option<Secret>, AccountError> {
        if self.db.query("SELECT value FROM kv WHERE key = ?", &[MADE.to_owned().into()])?.first().is_some() {
            return Ok(None);
        }
        let known =
            self.db.query("SELECT 1 AS found FROM user WHERE role = 'admin' OR name = ?", &[NAME.to_owned().into()])?;
        if known.first().is_some() {
            self.first_start_done()?;
            return Ok(None);
        }
        let made = given.is_none();
        let password = given.unwrap_or_else(|| self.new_password());
        let new = NewUser {
            name: NAME.to_owned(),
            password: Some(password.clone()),
            role: Role::Admin,
            ..NewUser::default()
        };
        self.add_user(new, &Actor::server())?;
        self.first_start_done()?;
        Ok(made.then_some(password))
    }

    fn first_start_done(&self) -> Result<(), StoreError> {
        self.db.exec("INSERT OR IGNORE INTO kv (key, value) VALUES (?, 'done')", &[MADE.to_owned().into()]).map(drop)
    }
}
