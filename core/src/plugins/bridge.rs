//! HTTP between the mux and a plugin's routes.
use std::{path::Component, sync::Arc, time::Instant};

use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use bytes::Bytes;
use fts_plugin_api::{
    abi::{self, Failure, HttpBox, PullBox, RErr, RNone, ROk, RResult, RSliceMut, RSome, RVec, TD_Opaque, failure},
    message::{self, Panic, RequestHead, ResponseHead, RouteSpec, Spooled},
    shim,
};

use super::{
    Generation, Plugins,
    charge::Tag,
    guard::{self, Doing},
    services,
};
use crate::http::{
    answer::{Answer, Content, HandlerError, Stored},
    auth,
    body::Body,
    call::Call,
    calls::CallLimits,
    listener::Listeners,
    route::{Handler, Route},
};

/// A route of this generation.
///
/// # Errors
/// A pattern, method or capability that does not do.
pub fn route(
    plugins: &Arc<Plugins>,
    generation: &Arc<Generation>,
    spec: &RouteSpec,
    object: HttpBox,
) -> Result<Route, Failure> {
    let invalid = |text: String| shim::failure(failure::INVALID, text);
    let own = format!("/api/plugins/{}/", generation.name());
    if !spec.pattern.starts_with(&own) {
        services::need_for(generation, "routes", &format!("the route {} outside {own}", spec.pattern))?;
    }
    let method =
        Method::from_bytes(spec.method.as_bytes()).map_err(|_| invalid(format!("method {:?}", spec.method)))?;
    let mut listeners: Option<Listeners> = None;
    for listener in &spec.listeners {
        use message::Listener;
        let one = match listener {
            Listener::MartiHttp => Listeners::MARTI_HTTP,
            Listener::MartiHttps => Listeners::MARTI_HTTPS,
            Listener::Enrollment => Listeners::ENROLLMENT,
            Listener::Rest => Listeners::REST,
            Listener::Admin => Listeners::ADMIN,
            Listener::Own(name) => Listeners::own(name),
        };
        let guarded = matches!(listener, Listener::Enrollment | Listener::Rest | Listener::Admin);
        if spec.auth == message::Auth::Open && guarded && !spec.pattern.starts_with(&own) {
            services::need_for(generation, "open-routes", &format!("the open route {}", spec.pattern))?;
        }
        listeners = Some(match listeners {
            Some(all) => all | one,
            None => one,
        });
    }
    let listeners = listeners.ok_or_else(|| invalid(format!("the route {} has no listener", spec.pattern)))?;
    let auth = match spec.auth {
        message::Auth::Open => auth::Auth::Open,
        message::Auth::User => auth::Auth::User,
        message::Auth::Login => auth::Auth::Login,
        message::Auth::Scope(scope) => auth::Auth::Scope(scope_of(scope)),
        message::Auth::Admin => auth::Auth::RoleAdmin,
    };
    let tag = Tag::of(generation.name(), &format!("{} {}", spec.method, spec.pattern));
    let bridge = Bridge { plugins: plugins.clone(), generation: generation.clone(), object: Arc::new(object), tag };
    Route::new(method, &spec.pattern, listeners, auth, Arc::new(bridge)).map_err(|e| invalid(e.to_string()))
}

fn scope_of(scope: message::Scope) -> auth::Scope {
    match scope {
        message::Scope::Read => auth::Scope::Read,
        message::Scope::Write => auth::Scope::Write,
        message::Scope::Admin => auth::Scope::Admin,
    }
}

struct Bridge {
    plugins: Arc<Plugins>,
    generation: Arc<Generation>,
    object: Arc<HttpBox>,
    tag: &'static Tag,
}

impl Handler for Bridge {
    fn limits(&self) -> Arc<CallLimits> {
        self.generation.plugin.calls.clone()
    }

    fn handle(&self, call: Call) -> Result<Answer, HandlerError> {
        if !self.generation.alive() {
            return Err(HandlerError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("the plugin {} is restarting", self.generation.name()),
            ));
        }
        let head = message::pack(&head(&call));
        let body = abi::Body_TO::from_value(Received(call.body), TD_Opaque);
        let entered = guard::enter(self.tag, Doing::default());
        let began = Instant::now();
        let reply = self.object.handle(head.as_slice().into(), body);
        drop(entered);
        metrics::histogram!("fts_plugin_call_seconds", "plugin" => self.generation.name().to_string())
            .record(began.elapsed().as_secs_f64());
        match reply {
            ROk(reply) => self.answer(reply),
            RErr(failure) => Err(self.failed(&failure)),
        }
    }
}

impl Bridge {
    fn failed(&self, failure: &Failure) -> HandlerError {
        if failure.code == failure::PANICKED {
            note_panic(&self.plugins, &self.generation, self.tag, failure);
        } else {
            tracing::warn!(event = "plugin.failed_call", plugin = %self.generation.name(), handler = self.tag.handler, "{}", failure.message);
        }
        HandlerError::internal(format!("the plugin {} made a mistake", self.generation.name()))
    }

