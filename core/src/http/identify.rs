//! Who sends a request: what it shows (certificate, password, token) against what its listener looks at (identity.md 2,
//! marti-http.md 2.6). In order: open routes ask for nothing; a certificate decides where there is one, unless the
//! listener wants a password all the same; then a password or a token, each only where the listener takes it; else the
//! caller is anonymous where that is allowed, or nobody. Wrong credentials are refused, except where a certificate
//! decides: mission tokens travel as Bearer there. On the enrollment listener a password opens nothing but enrolment.
use std::{net::IpAddr, sync::Arc};

use axum::http::{HeaderMap, Method, header};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    auth::{Auth, Identity, Via},
    door::{Door, Link},
    listener::Listener,
    refusal::Refusal,
};
use crate::{
    config::{Auth as Looks, ClientCert, HttpListener},
    identity::{
        Accounts,
        accounts::{AuthError, Login},
    },
    net::PeerCert,
};

/// What an `Authorization` header or a cookie shows.
#[derive(Clone, Default, PartialEq, Eq)]
enum Shown {
    #[default]
    Nothing,
    Basic {
        name: String,
        password: String,
    },
    Bearer(String),
    /// Another scheme, or one of these that cannot be read.
    Strange,
}

/// What of a request says who sends it.
pub(super) struct Asked<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    /// The address that is counted, behind proxies the client's.
    pub from: IpAddr,
}

/// Finds out.
///
/// # Errors
/// 401 for wrong credentials, 403 for accounts that are switched off, 429 after too many attempts.
pub(super) async fn identify(door: &Door, link: &Arc<Link>, asked: &Asked<'_>) -> Result<Identity, Refusal> {
    let place = door.native.mux.peek(&door.listener, asked.method, asked.path);
    let shown = match &place {
        // Nothing is tried that nobody asks for: a login route looks at its credentials itself.
        Some((Auth::Open, _)) => Shown::Nothing,
        None if door.listener == Listener::Admin && asked.path.starts_with("/admin/") => door.shown(asked.headers),
        None if door.listener != Listener::Enrollment => return Ok(Identity::nobody()),
        _ => door.shown(asked.headers),
    };
    match place {
        Some((Auth::Open, _)) => Ok(look(door, link, shown, asked.from).await.unwrap_or_default()),
        Some((_, true)) => look(door, link, shown, asked.from).await,
        // Only a token opens more there, and a stranger is not told which paths there are.
        _ if door.listener == Listener::Enrollment && !matches!(shown, Shown::Bearer(_)) => Err(Refusal::stranger()),
        _ => look(door, link, shown, asked.from).await,
    }
}

/// All of it may wait for the database, and a password for a core.
async fn look(door: &Door, link: &Arc<Link>, shown: Shown, from: IpAddr) -> Result<Identity, Refusal> {
    let cert = link.cert.clone();
    if shown == Shown::Nothing && cert.is_none() {
        return door.unnamed();
    }
    let (accounts, listener, keys) = (door.native.accounts.clone(), door.listener.clone(), door.keys.clone());
    let found = tokio::task::spawn_blocking(move || {
        Desk { accounts: &accounts, listener: &listener, keys: keys.as_deref(), from }.identity(cert.as_ref(), shown)
    });
    match found.await {
        Ok(Ok(Some(identity))) => Ok(identity),
        Ok(Ok(None)) => door.unnamed(),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Refusal::unanswered()),
    }
}

impl Door {
    /// What a request shows, where passwords and tokens are looked at.
    fn shown(&self, headers: &HeaderMap) -> Shown {
        match self.keys.as_ref().map(|k| k.auth) {
            Some(Looks::None) => Shown::Nothing,
            _ => shown(&self.listener, headers),
        }
    }

    /// Who shows nothing. Without a name are only those a listener says it: the plain one of the TAK API, and the TLS one
    /// where it is set to ask for neither certificate nor password.
    fn unnamed(&self) -> Result<Identity, Refusal> {
        let Some(keys) = &self.keys else { return Ok(Identity::nobody()) };
        let anonymous = match self.listener {
            Listener::MartiHttp => matches!(keys.auth, Looks::None | Looks::Optional),
            Listener::MartiHttps => keys.client_cert == ClientCert::None && keys.auth == Looks::None,
            _ => false,
        };
        let groups = || keys.default_groups.clone();
        match anonymous {
            false => Ok(Identity::nobody()),
            true if keys.default_groups.is_empty() => Err(AuthError::NoGroups.into()),
            true => Ok(Identity { anonymous, groups_in: groups(), groups_out: groups(), ..Identity::default() }),
        }
    }
}

/// What is asked of the accounts.
struct Desk<'a> {
    accounts: &'a Accounts,
    listener: &'a Listener,
    keys: Option<&'a HttpListener>,
    from: IpAddr,
}

