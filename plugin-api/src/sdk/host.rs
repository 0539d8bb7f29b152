//! [`Host`]: everything a plugin may call. Cheap to clone, usable from any thread, dead once the generation is over.
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{Certs, Clients, Error, Files, History, Kv, Links, Result, Sender, Tokens, Users, sql::Sql};
use crate::{
    abi::{HostBox, RResult},
    message::{self, Hello, Level, Metric, MetricKind, Panic, ServerInfo, Status, op},
    shim::guard,
};

/// See the file's head.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    raw: HostBox,
    hello: Hello,
    threads: Mutex<Vec<JoinHandle<()>>>,
    awaited: Awaited,
}

/// Told whether an event was stored.
pub(super) type Tell = Box<dyn FnOnce(bool) + Send>;

/// Who waits for a stored event, by number.
#[derive(Default)]
pub(super) struct Awaited(Mutex<(u64, HashMap<u64, Tell>)>);

impl Awaited {
    fn lock(&self) -> MutexGuard<'_, (u64, HashMap<u64, Tell>)> {
        // Plain data: whoever panicked left it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn put(&self, tell: Tell) -> u64 {
        let mut all = self.lock();
        all.0 += 1;
        let number = all.0;
        all.1.insert(number, tell);
        number
    }

    pub fn take(&self, number: u64) -> Option<Tell> {
        self.lock().1.remove(&number)
    }
}

impl Host {
    /// Says hello to the host behind this object.
    ///
    /// # Errors
    /// What it answers.
    pub fn greet(raw: HostBox) -> Result<Self> {
        let hello = ask(&raw, op::HELLO, &())?;
        Ok(Self { inner: Arc::new(Inner { raw, hello, threads: Mutex::default(), awaited: Awaited::default() }) })
    }

    pub(crate) fn raw(&self) -> &HostBox {
        &self.inner.raw
    }

    pub(crate) fn hello(&self) -> &Hello {
        &self.inner.hello
    }

    pub(super) fn awaited(&self) -> &Awaited {
        &self.inner.awaited
    }

    /// One operation; see [`op`].
    pub(crate) fn ask<T: DeserializeOwned>(&self, operation: &str, args: &impl Serialize) -> Result<T> {
        ask(&self.inner.raw, operation, args)
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        &self.hello().name
    }

    /// About the server, as it was at the start of the plugin.
    pub fn server(&self) -> &ServerInfo {
        &self.hello().server
    }

    /// What [`super::Plugin::save`] of the generation before returned.
    pub fn saved(&self) -> Option<&[u8]> {
        self.hello().saved.as_ref().map(|b| &b[..])
    }