    fn answer(&self, reply: abi::Reply) -> Result<Answer, HandlerError> {
        let bad =
            |what: &str| HandlerError::internal(format!("the plugin {} answered with {what}", self.generation.name()));
        let head: ResponseHead = message::unpack(&reply.head).map_err(|e| bad(&e.to_string()))?;
        let status = StatusCode::from_u16(head.status).map_err(|_| bad("a status that is none"))?;
        if let Some(text) = head.error {
            return Err(HandlerError::new(status, text));
        }
        let content = if let RSome(pull) = reply.pull {
            Content::Pull(Box::new(Pieces {
                pull,
                plugins: self.plugins.clone(),
                generation: self.generation.clone(),
                tag: self.tag,
                over: false,
            }))
        } else if let Some(file) = &head.file {
            Content::File(self.own_file(file)?)
        } else if reply.bytes.is_empty() {
            Content::Empty
        } else {
            Content::Bytes(Bytes::from(Vec::from(reply.bytes)))
        };
        let mut answer = Answer { status, headers: axum::http::HeaderMap::new(), content };
        for (name, value) in &head.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("a header whose name is none"))?;
            let value = HeaderValue::from_str(value).map_err(|_| bad("a header whose value is none"))?;
            answer.headers.append(name, value);
        }
        Ok(answer)
    }

    /// A file below the plugin's own folder, and nothing else.
    fn own_file(&self, path: &str) -> Result<Stored, HandlerError> {
        let path = std::path::Path::new(path);
        if path.components().any(|c| !matches!(c, Component::Normal(_) | Component::CurDir)) {
            return Err(HandlerError::internal("the file of the answer is not below the plugin's folder"));
        }
        let whole = self.plugins.data_of(self.generation.name()).join(path);
        Stored::open(&whole, None).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => HandlerError::not_found("no such file"),
            _ => HandlerError::internal(format!("{}: {e}", path.display())),
        })
    }
}

fn note_panic(plugins: &Arc<Plugins>, generation: &Generation, tag: &Tag, failure: &Failure) {
    let panic = Panic {
        handler: tag.handler.to_owned(),
        message: failure.message.to_string(),
        place: failure.place.to_string(),
    };
    plugins.panicked(&generation.plugin, &panic);
}

fn head(call: &Call) -> RequestHead {
    let own = |fields: &crate::http::call::Fields| {
        fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let headers = call.headers.iter();
    let headers = headers.map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()));
    let who = &call.identity;
    let scopes = [
        (auth::Scope::Read, message::Scope::Read),
        (auth::Scope::Write, message::Scope::Write),
        (auth::Scope::Admin, message::Scope::Admin),
    ];
    let text = |name: &Option<Arc<str>>| name.as_deref().unwrap_or("").to_owned();
    RequestHead {
        method: call.method.to_string(),
        path: call.path.clone(),
        params: own(&call.params),
        query: own(&call.query),
        headers: headers.collect(),
        peer: call.peer.map_or_else(|| "local".to_owned(), |p| p.to_string()),
        listener: call.listener.name().to_owned(),
        host: call.host.clone().unwrap_or_default(),
        scheme: call.scheme.to_owned(),
        identity: message::Identity {
            user: text(&who.user),
            cert_cn: text(&who.cert_cn),
            role: match who.role {
                auth::Role::Admin => message::Role::Admin,
                _ if who.user.is_none() && who.cert_cn.is_none() => message::Role::Anonymous,
                auth::Role::User => message::Role::User,
                auth::Role::ReadOnly => message::Role::Readonly,
            },
            groups_in: who.groups_in.clone(),
            groups_out: who.groups_out.clone(),
            scopes: scopes.into_iter().filter(|(s, _)| who.scopes.has(*s)).map(|(_, s)| s).collect(),
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A body that was received.
struct Received(Body);

impl abi::Body for Received {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read(&mut self, mut into: RSliceMut<'_, u8>) -> RResult<usize, Failure> {
        self.0.read(into.as_mut_slice()).map_err(|e| shim::failure(failure::OTHER, e.to_string())).into()
    }

    fn spooled(&mut self) -> RResult<RVec<u8>, Failure> {
        let path = self.0.path().map(|p| p.display().to_string());
        ROk(message::pack(&Spooled { path, sha256: hex(self.0.sha256()), len: self.0.len() }).into())
    }
}

/// The pieces of an answer, each pulled under the guard.
struct Pieces {
    pull: PullBox,
    plugins: Arc<Plugins>,
    generation: Arc<Generation>,
    tag: &'static Tag,
    over: bool,
}

impl Iterator for Pieces {
    type Item = Result<Bytes, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        if !self.generation.alive() {
            self.over = true;
            return Some(Err(format!("the plugin {} has ended", self.generation.name())));
        }
        let entered = guard::enter(self.tag, Doing::default());
        let piece = self.pull.next();
        drop(entered);
        match piece {
            ROk(RSome(piece)) => Some(Ok(Bytes::from(Vec::from(piece)))),
            ROk(RNone) => {
                self.over = true;
                None
            }
            RErr(failure) => {
                self.over = true;
                if failure.code == failure::PANICKED {
                    note_panic(&self.plugins, &self.generation, self.tag, &failure);
                }
                Some(Err(failure.message.to_string()))
            }
        }
    }
}