impl Desk<'_> {
    /// None = nothing that names anybody.
    fn identity(&self, cert: Option<&PeerCert>, shown: Shown) -> Result<Option<Identity>, AuthError> {
        let groups = self.keys.map(|k| &k.default_groups[..]).unwrap_or_default();
        if let Some(cert) = cert.filter(|_| self.keys.is_none_or(|k| k.auth != Looks::Password)) {
            let login = self.counted("certificate", self.accounts.by_certificate(cert, groups))?;
            return Ok(Some(Identity {
                cert_cn: Some(cert.common_name.as_str().into()),
                ..of(login, Via::Certificate)
            }));
        }
        let takes_basic = matches!(self.listener, Listener::MartiHttp | Listener::MartiHttps | Listener::Enrollment);
        let takes_bearer = *self.listener != Listener::MartiHttp;
        let (login, via) = match shown {
            Shown::Nothing => return Ok(None),
            Shown::Basic { name, password } if takes_basic => {
                let tokens = *self.listener == Listener::Enrollment;
                (self.counted("basic", self.accounts.by_password(&name, &password, self.from, tokens))?, Via::Basic)
            }
            Shown::Bearer(token) if takes_bearer => {
                (self.counted("bearer", self.accounts.by_token(&token, self.from))?, Via::Bearer)
            }
            _ => return Err(AuthError::Wrong),
        };
        // An administrator's token works on a listener that has no groups for anybody.
        let login = if self.keys.is_some() { self.accounts.on_listener(login, groups)? } else { login };
        let cert_cn = cert.map(|c| c.common_name.as_str().into());
        Ok(Some(Identity { cert_cn, ..of(login, via) }))
    }

    fn counted<T>(&self, kind: &'static str, done: Result<T, AuthError>) -> Result<T, AuthError> {
        let result = match &done {
            Ok(_) => "ok",
            Err(AuthError::Wrong | AuthError::Unknown) => "wrong",
            Err(AuthError::Throttled(_)) => "throttled",
            Err(AuthError::Disabled | AuthError::Revoked | AuthError::NoGroups) => "refused",
            Err(AuthError::Store(_)) => "error",
        };
        metrics::counter!("fts_auth_attempts_total", "kind" => kind, "result" => result).increment(1);
        done
    }
}

fn of(login: Login, via: Via) -> Identity {
    Identity {
        via,
        user_id: login.user_id,
        user: Some(login.name),
        role: login.role,
        groups_in: login.groups_in,
        groups_out: login.groups_out,
        scopes: login.scopes,
        enrollment_token: login.enrollment_token,
        ..Identity::default()
    }
}

/// The cookie of `/oauth/token` is worth its token where browsers log in.
fn shown(listener: &Listener, headers: &HeaderMap) -> Shown {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        return value.to_str().ok().and_then(read).unwrap_or(Shown::Strange);
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let token = cookies.flat_map(|c| c.split(';')).find_map(|c| c.trim().strip_prefix("access_token="));
    match token.filter(|t| *listener == Listener::Enrollment && !t.is_empty()) {
        Some(token) => Shown::Bearer(token.trim_matches('"').to_owned()),
        None => Shown::Nothing,
    }
}

fn read(value: &str) -> Option<Shown> {
    let (scheme, rest) = value.trim().split_once(' ')?;
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" if !rest.is_empty() => Some(Shown::Bearer(rest.to_owned())),
        "basic" => {
            let (name, password) = basic(rest)?;
            Some(Shown::Basic { name, password })
        }
        _ => None,
    }
}

/// Name and password of a `Basic` value; UTF-8, as all clients send it.
pub(super) fn basic(encoded: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(n, v)| (n.parse::<header::HeaderName>().unwrap(), v.parse().unwrap())).collect()
    }

    fn what(listener: Listener, all: &[(&'static str, &str)]) -> String {
        match shown(&listener, &headers(all)) {
            Shown::Nothing => "nothing".into(),
            Shown::Basic { name, password } => format!("basic {name} {password}"),
            Shown::Bearer(token) => format!("bearer {token}"),
            Shown::Strange => "strange".into(),
        }
    }

    #[test]
    fn what_a_request_shows() {
        for (value, is) in [
            ("Basic YWxpY2U6YTpiw6Q=", "basic alice a:bä"),
            ("basic YWxpY2U6", "basic alice "),
            ("Basic YWxpY2U=", "strange"),
            ("Basic !", "strange"),
            ("Bearer  token ", "bearer token"),
            ("BEARER x", "bearer x"),
            ("Bearer", "strange"),
            ("Digest x", "strange"),
            ("token", "strange"),
        ] {
            assert_eq!(what(Listener::Rest, &[("authorization", value)]), is, "{value}");
        }
        assert_eq!(what(Listener::Rest, &[]), "nothing");
        let cookie = [("cookie", "a=b; access_token=jwt; c=d")];
        assert_eq!(what(Listener::Enrollment, &cookie), "bearer jwt");
        assert_eq!(what(Listener::MartiHttps, &cookie), "nothing");
        let both = [("cookie", "access_token=jwt"), ("authorization", "Bearer other")];
        assert_eq!(what(Listener::Enrollment, &both), "bearer other");
    }
}
