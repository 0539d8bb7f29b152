//! The empty answers that keep clients alive while the plugin they belong to is not there (../spec/README.md, the routes
//! marked *f*; rest-api.md 12.2). Each gives way to the plugin that registers the same, and comes back when it stops.
//!
//! Whoever administers the server sees them through the local socket, too.
use std::sync::Arc;

use axum::http::Method;
use serde_json::{Value, json};

use super::{
    answer::{Answer, HandlerError},
    auth::{Auth, Scope},
    call::Call,
    calls::{CallLimits, CallSettings},
    listener::Listeners,
    mux::Mux,
    route::{Doc, Handler, Owner, Route, RouteError},
};

/// Says the same to everybody.
struct Says {
    what: Value,
    limits: Arc<CallLimits>,
}

impl Handler for Says {
    fn handle(&self, _: Call) -> Result<Answer, HandlerError> {
        Ok(Answer::json(&self.what))
    }

    fn limits(&self) -> Arc<CallLimits> {
        self.limits.clone()
    }
}

/// Path, where, for whom, and what it answers.
fn all(node_id: &str) -> [(&'static str, Listeners, Auth, Value); 5] {
    let mission = |data: Value| json!({"version": "3", "type": "Mission", "data": data, "nodeId": node_id});
    let read = Auth::Scope(Scope::Read);
    [
        ("/Marti/api/citrap", Listeners::MARTI, Auth::User, json!([])),
        ("/MissionTable", Listeners::REST, read, mission(json!([]))),
        ("/ExCheckTable", Listeners::REST, read, mission(json!([{"name": "exchecktemplates", "contents": []}]))),
        ("/FederationTable", Listeners::REST, read, json!({"activeFederations": [], "federations": []})),
        ("/ManageEmergency/getEmergency", Listeners::REST, read, json!({"json_list": []})),
    ]
}

/// Registers them. Before any plugin.
///
/// # Errors
/// The core has such a route already: a mistake in the program.
pub fn register(mux: &Mux, node_id: &str) -> Result<(), RouteError> {
    let limits = CallLimits::new(CallSettings::default());
    for (path, listeners, auth, what) in all(node_id) {
        let says = Arc::new(Says { what, limits: limits.clone() });
        for (listeners, auth) in [(listeners, auth), (Listeners::ADMIN, Auth::RoleAdmin)] {
            let doc = Doc {
                summary: "Nothing, while the plugin it belongs to is not there",
                answers: vec![(200, "application/json")],
                ..Doc::default()
            };
            let route = Route::new(Method::GET, path, listeners, auth, says.clone())?.described(doc);
            mux.register(Owner::Core, route.fallback())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::mux::MuxSettings;

    #[test]
    fn they_are_there_and_rest_where_a_plugin_answers() {
        let mux = Mux::new(MuxSettings::new(std::env::temp_dir()));
        register(&mux, "n").unwrap();
        let listed = mux.list(Some(&Owner::Core));
        assert_eq!(listed.len(), 10);
        assert!(listed.iter().all(|l| l.state == "fallback"));
        let mut staged = mux.stage(Owner::plugin("reports"));
        let says = Arc::new(Says { what: json!([1]), limits: CallLimits::new(CallSettings::default()) });
        staged.add(Route::new(Method::GET, "/Marti/api/citrap", Listeners::MARTI, Auth::User, says).unwrap()).unwrap();
        staged.commit().unwrap();
        let taken: Vec<_> = mux.list(Some(&Owner::Core)).into_iter().filter(|l| l.state == "taken").collect();
        assert_eq!((taken.len(), taken[0].pattern.as_str()), (1, "/Marti/api/citrap"));
    }
}
