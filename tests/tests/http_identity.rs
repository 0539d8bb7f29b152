//! Who a caller is on which listener: certificates, passwords, tokens, and what happens to wrong ones (identity.md 2, 7;
//! marti-http.md 2.6, 3.4; operations.md 6.3).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::http_bed;

use fts_tests::{Pki, Server, Web};
use http_bed::{PASSWORD, token, user, web};

const VERSION: &str = "/Marti/api/version";

#[test]
fn m15_39_passwords_on_the_plain_listener() {
    let server = Server::start();
    user(&server, "alice", "user");
    let plain = Web::plain(&server, "marti_http");
    for ignored in [plain.clone(), plain.clone().basic("alice", PASSWORD), plain.clone().basic("alice", "wrong")] {
        ignored.get("/Marti/sync/search").expect(200);
    }
    // Ignored means ignored: nothing was tried and nothing counted.
    assert_eq!(server.metric("fts_auth_attempts_total", &[]), 0.0);

    let required = Server::build().set("listeners.marti_http.auth", "\"required\"").start();
    user(&required, "alice", "user");
    let plain = Web::plain(&required, "marti_http");
    for denied in [
        plain.clone(),
        plain.clone().basic("alice", "wrong"),
        plain.clone().basic("nobody", PASSWORD),
        plain.clone().bearer("x"),
    ] {
        let reply = denied.get("/Marti/sync/content?hash=00").expect(401);
        assert_eq!(reply.header("www-authenticate"), Some("Basic realm=\"TAK\""));
    }
    plain.clone().basic("alice", PASSWORD).get("/Marti/sync/content?hash=00").expect(404);
    plain.get("/Alive").expect(200);
    assert_eq!(required.metric("fts_auth_attempts_total", &["kind=\"basic\"", "result=\"ok\""]), 1.0);
    assert_eq!(required.metric("fts_auth_attempts_total", &["kind=\"basic\"", "result=\"wrong\""]), 2.0);

    let optional = Server::build().set("listeners.marti_http.auth", "\"optional\"").start();
    user(&optional, "alice", "user");
    let plain = Web::plain(&optional, "marti_http");
    plain.get(VERSION).expect(200);
    plain.clone().basic("alice", PASSWORD).get(VERSION).expect(200);
    plain.clone().basic("alice", "wrong").get(VERSION).expect(401);
}

#[test]
fn id12_04_wrong_passwords_are_slowed_down() {
    let server = Server::build().set("listeners.marti_http.auth", "\"required\"").start();
    user(&server, "alice", "user");
    let plain = Web::plain(&server, "marti_http");
    let wrong = plain.clone().basic("alice", "wrong");
    let last = (0..20).map(|_| wrong.get(VERSION)).find(|r| r.status == 429).expect("throttled at some time");
    let seconds: u32 = last.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    // Not even the right one, meanwhile.
    plain.basic("alice", PASSWORD).get(VERSION).expect(429);
}

#[test]
fn a_certificate_decides_on_8443_whatever_else_is_sent() {
    let server = Server::build().secure().start();
    user(&server, "alice", "admin");
    let phone = Pki::issue(&server, "phone");
    let secure = Web::tls(&server, "marti_https", Some(&phone));
    // Mission tokens travel as Bearer, ATAK adds Basic: both are nobody's business there.
    for web in [secure.clone(), secure.clone().bearer("no login token"), secure.clone().basic("alice", "wrong")] {
        web.get(VERSION).expect(200);
    }
    assert_eq!(secure.basic("alice", PASSWORD).get("/Marti/api/util/isAdmin").expect(200).text(), "false");
    let admin = Pki::issue(&server, "alice");
    assert_eq!(Web::tls(&server, "marti_https", Some(&admin)).get("/Marti/api/util/isAdmin").text(), "true");
}

#[test]
fn tokens_on_8443_where_no_certificate_is_sent() {
    let server = Server::build().secure().set("listeners.marti_https.client_cert", "\"optional\"").start();
    user(&server, "alice", "user");
    let bare = Web::tls(&server, "marti_https", None);
    bare.get(VERSION).expect(401);
    bare.get("/Alive").expect(200);
    bare.clone().bearer("wrong").get(VERSION).expect(401);
    bare.bearer(&token(&server, "alice", "read write")).get(VERSION).expect(200);
    let phone = Pki::issue(&server, "phone");
    Web::tls(&server, "marti_https", Some(&phone)).get(VERSION).expect(200);
    let password = Server::build().secure().set("listeners.marti_https.auth", "\"password\"").start();
    user(&password, "alice", "user");
    let phone = Pki::issue(&password, "phone");
    let web = Web::tls(&password, "marti_https", Some(&phone));
    web.get(VERSION).expect(401);
    web.basic("alice", PASSWORD).get(VERSION).expect(200);
}

