//! [`Native`]: what the core's own endpoints work with, and [`Book`]: how they are registered. An endpoint is a plain
//! function of the two, [`Native`] and [`Call`]; it runs on a blocking thread. Every route names its listeners, whom it
//! lets in and what it answers; the OpenAPI document is made from that (`openapi`).
use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::http::Method;

use super::{
    answer::{Answer, HandlerError},
    auth::Auth,
    call::Call,
    calls::{CallLimits, CallSettings},
    listener::Listeners,
    mux::Mux,
    route::{Doc, Handler, Owner, Route, RouteError},
};
use crate::{
    config::Config,
    files::Files,
    identity::{Accounts, Authority, Certificates},
    route::Router,
    session::Sessions,
    store::{backup::Vault, database::Database, history::History, probe::Probe, setting::Settings},
};

/// The parts of the server an endpoint may use.
#[allow(missing_docs)]
pub struct Native {
    pub running: Arc<ArcSwap<Config>>,
    pub router: Arc<Router>,
    pub sessions: Arc<Sessions>,
    pub mux: Arc<Mux>,
    pub db: Database,
    pub accounts: Arc<Accounts>,
    pub authority: Arc<ArcSwapOption<Authority>>,
    pub certificates: Arc<Certificates>,
    pub history: Arc<History>,
    pub vault: Arc<Vault>,
    pub files: Arc<Files>,
    pub settings: Arc<Settings>,
    pub probe: Arc<Probe>,
    /// Where each listener really is, once it is bound.
    pub bound: OnceLock<Vec<(String, SocketAddr)>>,
}

impl Native {
    /// The configuration of this moment.
    pub fn config(&self) -> Arc<Config> {
        self.running.load_full()
    }
}

/// An endpoint.
pub type Endpoint = fn(&Native, Call) -> Result<Answer, HandlerError>;

/// Collects the core's routes.
pub struct Book {
    native: Arc<Native>,
    limits: Arc<CallLimits>,
    pages: Vec<Page>,
}

/// A route being written down.
pub struct Page {
    method: Method,
    pattern: &'static str,
    listeners: Listeners,
    auth: Auth,
    endpoint: Endpoint,
    body_limit: u64,
    parts: &'static [&'static str],
    enrolls: bool,
    readers: bool,
    doc: Doc,
}

/// Longest body of an endpoint that says nothing else: JSON, XML, text (marti-http.md 2.5).
const BODY: u64 = 1 << 20;

impl Book {
    /// An empty one.
    pub fn new(native: Arc<Native>) -> Self {
        let limits = CallLimits::new(CallSettings { concurrency: 64, ..CallSettings::default() });
        Self { native, limits, pages: Vec::new() }
    }

    /// The configuration at the start: what is switched off is not registered.
    pub fn config(&self) -> Arc<Config> {
        self.native.config()
    }

    /// Another route; what it returns can be told more.
    pub fn on(
        &mut self,
        method: Method,
        pattern: &'static str,
        listeners: Listeners,
        auth: Auth,
        endpoint: Endpoint,
    ) -> &mut Page {
        let doc = Doc::default();
        let (body_limit, parts, enrolls, readers) = (BODY, &[][..], false, false);
        let at = self.pages.len();
        self.pages.push(Page { method, pattern, listeners, auth, endpoint, body_limit, parts, enrolls, readers, doc });
        &mut self.pages[at]
    }

    /// Registers everything.
    ///
    /// # Errors
    /// Two of them are the same: a mistake in the program.
    pub fn register(self) -> Result<(), RouteError> {
        for page in self.pages {
            let handler = Answers { native: self.native.clone(), limits: self.limits.clone(), endpoint: page.endpoint };
            let mut route = Route::new(page.method, page.pattern, page.listeners, page.auth, Arc::new(handler))?;
            route = route.body_limit(page.body_limit).described(page.doc);
            if !page.parts.is_empty() {
                route = route.upload(page.parts);
            }
            if page.enrolls {
                route = route.enrolls();
            }
            if page.readers {
                route = route.readers();
            }
            self.native.mux.register(Owner::Core, route)?;
        }
        Ok(())
    }
}

impl Page {
    /// One line for people.
    pub fn about(&mut self, summary: &'static str) -> &mut Self {
        self.doc.summary = summary;
        self
    }

    /// A query parameter: name, type (`string`, `integer`, `number`, `boolean`), and whether it must be there.
    pub fn query(&mut self, name: &'static str, kind: &'static str, required: bool) -> &mut Self {
        self.doc.query.push((name, kind, required));
        self
    }

    /// An answer it may give: status and content type, "" = no body. Errors of the mux (401, 403, 404, 405, 413, 503)
    /// need not be named.
    pub fn answers(&mut self, status: u16, content_type: &'static str) -> &mut Self {
        self.doc.answers.push((status, content_type));
        self
    }

    /// The content type of its body, and the longest it takes in bytes.
    pub fn takes(&mut self, content_type: &'static str, bytes: u64) -> &mut Self {
        self.doc.takes = content_type;
        self.body_limit = bytes;
        self
    }

    /// Takes files up to the listener's limit, raw or as a part of a form: of the parts with these names the first
    /// that comes, else the first with a file name, is the body; its name and type are in [`Call::part`].
    pub fn upload(&mut self, parts: &'static [&'static str]) -> &mut Self {
        (self.parts, self.body_limit) = (parts, u64::MAX);
        self.doc.takes = "multipart/form-data";
        self
    }

    /// Readonly users may call it, too, though it changes something: it is about themselves (identity.md 7).
    pub fn readers(&mut self) -> &mut Self {
        self.readers = true;
        self
    }

    /// On the enrollment listener a password is enough; everything else wants a Bearer token there (marti-http.md 3.4).
    pub fn enrolls(&mut self) -> &mut Self {
        self.enrolls = true;
        self
    }
}

struct Answers {
    native: Arc<Native>,
    limits: Arc<CallLimits>,
    endpoint: Endpoint,
}

impl Handler for Answers {
    fn handle(&self, call: Call) -> Result<Answer, HandlerError> {
        (self.endpoint)(&self.native, call)
    }

    fn limits(&self) -> Arc<CallLimits> {
        self.limits.clone()
    }
}
