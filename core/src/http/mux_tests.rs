use std::sync::Arc;

use axum::http::Method;

use super::*;
use crate::http::{
    auth::Auth,
    bed::{Bed, With, demo, limits, route, says},
    listener::Listeners,
};

fn plain(method: Method, pattern: &str, listeners: Listeners) -> Route {
    let handler = With(|_| Ok(crate::http::answer::Answer::empty(axum::http::StatusCode::OK)), limits());
    Route::new(method, pattern, listeners, Auth::User, Arc::new(handler)).unwrap()
}

fn mux() -> Arc<Mux> {
    Mux::new(MuxSettings::new(std::env::temp_dir()))
}

#[test]
fn a_route_registered_twice_names_both_owners() {
    let mux = mux();
    let (mission, excheck) = (Owner::plugin("mission"), Owner::plugin("excheck"));
    let missions = |l| plain(Method::GET, "/Marti/api/missions/{name}", l);
    mux.register(mission.clone(), missions(Listeners::MARTI)).unwrap();
    let mut staged = mux.stage(excheck.clone());
    let other_name = plain(Method::GET, "/Marti/api/missions/{uid}", Listeners::MARTI_HTTPS | Listeners::REST);
    assert_eq!(
        staged.add(other_name).unwrap_err().to_string(),
        "excheck and mission both register GET /Marti/api/missions/{uid} on marti_https; disable one of them or change its route"
    );
    // Another listener or method is no clash, and one owner's staged set replaces its own routes.
    staged.add(missions(Listeners::REST)).unwrap();
    staged.add(plain(Method::PUT, "/Marti/api/missions/{name}", Listeners::MARTI)).unwrap();
    assert_eq!(
        staged.add(missions(Listeners::REST)).unwrap_err().to_string(),
        "excheck registers GET /Marti/api/missions/{name} twice on rest"
    );
    staged.commit().unwrap();
    let mut again = mux.stage(mission.clone());
    again.add(missions(Listeners::MARTI)).unwrap();
    again.commit().unwrap();
    assert_eq!(mux.list(Some(&mission)).len(), 1);
    assert_eq!(mux.list(None).len(), 3);
}

#[test]
fn the_second_of_two_staged_sets_is_refused_whole() {
    let mux = mux();
    let mut sets = ["a", "b"].map(|name| mux.stage(Owner::plugin(name)));
    for set in &mut sets {
        set.add(plain(Method::GET, "/x", Listeners::own("fed"))).unwrap();
        set.add(plain(Method::POST, "/x", Listeners::REST)).unwrap();
    }
    let [a, b] = sets;
    a.commit().unwrap();
    let error = b.commit().unwrap_err().to_string();
    assert!(error.starts_with("b and a both register GET /x on fed"), "{error}");
    assert!(mux.list(Some(&Owner::plugin("b"))).is_empty());
    assert_eq!(mux.list(None).len(), 2);
}

#[test]
fn routes_of_the_core_are_fixed_or_fall_back() {
    let mux = mux();
    mux.register(Owner::Core, plain(Method::GET, "/Marti/api/version", Listeners::MARTI)).unwrap();
    mux.register(Owner::Core, plain(Method::GET, "/Marti/api/citrap", Listeners::MARTI).fallback()).unwrap();
    let error = mux.register(demo(), plain(Method::GET, "/Marti/api/version", Listeners::MARTI_HTTP)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "demo cannot take GET /Marti/api/version on marti_http: it is a fixed route of the core; register another path"
    );
    let error = mux.register(demo(), plain(Method::GET, "/x", Listeners::MARTI).fallback()).unwrap_err().to_string();
    assert_eq!(error, "route GET /x of demo: only routes of the core can be fallbacks");
    let states = || mux.list(None).into_iter().map(|l| format!("{} {}", l.owner, l.state)).collect::<Vec<_>>();
    assert_eq!(states(), ["core fallback", "core running"]);
    mux.register(demo(), plain(Method::GET, "/Marti/api/citrap", Listeners::MARTI_HTTP)).unwrap();
    assert_eq!(states(), ["core fallback", "core running", "demo running"]);
    mux.register(demo(), plain(Method::GET, "/Marti/api/citrap", Listeners::MARTI_HTTPS)).unwrap();
    mux.trip(&demo(), "3 panics");
    assert_eq!(states(), ["core taken", "core running", "demo tripped", "demo tripped"]);
    assert_eq!(mux.tripped(&demo()).as_deref(), Some("3 panics"));
    mux.remove(&demo());
    assert_eq!(states(), ["core fallback", "core running"]);
}

#[test]
fn a_route_needs_a_pattern_and_a_listener() {
    let new =
        |pattern, on| Route::new(Method::GET, pattern, on, Auth::Open, Arc::new(With(|_| unreachable!(), limits())));
    let error = new("/a/{b}c", Listeners::REST).unwrap_err().to_string();
    assert!(error.starts_with("route GET /a/{b}c: a parameter is a whole segment, {name} or"), "{error}");
    let error = new("/a", Listeners::default()).unwrap_err().to_string();
    assert_eq!(error, "route GET /a: no listener is named for it");
}

#[tokio::test]
async fn literals_win_then_parameters_then_the_rest() {
    let bed = Bed::new().await;
    for (pattern, text) in [
        ("/m/{name}", "name"),
        ("/m/all", "all"),
        ("/m/{name}/log", "log of a name"),
        ("/m/all/{rest*}", "rest of all"),
        ("/m/{rest*}", "rest"),
        ("/m/{name}/contents/{hash}", "contents"),
        ("/", "root"),
    ] {
        bed.add(says(pattern, text));
    }
    bed.add(route(Method::POST, "/m/other", &limits(), |_| unreachable!()));
    for (path, text) in [
        ("/m/all", "all"),
        ("/m/all/", "all"),
        ("/m/a", "name"),
        ("/m/other", "name"),
        ("/m/a/log", "log of a name"),
        ("/m/all/log", "rest of all"),
        ("/m/a/b", "rest"),
        ("/m/a/contents/h", "contents"),
        ("/m/a/contents/h/i", "rest"),
        ("/m/a%2Flog", "name"),
        ("/", "root"),
    ] {
        assert_eq!(bed.get(path).await, (200, text.into()), "{path}");
    }
    assert_eq!(bed.get("/n").await, (404, "this endpoint does not exist".into()));
    let wrong = bed.ask("DELETE", "/m/other", &[], "").await;
    assert_eq!((wrong.status(), wrong.header("allow")), (405, "GET, POST"));
}

#[tokio::test]
async fn a_fallback_gives_way_and_comes_back() {
    let bed = Bed::new().await;
    bed.mux.register(Owner::Core, says("/Marti/api/citrap", "[]").fallback()).unwrap();
    assert_eq!(bed.get("/Marti/api/citrap").await, (200, "[]".into()));
    bed.stage([says("/Marti/api/citrap", "[1]")]).unwrap();
    assert_eq!(bed.get("/Marti/api/citrap").await, (200, "[1]".into()));
    bed.mux.trip(&demo(), "3 panics");
    assert_eq!(bed.get("/Marti/api/citrap").await.0, 503);
    bed.mux.remove(&demo());
    assert_eq!(bed.get("/Marti/api/citrap").await, (200, "[]".into()));
}