    /// Sending events.
    pub fn cot(&self) -> Sender<'_> {
        Sender(self)
    }

    /// Who is there.
    pub fn clients(&self) -> Clients<'_> {
        Clients(self)
    }

    /// The plugin's own database.
    pub fn sql(&self) -> Sql<'_> {
        Sql(self)
    }

    /// Small values that outlive the plugin.
    pub fn kv(&self) -> Kv<'_> {
        Kv(self)
    }

    /// Newest events; what newcomers are shown.
    pub fn history(&self) -> History<'_> {
        History(self)
    }

    /// Stored files.
    pub fn files(&self) -> Files<'_> {
        Files(self)
    }

    /// Connections whose sockets the server owns.
    pub fn links(&self) -> Links<'_> {
        Links(self)
    }

    /// Accounts, roles and groups.
    pub fn users(&self) -> Users<'_> {
        Users(self)
    }

    /// Client certificates.
    pub fn certs(&self) -> Certs<'_> {
        Certs(self)
    }

    /// Random secrets and passwords.
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens(self)
    }

    /// ms UTC.
    pub fn now(&self) -> i64 {
        self.inner.raw.now()
    }

    /// A random uuid.
    pub fn uuid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    /// The plugin's own folder, only for it.
    ///
    /// # Errors
    /// The folder could not be made.
    pub fn dir(&self) -> Result<PathBuf> {
        self.ask::<String>(op::DIR, &()).map(PathBuf::from)
    }

    /// How the plugin fares; an error stays until it says otherwise.
    pub fn status(&self, level: Level, text: impl Into<String>) {
        // A generation that is over has no status.
        let _ = self.ask::<()>(op::STATUS, &Status { level, text: text.into() });
    }

    /// Adds to the counter `fts_<plugin>_<name>`.
    pub fn count(&self, name: &str, labels: &[(&str, &str)], by: u64) {
        self.metric(MetricKind::Counter, name, labels, by as f64);
    }

    /// Sets the gauge `fts_<plugin>_<name>`.
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.metric(MetricKind::Gauge, name, labels, value);
    }

    /// Records into the histogram `fts_<plugin>_<name>`.
    pub fn record(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.metric(MetricKind::Histogram, name, labels, value);
    }

    fn metric(&self, kind: MetricKind, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        // A generation that is over counts nothing.
        let _ = self.ask::<()>(op::METRIC, &Metric { kind, name: name.to_owned(), value, labels });
    }

    /// From now on the intercept with this key ([`super::Registrar::intercept_keyed`]) is asked about these events and no
    /// others. Whoever is routing an event at this moment may still have the filter of before.
    ///
    /// # Errors
    /// `NotFound`: no intercept has this key; `InIntercept`, `InTransaction`, `Gone`.
    pub fn listen_to(&self, key: &str, filter: impl Into<super::Filter>) -> Result<()> {
        let super::Filter { types, details, own } = filter.into();
        self.ask(op::LISTEN, &message::Listen { key: key.to_owned(), types, details, own })
    }

    /// Tells whoever subscribed to this topic; returns how many.
    ///
    /// # Errors
    /// `InIntercept`, `InTransaction`, `Gone`.
    pub fn publish(&self, topic: &str, bytes: &[u8]) -> Result<usize> {
        let bytes = serde_bytes::ByteBuf::from(bytes);
        self.ask(op::PUBLISH, &message::Bus { topic: topic.to_owned(), bytes })
    }

    /// A thread whose panics are reported; joined when the plugin stops, so let it end then.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn spawn(&self, name: &str, f: impl FnOnce() + Send + 'static) -> Result<()> {
        let (host, handler) = (self.clone(), format!("thread {name}"));
        let run = move || {
            if let Err(panic) = guard(&handler, f) {
                let _ = host.ask::<()>(op::PANICKED, &panic);
            }
        };
        // The name of a thread may not hold a zero byte.
        let name = format!("{}-{name}", self.name()).replace('\0', "");
        let thread = std::thread::Builder::new().name(name).spawn(run)?;
        let mut threads = self.inner.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        threads.retain(|t| !t.is_finished());
        threads.push(thread);
        Ok(())
    }

    /// Waits for the threads of [`Host::spawn`], no longer than this.
    pub(crate) fn join_threads(&self, limit: Duration) {
        let until = Instant::now() + limit;
        let threads =
            std::mem::take(&mut *self.inner.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for thread in threads {
            while !thread.is_finished() && Instant::now() < until {
                std::thread::park_timeout(Duration::from_millis(2));
            }
            if thread.is_finished() {
                let _ = thread.join();
            } else {
                let name = thread.thread().name().unwrap_or("?").to_owned();
                let panic = Panic {
                    handler: format!("thread {name}"),
                    message: "is still running after stop".into(),
                    place: String::new(),
                };
                let _ = self.ask::<()>(op::PANICKED, &panic);
            }
        }
    }
}

fn ask<T: DeserializeOwned>(raw: &HostBox, operation: &str, args: &impl Serialize) -> Result<T> {
    match raw.call(operation.into(), message::pack(args).as_slice().into()) {
        RResult::ROk(answer) => Ok(message::unpack(answer.as_slice())?),
        RResult::RErr(failure) => Err(failure.into()),
    }
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Error::new(text)
    }
}
