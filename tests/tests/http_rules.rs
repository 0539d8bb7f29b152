//! What holds for every HTTP answer: content types, errors by path, compression, codings, other origins, proxies, odd
//! paths and queries (marti-http.md 2, rest-api.md 2.3, 2.4).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::http_bed;

use std::{
    io::Write,
    process::{Command, Stdio},
};

use fts_tests::{Pki, Reply, Server, Web};
use http_bed::{PASSWORD, token, user, web};

/// `gzip` with this argument as a filter.
fn gzip(arg: &str, input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("gzip");
    let mut child = command.arg(arg).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success());
    done.stdout
}

#[test]
fn m15_04_gzip_only_for_who_asks_and_never_of_files() {
    let server = Server::start();
    let plain = Web::plain(&server, "marti_http");
    let asks = plain.clone().header("accept-encoding", "gzip");
    let json = plain.get("/Marti/api/version/config").expect(200);
    assert_eq!((json.header("content-encoding"), json.header("content-type")), (None, Some("application/json")));
    let packed = asks.get("/Marti/api/version/config").expect(200);
    assert_eq!(
        (packed.header("content-encoding"), packed.header("content-type")),
        (Some("gzip"), Some("application/json"))
    );
    assert_eq!(gzip("-dc", &packed.body), json.body);
    let text = "words ".repeat(1_000);
    let stored = plain.post("/Marti/sync/upload?name=words.txt", "text/plain", text.as_bytes()).expect(200).json();
    let hash = stored["Hash"].as_str().unwrap();
    let file = asks.get(&format!("/Marti/sync/content?hash={hash}")).expect(200);
    assert_eq!((file.header("content-encoding"), file.text()), (None, text));
}

