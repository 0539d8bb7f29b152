//! [`ApiToken`]: what programs log in with: 256 random bits, kept as SHA-256 (identity.md 1, 7). When it was last used is
//! written at most once a minute, so that a busy program does not write with every request.
use serde_json::json;

use super::{AccountError, Accounts, Secret, secret::digest};
use crate::{
    identity::{Scopes, audit::Actor},
    observe::clock,
    store::{database::Value, error::StoreError},
};

/// One token, without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ApiToken {
    pub id: i64,
    pub user: String,
    pub label: String,
    pub scopes: Scopes,
    /// ms UTC.
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub last_used_at: Option<i64>,
}

impl Accounts {
    /// Makes a token for a user; `ttl` in ms, None = it does not end.
    ///
    /// # Errors
    /// No such user.
    pub fn add_token(
        &self,
        user: &str,
        scopes: Scopes,
        label: &str,
        ttl: Option<i64>,
        actor: &Actor,
    ) -> Result<(ApiToken, Secret), AccountError> {
        let secret = Secret::token("fts_", 32);
        let token = self.keep_token(user, &secret, scopes, label, ttl, actor)?;
        Ok((token, secret))
    }

    /// The same with a token somebody else made (import).
    ///
    /// # Errors
    /// No such user; somebody has this token already.
    pub fn keep_token(
        &self,
        user: &str,
        secret: &Secret,
        scopes: Scopes,
        label: &str,
        ttl: Option<i64>,
        actor: &Actor,
    ) -> Result<ApiToken, AccountError> {
        let owner = self.user(user)?.ok_or_else(|| AccountError::NoUser(user.to_owned()))?;
        let now = clock::now_ms();
        let expires_at = ttl.map(|ttl| now.saturating_add(ttl));
        let values = [
            owner.id.into(),
            Value::from(label.to_owned()),
            digest(secret.reveal()).into(),
            scopes.text().into(),
            now.into(),
            expires_at.into(),
        ];
        let sql = "INSERT INTO api_token (user_id, label, hash, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?) RETURNING id";
        let change = self.db.begin()?;
        let id = change.query(sql, &values)?.first().map_or(0, |r| r.int("id"));
        change.commit()?;
        let user = owner.name.to_string();
        self.audit.did(actor, "token.add", &user, json!({"id": id, "scopes": scopes.text(), "expires_at": expires_at}));
        Ok(ApiToken { id, user, label: label.to_owned(), scopes, created_at: now, expires_at, last_used_at: None })
    }

    /// Tokens of one user or of all.
    ///
    /// # Errors
    /// The database's.
    pub fn tokens(&self, user: Option<&str>) -> Result<Vec<ApiToken>, StoreError> {
        let sql = "SELECT t.id, u.name, t.label, t.scopes, t.created_at, t.expires_at, t.last_used_at
             FROM api_token t JOIN user u ON u.id = t.user_id WHERE ?1 IS NULL OR u.name = ?1 ORDER BY t.id";
        let rows = self.db.query(sql, &[user.map(str::to_owned).into()])?;
        let token = |row: crate::store::rows::Row<'_>| ApiToken {
            id: row.int("id"),
            user: row.text("name").to_owned(),
            label: row.text("label").to_owned(),
            scopes: Scopes::named(row.text("scopes")).unwrap_or_default(),
            created_at: row.int("created_at"),
            expires_at: row.opt_int("expires_at"),
            last_used_at: row.opt_int("last_used_at"),
        };
        Ok(rows.iter().map(token).collect())
    }

    /// Ends a token at once.
    ///
    /// # Errors
    /// There is none.
    pub fn remove_token(&self, id: i64, actor: &Actor) -> Result<(), AccountError> {
        let change = self.db.begin()?;
        let sql = "DELETE FROM api_token WHERE id = ? RETURNING (SELECT name FROM user WHERE id = user_id) AS name";
        let rows = change.query(sql, &[id.into()])?;
        change.commit()?;
        let Some(row) = rows.first() else { return Err(AccountError::NoToken(id)) };
        self.audit.did(actor, "token.remove", row.text("name"), json!({"id": id}));
        Ok(())
    }

    /// It was used just now.
    pub(super) fn token_used(&self, id: i64, last: Option<i64>, now: i64) {
        const MINUTE: i64 = 60_000;
        if last.is_none_or(|at| now - at >= MINUTE) {
            let done = self.db.exec("UPDATE api_token SET last_used_at = ? WHERE id = ?", &[now.into(), id.into()]);
            if let Err(error) = done {
                tracing::warn!(event = "db.error", %error, "when a token was used was not kept");
            }
        }
    }
}
