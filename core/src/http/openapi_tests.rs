use std::{collections::BTreeSet, sync::Arc};

use axum::http::Request;
use http_body_util::BodyExt;

use super::*;
use crate::http::{
    auth::Identity,
    body::BodyLimits,
    call::Came,
    fallbacks,
    marti::{self, bed::Bed},
};

fn everything() -> (Arc<Native>, tempfile::TempDir) {
    let Bed { native, dir } = Bed::new();
    let native = Arc::new(native);
    fallbacks::register(&native.mux, "n").unwrap();
    let mut book = Book::new(native.clone());
    marti::routes(&mut book);
    admin::book(&mut book);
    routes(&mut book);
    book.register().unwrap();
    (native, dir)
}

const ALL: [Listener; 5] =
    [Listener::MartiHttp, Listener::MartiHttps, Listener::Enrollment, Listener::Rest, Listener::Admin];

async fn ask(native: &Native, listener: &Listener) -> Value {
    let bodies = Arc::new(BodyLimits::new(1, std::env::temp_dir()));
    let came = Came { peer: None, ..Came::new(listener.clone(), Identity::nobody(), bodies) };
    let request = Request::get("/openapi.json").header("host", "tak.example:1").body(axum::body::Body::empty());
    let answer = native.mux.try_answer(came, request.unwrap()).await.unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["content-type"]),
        (StatusCode::OK, &"application/json".parse().unwrap())
    );
    serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn every_core_route_says_what_it_is() {
    let (native, _dir) = everything();
    let mut silent = BTreeSet::new();
    for (owner, route) in ALL.iter().flat_map(|l| native.mux.described(l)) {
        assert_eq!(owner, "core");
        if route.doc.summary.is_empty() || route.doc.answers.is_empty() {
            silent.insert(format!("{} {}", route.method, route.text));
        }
        for (status, kind) in &route.doc.answers {
            let good = StatusCode::from_u16(*status).is_ok() && (kind.is_empty() || kind.contains('/'));
            assert!(good, "{} {}: {status} {kind}", route.method, route.text);
        }
        let kinds = ["string", "integer", "number", "boolean"];
        assert!(route.doc.query.iter().all(|(_, kind, _)| kinds.contains(kind)), "{}", route.text);
    }
    assert!(silent.is_empty(), "without a summary or an answer: {silent:#?}");
}

#[tokio::test]
async fn the_document_is_that_of_its_listener() {
    let (native, _dir) = everything();
    for listener in &ALL {
        let document = ask(&native, listener).await;
        assert_eq!(document["openapi"], "3.1.0");
        assert!(document["servers"][0]["url"].as_str().unwrap().contains("tak.example:1"));
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.contains_key("/openapi.json"));
        assert_eq!(paths.contains_key("/admin/status"), *listener == Listener::Admin, "{}", listener.name());
        assert_eq!(paths.contains_key("/MissionTable"), matches!(listener, Listener::Rest | Listener::Admin));
        let mut ids = BTreeSet::new();
        for (path, operations) in paths {
            assert!(!path.contains('*'), "{path}");
            for operation in operations.as_object().unwrap().values() {
                assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}: {operation}");
                let named = operation["parameters"].as_array().unwrap().iter().filter(|p| p["in"] == "path").count();
                assert_eq!(named, path.matches('{').count(), "{path}");
                assert!(!operation["responses"].as_object().unwrap().is_empty(), "{path}");
                let open = operation["x-auth"] == "open";
                assert!(open || operation["responses"].get("401").is_some(), "{path}");
            }
        }
    }
}
