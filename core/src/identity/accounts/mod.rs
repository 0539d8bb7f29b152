//! [`Accounts`]: users, their passwords, tokens and groups, and who a caller is by what it showed (identity.md 6–9).
//! Everything here blocks (SQL, argon2): callers are blocking threads. Secrets come in and are hashed; none goes out.
use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;

use super::{Role, Scopes};
use crate::{
    config::Config,
    net::PeerCert,
    store::{database::Database, error::StoreError},
};

/// See the file's head.
pub struct Accounts {
    db: Database,
    running: Arc<ArcSwap<Config>>,
}

/// Who logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Row in `user`; None = a certificate whose name is no user's.
    pub user_id: Option<i64>,
    /// Name as stored, or as the certificate says.
    pub name: Arc<str>,
    /// Role.
    pub role: Role,
    /// What its token or role is good for.
    pub scopes: Scopes,
    /// Groups it may send into.
    pub groups_in: Vec<String>,
    /// Groups it receives from.
    pub groups_out: Vec<String>,
    /// The enrolment token that stood in for the password: its row and when it ends, ms UTC.
    pub enrollment_token: Option<(i64, Option<i64>)>,
}

/// Why somebody was not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Nobody of that name, or another secret: never said which.
    #[error("wrong user or password")]
    Wrong,
    /// Too many wrong ones.
    #[error("too many attempts; try again in {0} s")]
    Throttled(u32),
    /// The account, or the certificate's user, is switched off.
    #[error("the account is disabled")]
    Disabled,
    /// The database did not answer.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Accounts {
    /// On this database.
    pub fn new(db: Database, running: Arc<ArcSwap<Config>>) -> Arc<Self> {
        Arc::new(Self { db, running })
    }

    /// By name and password; an enrolment token counts as a password only with `tokens`.
    ///
    /// # Errors
    /// [`AuthError`]; wrong ones are counted per name and address.
    pub fn by_password(&self, name: &str, password: &str, from: IpAddr, tokens: bool) -> Result<Login, AuthError> {
        let _ = (&self.db, &self.running, name, password, from, tokens);
        Err(AuthError::Wrong)
    }

    /// By an API token or an OAuth access token.
    ///
    /// # Errors
    /// [`AuthError`].
    pub fn by_token(&self, token: &str, from: IpAddr) -> Result<Login, AuthError> {
        let _ = (token, from);
        Err(AuthError::Wrong)
    }

    /// By a client certificate that was verified in the handshake (identity.md 6.2). `default_groups` of the listener for
    /// who has none.
    ///
    /// # Errors
    /// [`AuthError`]: revoked, disabled, or unknown while `auth.allow_unknown_cn` is off.
    pub fn by_certificate(&self, cert: &PeerCert, default_groups: &[String]) -> Result<Login, AuthError> {
        Ok(Login {
            user_id: None,
            name: cert.common_name.as_str().into(),
            role: Role::User,
            scopes: Scopes::default(),
            groups_in: default_groups.to_vec(),
            groups_out: default_groups.to_vec(),
            enrollment_token: None,
        })
    }
}
