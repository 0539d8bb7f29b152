//! [`Call`]: one request as its handler sees it, complete with its body. Parameters and query are percent-decoded here;
//! bytes that are not UTF-8 become U+FFFD, so a handler never meets an error of encoding.
use std::{net::SocketAddr, sync::Arc};

use axum::http::{HeaderMap, Method, Uri};

use super::{auth::Identity, body::Body, listener::Listener};
use crate::identity::audit::Actor;

/// One request.
#[derive(Debug)]
pub struct Call {
    /// Method of the route: GET also where the client asked for the head only.
    pub method: Method,
    /// Pattern of the route that matched.
    pub pattern: Arc<str>,
    /// The path as it came, not decoded.
    pub path: String,
    /// Path parameters.
    pub params: Fields,
    /// Query parameters in the order they came; names may repeat.
    pub query: Fields,
    /// Headers of the request.
    pub headers: HeaderMap,
    /// The other end; None through the local socket.
    pub peer: Option<SocketAddr>,
    /// Which listener.
    pub listener: Listener,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host the client asked for, with the port if it named one.
    pub host: Option<String>,
    /// Where the connection came to; None through the local socket.
    pub local: Option<SocketAddr>,
    /// Who calls.
    pub identity: Identity,
    /// Of a form the part that is the body; None = the body came as it is.
    pub part: Option<Part>,
    /// The whole body.
    pub body: Body,
}

impl Call {
    /// Who calls, for the audit log.
    pub fn actor(&self) -> Actor {
        let ip = self.peer.map(|p| p.ip());
        match &self.identity.user {
            Some(name) => Actor::user(name, ip),
            None if ip.is_none() => Actor::local(),
            None => Actor { name: "anonymous".into(), ip },
        }
    }
}

/// What a form says about the file in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Name of the field.
    pub name: String,
    /// Name of the file, as it came.
    pub file_name: Option<String>,
    /// Its content type.
    pub content_type: Option<String>,
}

/// What the listener knows of a request besides the request.
#[derive(Clone, Debug)]
pub struct Came {
    /// Which listener.
    pub listener: Listener,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The other end; None through the local socket.
    pub peer: Option<SocketAddr>,
    /// Where the connection came to; None through the local socket.
    pub local: Option<SocketAddr>,
    /// The host a trusted proxy says the client named, instead of the one in the request.
    pub host: Option<String>,
    /// Who calls.
    pub identity: Identity,
    /// What the listener takes as a body.
    pub body: Arc<super::body::BodyLimits>,
}

impl Came {
    /// In the clear, with nobody at the other end: what follows fills in the rest.
    pub fn new(listener: Listener, identity: Identity, body: Arc<super::body::BodyLimits>) -> Self {
        Self { listener, scheme: "http", peer: None, local: None, host: None, identity, body }
    }
}

/// Decoded names and values; a name may stand more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// The first value of a name, in any case of its letters where nothing has exactly this one (marti-http.md 2.4).
    pub fn get_any_case(&self, name: &str) -> Option<&str> {
        let alike = || self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v);
        self.get(name).or_else(alike)
    }

    /// All values of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(n, _)| *n == name).map(|(_, v)| v)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// The parameters of a path.
    pub(super) fn of_path<'a>(found: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self(found.map(|(n, v)| (n.to_owned(), decode(v, false))).collect())
    }

    /// The parameters of a query, without its question mark.
    pub fn of_query(query: &str) -> Self {
        let fields = query.split('&').filter(|f| !f.is_empty());
        let split = fields.map(|f| f.split_once('=').unwrap_or((f, "")));
        Self(split.map(|(n, v)| (decode(n, true), decode(v, true))).collect())
    }
}

/// `%41` -> `A`; in a query `+` is a space. A percent sign without two digits stays.
fn decode(text: &str, plus: bool) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut left = text.as_bytes();
    while let [first, after @ ..] = left {
        left = after;
        match (first, after) {
            (b'+', _) if plus => out.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    left = after;
                }
                _ => out.push(b'%'),
            },
            _ => out.push(*first),
        }
    }
    match String::from_utf8(out) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|d| d as u8)
}

/// The host a request names: of its target, else of its `Host` header.
pub(super) fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let named = headers.get(axum::http::header::HOST).and_then(|h| h.to_str().ok());
    uri.authority().map(|a| a.as_str()).or(named).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_keeps_order_and_repeats() {
        let query = Fields::of_query("a=1&b=x%20y+z&a=2&&empty&bad=%zz%4&utf=%C3%A4%ff");
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(query.get("b"), Some("x y z"));
        assert_eq!(query.get("empty"), Some(""));
        assert_eq!(query.get("bad"), Some("%zz%4"));
        assert_eq!(query.get("utf"), Some("ä\u{fffd}"));
        assert_eq!((query.get("none"), query.get("A"), query.get_any_case("A")), (None, None, Some("1")));
        assert_eq!(query.iter().count(), 6);
    }

    #[test]
    fn a_path_keeps_its_plus() {
        let params = Fields::of_path([("name", "a+b%2Fc")].into_iter());
        assert_eq!(params.get("name"), Some("a+b/c"));
    }
}
