use std::sync::{
    Arc, Mutex,
    mpsc::{self, Receiver, SyncSender},
};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::json;

use crate::http::{
    answer::{Answer, Content, HandlerError, Stored},
    auth::{Auth, Identity, Scope},
    bed::{Bed, With, demo, limits, narrow, route, says, until},
    call::Call,
    calls::{CallLimits, CallSettings},
    listener::Listeners,
    route::Route,
};

/// A handler that says when it runs and returns when it is told to.
pub struct Gate {
    pub entered: Receiver<()>,
    pub open: SyncSender<&'static str>,
}

pub fn gated(pattern: &str, limits: &Arc<CallLimits>) -> (Route, Gate) {
    let (enter, entered) = mpsc::sync_channel(100);
    let (open, wait) = mpsc::sync_channel(100);
    let wait = Mutex::new(wait);
    let handler = move |_: Call| {
        enter.send(()).unwrap();
        let text = wait.lock().unwrap().recv().map_err(|e| HandlerError::internal(e.to_string()))?;
        Ok(Answer::bytes("text/plain", text))
    };
    (route(Method::GET, pattern, limits, handler), Gate { entered, open })
}

impl Gate {
    pub async fn entered(self) -> Self {
        tokio::task::spawn_blocking(move || {
            self.entered.recv().unwrap();
            self
        })
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn a_call_has_everything_of_its_request() {
    let bed = Bed::new().await;
    bed.add(route(Method::POST, "/m/{name}/{rest*}", &limits(), |call| {
        Ok(Answer::json(&json!({
            "method": call.method.as_str(), "pattern": &*call.pattern, "path": call.path, "host": call.host,
            "name": call.params.get("name"), "rest": call.params.get("rest"), "tags": call.query.all("tag").collect::<Vec<_>>(),
            "agent": call.headers["user-agent"].to_str().unwrap(), "listener": call.listener.name(), "scheme": call.scheme,
            "peer": call.peer.unwrap().ip().to_string(), "body": call.body.bytes(10).unwrap().to_vec(),
        })))
    }));
    let reply = bed.ask("POST", "/m/Op%20%C3%84/a/b%3F?tag=1&tag=a+b", &[("user-agent", "commo")], "xy").await;
    assert_eq!((reply.status(), reply.header("content-type")), (200, "application/json"));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&reply.text()).unwrap(),
        json!({
            "method": "POST", "pattern": "/m/{name}/{rest*}", "path": "/m/Op%20%C3%84/a/b%3F", "host": "tak.example:19023",
            "name": "Op Ä", "rest": "a/b?", "tags": ["1", "a b"], "agent": "commo", "listener": "rest", "scheme": "http",
            "peer": "127.0.0.1", "body": [120, 121],
        })
    );
}

