//! [`Route`]: one method and pattern on a set of listeners with its handler, whom it belongs to ([`Owner`]) and whether it
//! may be taken ([`Standing`]). Routes are made once and shared; changing one means registering another.
use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use axum::http::Method;

use super::{
    answer::{Answer, HandlerError},
    auth::Auth,
    call::Call,
    calls::CallLimits,
    listener::{Listener, Listeners},
    pattern::{Pattern, PatternError},
};

/// Whom routes belong to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// The server itself.
    Core,
    /// A plugin, by name; all its generations are one owner.
    Plugin(Arc<str>),
}

impl Owner {
    /// A plugin.
    pub fn plugin(name: &str) -> Self {
        Self::Plugin(name.into())
    }

    /// In messages and metrics: `core` or the plugin's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Core => "core",
            Self::Plugin(name) => name,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Answers calls. Runs on a blocking thread, many at once, so it may wait for a database; it must not wait for the client.
pub trait Handler: Send + Sync {
    /// Answers one call.
    ///
    /// # Errors
    /// A refusal for the client.
    fn handle(&self, call: Call) -> Result<Answer, HandlerError>;

    /// How many at once; normally one for all routes of an owner.
    fn limits(&self) -> Arc<CallLimits>;
}

/// Whether somebody else may register the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody.
    Final,
    /// Core only: a plugin may, and while it does this one rests (the empty answers of ../spec/README.md).
    Fallback,
}

/// What a route says about itself, for the OpenAPI document.
#[derive(Clone, Debug, Default)]
pub struct Doc {
    /// One line.
    pub summary: &'static str,
    /// Name, type, required.
    pub query: Vec<(&'static str, &'static str, bool)>,
    /// Status and content type; "" = no body.
    pub answers: Vec<(u16, &'static str)>,
    /// Content type of the body; "" = it takes none.
    pub takes: &'static str,
}

/// One route.
pub struct Route {
    pub(super) method: Method,
    pub(super) pattern: Pattern,
    pub(super) text: Arc<str>,
    pub(super) listeners: Listeners,
    pub(super) auth: Auth,
    pub(super) standing: Standing,
    pub(super) body_limit: u64,
    pub(super) upload: &'static [&'static str],
    pub(super) enrolls: bool,
    pub(super) readers: bool,
    pub(super) doc: Doc,
    pub(super) handler: Arc<dyn Handler>,
    /// Its last answer was long in the making.
    pub(super) long: Arc<AtomicBool>,
}

impl Route {
    /// A final one. A GET route answers HEAD too, unless there is one for HEAD.
    ///
    /// # Errors
    /// The pattern cannot be read, or there is no listener.
    pub fn new(
        method: Method,
        pattern: &str,
        listeners: Listeners,
        auth: Auth,
        handler: Arc<dyn Handler>,
    ) -> Result<Self, RouteError> {
        let parsed = Pattern::parse(pattern);
        let what = || format!("{method} {pattern}");
        let parsed = parsed.map_err(|error| RouteError::Pattern { what: what(), error })?;
        if listeners.is_empty() {
            return Err(RouteError::Nowhere { what: what() });
        }
        Ok(Self {
            method,
            pattern: parsed,
            text: pattern.into(),
            listeners,
            auth,
            standing: Standing::Final,
            body_limit: u64::MAX,
            upload: &[],
            enrolls: false,
            readers: false,
            doc: Doc::default(),
            handler,
            long: Arc::default(),
        })
    }

    /// Makes it a fallback.
    #[must_use]
    pub fn fallback(mut self) -> Self {
        self.standing = Standing::Fallback;
        self
    }

    /// Takes bodies of at most this many bytes, where the listener would take more.
    #[must_use]
    pub fn body_limit(mut self, bytes: u64) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Takes a file, raw or as a part of a form with one of these names.
    #[must_use]
    pub fn upload(mut self, parts: &'static [&'static str]) -> Self {
        self.upload = parts;
        self
    }

    /// A password is enough on the enrollment listener.
    #[must_use]
    pub fn enrolls(mut self) -> Self {
        self.enrolls = true;
        self
    }

    /// Readonly users may call it, too, though it changes something: it is about themselves.
    #[must_use]
    pub fn readers(mut self) -> Self {
        self.readers = true;
        self
    }

    /// With what it says about itself.
    #[must_use]
    pub fn described(mut self, doc: Doc) -> Self {
        self.doc = doc;
        self
    }

    /// Method and pattern, for messages.
    pub(super) fn what(&self) -> String {
        format!("{} {}", self.method, self.pattern)
    }

    /// Where both would answer the same request, and neither gives way.
    pub(super) fn clash(&self, other: &Self) -> Option<Listener> {
        (self.same(other) && self.standing == other.standing).then(|| self.listeners.common(&other.listeners)).flatten()
    }

    /// The other one is a fallback that gives way to this one.
    pub(super) fn takes(&self, fallback: &Self) -> bool {
        self.same(fallback) && self.standing == Standing::Final && fallback.standing == Standing::Fallback
    }

    fn same(&self, other: &Self) -> bool {
        self.method == other.method && self.pattern.shape() == other.pattern.shape()
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({} {})", self.method, self.pattern)
    }
}

/// Why a route is not registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum RouteError {
    #[error("route {what}: {error}")]
    Pattern { what: String, error: PatternError },
    #[error("route {what}: no listener is named for it")]
    Nowhere { what: String },
    #[error("route {what} of {owner}: only routes of the core can be fallbacks")]
    NotCore { what: String, owner: Owner },
    #[error("{owner} and {other} both register {what} on {listener}; disable one of them or change its route")]
    Taken { what: String, owner: Owner, other: Owner, listener: String },
    #[error("{owner} registers {what} twice on {listener}")]
    Twice { what: String, owner: Owner, listener: String },
    #[error("{owner} cannot take {what} on {listener}: it is a fixed route of the core; register another path")]
    Fixed { what: String, owner: Owner, listener: String },
    #[error("route {what} of {owner} cannot stand beside the others: {why}")]
    Ambiguous { what: String, owner: Owner, why: String },
}
