//! [`EnrollmentToken`]: a password for getting a certificate, good for so many certificates and so long (identity.md 5.6).
//!
//! It is used up by certificates, not by requests: a device asks for the configuration, sends its request and then asks
//! for its profile, all with the same token. So a token that is used up still lets its user in for a few minutes, and
//! [`Accounts::use_enrollment_token`] says no: whoever issues a certificate asks it first, in the same breath.
use serde_json::json;

use super::{AccountError, Accounts, Secret, User, secret::digest, users::COLUMNS};
use crate::{
    identity::audit::Actor,
    observe::clock,
    store::{database::Value, error::StoreError},
};

/// How every token begins; a password that begins so is looked up as one.
pub(super) const PREFIX: &str = "et_";
/// How long a used-up token still lets its user ask for the profile, ms.
const GRACE: i64 = 5 * 60_000;

/// One token, without the token. Times are ms UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct EnrollmentToken {
    pub id: i64,
    pub user: String,
    pub not_before: Option<i64>,
    pub expires_at: Option<i64>,
    pub max_uses: i64,
    pub uses: i64,
    pub created_by: String,
    pub created_at: i64,
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewEnrollmentToken {
    /// For whom.
    pub user: String,
    /// When it begins, ms UTC; None = now.
    pub not_before: Option<i64>,
    /// When it ends, ms UTC; None = `enrollment.token_ttl` after it begins.
    pub expires_at: Option<i64>,
    /// Certificates it is good for.
    pub max_uses: i64,
}

impl Accounts {
    /// Makes a token.
    ///
    /// # Errors
    /// No such user; it would never be good for anything.
    pub fn add_enrollment_token(
        &self,
        new: &NewEnrollmentToken,
        actor: &Actor,
    ) -> Result<(EnrollmentToken, Secret), AccountError> {
        let owner = self.user(&new.user)?.ok_or_else(|| AccountError::NoUser(new.user.clone()))?;
        let now = clock::now_ms();
        let begins = new.not_before.unwrap_or(now);
        let ttl = i64::try_from(self.config().enrollment.token_ttl.as_millis()).unwrap_or(i64::MAX);
        let expires_at = new.expires_at.unwrap_or_else(|| begins.saturating_add(ttl));
        if new.max_uses < 1 || expires_at <= begins.max(now) {
            return Err(AccountError::TokenTimes);
        }
        let secret = Secret::token(PREFIX, 24);
        let values = [
            owner.id.into(),
            digest(secret.reveal()).into(),
            new.not_before.into(),
            expires_at.into(),
            new.max_uses.into(),
            Value::from(actor.name.to_string()),
            now.into(),
        ];
        let sql =
            "INSERT INTO enrollment_token (user_id, hash, not_before, expires_at, max_uses, created_by, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id";
        let change = self.db.begin()?;
        let id = change.query(sql, &values)?.first().map_or(0, |r| r.int("id"));
        change.commit()?;
        let user = owner.name.to_string();
        self.audit.did(
            actor,
            "enroll.token",
            &user,
            json!({"id": id, "expires_at": expires_at, "max_uses": new.max_uses}),
        );
        let token = EnrollmentToken {
            id,
            user,
            not_before: new.not_before,
            expires_at: Some(expires_at),
            max_uses: new.max_uses,
            uses: 0,
            created_by: actor.name.to_string(),
            created_at: now,
        };
        Ok((token, secret))
    }

    /// Tokens of one user or of all.
    ///
    /// # Errors
    /// The database's.
    pub fn enrollment_tokens(&self, user: Option<&str>) -> Result<Vec<EnrollmentToken>, StoreError> {
        let sql = "SELECT t.id, u.name, t.not_before, t.expires_at, t.max_uses, t.uses, t.created_by, t.created_at
             FROM enrollment_token t JOIN user u ON u.id = t.user_id WHERE ?1 IS NULL OR u.name = ?1 ORDER BY t.id";
        let rows = self.db.query(sql, &[user.map(str::to_owned).into()])?;
        let token = |row: crate::store::rows::Row<'_>| EnrollmentToken {
            id: row.int("id"),
            user: row.text("name").to_owned(),
            not_before: row.opt_int("not_before"),
            expires_at: row.opt_int("expires_at"),
            max_uses: row.int("max_uses"),
            uses: row.int("uses"),
            created_by: row.text("created_by").to_owned(),
            created_at: row.int("created_at"),
        };
        Ok(rows.iter().map(token).collect())
    }

    /// Ends a token at once.
    ///
    /// # Errors
    /// There is none.
    pub fn remove_enrollment_token(&self, id: i64, actor: &Actor) -> Result<(), AccountError> {
        match self.db.exec("DELETE FROM enrollment_token WHERE id = ?", &[id.into()])? {
            0 => Err(AccountError::NoToken(id)),
            _ => {
                self.audit.did(actor, "enroll.token.remove", "", json!({"id": id}));
                Ok(())
            }
        }
    }

    /// Takes one of a token's uses, for a certificate that is about to be issued. False = there is none left, it has
    /// ended, or it is gone: no certificate. Of two at the same time only one gets the last use.
    ///
    /// # Errors
    /// The database's.
    pub fn use_enrollment_token(&self, id: i64) -> Result<bool, StoreError> {
        let now = clock::now_ms();
        let sql = "UPDATE enrollment_token SET uses = uses + 1, used_at = ?1 WHERE id = ?2 AND uses < max_uses
             AND (not_before IS NULL OR not_before <= ?1) AND (expires_at IS NULL OR expires_at > ?1)";
        Ok(self.db.exec(sql, &[now.into(), id.into()])? == 1)
    }

    /// Gives a use back: no certificate was issued after all.
    ///
    /// # Errors
    /// The database's.
    pub fn unuse_enrollment_token(&self, id: i64) -> Result<(), StoreError> {
        self.db.exec("UPDATE enrollment_token SET uses = uses - 1 WHERE id = ? AND uses > 0", &[id.into()]).map(drop)
    }

    /// The user this token stands for, with the token's row and end, if it is good now.
    pub(super) fn by_enrollment_token(
        &self,
        name: &str,
        token: &str,
    ) -> Result<Option<(User, i64, Option<i64>)>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, t.id AS token_id, t.expires_at FROM enrollment_token t JOIN user u ON u.id = t.user_id
             WHERE t.hash = ?1 AND u.name = ?2 AND (t.not_before IS NULL OR t.not_before <= ?3)
             AND (t.expires_at IS NULL OR t.expires_at > ?3) AND (t.uses < t.max_uses OR t.used_at > ?3 - {GRACE})"
        );
        let rows = self.db.query(&sql, &[digest(token).into(), name.to_owned().into(), clock::now_ms().into()])?;
        Ok(rows.first().map(|row| (User::of(row), row.int("token_id"), row.opt_int("expires_at"))))
    }
}