#[tokio::test]
async fn who_may_not_is_told_before_the_handler_runs() {
    let callers = [
        (Identity::nobody(), [401, 401, 401]),
        (Identity { user: Some("alice".into()), ..Identity::default() }, [200, 403, 403]),
        (Identity::local_admin(), [403, 200, 200]),
    ];
    for (identity, wanted) in callers {
        let bed = Bed::with(|_, _| {}, identity).await;
        for (path, auth) in [("/login", Auth::Login), ("/scope", Auth::Scope(Scope::Write)), ("/role", Auth::RoleAdmin)]
        {
            let handler = Arc::new(With(|_| Ok(Answer::bytes("text/plain", "in")), limits()));
            bed.add(Route::new(Method::GET, path, Listeners::REST, auth, handler).unwrap());
        }
        for (path, wanted) in ["/login", "/scope", "/role"].into_iter().zip(wanted) {
            let reply = bed.ask("GET", path, &[], "").await;
            assert_eq!(reply.status(), wanted, "{path}");
            let challenge = if wanted == 401 { "Bearer realm=\"Authentication Required\"" } else { "" };
            assert_eq!(reply.header("www-authenticate"), challenge);
            assert!(wanted == 200 || [r#"{"message":"forbidden"}"#, "Unauthorized Access"].contains(&&*reply.text()));
        }
    }
}

#[tokio::test]
async fn over_the_waiting_places_and_over_the_patience_is_503() {
    let bed = Arc::new(Bed::new().await);
    let limits = CallLimits::new(CallSettings { concurrency: 1, waiting: 1, ..CallSettings::default() });
    let (route, gate) = gated("/slow", &limits);
    bed.add(route);
    let first = bed.begin("/slow");
    let gate = gate.entered().await;
    let second = bed.begin("/slow");
    until("one waits", || limits.waiting() == 1).await;
    let third = bed.ask("GET", "/slow", &[], "").await;
    assert_eq!((third.status(), third.header("retry-after")), (503, "2"));
    assert_eq!(third.text(), r#"{"message":"demo is busy; try again"}"#);
    gate.open.send("1").unwrap();
    gate.open.send("2").unwrap();
    assert_eq!((first.await.unwrap().1, second.await.unwrap().1), ("1".into(), "2".into()));

    let brief = CallSettings { concurrency: 1, patience: Duration::from_millis(10), ..CallSettings::default() };
    let (route, gate) = gated("/brief", &CallLimits::new(brief));
    bed.add(route);
    let first = bed.begin("/brief");
    let gate = gate.entered().await;
    assert_eq!(bed.get("/brief").await.0, 503);
    gate.open.send("1").unwrap();
    assert_eq!(first.await.unwrap().0, 200);
}

#[tokio::test]
async fn a_handler_over_its_time_is_504_and_keeps_its_slot() {
    let bed = Arc::new(Bed::new().await);
    let settings = CallSettings { concurrency: 1, first_byte: Duration::from_millis(20), ..CallSettings::default() };
    let limits = CallLimits::new(settings);
    let (route, gate) = gated("/slow", &limits);
    bed.add(route);
    assert_eq!(bed.get("/slow").await, (504, r#"{"message":"demo did not answer in time"}"#.into()));
    assert_eq!(limits.free(), 0);
    gate.open.send("late").unwrap();
    until("the slot is free", || limits.free() == 1).await;
}

#[tokio::test]
async fn a_panic_is_500_and_the_next_call_is_answered() {
    let bed = Bed::new().await;
    let limits = narrow(1, 0);
    bed.add(route(Method::GET, "/bad", &limits, |_| panic!("no such luck")));
    bed.add(route(Method::GET, "/good", &limits, |_| Ok(Answer::empty(StatusCode::OK))));
    for _ in 0..3 {
        let (status, text) = bed.get("/bad").await;
        assert!(status == 500 && text.contains("internal error") && !text.contains("demo"), "{status} {text}");
    }
    until("the slot is free", || limits.free() == 1).await;
    assert_eq!(bed.get("/good").await.0, 200);
}

#[tokio::test]
async fn refusals_of_handlers_are_json() {
    let bed = Bed::new().await;
    bed.add(route(Method::GET, "/none", &limits(), |_| Err(HandlerError::not_found("no mission \"x\""))));
    bed.add(route(Method::GET, "/odd", &limits(), |_| Err(HandlerError::new(StatusCode::OK, "odd"))));
    let reply = bed.ask("GET", "/none", &[], "").await;
    assert_eq!((reply.status(), reply.header("content-type")), (404, "application/json"));
    assert_eq!(reply.text(), r#"{"message":"no mission \"x\""}"#);
    assert_eq!(bed.get("/odd").await.0, 500);
}

#[tokio::test]
async fn head_range_and_entity_tag_of_bytes_and_files() {
    let bed = Bed::new().await;
    let path = bed.dir.path().join("stored");
    std::fs::write(&path, "0123456789").unwrap();
    const HASH: &str = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
    bed.add(route(Method::GET, "/bytes", &limits(), |_| Ok(Answer::bytes("text/plain", "0123456789"))));
    let hashed = path.clone();
    bed.add(route(Method::GET, "/file", &limits(), move |_| {
        Ok(Answer::file("text/plain", Stored::open(&hashed, Some(HASH)).unwrap()))
    }));
    for path in ["/bytes", "/file"] {
        let tag = format!("\"{HASH}\"");
        let whole = bed.ask("GET", path, &[], "").await;
        assert_eq!((whole.status(), whole.text().as_str(), whole.header("content-length")), (200, "0123456789", "10"));
        assert_eq!((whole.header("etag"), whole.header("accept-ranges")), (tag.as_str(), "bytes"));
        let head = bed.ask("HEAD", path, &[("range", "bytes=0-3")], "").await;
        assert_eq!((head.status(), head.text().as_str(), head.header("content-length")), (200, "", "10"));
        assert_eq!((head.header("etag"), head.header("content-type")), (tag.as_str(), "text/plain"));
        let part = bed.ask("GET", path, &[("range", "bytes=2-4")], "").await;
        assert_eq!((part.status(), part.text().as_str(), part.header("content-length")), (206, "234", "3"));
        assert_eq!(part.header("content-range"), "bytes 2-4/10");
        let outside = bed.ask("GET", path, &[("range", "bytes=10-")], "").await;
        assert_eq!(
            (outside.status(), outside.header("content-range"), outside.text().as_str()),
            (416, "bytes */10", "")
        );
        let same = bed.ask("GET", path, &[("if-none-match", &tag)], "").await;
        assert_eq!((same.status(), same.header("etag"), same.text().as_str()), (304, tag.as_str(), ""));
        let newer = bed.ask("GET", path, &[("if-range", "\"old\""), ("range", "bytes=0-3")], "").await;
        assert_eq!((newer.status(), newer.text().as_str()), (200, "0123456789"));
    }
}

#[tokio::test]
async fn headers_of_a_handler_and_those_of_the_mux() {
    let bed = Bed::new().await;
    let etag = (HeaderName::from_static("etag"), HeaderValue::from_static("\"mine\""));
    let path = bed.dir.path().join("stored");
    std::fs::write(&path, vec![7; 200_000]).unwrap();
    bed.add(route(Method::GET, "/mine", &limits(), move |_| {
        let wrong = (HeaderName::from_static("content-length"), HeaderValue::from_static("3"));
        Ok(Answer::bytes("text/plain", "text").with(etag.0.clone(), etag.1.clone()).with(wrong.0, wrong.1))
    }));
    bed.add(route(Method::POST, "/mine", &limits(), |_| Ok(Answer::bytes("text/plain", "made"))));
    bed.add(route(Method::GET, "/empty", &limits(), |_| {
        let kind = (HeaderName::from_static("content-type"), HeaderValue::from_static("application/json"));
        Ok(Answer { status: StatusCode::CREATED, headers: [kind].into_iter().collect(), content: Content::Empty })
    }));
    bed.add(route(Method::GET, "/file", &limits(), move |_| {
        Ok(Answer::file("text/plain", Stored::open(&path, None).unwrap()))
    }));
    let mine = bed.ask("GET", "/mine", &[], "").await;
    assert_eq!((mine.header("etag"), mine.header("content-length"), mine.text().as_str()), ("\"mine\"", "4", "text"));
    assert_eq!(bed.ask("GET", "/mine", &[("if-none-match", "\"mine\"")], "").await.status(), 304);
    let made = bed.ask("POST", "/mine", &[("if-none-match", "*"), ("range", "bytes=0-0")], "").await;
    assert_eq!((made.status(), made.header("etag"), made.text().as_str()), (200, "", "made"));
    let empty = bed.ask("GET", "/empty", &[], "").await;
    assert_eq!((empty.status(), empty.header("content-type"), empty.header("content-length")), (201, "", "0"));
    let file = bed.ask("GET", "/file", &[], "").await;
    assert_eq!(file.body.as_ref().unwrap().len(), 200_000);
    assert!(file.header("etag").len() > 10);
    assert_eq!(bed.ask("GET", "/file", &[("if-none-match", file.header("etag"))], "").await.status(), 304);
}

#[tokio::test]
async fn a_tripped_owner_is_503_and_others_answer() {
    let bed = Bed::new().await;
    bed.add(says("/demo", "demo"));
    bed.mux.register(crate::http::route::Owner::plugin("other"), says("/other", "other")).unwrap();
    bed.mux.trip(&demo(), "3 panics in 60 s");
    let reply = bed.ask("GET", "/demo", &[], "").await;
    assert_eq!((reply.status(), reply.header("retry-after")), (503, "5"));
    assert_eq!(reply.text(), r#"{"message":"the plugin demo has failed and is stopped; the administrator sees why"}"#);
    assert_eq!(bed.get("/other").await.0, 200);
    bed.stage([says("/demo", "again")]).unwrap();
    assert_eq!(bed.get("/demo").await, (200, "again".into()));
}
