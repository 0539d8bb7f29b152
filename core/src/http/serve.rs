//! A request's way through the [`Mux`]:
//! 1. look the route up; without one the request goes back untouched;
//! 2. tripped owners and callers who may not are answered before a body is read;
//! 3. receive the whole body, of a form the file in it;
//! 4. look up again, because a reload may have happened meanwhile; wait while the owner is parked;
//! 5. wait for a slot; then make sure that the route is still the one of the table;
//! 6. run the handler (`run`), shape its answer (`outgoing`).
//!
//! No lock is held anywhere on this way; every answer carries the name of its route, for whoever tells of it.
use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, Response, header, request::Parts},
};
use tokio::time::{Instant, timeout_at};

use super::{
    admin,
    arrive::{Arriving, Coding},
    auth::{Auth, Denied, Role},
    body::{BodyError, BodyLimits, receive},
    call::{Call, Came, Fields, Part, host},
    calls::{CallLimits, Flight, Slot},
    form::{self, AROUND},
    listener::Listener,
    mux::Mux,
    outgoing, pack,
    refusal::{Refusal, Style},
    route::Route,
    run::{self, Job},
    table::{Found, Place, State, Table},
    told::{Answered, Asked},
};

/// A request no route is for.
#[derive(Debug)]
pub struct Missed {
    /// The request, untouched.
    pub request: Request<Body>,
    /// Methods its path has routes for.
    pub allow: Vec<Method>,
}

impl Missed {
    /// 405 or 404 in the style of the listener, for whoever has no routes of its own to try.
    pub fn refusal(self, came: &Came) -> Response<Body> {
        let refusal = if self.allow.is_empty() { Refusal::not_found() } else { Refusal::method(self.allow) };
        refusal.answer(Style::of(&came.listener, self.request.uri().path()))
    }
}

impl Mux {
    /// What a request would meet: whom the route lets in, and whether a password is enough for enrolment.
    pub(super) fn peek(&self, listener: &Listener, method: &Method, path: &str) -> Option<(Auth, bool)> {
        match self.table.load().find(listener, method, path) {
            Found::Route(place, _) => Some((place.route.auth, place.route.enrolls)),
            Found::OtherMethods(_) | Found::Nothing => None,
        }
    }

    /// Answers a request.
    ///
    /// # Errors
    /// There is no route for it: the request comes back.
    pub async fn try_answer(&self, came: Came, request: Request<Body>) -> Result<Response<Body>, Box<Missed>> {
        let found = self.table.load().find(&came.listener, request.method(), request.uri().path());
        let place = match found {
            Found::Route(place, _) => place,
            Found::OtherMethods(allow) => return Err(Box::new(Missed { request, allow })),
            Found::Nothing => return Err(Box::new(Missed { request, allow: Vec::new() })),
        };
        let (parts, body) = request.into_parts();
        let (method, headers): (Method, HeaderMap) = (parts.method.clone(), parts.headers.clone());
        let style = Style::of(&came.listener, parts.uri.path());
        let user = came.identity.user.clone().or_else(|| came.identity.cert_cn.clone());
        let mut answer = match self.answer_at(&place, came, parts, body).await {
            Ok(head) => outgoing::response(&method, &headers, head),
            Err(refusal) => refusal.answer(style),
        };
        answer.extensions_mut().insert(Answered(place.route.text.clone()));
        if let Some(user) = user {
            answer.extensions_mut().insert(Asked(user));
        }
        Ok(answer)
    }