#[test]
fn m15_37_other_origins() {
    let server = Server::build().secure().start();
    let first = [
        ("origin", "http://ui.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    for (listener, path) in [("marti_http", "/Marti/sync/upload"), ("rest", "/ManageGeoObject/postGeoObject")] {
        let told = web(&server, listener, None).send("OPTIONS", path, &first, b"").expect(200);
        assert!(told.body.is_empty());
        assert_eq!(told.header("access-control-allow-origin"), Some("http://ui.example"));
        assert_eq!(told.header("access-control-allow-headers"), Some("authorization, content-type"));
        let methods = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";
        assert_eq!(told.header("access-control-allow-methods"), Some(methods));
        assert_eq!((told.header("vary"), told.header("content-type")), (Some("Origin"), None));
    }
    let page = [("origin", "http://ui.example")];
    let plain = Web::plain(&server, "marti_http");
    let read = plain.send("GET", "/Alive", &page, b"").expect(200);
    assert_eq!(read.header("access-control-allow-origin"), Some("http://ui.example"));
    assert_eq!(plain.get("/Alive").header("access-control-allow-origin"), Some("*"));
    let refused = Web::plain(&server, "rest").send("GET", "/MissionTable", &page, b"").expect(401);
    assert_eq!(refused.header("access-control-allow-origin"), Some("http://ui.example"), "pages see why");
    let phone = Pki::issue(&server, "phone");
    for (listener, cert) in [("marti_https", Some(&phone)), ("enrollment", None)] {
        let silent = web(&server, listener, cert);
        for reply in
            [silent.send("OPTIONS", "/Alive", &first, b"").expect(200), silent.send("GET", "/openapi.json", &page, b"")]
        {
            assert!(!reply.headers.iter().any(|(n, _)| n.starts_with("access-control")), "{listener}");
        }
    }
}

#[test]
fn m15_42_errors_by_path() {
    let server = Server::start();
    let plain = Web::plain(&server, "marti_http");
    for (method, path, status, code) in [
        ("GET", "/Marti/api/no/such", 404, 1),
        ("DELETE", "/Marti/api/version", 405, 2),
        ("GET", "/Marti/api/clientEndPoints?secAgo=-1", 400, 0),
    ] {
        let error = plain.send(method, path, &[], b"").expect(status);
        assert_eq!(error.header("content-type"), Some("application/json"), "{path}");
        let json = error.json();
        assert!(json["status"].is_string() && json["message"].is_string() && json["code"].is_u64(), "{json}");
        assert!(code == 0 || json["code"] == code, "{json}");
    }
    for (method, path, status) in [
        ("GET", "/Marti/sync/content?hash=00", 404),
        ("GET", "/Marti/sync/content", 400),
        ("GET", "/Marti/sync/upload", 405),
        ("GET", "/Marti/sync/no/such", 404),
        ("GET", "/MARTI/sync/search", 404),
    ] {
        let error = plain.send(method, path, &[], b"").expect(status);
        assert_eq!(error.header("content-type"), Some("text/plain"), "{path}");
        let text = error.text();
        assert!(!text.is_empty() && !text.contains(['\n', '<']), "{text}");
        assert!(!text.contains(server.data_dir().to_str().unwrap()), "{text}");
    }
    assert_eq!(plain.send("GET", "/Marti/sync/upload", &[], b"").header("allow"), Some("POST"));
}

#[test]
fn id12_16_errors_of_rest() {
    let server = Server::start();
    user(&server, "reader", "user");
    let rest = Web::plain(&server, "rest");
    let reads = rest.clone().bearer(&token(&server, "reader", "write"));
    for denied in [
        rest.get("/MissionTable"),
        rest.clone().bearer("x\" OR \"1\"=\"1").get("/MissionTable"),
        rest.clone().basic("reader", PASSWORD).get("/MissionTable"),
    ] {
        let denied = denied.expect(401);
        assert_eq!(denied.header("www-authenticate"), Some("Bearer realm=\"Authentication Required\""));
        assert_eq!(
            (denied.text().as_str(), denied.header("content-type")),
            ("Unauthorized Access", Some("text/plain"))
        );
    }
    assert_eq!(reads.get("/MissionTable").expect(403).text(), r#"{"message":"forbidden"}"#);
    assert_eq!(rest.get("/").expect(404).text(), "this endpoint does not exist");
    let method = rest.send("PUT", "/MissionTable", &[], b"").expect(405);
    assert_eq!((method.text().as_str(), method.header("allow")), (r#"{"message":"method not allowed"}"#, Some("GET")));
}

#[test]
fn m2_4_paths_and_queries_as_clients_write_them() {
    let server = Server::start();
    let plain = Web::plain(&server, "marti_http");
    plain.get("/Marti/api/version/").expect(200);
    plain.get("/Alive/").expect(200);
    plain.get("/alive").expect(404);
    // Nobody encodes these.
    for raw in ["|", "{a}", "^", "[1]", "\\", "`", "~", "'", "\u{e4}"] {
        plain.get(&format!("/Marti/api/version?x={raw}&y={raw}")).expect(200);
        plain.get(&format!("/Marti/sync/search?keywords={raw}")).expect(200);
    }
    // What no URL can hold is refused with an answer, not with a closed connection.
    plain.get("/Marti/api/version?x=<").expect(400);
}

#[test]
fn m15_41_unknown_keys_and_keys_in_any_case() {
    let server = Server::start();
    let plain = Web::plain(&server, "marti_http");
    let stored = plain.post("/Marti/sync/upload?NAME=a.bin&nonsense=1", "image/png", b"abc").expect(200).json();
    assert_eq!(stored["Name"], "a.bin");
    let hash = stored["Hash"].as_str().unwrap();
    plain.get(&format!("/Marti/sync/content?HASH={hash}&receiver=x&nonsense")).expect(200);
    plain.get("/Marti/sync/search?nonsense=1").expect(200);
    plain.get(&format!("/Marti/sync/missionquery?hash={hash}&nonsense=1")).expect(200);
}

#[test]
fn m2_3_codings_of_requests() {
    let server = Server::start();
    let plain = Web::plain(&server, "marti_http");
    let up = |coding: &str, body: &[u8]| {
        plain.send(
            "POST",
            "/Marti/sync/upload?name=a",
            &[("content-encoding", coding), ("content-type", "text/plain")],
            body,
        )
    };
    let hash = up("UTF-8", b"words").expect(200).json()["Hash"].clone();
    assert_eq!(up("gzip", &gzip("-c", b"words")).expect(200).json()["Hash"], hash);
    assert_eq!(up("br", b"words").expect(415).header("content-type"), Some("text/plain"));
}

#[test]
fn m2_2_nothing_has_no_type() {
    let server = Server::start();
    let plain = Web::plain(&server, "marti_http");
    let empty = plain.get("/Marti/api/cot/xml/nobody").expect(404);
    assert_eq!((empty.body.len(), empty.header("content-type")), (0, None));
    let head = plain.send("HEAD", "/Alive", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn m6_4_urls_follow_the_request() {
    let url = |reply: Reply| reply.expect(200).text();
    let query = |server: &Server, web: &Web| {
        let stored = Web::plain(server, "marti_http").post("/Marti/sync/upload?name=a", "image/png", b"abc");
        let hash = stored.expect(200).json()["Hash"].as_str().unwrap().to_owned();
        let found = url(web.get(&format!("/Marti/sync/missionquery?hash={hash}")));
        found.strip_suffix(&format!("/Marti/sync/content?hash={hash}")).unwrap_or(&found).to_owned()
    };
    let server = Server::build().secure().start();
    let plain = Web::plain(&server, "marti_http");
    assert_eq!(query(&server, &plain), format!("http://{}", plain.at));
    assert_eq!(query(&server, &plain.clone().host("tak.example.org")), "http://tak.example.org:80");
    assert_eq!(query(&server, &plain.clone().host("[::1]:8080")), "http://[::1]:8080");
    assert_eq!(query(&server, &plain.clone().host("evil.example/x?")), format!("http://{}", plain.at));
    let forged = plain.clone().header("x-forwarded-host", "evil.example").header("x-forwarded-proto", "https");
    assert_eq!(query(&server, &forged), format!("http://{}", plain.at), "nobody is trusted");
    let phone = Pki::issue(&server, "phone");
    let secure = Web::tls(&server, "marti_https", Some(&phone));
    assert_eq!(query(&server, &secure.clone().host("tak.example.org:8443")), "https://tak.example.org:8443");

    let behind = Server::build().set("marti.trusted_proxies", "[\"127.0.0.0/8\"]").start();
    let told = Web::plain(&behind, "marti_http").header("x-forwarded-host", "tak.example.org:443");
    assert_eq!(query(&behind, &told.header("x-forwarded-proto", "https")), "https://tak.example.org:443");

    let fixed = Server::build().set("listeners.marti_http.public_url", "\"https://cdn.example.org/tak/\"").start();
    assert_eq!(query(&fixed, &Web::plain(&fixed, "marti_http")), "https://cdn.example.org:443/tak");
}
