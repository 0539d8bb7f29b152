//! [`Registrar`]: the only place to register handlers. It exists while `start` runs; the server records everything and
//! undoes it when the plugin stops.
use std::{fmt::Display, sync::Mutex, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

use super::{
    Auth, Cx, Delivery, Error, Event, Filter, Held, Host, HttpError, LinkEvent, Listeners, Method, Request, Response,
    Result, Route, Scope, Service, Verdict, held,
};
use crate::{
    abi::{self, Failure, TD_Opaque, failure},
    cot::Cot,
    message::{self, Band, CallerKind, CallerSpec, ClientEvent, InterceptSpec, ObserveSpec, RouteSpec},
    shim::{self, BatchFn, CallFn, HttpFn, InterceptFn, ObserveFn},
};

/// What an observer, timer or the like may return: nothing, or an error that is logged.
pub trait Outcome {
    /// The error's text.
    fn outcome(self) -> Result<(), String>;
}

impl Outcome for () {
    fn outcome(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> Outcome for Result<(), E> {
    fn outcome(self) -> Result<(), String> {
        self.map_err(|e| e.to_string())
    }
}

/// How an observer is given events.
#[derive(Clone, Debug)]
pub struct Observer {
    filter: Filter,
    delivery: Delivery,
    coalesce: bool,
}

impl Observer {
    /// The newest event of each uid; what is too much is dropped.
    pub fn latest(filter: impl Into<Filter>) -> Self {
        Self { filter: filter.into(), delivery: Delivery::Latest, coalesce: true }
    }

    /// No reliable event is lost, not even in a crash: then it comes again (`route.replayed`).
    pub fn reliable(filter: impl Into<Filter>) -> Self {
        Self { delivery: Delivery::Reliable, ..Self::latest(filter) }
    }

    /// Every position, also when the plugin is behind.
    #[must_use]
    pub fn every_position(mut self) -> Self {
        self.coalesce = false;
        self
    }
}

/// See the file's head. A registration that fails makes the start fail, with its text.
pub struct Registrar<'a> {
    host: &'a Host,
    failed: Option<Error>,
}

impl<'a> Registrar<'a> {
    pub(crate) fn new(host: &'a Host) -> Self {
        Self { host, failed: None }
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.arrivals();
        self.failed.map_or(Ok(()), Err)
    }

    /// What [`super::History::notify`] waits for. A server that does not know it refuses; `notify` says so then.
    fn arrivals(&mut self) {
        let host = self.host.clone();
        let handler = CallFn::new("arrived".to_owned(), move |args: &[u8]| {
            let invalid = |e: message::Unreadable| shim::failure(failure::INVALID, e.to_string());
            let message::Arrived { number, stored } = message::unpack(args).map_err(invalid)?;
            if let Some(tell) = host.awaited().take(number) {
                tell(stored);
            }
            Ok(message::pack(&()))
        });
        let what = message::pack(&CallerSpec { kind: CallerKind::Arrived });
        let _ = self.host.raw().caller(what.as_slice().into(), abi::Caller_TO::from_value(handler, TD_Opaque));
    }

    fn done(&mut self, result: abi::RResult<(), Failure>) {
        if let abi::RResult::RErr(failure) = result {
            self.failed.get_or_insert(failure.into());
        }
    }

    /// Looks at events on the sender's task, before addressing. Quick, never blocking; of [`Host`] only memory works.
    pub fn intercept<F>(&mut self, filter: impl Into<Filter>, band: Band, f: F)
    where
        F: Fn(&Event<'_>, &Cx<'_>) -> Verdict + Send + Sync + 'static,
    {
        self.intercept_at(filter, band, 0, f);
    }

    /// The same with a priority: high first within the band.
    pub fn intercept_at<F>(&mut self, filter: impl Into<Filter>, band: Band, priority: i32, f: F)
    where
        F: Fn(&Event<'_>, &Cx<'_>) -> Verdict + Send + Sync + 'static,
    {
        self.intercepting(String::new(), filter.into(), band, priority, f);
    }

    /// The same with a key (once in a plugin): [`Host::listen_to`] changes its filter while the plugin runs. An event that
    /// it does not listen to costs nothing; with [`super::nothing`] it is not asked at all.
    pub fn intercept_keyed<F>(&mut self, key: &str, filter: impl Into<Filter>, band: Band, priority: i32, f: F)
    where
        F: Fn(&Event<'_>, &Cx<'_>) -> Verdict + Send + Sync + 'static,
    {
        self.intercepting(key.to_owned(), filter.into(), band, priority, f);
    }

    fn intercepting<F>(&mut self, key: String, filter: Filter, band: Band, priority: i32, f: F)
    where
        F: Fn(&Event<'_>, &Cx<'_>) -> Verdict + Send + Sync + 'static,
    {
        let handler = InterceptFn::new(
            format!("intercept {}", if key.is_empty() { filter.name() } else { key.clone() }),
            move |event: &Event<'_>, source: &super::Source<'_>| {
                let cx = Cx::new(source);
                let verdict = f(event, &cx);
                cx.judge(verdict)
            },
        );
        let Filter { types, details, own } = filter;
        let what = InterceptSpec { types, details, band, priority, own, key };
        let done = self
            .host
            .raw()
            .intercept(message::pack(&what).as_slice().into(), abi::Intercept_TO::from_value(handler, TD_Opaque));
        self.done(done);
    }

    /// Sees events after they were routed, in order, on the plugin's worker.
    pub fn observe<F, O>(&mut self, observer: Observer, mut f: F)
    where
        F: FnMut(&Event<'_>, &Route<'_>) -> O + Send + 'static,
        O: Outcome,
    {
        let Observer { filter, delivery, coalesce } = observer;
        let handler =
            ObserveFn::new(format!("observe {}", filter.name()), move |event: &Event<'_>, route: &Route<'_>| {
                f(event, route).outcome()
            });
        let what = ObserveSpec {
            types: filter.types,
            details: filter.details,
            delivery,
            own: filter.own,
            coalesce,
            held: false,
        };
        self.observer(&what, handler);
    }

    /// Takes events of destinations bound in Hold mode, in order, on the plugin's worker.
    pub fn held<F, O>(&mut self, mut f: F)
    where
        F: FnMut(Held<'_>) -> O + Send + 'static,
        O: Outcome,
    {
        let host = self.host.clone();
        let handler = ObserveFn::new("held", move |event: &Event<'_>, route: &Route<'_>| {
            f(Held { host: &host, event, route, over: false }).outcome()
        });
        let (types, details) = (vec!["*".to_owned()], Vec::new());
        let what = ObserveSpec { types, details, delivery: Delivery::Reliable, own: true, coalesce: true, held: true };
        self.observer(&what, handler);
    }

    /// The same, as many at once as wait (at most 256): one transaction can cover them, and with it one commit. Release
    /// each behind the transaction, in order; what is left in the list goes nowhere. While they come fast the server lets
    /// them gather: three times as long as the last batch took, 4 ms at most.
    pub fn held_batch<F, O>(&mut self, mut f: F)
    where
        F: FnMut(Vec<Held<'_>>) -> O + Send + 'static,
        O: Outcome,
    {
        let host = self.host.clone();
        let handler = BatchFn::new("held", move |events: &abi::ObservedRef<'_>, which: &[usize]| {
            held::with_batch(&host, events, which, |all| f(all).outcome())
        });
        let (types, details) = (vec!["*".to_owned()], Vec::new());
        let what = ObserveSpec { types, details, delivery: Delivery::Reliable, own: true, coalesce: true, held: true };
        self.observer(&what, handler);
    }

    fn observer(&mut self, what: &ObserveSpec, handler: impl abi::Observe + 'static) {
        let handler = abi::Observe_TO::from_value(handler, TD_Opaque);
        let done = self.host.raw().observe(message::pack(what).as_slice().into(), handler);
        self.done(done);
    }

    /// Answers requests; called from several threads at once.
    pub fn route<F, R>(&mut self, method: Method, pattern: &str, listeners: Listeners, auth: Auth, f: F)
    where
        F: Fn(&mut Request) -> Result<R, HttpError> + Send + Sync + 'static,
        R: Into<Response>,
    {
        let handler =
            HttpFn::new(format!("{method} {pattern}"), move |request: &mut Request| f(request).map(Into::into));
        let what =
            RouteSpec { method: method.to_owned(), pattern: pattern.to_owned(), listeners: listeners.named(), auth };
        let handler = abi::Http_TO::from_value(handler, TD_Opaque);
        let done = self.host.raw().route(message::pack(&what).as_slice().into(), handler);
        self.done(done);
    }

    /// Every so often, on the plugin's worker; at most one tick waits.
    pub fn every<F, O>(&mut self, period: Duration, f: F)
    where
        F: FnMut() -> O + Send + 'static,
        O: Outcome,
    {
        let ms = u64::try_from(period.as_millis()).unwrap_or(u64::MAX).max(1);
        self.timer(CallerKind::Every(ms), f);
    }

    /// Once at this time (ms UTC), on the plugin's worker.
    pub fn at<F, O>(&mut self, when: i64, f: F)
    where
        F: FnMut() -> O + Send + 'static,
        O: Outcome,
    {
        self.timer(CallerKind::At(when), f);
    }

    fn timer<F, O>(&mut self, kind: CallerKind, f: F)
    where
        F: FnMut() -> O + Send + 'static,
        O: Outcome,
    {
        let f = Mutex::new(f);
        self.call(kind, "timer", move |()| f.lock().unwrap_or_else(std::sync::PoisonError::into_inner)().outcome());
    }

    /// What happens to connections, on the plugin's worker. What is returned for `Ready` and `Identified`
    /// is sent to that client alone. `Ready` may come first, with an empty uid: a client is shown who is there as soon as it
    /// connects (`cot.replay_at`).
    pub fn clients<F>(&mut self, f: F)
    where
        F: FnMut(&ClientEvent) -> Vec<Cot> + Send + 'static,
    {
        let f = Mutex::new(f);
        self.call(CallerKind::Clients, "clients", move |event: ClientEvent| {
            let events = f.lock().unwrap_or_else(std::sync::PoisonError::into_inner)(&event);
            Ok::<_, String>(events.iter().map(|e| ByteBuf::from(e.text().to_vec())).collect::<Vec<_>>())
        });
    }

    /// What happens to links, on the plugin's worker.
    pub fn links<F, O>(&mut self, f: F)
    where
        F: FnMut(LinkEvent) -> O + Send + 'static,
        O: Outcome,
    {
        let f = Mutex::new(f);
        self.call(CallerKind::Links, "links", move |event: LinkEvent| {
            f.lock().unwrap_or_else(std::sync::PoisonError::into_inner)(event).outcome()
        });
    }

    /// `/v2/<context>/<action>` of the FTS REST API.
    pub fn action<F>(&mut self, context: &str, action: &str, scope: Scope, f: F)
    where
        F: Fn(serde_json::Value) -> Result<serde_json::Value> + Send + Sync + 'static,
    {
        let kind = CallerKind::Action { context: context.to_owned(), action: action.to_owned(), scope };
        self.call(kind, &format!("action {context}/{action}"), json(f));
    }

    /// A Socket.IO event of the FTS REST API.
    pub fn socket_event<F>(&mut self, name: &str, f: F)
    where
        F: Fn(serde_json::Value) -> Result<serde_json::Value> + Send + Sync + 'static,
    {
        self.call(CallerKind::SocketEvent(name.to_owned()), &format!("socket event {name}"), json(f));
    }

    /// What other plugins may [`Host::call`].
    pub fn service<F>(&mut self, f: F)
    where
        F: Fn(&str, &[u8]) -> Result<Vec<u8>> + Send + Sync + 'static,
    {
        self.call(CallerKind::Service, "service", move |(method, args): (String, ByteBuf)| {
            f(&method, &args).map(ByteBuf::from)
        });
    }

    /// A typed service; one plugin provides it.
    pub fn provide<S, F>(&mut self, f: F)
    where
        S: Service + 'static,
        F: Fn(S::Ask) -> Result<S::Answer> + Send + Sync + 'static,
    {
        self.call(CallerKind::Provide(S::NAME.to_owned()), &format!("service {}", S::NAME), f);
    }

    /// What is published under this topic, on the plugin's worker.
    pub fn subscribe<F, O>(&mut self, topic: &str, f: F)
    where
        F: FnMut(&[u8]) -> O + Send + 'static,
        O: Outcome,
    {
        let f = Mutex::new(f);
        self.call(CallerKind::Subscribe(topic.to_owned()), &format!("topic {topic}"), move |bytes: ByteBuf| {
            f.lock().unwrap_or_else(std::sync::PoisonError::into_inner)(&bytes).outcome()
        });
    }

    pub(super) fn call<A, B, E, F>(&mut self, kind: CallerKind, name: &str, f: F)
    where
        A: DeserializeOwned,
        B: Serialize,
        E: Into<Error>,
        F: Fn(A) -> Result<B, E> + Send + Sync + 'static,
    {
        let handler = CallFn::new(name.to_owned(), move |args: &[u8]| {
            let args = message::unpack(args).map_err(|e| shim::failure(failure::INVALID, e.to_string()))?;
            f(args).map(|answer| message::pack(&answer)).map_err(|e| Failure::from(e.into()))
        });
        let what = message::pack(&CallerSpec { kind });
        let done = self.host.raw().caller(what.as_slice().into(), abi::Caller_TO::from_value(handler, TD_Opaque));
        self.done(done);
    }
}

/// JSON text in, JSON text out.
fn json<F>(f: F) -> impl Fn(String) -> Result<String>
where
    F: Fn(serde_json::Value) -> Result<serde_json::Value>,
{
    move |text: String| Ok(f(serde_json::from_str(&text)?)?.to_string())
}
