use std::{sync::Mutex, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use serde_json::Value;
use tokio::sync::{broadcast, mpsc};
use tower::ServiceExt;

use super::*;
use crate::{
    http::{auth::Scopes, body::BodyLimits, listener::Listener},
    observe::log,
    route::{TapEvent, why},
};

#[derive(Default)]
struct Fake {
    draining: Mutex<bool>,
}

impl Control for Fake {
    fn status(&self) -> Value {
        json!({"version": "x"})
    }
    fn config(&self) -> Value {
        json!({})
    }
    fn clients(&self, _gone: bool) -> Vec<Value> {
        vec![json!({"conn": 7, "uid": "U", "callsign": "VIPER"})]
    }
    fn kick(&self, who: &str, _ban: Option<Duration>) -> usize {
        usize::from(who == "VIPER")
    }
    fn send(&self, who: &str, text: &str) -> usize {
        usize::from(who == "U" && text == "hi")
    }
    fn why(&self, _query: &why::Query) -> Vec<why::WhyEvent> {
        Vec::new()
    }
    fn tail(&self) -> mpsc::Receiver<TapEvent> {
        mpsc::channel(1).1
    }
    fn reload(&self) -> Result<Reloaded, String> {
        Err("fts.toml:3: unknown key x".into())
    }
    fn drain(&self, on: bool) {
        *self.draining.lock().unwrap() = on;
    }
    fn import(&self, from: &std::path::Path, groups: &[String]) -> Result<Value, String> {
        Ok(json!({"source": from, "groups": groups}))
    }
    fn stop(&self) {}
    fn probe(&self) {}
    fn plugins(&self) -> Vec<Value> {
        vec![json!({"name": "ping"})]
    }
    fn plugin(&self, name: &str) -> Option<Value> {
        (name == "ping").then(|| json!({"name": "ping"}))
    }
    fn plugin_order(&self) -> Vec<Value> {
        Vec::new()
    }
    fn plugin_change(&self, name: &str, change: &str) -> Result<String, String> {
        if name == "ping" { Ok(change.to_owned()) } else { Err(format!("there is no plugin {name}")) }
    }
    fn plugin_configure(&self, _: &str, table: serde_json::Map<String, Value>) -> Result<String, String> {
        Ok(json!(table).to_string())
    }
    fn readiness(&self) -> Readiness {
        Readiness {
            status: if *self.draining.lock().unwrap() { "draining" } else { "ok" },
            checks: [("cot_tcp".to_owned(), "ok".to_owned())].into(),
        }
    }
    fn gauges(&self) -> bool {
        true
    }
    fn log_level(&self) -> String {
        "info".into()
    }
    fn set_log_level(&self, filter: &str) -> Result<(), String> {
        if filter == "loud" { Err("no".into()) } else { Ok(()) }
    }
    fn log_lines(&self, _since: i64) -> Vec<log::Line> {
        Vec::new()
    }
    fn log_follow(&self) -> broadcast::Receiver<log::Line> {
        broadcast::channel(1).1
    }
}

async fn ask(control: &Arc<Fake>, who: Identity, method: &str, path: &str, body: &str) -> (u16, String) {
    let dir = std::env::temp_dir();
    let bodies = Arc::new(BodyLimits::new(1 << 20, dir.clone()));
    let request = Request::builder()
        .extension(Came::new(Listener::Admin, who, bodies))
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let mux = Mux::new(super::super::mux::MuxSettings::new(dir));
    let answer = routes(control.clone(), mux).oneshot(request).await.unwrap();
    (
        answer.status().as_u16(),
        String::from_utf8(to_bytes(answer.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn op13_24b_administration_only_through_the_local_socket() {
    let fake = Arc::new(Fake::default());
    for (method, path) in [
        ("GET", "/admin/status"),
        ("GET", "/admin/clients"),
        ("POST", "/admin/stop"),
        ("GET", "/admin/why?event=x"),
        ("PUT", "/admin/log"),
        ("GET", "/admin/tail"),
    ] {
        let (code, body) = ask(&fake, Identity::nobody(), method, path, "{}").await;
        assert!(code == 401 && body.starts_with("{\"message\":"), "{path}: {code} {body}");
    }
    assert_eq!(
        ask(&fake, Identity::local_admin(), "GET", "/admin/status", "").await,
        (200, "{\"version\":\"x\"}".into())
    );
    // Nobody at all: a listener that forgot to say who calls.
    let request = Request::builder().uri("/admin/status").body(Body::empty()).unwrap();
    let mux = Mux::new(super::super::mux::MuxSettings::new(std::env::temp_dir()));
    assert_eq!(routes(fake, mux).oneshot(request).await.unwrap().status(), 401);
}

#[tokio::test]
async fn op6_3_tokens_by_scope_and_role() {
    let fake = Arc::new(Fake::default());
    let who = |role, scopes: &[Scope]| Identity {
        user: Some("u".into()),
        role,
        scopes: Scopes::of(scopes),
        ..Identity::default()
    };
    for (identity, get, post) in [
        (Identity::nobody(), 401, 401),
        (Identity { anonymous: true, ..Identity::default() }, 403, 403),
        (who(Role::User, &[Scope::Read, Scope::Write]), 403, 403),
        // The owner's role counts as much as the token's scope.
        (who(Role::User, &[Scope::Admin]), 403, 403),
        (who(Role::Admin, &[Scope::Write]), 403, 403),
        (who(Role::ReadOnly, &[Scope::Read]), 200, 403),
        (who(Role::ReadOnly, &[]), 403, 403),
        (who(Role::Admin, &[Scope::Admin]), 200, 200),
    ] {
        let got = ask(&fake, identity.clone(), "GET", "/admin/status", "").await.0;
        let set = ask(&fake, identity.clone(), "POST", "/admin/drain", r#"{"on":false}"#).await.0;
        assert_eq!((got, set), (get, post), "{identity:?}");
        assert_eq!(ask(&fake, identity, "GET", "/livez", "").await.0, 200);
    }
}

#[tokio::test]
async fn probes_are_open_and_draining_is_not_ready() {
    let fake = Arc::new(Fake::default());
    assert_eq!(ask(&fake, Identity::nobody(), "GET", "/livez", "").await, (200, "ok".into()));
    assert_eq!(
        ask(&fake, Identity::nobody(), "GET", "/readyz", "").await,
        (200, r#"{"status":"ok","checks":{"cot_tcp":"ok"}}"#.into())
    );
    assert_eq!(ask(&fake, Identity::local_admin(), "POST", "/admin/drain", r#"{"on":true}"#).await.0, 200);
    assert_eq!(ask(&fake, Identity::nobody(), "GET", "/healthz", "").await.0, 503);
    assert_eq!(ask(&fake, Identity::nobody(), "GET", "/metrics", "").await.0, 200);
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let fake = Arc::new(Fake::default());
    for (method, path, body, code, says) in [
        ("GET", "/nothing", "", 404, "no such resource"),
        ("DELETE", "/livez", "", 405, "does not take this method"),
        ("POST", "/admin/clients/nobody/kick", "{}", 404, "no client is known"),
        ("POST", "/admin/clients/VIPER/kick", r#"{"ban":"soon"}"#, 400, "a duration like"),
        ("POST", "/admin/reload", "", 400, "fts.toml:3"),
        ("PUT", "/admin/log", r#"{"filter":"loud"}"#, 400, "no"),
        ("PUT", "/admin/log", "", 400, "missing field `filter`"),
        ("POST", "/admin/drain", "on", 400, "must be JSON"),
        ("GET", "/admin/why", "", 400, "give event"),
        ("GET", "/admin/logs?level=x", "", 400, "error, warn"),
    ] {
        let (status, text) = ask(&fake, Identity::local_admin(), method, path, body).await;
        assert!(status == code && text.contains(says), "{method} {path}: {status} {text}");
    }
    assert_eq!(
        ask(&fake, Identity::local_admin(), "POST", "/admin/clients/VIPER/kick", "").await,
        (200, "{\"kicked\":1}".into())
    );
    assert_eq!(
        ask(&fake, Identity::local_admin(), "POST", "/admin/clients/U/send", r#"{"text":"hi"}"#).await,
        (200, "{\"sent\":1}".into())
    );
    assert_eq!(ask(&fake, Identity::local_admin(), "GET", "/admin/clients/7", "").await.0, 200);
}
