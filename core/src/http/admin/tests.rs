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
    fn stop(&self) {}
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

async fn ask(control: &Arc<Fake>, access: Access, method: &str, path: &str, body: &str) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let dir = std::env::temp_dir();
    let mux = Mux::new(super::super::mux::MuxSettings::new(dir.clone()));
    let bodies = Arc::new(BodyLimits::new(1 << 20, dir));
    let answer = routes(control.clone(), access, mux, bodies).oneshot(request).await.unwrap();
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
        let (code, body) = ask(&fake, Access::Listener, method, path, "{}").await;
        assert!(code == 401 && body.starts_with("{\"message\":"), "{path}: {code} {body}");
    }
    assert_eq!(ask(&fake, Access::Local, "GET", "/admin/status", "").await, (200, "{\"version\":\"x\"}".into()));
}

#[tokio::test]
async fn probes_are_open_and_draining_is_not_ready() {
    let fake = Arc::new(Fake::default());
    assert_eq!(ask(&fake, Access::Listener, "GET", "/livez", "").await, (200, "ok".into()));
    assert_eq!(
        ask(&fake, Access::Listener, "GET", "/readyz", "").await,
        (200, r#"{"status":"ok","checks":{"cot_tcp":"ok"}}"#.into())
    );
    assert_eq!(ask(&fake, Access::Local, "POST", "/admin/drain", r#"{"on":true}"#).await.0, 200);
    assert_eq!(ask(&fake, Access::Listener, "GET", "/healthz", "").await.0, 503);
    assert_eq!(ask(&fake, Access::Listener, "GET", "/metrics", "").await.0, 200);
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
        let (status, text) = ask(&fake, Access::Local, method, path, body).await;
        assert!(status == code && text.contains(says), "{method} {path}: {status} {text}");
    }
    assert_eq!(
        ask(&fake, Access::Local, "POST", "/admin/clients/VIPER/kick", "").await,
        (200, "{\"kicked\":1}".into())
    );
    assert_eq!(
        ask(&fake, Access::Local, "POST", "/admin/clients/U/send", r#"{"text":"hi"}"#).await,
        (200, "{\"sent\":1}".into())
    );
    assert_eq!(ask(&fake, Access::Local, "GET", "/admin/clients/7", "").await.0, 200);
}