    async fn answer_at(&self, place: &Place, came: Came, mut parts: Parts, body: Body) -> Result<run::Head, Refusal> {
        allow(place, &came)?;
        let coding = Coding::of(&parts.headers).ok_or_else(Refusal::coding)?;
        if coding == Coding::Gzip {
            // The handler gets what was in it.
            parts.headers.remove(header::CONTENT_ENCODING);
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        let (part, body) = received(&place.route, body, &came.body, coding, &parts.headers).await?;
        let ready = self.ready(&came, &parts).await?;
        let tag = parts.method == Method::GET || parts.method == Method::HEAD;
        let gzip = pack::wanted(&parts.headers);
        let route = &ready.place.route;
        let call = Call {
            method: route.method.clone(),
            pattern: route.text.clone(),
            path: parts.uri.path().to_owned(),
            params: ready.params,
            query: Fields::of_query(parts.uri.query().unwrap_or_default()),
            host: came.host.or_else(|| host(&parts.uri, &parts.headers)),
            local: came.local,
            headers: parts.headers,
            peer: came.peer,
            listener: came.listener,
            scheme: came.scheme,
            identity: came.identity,
            part,
            body,
        };
        let (handler, long) = (route.handler.clone(), route.long.clone());
        run::run(Job { handler, call, limits: ready.limits, slot: ready.slot, long, flight: ready.flight, tag, gzip })
            .await
    }

    /// Steps 4 and 5. The patience for a parked owner is one for all rounds.
    async fn ready(&self, came: &Came, parts: &Parts) -> Result<Ready, Refusal> {
        let mut changed = self.changed.subscribe();
        let until = Instant::now() + self.settings.parked;
        loop {
            changed.mark_unchanged();
            let table = self.table.load_full();
            let (place, params) = match table.find(&came.listener, &parts.method, parts.uri.path()) {
                Found::Route(place, params) => (place, params),
                Found::OtherMethods(allow) => return Err(Refusal::method(allow)),
                Found::Nothing => return Err(Refusal::not_found()),
            };
            allow(&place, came)?;
            if place.state == State::Parked {
                match timeout_at(until, changed.changed()).await {
                    Ok(_) => continue,
                    Err(_) => return Err(Refusal::parked(&place.owner)),
                }
            }
            let limits = place.route.handler.limits();
            let Some(slot) = limits.slot(&place.route.long).await else { return Err(Refusal::busy(&place.owner)) };
            let flight = place.generation.begin();
            if self.still(&table, came, parts, &place) {
                return Ok(Ready { place, params, limits, slot, flight });
            }
        }
    }

    /// The place answers now as it did in that table.
    fn still(&self, table: &Arc<Table>, came: &Came, parts: &Parts, place: &Place) -> bool {
        let now = self.table.load_full();
        if Arc::ptr_eq(&now, table) {
            return true;
        }
        let found = now.find(&came.listener, &parts.method, parts.uri.path());
        matches!(found, Found::Route(found, _) if Arc::ptr_eq(&found.route, &place.route) && found.state == State::Running)
    }
}

/// Step 3: the body as it comes, or the file in a form where the route takes files.
async fn received(
    route: &Route,
    body: Body,
    limits: &BodyLimits,
    coding: Coding,
    headers: &HeaderMap,
) -> Result<(Option<Part>, super::body::Body), BodyError> {
    let max = route.body_limit.min(limits.max);
    let form = (!route.upload.is_empty()).then(|| form::boundary(headers)).flatten();
    let arriving = Arriving::new(body, limits, coding, if form.is_some() { max.saturating_add(AROUND) } else { max })?;
    match form {
        Some(boundary) => {
            let (part, body) = form::receive(arriving, boundary, route.upload, limits, max).await?;
            Ok((Some(part), body))
        }
        None => Ok((None, receive(arriving, limits, max).await?)),
    }
}

/// A call that may begin.
struct Ready {
    place: Arc<Place>,
    params: Fields,
    limits: Arc<CallLimits>,
    slot: Slot,
    flight: Flight,
}

/// Step 2. A readonly user looks and does nothing else, whatever a route takes from users (identity.md 7).
fn allow(place: &Place, came: &Came) -> Result<(), Refusal> {
    let (route, who) = (&place.route, &came.identity);
    let administration = came.listener == Listener::Admin && route.text.starts_with("/admin/");
    if !(administration && admin::administers(who, &route.method)) {
        route.auth.check(who)?;
    }
    let changes = !matches!(route.method, Method::GET | Method::HEAD);
    let own = route.readers || route.enrolls;
    if changes && !own && who.role == Role::ReadOnly && matches!(route.auth, Auth::User | Auth::Login) {
        return Err(Denied::Forbidden.into());
    }
    match place.state {
        State::Tripped(_) => Err(Refusal::tripped(&place.owner)),
        State::Running | State::Parked => Ok(()),
    }
}

#[cfg(test)]
#[path = "pull_tests.rs"]
mod pull_tests;
#[cfg(test)]
#[path = "reload_tests.rs"]
mod reload_tests;
#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
