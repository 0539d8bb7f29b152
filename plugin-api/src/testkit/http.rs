//! Requests to the plugin's routes: found by listener, method and pattern, refused before the handler as the server does,
//! and answered with whatever the handler gave, pieces drained.
use std::{
    io::Write,
    path::{Component, Path},
    sync::Arc,
};

use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

use super::{
    MockHost,
    context::Context,
    path::{self, Pattern},
};
use crate::{
    abi::{self, Failure, HttpBox, RErr, RNone, ROk, RResult, RSliceMut, RSome, RVec, TD_Opaque, failure},
    message::{self, Auth, Identity, Listener, RequestHead, ResponseHead, Role, RouteSpec, Scope, Spooled},
    shim,
};

pub(super) struct Route {
    pub spec: RouteSpec,
    pub pattern: Pattern,
    pub handler: HttpBox,
}

/// A request that is being put together. Made by [`MockHost::http`]; ends with [`Call::send`].
#[must_use]
pub struct Call<'a> {
    host: &'a MockHost,
    head: RequestHead,
    body: Vec<u8>,
    listener: Option<Listener>,
}

/// An answer as a client would get it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// 100–999.
    pub status: u16,
    /// Headers, names as the handler wrote them.
    pub headers: Vec<(String, String)>,
    /// The body; of an error the plain text.
    pub body: Vec<u8>,
}

impl MockHost {
    /// A request; the path may have a query. Without [`Call::identity`] an administrator with all scopes makes it, in the
    /// groups of the builder.
    pub fn http(&self, method: &str, path_and_query: &str) -> Call<'_> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let groups = self.shared.lock().groups.clone();
        let identity = Identity {
            user: "tester".into(),
            role: Role::Admin,
            groups_in: groups.clone(),
            groups_out: groups,
            scopes: vec![Scope::Read, Scope::Write, Scope::Admin],
            ..Identity::default()
        };
        let head = RequestHead {
            method: method.to_owned(),
            path: path.to_owned(),
            query: path::query(query),
            peer: "192.0.2.1:50000".into(),
            host: "tak.example".into(),
            scheme: "https".into(),
            identity,
            ..RequestHead::default()
        };
        Call { host: self, head, body: Vec::new(), listener: None }
    }
}

impl Call<'_> {
    /// The body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// A JSON body.
    pub fn json(self, value: &serde_json::Value) -> Self {
        self.header("content-type", "application/json").body(value.to_string())
    }

    /// A header more.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.head.headers.push((name.to_lowercase(), value.into()));
        self
    }

    /// Who calls.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.head.identity = identity;
        self
    }

    /// A user of this name, with its role and no token.
    pub fn user(mut self, name: &str, role: Role) -> Self {
        let before = std::mem::take(&mut self.head.identity);
        self.head.identity = Identity { user: name.to_owned(), role, scopes: Vec::new(), ..before };
        self
    }

    /// Nobody in particular.
    pub fn anonymous(self) -> Self {
        self.user("", Role::Anonymous)
    }

    /// The listener it comes in through; else the first that has such a route.
    pub fn on(mut self, listener: Listener) -> Self {
        if listener == Listener::MartiHttp {
            self.head.scheme = "http".into();
        }
        self.listener = Some(listener);
        self
    }

    /// Sends it; the plugin's worker is done with what it caused when this returns.
    pub fn send(self) -> Answer {
        let host = self.host;
        host.settle();
        let answer = self.answer().unwrap_or_else(|refused| refused);
        host.settle();
        answer
    }

    fn answer(mut self) -> Result<Answer, Answer> {
        let shared = self.host.shared.clone();
        if shared.lock().tripped {
            return Err(Answer::refused(503, format!("the plugin {} has failed and is stopped", shared.name)));
        }
        let (route, params) = self.find()?;
        let listener = self.listener.as_ref().or(route.spec.listeners.first());
        self.head.listener = listener.map(name_of).unwrap_or_default();
        self.head.params = params;
        check(route.spec.auth, &self.head.identity)?;
        let body = Body { bytes: self.body, at: 0, file: None };
        let body = abi::Body_TO::from_value(body, TD_Opaque);
        let (method, head) = (self.head.method.clone(), message::pack(&self.head));
        let handler = format!("{} {}", route.spec.method, route.spec.pattern);
        let failed = |failure: &Failure| {
            shared.failed(&handler, failure);
            Answer::refused(500, format!("{} failed to answer this request", shared.name))
        };
        let replied = shared.call(Context::default(), || route.handler.handle(head.as_slice().into(), body));
        let reply = replied.into_result().map_err(|f| failed(&f))?;
        let mut bytes = reply.bytes.into_vec();
        if let RSome(mut pull) = reply.pull {
            loop {
                let piece = shared.call(Context::default(), || pull.next());
                match piece.into_result().map_err(|f| failed(&f))? {
                    RSome(piece) => bytes.extend_from_slice(piece.as_slice()),
                    RNone => break,
                }
            }
            shared.call(Context::default(), || drop(pull));
        }
        let head: ResponseHead = message::unpack(reply.head.as_slice())
            .map_err(|e| Answer::refused(500, format!("the answer cannot be read: {e}")))?;
        if let Some(error) = head.error {
            return Ok(Answer { headers: head.headers, ..Answer::refused(head.status, error) });
        }
        if let Some(file) = head.file {
            bytes = read_file(&shared.dir, &file)?;
        }
        if method == "HEAD" {
            bytes.clear();
        }
        Ok(Answer { status: head.status, headers: head.headers, body: bytes })
    }

    /// The best route for this request, or 404, or 405.
    fn find(&self) -> Result<(Arc<Route>, Params), Answer> {
        let state = self.host.shared.lock();
        let here = |r: &&Arc<Route>| self.listener.as_ref().is_none_or(|l| r.spec.listeners.contains(l));
        let found: Vec<_> = state
            .handlers
            .routes
            .iter()
            .filter(here)
            .filter_map(|r| Some((r.clone(), r.pattern.params(&self.head.path)?)))
            .collect();
        // HEAD is answered by the server from GET.
        let method = if self.head.method == "HEAD" { "GET" } else { &self.head.method };
        let (same, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|(r, _)| r.spec.method == method);
        let best = same.into_iter().reduce(|a, b| if b.0.pattern.wins_over(&a.0.pattern) { b } else { a });
        best.ok_or_else(|| match others.is_empty() {
            true => Answer::refused(404, "no such resource"),
            false => Answer::refused(405, "this resource does not take this method"),
        })
    }
}

