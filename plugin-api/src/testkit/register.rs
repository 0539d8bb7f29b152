//! What a plugin registers while it starts, with the checks the server makes.
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{
    http::Route,
    path::Pattern,
    state::{Caller, Intercept, Observer, Shared, Timer},
};
use crate::{
    abi::{CallerBox, Failure, HttpBox, InterceptBox, ObserveBox, failure},
    message::{self, Auth, CallerKind, CallerSpec, InterceptSpec, Listen, Listener, ObserveSpec, RouteSpec},
    shim,
};

fn invalid(text: impl Into<String>) -> Failure {
    shim::failure(failure::INVALID, text)
}

fn read<T: DeserializeOwned>(what: &[u8]) -> Result<T, Failure> {
    message::unpack(what).map_err(|e| invalid(e.to_string()))
}

impl Shared {
    pub fn add_intercept(&self, what: &[u8], handler: InterceptBox) -> Result<(), Failure> {
        let spec: InterceptSpec = read(what)?;
        if spec.key.is_empty() {
            check_filter(&spec.types, &spec.details)?;
        }
        let mut state = self.lock();
        state.may("intercept")?;
        if !spec.key.is_empty() && state.handlers.intercepts.iter().any(|i| i.spec.key == spec.key) {
            return Err(invalid(format!("two intercepts have the key {:?}", spec.key)));
        }
        let key = |i: &Intercept| (i.spec.band, std::cmp::Reverse(i.spec.priority));
        state.handlers.intercepts.push(Arc::new(Intercept { spec, handler: Arc::new(handler) }));
        // Stable: equals stay in the order they were registered.
        state.handlers.intercepts.sort_by_key(|i| key(i));
        Ok(())
    }

    /// An intercept with a key listens to something else from now on.
    pub fn listen(&self, listen: Listen) -> Result<(), Failure> {
        let mut state = self.lock();
        let found = state.handlers.intercepts.iter_mut().find(|i| !listen.key.is_empty() && i.spec.key == listen.key);
        let Some(intercept) = found else {
            return Err(shim::failure(failure::NOT_FOUND, format!("no intercept has the key {:?}", listen.key)));
        };
        let Listen { types, details, own, .. } = listen;
        let spec = InterceptSpec { types, details, own, ..intercept.spec.clone() };
        *intercept = Arc::new(Intercept { spec, handler: intercept.handler.clone() });
        Ok(())
    }

    pub fn add_observer(&self, what: &[u8], handler: ObserveBox) -> Result<(), Failure> {
        let spec: ObserveSpec = read(what)?;
        check_filter(&spec.types, &spec.details)?;
        let mut state = self.lock();
        if spec.held {
            state.may("bind-dest")?;
            if state.handlers.observers.iter().any(|o| o.spec.held) {
                return Err(invalid("there is one handler for held events"));
            }
        }
        state.handlers.observers.push(Arc::new(Observer { spec, handler }));
        Ok(())
    }

    pub fn add_route(&self, what: &[u8], handler: HttpBox) -> Result<(), Failure> {
        let spec: RouteSpec = read(what)?;
        let (method, text) = (&spec.method, &spec.pattern);
        let pattern = Pattern::parse(text).map_err(|why| invalid(format!("{method} {text}: {why}")))?;
        if spec.listeners.is_empty() {
            return Err(invalid(format!("{method} {text}: no listener")));
        }
        let mut state = self.lock();
        if !text.starts_with(&format!("/api/plugins/{}/", self.name)) {
            state.may("routes")?;
        }
        let guarded = |l: &Listener| matches!(l, Listener::Enrollment | Listener::Rest | Listener::Admin);
        if spec.auth == Auth::Open && spec.listeners.iter().any(guarded) {
            state.may("open-routes")?;
        }
        let same = |r: &Arc<Route>| {
            r.spec.method == spec.method
                && r.pattern.shape() == pattern.shape()
                && r.spec.listeners.iter().any(|l| spec.listeners.contains(l))
        };
        if let Some(other) = state.handlers.routes.iter().find(|r| same(r)) {
            return Err(invalid(format!("{method} {text}: {} takes the same requests", other.spec.pattern)));
        }
        state.handlers.routes.push(Arc::new(Route { spec, pattern, handler }));
        Ok(())
    }

    pub fn add_caller(&self, what: &[u8], handler: CallerBox) -> Result<(), Failure> {
        let CallerSpec { kind } = read(what)?;
        let now = self.now();
        let mut state = self.lock();
        match &kind {
            CallerKind::Provide(_) => state.may("provide")?,
            kind if several(kind) => {}
            kind => {
                if state.handlers.callers.iter().any(|c| c.kind == *kind) {
                    return Err(invalid(format!("{kind:?} is registered twice")));
                }
            }
        }
        let caller = Arc::new(Caller { kind, handler });
        match caller.kind {
            CallerKind::Every(ms) => {
                let period = i64::try_from(ms).unwrap_or(i64::MAX).max(1);
                let due = now.saturating_add(period);
                state.handlers.timers.push(Timer { due, every: Some(period), caller });
            }
            CallerKind::At(due) => {
                state.handlers.timers.push(Timer { due: due.max(now), every: None, caller });
            }
            _ => state.handlers.callers.push(caller),
        }
        Ok(())
    }
}

/// May be registered more than once.
fn several(kind: &CallerKind) -> bool {
    matches!(
        kind,
        CallerKind::Every(_) | CallerKind::At(_) | CallerKind::Clients | CallerKind::Links | CallerKind::Subscribe(_)
    )
}

fn check_filter(types: &[String], details: &[String]) -> Result<(), Failure> {
    if types.is_empty() && details.is_empty() {
        return Err(invalid("a filter without types and details matches nothing"));
    }
    let star = |t: &String| t.is_empty() || t.strip_suffix('*').unwrap_or(t).contains('*');
    match types.iter().find(|t| star(t)) {
        Some(pattern) => Err(invalid(format!("type pattern {pattern:?}: a star stands only at the end"))),
        None => Ok(()),
    }
}
