//! [`Login`]: the ways in: name and password (or an enrolment token in its place), a token, a certificate. Each says no
//! in the same words whatever was wrong, costs the same for users that are not there, and leaves a trace in the audit
//! when it refused. Groups are those of the user; what a listener gives to users without any comes with
//! [`Accounts::on_listener`].
use std::{net::IpAddr, sync::Arc};

use serde_json::json;

use super::{
    Accounts, AuthError, Direction, User, enrollment::PREFIX, guesses::Wait, password::Checked, secret::digest,
    users::COLUMNS,
};
use crate::{
    identity::{Role, Scopes, jwt::looks_like_one},
    net::PeerCert,
    observe::clock,
    store::error::StoreError,
};

/// Who logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Row in `user`; None = a certificate whose name is no user's.
    pub user_id: Option<i64>,
    /// Name as stored, or as the certificate says.
    pub name: Arc<str>,
    /// Role; a token may make it less than its owner's.
    pub role: Role,
    /// What its token or role is good for.
    pub scopes: Scopes,
    /// Groups it may send into.
    pub groups_in: Vec<String>,
    /// Groups it receives from.
    pub groups_out: Vec<String>,
    /// It is in groups by itself: empty lists are then its own choice of channels, and no default takes their place.
    pub grouped: bool,
    /// The enrolment token that stood in for the password: its row and when it ends, ms UTC.
    pub enrollment_token: Option<(i64, Option<i64>)>,
}

impl Accounts {
    /// By name and password; an enrolment token counts as a password only with `tokens`.
    ///
    /// # Errors
    /// [`AuthError`]; wrong ones are counted per name and address.
    pub fn by_password(&self, name: &str, password: &str, from: IpAddr, tokens: bool) -> Result<Login, AuthError> {
        let guess = match self.guesses.begin(name, from) {
            Ok(guess) => guess,
            Err(Wait(seconds)) => return Err(AuthError::Throttled(seconds)),
        };
        match self.check(name, password, tokens)? {
            Some((user, token)) if !user.disabled => {
                guess.right();
                self.came(&user, Some(from));
                let mut login = self.login(&user, user.role.scopes())?;
                login.enrollment_token = token;
                Ok(login)
            }
            Some((user, _)) => {
                // Told only to who knows the password.
                guess.right();
                self.audit.refused(&user.name, Some(from), "auth.disabled", json!({}));
                Err(AuthError::Disabled)
            }
            None => {
                let last = guess.wrong();
                self.audit.refused(name, Some(from), "auth.failed", json!({}));
                if last {
                    self.audit.refused(name, Some(from), "auth.throttled", json!({}));
                }
                Err(AuthError::Wrong)
            }
        }
    }

    /// The user whose password this is, and the enrolment token it really was.
    #[allow(clippy::type_complexity)]
    fn check(
        &self,
        name: &str,
        password: &str,
        tokens: bool,
    ) -> Result<Option<(User, Option<(i64, Option<i64>)>)>, AuthError> {
        if tokens && password.starts_with(PREFIX) {
            let found = self.by_enrollment_token(name, password)?;
            return Ok(found.map(|(user, id, ends)| (user, Some((id, ends)))));
        }
        let stored = self.db.query("SELECT password_hash FROM user WHERE name = ?", &[name.to_owned().into()])?;
        let stored = stored.first().and_then(|r| r.opt_text("password_hash").map(str::to_owned));
        let checked = self.hashing.check(password, stored.as_deref()).map_err(|_| AuthError::Throttled(2))?;
        if checked == Checked::Wrong {
            return Ok(None);
        }
        if checked == Checked::Old {
            self.rehash(name, password, stored)?;
        }
        Ok(self.user(name)?.map(|user| (user, None)))
    }

    /// A hash that is weaker than ours goes, unless somebody has set another password meanwhile.
    fn rehash(&self, name: &str, password: &str, old: Option<String>) -> Result<(), AuthError> {
        let hash = self.hashing.hash(password).map_err(|_| AuthError::Throttled(2))?;
        let sql = "UPDATE user SET password_hash = ? WHERE name = ? AND password_hash IS ?";
        self.db.exec(sql, &[hash.into(), name.to_owned().into(), old.into()])?;
        Ok(())
    }

