//! What the server and other plugins ask of the plugin under test, and what stands for other plugins it asks.
use std::{collections::HashMap, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;
use serde_json::Value;

use super::{MockHost, state::Shared, worker::Job};
use crate::{
    abi::{Failure, failure},
    message::{self, CallerKind, Deletion, HistoryAsk, MayRead, ServiceCall, Status, StoredEvent},
    sdk::{Error, Result, Service},
    shim,
};

type Fake = Arc<dyn Fn(&str, &[u8]) -> Result<Vec<u8>> + Send + Sync>;

/// Plugins that are not really there.
#[derive(Default)]
pub(super) struct Fakes {
    services: HashMap<&'static str, Fake>,
    plugins: HashMap<String, Fake>,
}

impl Fakes {
    pub fn provide<S: Service + 'static>(&mut self, f: impl Fn(S::Ask) -> Result<S::Answer> + Send + Sync + 'static) {
        let fake: Fake = Arc::new(move |_, args| Ok(message::pack(&f(message::unpack(args)?)?)));
        self.services.insert(S::NAME, fake);
    }

    pub fn plugin(&mut self, name: String, f: impl Fn(&str, &[u8]) -> Result<Vec<u8>> + Send + Sync + 'static) {
        self.plugins.insert(name, Arc::new(f));
    }

    pub fn has(&self, name: &str) -> bool {
        self.services.contains_key(name) || self.plugins.contains_key(name)
    }
}

impl Shared {
    /// The plugin calls another one.
    pub fn call_fake(&self, call: ServiceCall) -> Result<Vec<u8>, Failure> {
        let ServiceCall { plugin, service, method, args } = call;
        let fake = {
            let state = self.lock();
            let own = CallerKind::Provide(service.clone());
            if plugin == self.name || state.handlers.callers.iter().any(|c| c.kind == own) {
                return Err(shim::failure(failure::CYCLE, "a plugin does not call itself"));
            }
            if service.is_empty() { state.fakes.plugins.get(&plugin) } else { state.fakes.services.get(&*service) }
                .cloned()
        };
        let who = if service.is_empty() { &plugin } else { &service };
        let fake = fake.ok_or_else(|| {
            shim::failure(failure::UNAVAILABLE, format!("{who:?} is not there: add it to the builder of the mock"))
        })?;
        fake(&method, &args).map_err(Failure::from)
    }

    /// The plugin publishes; its own subscribers are told by the worker.
    pub fn publish(&self, topic: String, bytes: Vec<u8>) -> usize {
        let mut state = self.lock();
        let kind = CallerKind::Subscribe(topic.clone());
        let subscribers = state.handlers.callers.iter().filter(|c| c.kind == kind).count();
        if subscribers > 0 {
            state.queue.push_back(Job::Topic { topic: topic.clone(), bytes: bytes.clone() });
        }
        state.published.push((topic, bytes));
        subscribers
    }
}

impl MockHost {
    /// Another plugin calls the plugin's [`crate::sdk::Registrar::service`].
    ///
    /// # Errors
    /// The plugin's; `NotFound` when it has none.
    pub fn call(&self, method: &str, args: &[u8]) -> Result<Vec<u8>> {
        let args = (method, ByteBuf::from(args));
        self.one::<_, ByteBuf>(&args, &CallerKind::Service).map(ByteBuf::into_vec)
    }

    /// Another plugin asks a typed service that the plugin provides.
    ///
    /// # Errors
    /// As [`MockHost::call`].
    pub fn ask<S: Service>(&self, ask: &S::Ask) -> Result<S::Answer> {
        self.one(ask, &CallerKind::Provide(S::NAME.to_owned()))
    }

    /// `/v2/<context>/<action>`.
    ///
    /// # Errors
    /// As [`MockHost::call`].
    pub fn action(&self, context: &str, action: &str, args: &Value) -> Result<Value> {
        let found = self.shared.lock().handlers.callers.iter().find_map(|c| match &c.kind {
            kind @ CallerKind::Action { context: c, action: a, .. } if c == context && a == action => {
                Some(kind.clone())
            }
            _ => None,
        });
        let kind = found.ok_or_else(|| Error::not_found(format!("no action {context}/{action}")))?;
        Ok(serde_json::from_str(&self.one::<_, String>(&args.to_string(), &kind)?)?)
    }

    /// A Socket.IO event.
    ///
    /// # Errors
    /// As [`MockHost::call`].
    pub fn socket_event(&self, name: &str, args: &Value) -> Result<Value> {
        let kind = CallerKind::SocketEvent(name.to_owned());
        Ok(serde_json::from_str(&self.one::<_, String>(&args.to_string(), &kind)?)?)
    }

    /// Events of a uid that the plugin keeps itself.
    ///
    /// # Errors
    /// As [`MockHost::call`].
    pub fn history(&self, ask: &HistoryAsk) -> Result<Vec<StoredEvent>> {
        self.one(ask, &CallerKind::HistorySource)
    }

    /// A stored file is about to go; Some = why it must stay.
    ///
    /// # Errors
    /// As [`MockHost::call`].
    pub fn before_delete(&self, sha256: &str) -> Result<Option<String>> {
        self.one(&sha256, &CallerKind::BeforeDelete)
    }

    /// The server asks whether the last file with a content may go, as [`crate::sdk::Registrar::deletion`] is asked; Some =
    /// it must stay, and why.
    ///
    /// # Errors
    /// The plugin's; `NotFound` when it has no such handler.
    pub fn deletion(&self, deletion: &Deletion) -> Result<Option<String>> {
        self.one(deletion, &CallerKind::Deletion)
    }

    /// The server asks whether somebody may have a file whose groups it is not in.
    ///
    /// # Errors
    /// As [`MockHost::call`].
    pub fn file_reader(&self, ask: &MayRead) -> Result<bool> {
        self.one(ask, &CallerKind::MayRead)
    }

    /// Rows of an FTS installation.
    ///
    /// # Errors
    /// As [`MockHost::call`].
    pub fn import(&self, section: &str, rows: &Value) -> Result<Value> {
        let report: String = self.one(&(section, rows.to_string()), &CallerKind::Import)?;
        Ok(serde_json::from_str(&report)?)
    }

    /// How it says it fares.
    ///
    /// # Errors
    /// As [`MockHost::call`].
    pub fn health(&self) -> Result<Status> {
        self.one(&(), &CallerKind::Health)
    }

    /// Another plugin publishes under this topic.
    pub fn publish(&self, topic: &str, bytes: &[u8]) {
        let job = Job::Topic { topic: topic.to_owned(), bytes: bytes.to_vec() };
        self.shared.lock().queue.push_back(job);
        self.settle();
    }

    /// What the plugin has published: topic and bytes.
    pub fn published(&self) -> Vec<(String, Vec<u8>)> {
        self.shared.lock().published.clone()
    }

    fn one<A: Serialize, B: DeserializeOwned>(&self, args: &A, kind: &CallerKind) -> Result<B> {
        self.settle();
        if self.is_tripped() {
            return Err(shim::failure(failure::UNAVAILABLE, "the plugin has failed and is stopped").into());
        }
        let answers = self.shared.ask(args, |k| k == kind);
        self.settle();
        let answer = answers.into_iter().next();
        let answer = answer.ok_or_else(|| Error::not_found(format!("the plugin has not registered {kind:?}")))?;
        match answer {
            Ok(bytes) => Ok(message::unpack(&bytes)?),
            Err(failure) => {
                self.shared.failed(&format!("{kind:?}"), &failure);
                Err(failure.into())
            }
        }
    }
}