type Params = Vec<(String, String)>;

impl Answer {
    fn refused(status: u16, text: impl Into<String>) -> Self {
        let headers = vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())];
        Self { status, headers, body: text.into().into_bytes() }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// It is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// A header, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// 401 for who could get in by saying who they are, 403 for who is known and may not.
fn check(auth: Auth, who: &Identity) -> Result<(), Answer> {
    let scope = |scope: Scope| who.scopes.contains(&scope) || who.scopes.contains(&Scope::Admin);
    let may = match auth {
        Auth::Open | Auth::User => true,
        Auth::Login => !who.user.is_empty(),
        Auth::Scope(needed) => scope(needed),
        Auth::Admin => who.role == Role::Admin,
    };
    let known = !who.user.is_empty() || !who.scopes.is_empty() || !who.cert_cn.is_empty();
    match (may, known) {
        (true, _) => Ok(()),
        (false, true) => Err(Answer::refused(403, "not allowed")),
        (false, false) => Err(Answer::refused(401, "authentication is required")),
    }
}

fn name_of(listener: &Listener) -> String {
    match listener {
        Listener::MartiHttp => "marti_http".into(),
        Listener::MartiHttps => "marti_https".into(),
        Listener::Enrollment => "enrollment".into(),
        Listener::Rest => "rest".into(),
        Listener::Admin => "admin".into(),
        Listener::Own(name) => name.clone(),
    }
}

fn read_file(dir: &Path, file: &str) -> Result<Vec<u8>, Answer> {
    let inside = Path::new(file).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !inside {
        return Err(Answer::refused(500, format!("{file} is not in the plugin's folder")));
    }
    std::fs::read(dir.join(file)).map_err(|e| Answer::refused(404, format!("{file}: {e}")))
}

/// A received body. Written to a file when the handler asks for one.
struct Body {
    bytes: Vec<u8>,
    at: usize,
    file: Option<NamedTempFile>,
}

impl Body {
    fn spool(&mut self) -> std::io::Result<Spooled> {
        let mut file = NamedTempFile::new()?;
        file.write_all(&self.bytes)?;
        let path = file.path().to_string_lossy().into_owned();
        self.file = Some(file);
        Ok(Spooled { path: Some(path), sha256: super::sha256::hex(&self.bytes), len: self.bytes.len() as u64 })
    }
}

impl abi::Body for Body {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&mut self, mut into: RSliceMut<'_, u8>) -> RResult<usize, Failure> {
        let left = self.bytes.get(self.at..).unwrap_or(&[]);
        let n = left.len().min(into.len());
        into.as_mut_slice()[..n].copy_from_slice(&left[..n]);
        self.at += n;
        ROk(n)
    }

    fn spooled(&mut self) -> RResult<RVec<u8>, Failure> {
        match self.spool() {
            Ok(spooled) => ROk(message::pack(&spooled).into()),
            Err(error) => RErr(shim::failure(failure::OTHER, error.to_string())),
        }
    }
}
