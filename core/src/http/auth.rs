//! [`Identity`]: who a caller is, as the listener found out, and [`Auth`]: whom a route lets in. The mux compares the
//! two before it reads a body or calls a handler. Who could get in by saying who they are gets 401; who is known and may
//! not gets 403 (identity.md 7).
use std::{fmt, sync::Arc};

pub use crate::identity::{Role, Scope, Scopes};

/// How a caller said who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// Not at all.
    #[default]
    Nothing,
    /// By its client certificate.
    Certificate,
    /// By user name and password, or an enrolment token in the password's place.
    Basic,
    /// By a token.
    Bearer,
    /// Through the local control socket.
    Local,
}

/// Who calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// How it said so.
    pub via: Via,
    /// Row of the user in `user`; None = no such row (a certificate of an unknown name, anonymous, local).
    pub user_id: Option<i64>,
    /// The user's name.
    pub user: Option<Arc<str>>,
    /// The listener lets callers in without a name, and this is one.
    pub anonymous: bool,
    /// Common name of the client certificate.
    pub cert_cn: Option<Arc<str>>,
    /// The user's role.
    pub role: Role,
    /// Groups the caller may send into.
    pub groups_in: Vec<String>,
    /// Groups the caller receives from.
    pub groups_out: Vec<String>,
    /// What the caller's token or role is good for.
    pub scopes: Scopes,
    /// The enrolment token that stood in for the password: its row and when it ends, ms UTC. Whoever issues a certificate
    /// for it asks [`crate::identity::Accounts::use_enrollment_token`] first.
    pub enrollment_token: Option<(i64, Option<i64>)>,
}

impl Identity {
    /// Nobody is known: only open routes answer.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// Whoever may open the local control socket: administrator, without a user's name.
    pub fn local_admin() -> Self {
        Self { via: Via::Local, role: Role::Admin, scopes: Scopes::of(&[Scope::Admin]), ..Self::default() }
    }

    /// The listener has found out something about the caller. An anonymous one counts as known to nobody.
    fn known(&self) -> bool {
        !self.anonymous
            && (self.user.is_some() || self.cert_cn.is_some() || self.scopes.any() || self.role == Role::Admin)
    }
}

/// Whom a route lets in (plugins.md 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Everybody who reaches the listener.
    Open,
    /// Whoever the listener identifies, anonymous included.
    User,
    /// A real user.
    Login,
    /// Who has this scope or a wider one.
    Scope(Scope),
    /// Users of the role admin, and the local socket.
    RoleAdmin,
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::User => f.write_str("user"),
            Self::Login => f.write_str("login"),
            Self::Scope(scope) => write!(f, "scope {}", scope.name()),
            Self::RoleAdmin => f.write_str("role admin"),
        }
    }
}

/// Why a caller does not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// 401: say who you are.
    Unknown,
    /// 403: you may not.
    Forbidden,
}

impl Auth {
    /// # Errors
    /// [`Denied`].
    pub fn check(self, who: &Identity) -> Result<(), Denied> {
        let allowed = match self {
            Self::Open => true,
            Self::User => who.anonymous || who.known(),
            Self::Login => who.user.is_some() && !who.anonymous,
            Self::Scope(wanted) => who.scopes.has(wanted),
            Self::RoleAdmin => who.role == Role::Admin && who.known(),
        };
        match (allowed, who.known()) {
            (true, _) => Ok(()),
            (false, true) => Err(Denied::Forbidden),
            (false, false) => Err(Denied::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gets_in_where() {
        let user = |role, scopes: &[Scope]| Identity {
            user: Some("alice".into()),
            role,
            scopes: Scopes::of(scopes),
            ..Identity::default()
        };
        let callers = [
            ("nobody", Identity::nobody()),
            ("anonymous", Identity { anonymous: true, ..Identity::default() }),
            ("certificate", Identity { cert_cn: Some("phone".into()), ..Identity::default() }),
            ("user", user(Role::User, &[])),
            ("reader", user(Role::ReadOnly, &[Scope::Read])),
            ("writer", user(Role::User, &[Scope::Read, Scope::Write])),
            ("admin", user(Role::Admin, &[Scope::Admin])),
            ("local", Identity::local_admin()),
        ];
        let routes =
            [Auth::Open, Auth::User, Auth::Login, Auth::Scope(Scope::Read), Auth::Scope(Scope::Write), Auth::RoleAdmin];
        let wanted = [
            "200 401 401 401 401 401", // nobody
            "200 200 401 401 401 401", // anonymous
            "200 200 403 403 403 403", // certificate
            "200 200 200 403 403 403", // user
            "200 200 200 200 403 403", // reader
            "200 200 200 200 200 403", // writer
            "200 200 200 200 200 200", // admin
            "200 200 403 200 200 200", // local
        ];
        for ((name, caller), wanted) in callers.iter().zip(wanted) {
            let got = routes.map(|auth| match auth.check(caller) {
                Ok(()) => "200",
                Err(Denied::Unknown) => "401",
                Err(Denied::Forbidden) => "403",
            });
            assert_eq!(got.join(" "), wanted, "{name}");
        }
    }
}