#[test]
fn m3_4_a_password_enrols_and_a_token_does_the_rest() {
    let server = Server::build().secure().start();
    user(&server, "alice", "user");
    let stranger = Web::tls(&server, "enrollment", None);
    let password = stranger.clone().basic("alice", PASSWORD);
    password.get("/Marti/api/tls/config").expect(200);
    for path in [VERSION, "/Marti/sync/search", "/no/such/path"] {
        password.get(path).expect(401);
    }
    stranger.clone().basic("alice", "wrong").get("/Marti/api/tls/config").expect(401);
    let bearer = stranger.clone().bearer(&token(&server, "alice", "read write"));
    bearer.get(VERSION).expect(200);
    bearer.get("/no/such/path").expect(404);
    stranger.clone().bearer("wrong").get(VERSION).expect(401);
    // What a browser got from /oauth/token.
    let form = format!("grant_type=password&username=alice&password={}", PASSWORD.replace(' ', "+"));
    let login = stranger.post("/oauth/token", "application/x-www-form-urlencoded", form.as_bytes()).expect(200);
    let cookie = login.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with("access_token="), "{cookie}");
    stranger.clone().header("cookie", &cookie).get(VERSION).expect(200);
    stranger.header("cookie", "access_token=x").get(VERSION).expect(401);
    // Only there: a page that has the cookie does not speak for the user elsewhere.
    let rest = Web::plain(&server, "rest").header("cookie", &cookie);
    rest.get("/MissionTable").expect(401);
}

#[test]
fn who_is_switched_off_is_known_and_refused() {
    let server = Server::build().secure().set("listeners.marti_http.auth", "\"optional\"").start();
    user(&server, "alice", "user");
    let bearer = token(&server, "alice", "read write");
    let cert = Pki::issue(&server, "alice");
    let all = [
        Web::plain(&server, "marti_http").basic("alice", PASSWORD),
        web(&server, "enrollment", None).bearer(&bearer),
        web(&server, "marti_https", Some(&cert)),
    ];
    for web in &all {
        web.get(VERSION).expect(200);
    }
    assert_eq!(server.admin("PUT", "/admin/users/alice", r#"{"disabled":true}"#).status, 200);
    for web in &all {
        web.get(VERSION).expect(403);
    }
}

#[test]
fn without_groups_nobody_gets_in() {
    let server = Server::build().set("listeners.marti_http.default_groups", "[]").start();
    let plain = Web::plain(&server, "marti_http");
    plain.get(VERSION).expect(403);
    plain.get("/Alive").expect(200);
}

#[test]
fn id7_readonly_users_look_only() {
    let server = Server::build().secure().start();
    user(&server, "eyes", "readonly");
    let eyes = Web::tls(&server, "marti_https", Some(&Pki::issue(&server, "eyes")));
    eyes.get("/Marti/sync/search").expect(200);
    eyes.post("/Marti/sync/upload?name=a", "image/png", b"abc").expect(403);
    eyes.put("/Marti/api/sync/metadata/00/tool", "text/plain", b"public").expect(403);
}

#[test]
fn op13_24b_tokens_on_the_admin_listener() {
    let server = Server::start();
    for (name, role) in [("root", "admin"), ("eyes", "readonly"), ("alice", "user")] {
        user(&server, name, role);
    }
    let admin = Web::plain(&server, "admin");
    let with = |name: &str, scopes: &str| admin.clone().bearer(&token(&server, name, scopes));
    for path in ["/livez", "/readyz", "/metrics", "/openapi.json"] {
        admin.get(path).expect(200);
        admin.clone().bearer("wrong").get(path).expect(200);
    }
    for (web, get, put) in [
        (admin.clone(), 401, 401),
        (admin.clone().bearer("wrong"), 401, 401),
        (admin.clone().basic("root", PASSWORD), 401, 401),
        (with("alice", "read write"), 403, 403),
        (with("alice", "admin"), 403, 403),
        (with("root", "read"), 200, 403),
        (with("eyes", "read"), 200, 403),
        (with("root", "admin"), 200, 200),
    ] {
        // One of axum's routes and one of the mux.
        web.get("/admin/status").expect(get);
        web.get("/admin/users").expect(get);
        web.put("/admin/log", "application/json", br#"{"filter":"info"}"#).expect(put);
        web.put("/admin/users/alice", "application/json", b"{}").expect(put);
    }
}

#[test]
fn the_access_log_says_who_and_what_and_no_secret() {
    let server = Server::build().set("listeners.marti_http.auth", "\"optional\"").start();
    user(&server, "alice", "user");
    let plain = Web::plain(&server, "marti_http").basic("alice", PASSWORD);
    plain.get("/Marti/api/clientEndPoints?secAgo=5&token=s3cret&Password=hush").expect(200);
    let line = server.wait_log(|l| l["event"] == "http.request" && l["route"] == "/Marti/api/clientEndPoints");
    let wanted = [
        ("method", "GET"),
        ("user", "alice"),
        ("listener", "marti_http"),
        ("query", "secAgo=5&token=***&Password=***"),
    ];
    for (key, value) in wanted {
        assert_eq!(line[key], value, "{line}");
    }
    assert_eq!(line["target"], "fts::http");
    assert!(line["status"] == 200 && line["bytes"].as_u64() > Some(10) && line["ms"].is_u64(), "{line}");
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    let count = server.metric(
        "fts_http_requests_total",
        &["route=\"/Marti/api/clientEndPoints\"", "method=\"GET\"", "status=\"200\"", "listener=\"marti_http\""],
    );
    assert_eq!(count, 1.0);
    assert_eq!(server.metric("fts_http_request_seconds_count", &["route=\"/Marti/api/clientEndPoints\""]), 1.0);
    assert_eq!(server.metric("fts_http_inflight", &["listener=\"marti_http\""]), 0.0);
    let logs = serde_json::to_string(&server.logs()).unwrap();
    for secret in ["s3cret", "hush", PASSWORD] {
        assert!(!logs.contains(secret));
    }
}