    /// By an API token or an OAuth access token.
    ///
    /// # Errors
    /// [`AuthError`].
    pub fn by_token(&self, token: &str, from: IpAddr) -> Result<Login, AuthError> {
        if looks_like_one(token) {
            return self.by_access_token(token, from);
        }
        let now = clock::now_ms();
        let sql = format!(
            "SELECT {COLUMNS}, t.id AS token_id, t.scopes, t.expires_at, t.last_used_at
             FROM api_token t JOIN user u ON u.id = t.user_id WHERE t.hash = ?"
        );
        let rows = self.db.query(&sql, &[digest(token).into()])?;
        let Some(row) = rows.first().filter(|r| r.opt_int("expires_at").is_none_or(|at| at > now)) else {
            return Err(AuthError::Wrong);
        };
        let user = User::of(row);
        if user.disabled {
            self.audit.refused(&user.name, Some(from), "auth.disabled", json!({"token": row.int("token_id")}));
            return Err(AuthError::Disabled);
        }
        self.token_used(row.int("token_id"), row.opt_int("last_used_at"), now);
        self.login(&user, Scopes::named(row.text("scopes")).unwrap_or_default())
    }

    /// By a client certificate that was verified in the handshake (identity.md 6.2). `default_groups` of the listener for
    /// who has none.
    ///
    /// # Errors
    /// [`AuthError`]: revoked, disabled, without any group, or unknown while `auth.allow_unknown_cn` is off.
    pub fn by_certificate(&self, cert: &PeerCert, default_groups: &[String]) -> Result<Login, AuthError> {
        let login = match self.owner(cert)? {
            Ok(user) => self.login(&user, user.role.scopes())?,
            Err(name) => self.implied(&name),
        };
        self.on_listener(login, default_groups)
    }

    /// A user that logged in before, as it is now.
    ///
    /// # Errors
    /// [`AuthError`]: gone, disabled, without any group.
    pub fn by_name(&self, name: &str, default_groups: &[String]) -> Result<Login, AuthError> {
        let user = self.user(name)?.ok_or(AuthError::Unknown)?;
        if user.disabled {
            return Err(AuthError::Disabled);
        }
        let login = self.login(&user, user.role.scopes())?;
        self.on_listener(login, default_groups)
    }

    /// A user that is nothing but its certificate.
    fn implied(&self, name: &str) -> Login {
        Login {
            user_id: None,
            name: name.into(),
            role: Role::User,
            scopes: Role::User.scopes(),
            groups_in: Vec::new(),
            groups_out: Vec::new(),
            grouped: false,
            enrollment_token: None,
        }
    }

    /// Who has no group gets those of the listener it came through.
    ///
    /// # Errors
    /// There are none: it is refused.
    pub fn on_listener(&self, mut login: Login, default_groups: &[String]) -> Result<Login, AuthError> {
        if !login.grouped {
            let found = self.membership(&login.name, login.user_id, login.role, default_groups)?;
            let found = found.ok_or(AuthError::NoGroups)?;
            (login.groups_in, login.groups_out) = (found.names(Direction::In), found.names(Direction::Out));
        }
        Ok(login)
    }

    /// A user with what it is in, and with these scopes.
    pub(super) fn login(&self, user: &User, scopes: Scopes) -> Result<Login, AuthError> {
        let scopes = scopes.within(user.role);
        let found = self.membership(&user.name, Some(user.id), user.role, &[])?;
        let grouped = found.is_some();
        let found = found.unwrap_or_default();
        let role = scopes.role(user.role);
        let groups_in = if role == Role::ReadOnly { Vec::new() } else { found.names(Direction::In) };
        Ok(Login {
            user_id: Some(user.id),
            name: user.name.clone(),
            role,
            scopes,
            groups_in,
            groups_out: found.names(Direction::Out),
            grouped,
            enrollment_token: None,
        })
    }

    /// When and from where a user came last; at most one row a minute.
    pub(super) fn came(&self, user: &User, from: Option<IpAddr>) {
        let (now, ip) = (clock::now_ms(), from.map(|ip| ip.to_string()));
        if user.last_login_at.is_some_and(|at| now - at < 60_000) && user.last_ip == ip {
            return;
        }
        let sql = "UPDATE user SET last_login_at = ?, last_ip = ? WHERE id = ?";
        let done: Result<usize, StoreError> = self.db.exec(sql, &[now.into(), ip.into(), user.id.into()]);
        if let Err(error) = done {
            tracing::warn!(event = "db.error", user = &*user.name, %error, "when a user came was not kept");
        }
    }
}
