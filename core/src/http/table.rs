//! `Table`: which route answers a request, for one moment. Never changed: every change builds another one, so a request
//! reads it without a lock. Per listener and method there are two trees, because `matchit` knows no `{name}` beside a
//! `{name*}` in one place; where both match, `Pattern::wins_over` decides.
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use axum::http::Method;

use super::{
    call::Fields,
    calls::Generation,
    listener::Listener,
    route::{Owner, Route, RouteError, Standing},
};

/// How an owner's routes answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Handlers are called.
    Running,
    /// Requests wait: a reload is going on.
    Parked,
    /// 503 with the reason.
    Tripped(Arc<str>),
}

/// A route in the table.
#[derive(Debug)]
pub(super) struct Place {
    pub route: Arc<Route>,
    pub owner: Owner,
    pub state: State,
    pub generation: Arc<Generation>,
}

#[derive(Default)]
struct Trees {
    exact: matchit::Router<Arc<Place>>,
    rest: matchit::Router<Arc<Place>>,
}

/// See the file's head.
#[derive(Default)]
pub(super) struct Table {
    listeners: HashMap<Listener, Vec<(Method, Trees)>>,
}

/// What a request meets.
#[derive(Debug)]
pub(super) enum Found {
    Route(Arc<Place>, Fields),
    /// No route, but others have the path with these methods.
    OtherMethods(Vec<Method>),
    Nothing,
}

impl Table {
    /// Builds one. Fallbacks go in last and only where nobody else has the place.
    pub fn build(places: &[Arc<Place>]) -> Result<Self, RouteError> {
        let mut table = Self::default();
        let mut taken = HashSet::new();
        for standing in [Standing::Final, Standing::Fallback] {
            for place in places.iter().filter(|p| p.route.standing == standing) {
                for listener in place.route.listeners.iter() {
                    let key = (listener.clone(), place.route.method.clone(), place.route.pattern.shape());
                    if taken.insert(key) || standing == Standing::Final {
                        table.insert(listener, place)?;
                    }
                }
            }
        }
        Ok(table)
    }

    fn insert(&mut self, listener: Listener, place: &Arc<Place>) -> Result<(), RouteError> {
        let route = &place.route;
        let methods = self.listeners.entry(listener).or_default();
        let at = methods.iter().position(|(m, _)| *m == route.method).unwrap_or_else(|| {
            methods.push((route.method.clone(), Trees::default()));
            methods.len() - 1
        });
        let trees = &mut methods[at].1;
        let tree = if route.pattern.has_rest() { &mut trees.rest } else { &mut trees.exact };
        tree.insert(route.pattern.for_matchit(), place.clone()).map_err(|error| RouteError::Ambiguous {
            what: route.what(),
            owner: place.owner.clone(),
            why: error.to_string(),
        })
    }

    /// Looks a request up. HEAD takes the route of GET where it has none of its own; a slash too many at the end does not
    /// matter (marti-http.md 2.4).
    pub fn find(&self, listener: &Listener, method: &Method, path: &str) -> Found {
        let found = self.find_exactly(listener, method, path);
        let Some(shorter) = path.strip_suffix('/') else { return found };
        // `/a/` is `/a` before it is the rest of `/`.
        match (&found, self.find_exactly(listener, method, shorter)) {
            (Found::Route(place, _), Found::Route(other, params))
                if place.route.pattern.has_rest() && other.route.pattern.wins_over(&place.route.pattern) =>
            {
                Found::Route(other, params)
            }
            (Found::Nothing, other) | (Found::OtherMethods(_), other @ Found::Route(..)) => other,
            _ => found,
        }
    }

    fn find_exactly(&self, listener: &Listener, method: &Method, path: &str) -> Found {
        let Some(methods) = self.listeners.get(listener) else { return Found::Nothing };
        let of = |wanted: &Method| methods.iter().find(|(m, _)| m == wanted).and_then(|(_, trees)| trees.find(path));
        let found = of(method).or_else(|| (method == Method::HEAD).then(|| of(&Method::GET)).flatten());
        if let Some((place, params)) = found {
            return Found::Route(place, params);
        }
        let others = methods.iter().filter(|(_, trees)| trees.find(path).is_some());
        let others: Vec<Method> = others.map(|(m, _)| m.clone()).collect();
        if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
    }
}

impl Trees {
    fn find(&self, path: &str) -> Option<(Arc<Place>, Fields)> {
        let best = match (self.exact.at(path).ok(), self.rest.at(path).ok()) {
            (Some(exact), Some(rest)) if rest.value.route.pattern.wins_over(&exact.value.route.pattern) => rest,
            (Some(found), _) | (None, Some(found)) => found,
            (None, None) => return None,
        };
        Some((best.value.clone(), Fields::of_path(best.params.iter())))
    }
}
