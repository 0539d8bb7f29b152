//! Access tokens: made after a password, good for `auth.token_ttl`, ended by logging out, by another password, by
//! switching the user off. What was logged out is on a list until it would have ended by itself (identity.md 6.5).
use std::{net::IpAddr, sync::Arc};

use serde_json::{Value, json};

use super::{Accounts, AuthError, Login, Secret};
use crate::{
    identity::{
        CertError, Scopes,
        audit::Actor,
        jwt::{Claims, Signer},
    },
    observe::clock,
};

/// A token just made.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The token.
    pub token: Secret,
    /// Seconds it is good for.
    pub expires_in: i64,
    /// Whose.
    pub login: Login,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Wrong user or password, or the account.
    #[error("{0}")]
    Auth(#[from] AuthError),
    /// The key.
    #[error("{0}")]
    Key(#[from] CertError),
}

impl Accounts {
    /// The key, made with the first token.
    fn signer(&self, make: bool) -> Result<Option<Arc<Signer>>, CertError> {
        let mut kept = self.signer.lock();
        if kept.is_none() {
            *kept = Signer::open(&self.config().tls.dir, make)?;
        }
        Ok(kept.clone())
    }

    /// A token for who knows the password.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn access_token(&self, name: &str, password: &str, from: IpAddr) -> Result<AccessToken, TokenError> {
        let login = self.by_password(name, password, from, false)?;
        self.access_token_of(login, from)
    }

    /// A token for who has logged in with a password already.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn access_token_of(&self, login: Login, from: IpAddr) -> Result<AccessToken, TokenError> {
        let id = login.user_id.ok_or(AuthError::Wrong)?;
        let user = self.user_by_id(id).map_err(AuthError::from)?.ok_or(AuthError::Wrong)?;
        let (config, now) = (self.config(), clock::now_ms() / 1_000);
        let expires_in = i64::try_from(config.auth.token_ttl.as_secs()).unwrap_or(i64::MAX).max(1);
        let server = &config.server.node_id;
        let claims = Claims {
            sub: user.name.to_string(),
            aud: server.clone(),
            iss: server.clone(),
            iat: now,
            nbf: now,
            exp: now.saturating_add(expires_in),
            scope: user.role.scopes().text(),
            jti: uuid::Uuid::new_v4().to_string(),
            uid: user.id,
            epoch: user.token_epoch,
        };
        let failed = || CertError::Making("there is no key for access tokens".into());
        let token = Secret::new(self.signer(true)?.ok_or_else(failed)?.sign(&claims)?);
        self.audit.did(&Actor::user(&user.name, Some(from)), "auth.token", &user.name, json!({"jti": claims.jti}));
        Ok(AccessToken { token, expires_in, login })
    }

    fn claims(&self, token: &str) -> Option<Claims> {
        let signer = match self.signer(false) {
            Ok(signer) => signer?,
            Err(error) => {
                tracing::error!(event = "auth.key", %error, "access tokens cannot be checked");
                return None;
            }
        };
        signer.check(token, &self.config().server.node_id, clock::now_ms() / 1_000)
    }

    /// By an access token.
    pub(super) fn by_access_token(&self, token: &str, from: IpAddr) -> Result<Login, AuthError> {
        let claims = self.claims(token).ok_or(AuthError::Wrong)?;
        let listed = self.db.query("SELECT 1 AS found FROM revoked_jti WHERE jti = ?", &[claims.jti.into()])?;
        let user = self.user_by_id(claims.uid)?.ok_or(AuthError::Wrong)?;
        if user.disabled {
            self.audit.refused(&user.name, Some(from), "auth.disabled", json!({}));
            return Err(AuthError::Disabled);
        }
        if listed.first().is_some() || user.token_epoch != claims.epoch {
            return Err(AuthError::Wrong);
        }
        self.login(&user, Scopes::named(&claims.scope).unwrap_or_default())
    }

    /// Ends an access token; one that is none of ours, or ended already, stays what it is.
    ///
    /// # Errors
    /// The database's.
    pub fn end_access_token(&self, token: &str, from: Option<IpAddr>) -> Result<(), AuthError> {
        let Some(claims) = self.claims(token) else { return Ok(()) };
        let now = clock::now_ms() / 1_000;
        self.db.exec("DELETE FROM revoked_jti WHERE exp < ?", &[(now - 60).into()])?;
        let values = [claims.jti.clone().into(), claims.exp.into()];
        self.db.exec("INSERT OR IGNORE INTO revoked_jti (jti, exp) VALUES (?, ?)", &values)?;
        let actor = Actor::user(&claims.sub.as_str().into(), from);
        self.audit.did(&actor, "auth.logout", &claims.sub, json!({"jti": claims.jti}));
        Ok(())
    }

    /// The public key of access tokens as a JWK set.
    ///
    /// # Errors
    /// The key cannot be read.
    pub fn jwks(&self) -> Result<Value, CertError> {
        Ok(self.signer(true)?.map_or_else(|| json!({"keys": []}), |signer| signer.jwks()))
    }
}
