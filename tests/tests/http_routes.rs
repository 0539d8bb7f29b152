//! Every registered route, asked by every class of caller on every listener: none is reached by who may not (identity.md
//! 7), and no answer and no line of the log holds a secret. The routes are those of the OpenAPI documents, so a new one
//! is in here by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::http_bed;

use std::collections::BTreeMap;

use fts_tests::{Pki, Server, Web};
use http_bed::{PASSWORD, token, user, web};

/// What a caller is to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Nobody,
    Anonymous,
    /// A certificate without an account, or a user.
    User,
    /// Only a token, with these scopes.
    Reader,
    Writer,
    Admin,
}

struct Caller {
    what: &'static str,
    class: Class,
    web: Web,
}

struct Operation {
    method: String,
    path: String,
    auth: String,
    enrolls: bool,
}

fn operations(web: &Web) -> Vec<Operation> {
    let document = web.get("/openapi.json").expect(200).json();
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(|(method, operation)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            auth: operation["x-auth"].as_str().unwrap().to_owned(),
            enrolls: operation["x-enrolls"] == true,
        })
    });
    all.collect()
}

/// May this class use a route that lets in `auth`? None = the route decides by more than that.
fn may(class: Class, auth: &str) -> bool {
    use Class::*;
    match auth {
        "open" => true,
        "user" => class != Nobody,
        "login" => !matches!(class, Nobody | Anonymous),
        "scope read" => matches!(class, Reader | Writer | Admin | User),
        "scope write" => matches!(class, Writer | Admin | User),
        "scope admin" | "role admin" => class == Admin,
        other => panic!("a class nobody knows: {other}"),
    }
}

struct Scene {
    server: Server,
    secrets: Vec<String>,
}

fn scene() -> (Scene, BTreeMap<&'static str, Vec<Caller>>) {
    let server = Server::build().secure().set("marti.locate", "true").start();
    for (name, role) in [("alice", "user"), ("eyes", "readonly"), ("root", "admin")] {
        user(&server, name, role);
    }
    let [writes, reads, admin, low] = [("alice", "read write"), ("eyes", "read"), ("root", "admin"), ("root", "read")]
        .map(|(n, s)| token(&server, n, s));
    let [phone, alice, eyes, root] = ["phone", "alice", "eyes", "root"].map(|name| Pki::issue(&server, name));
    let caller = |what, class, web| Caller { what, class, web };
    let mut all = BTreeMap::new();
    let plain = Web::plain(&server, "marti_http");
    all.insert(
        "marti_http",
        vec![
            caller("anonymous", Class::Anonymous, plain.clone()),
            caller("password that is not looked at", Class::Anonymous, plain.clone().basic("root", PASSWORD)),
            caller("token that is not looked at", Class::Anonymous, plain.bearer(&admin)),
        ],
    );
    let secure = |cert| Web::tls(&server, "marti_https", Some(cert));
    all.insert(
        "marti_https",
        vec![
            caller("certificate", Class::User, secure(&phone)),
            caller("certificate with somebody's token", Class::User, secure(&phone).bearer(&admin)),
            caller("user's certificate", Class::User, secure(&alice)),
            caller("readonly certificate", Class::Reader, secure(&eyes)),
            caller("admin's certificate", Class::Admin, secure(&root)),
        ],
    );
    for listener in ["enrollment", "rest", "admin"] {
        let bare = web(&server, listener, None);
        let mut callers = vec![
            caller("nobody", Class::Nobody, bare.clone()),
            caller("wrong token", Class::Nobody, bare.clone().bearer("wrong")),
            caller("wrong password", Class::Nobody, bare.clone().basic("nobody", "wrong")),
            caller("user's token", Class::Writer, bare.clone().bearer(&writes)),
            caller("readonly token", Class::Reader, bare.clone().bearer(&reads)),
            caller("admin's token for reading", Class::Reader, bare.clone().bearer(&low)),
            caller("admin's token", Class::Admin, bare.clone().bearer(&admin)),
        ];
        // A password opens nothing but enrolment.
        callers.push(caller("password", Class::Nobody, bare.basic("alice", PASSWORD)));
        all.insert(listener, callers);
    }
    let keys =
        ["ca.key", "server.key"].map(|f| std::fs::read_to_string(server.data_dir().join("certs").join(f)).unwrap());
    // The middle of a key, without its header.
    let inside = keys.iter().map(|k| k.lines().nth(1).unwrap().to_owned());
    let secrets = [PASSWORD.to_owned(), writes, reads, admin, low].into_iter().chain(inside).collect();
    (Scene { server, secrets }, all)
}

#[test]
fn id7_no_route_is_reached_from_below_and_no_secret_comes_out() {
    let (scene, listeners) = scene();
    let mut asked = 0;
    let mut wrong = Vec::new();
    for (listener, callers) in &listeners {
        let routes = operations(&callers.last().unwrap().web);
        assert!(routes.len() > 3, "{listener}");
        for route in &routes {
            let path =
                route.path.split('/').map(|s| if s.starts_with('{') { "x" } else { s }).collect::<Vec<_>>().join("/");
            for caller in callers {
                let reads = matches!(route.method.as_str(), "GET" | "HEAD");
                // A readonly caller looks at administration, and at everything users may.
                let looks =
                    caller.class == Class::Reader && reads && (*listener == "admin" && path.starts_with("/admin/"));
                let mut allowed = looks || may(caller.class, &route.auth);
                if *listener == "enrollment" && route.enrolls && caller.what == "password" {
                    allowed = true;
                }
                let changes =
                    !reads && caller.class == Class::Reader && matches!(route.auth.as_str(), "user" | "login");
                // What would stop the server, or wait for events, is only asked by who must not.
                let dangerous = matches!(
                    path.as_str(),
                    "/admin/stop" | "/admin/drain" | "/admin/tail" | "/admin/log" | "/admin/logs"
                );
                if allowed && (dangerous || !reads) && !changes {
                    continue;
                }
                let reply = caller.web.send(&route.method, &path, &[], b"");
                asked += 1;
                // Somebody who guesses is slowed down.
                let denied =
                    matches!(reply.status, 401 | 403) || (caller.what == "wrong password" && reply.status == 429);
                let line = || {
                    format!(
                        "{listener} {} {path} ({}) by {}: {} {}",
                        route.method,
                        route.auth,
                        caller.what,
                        reply.status,
                        reply.text()
                    )
                };
                // Of what it may use, a route may still refuse a part: that is its own rule. 401 is not.
                if (!allowed && !denied)
                    || (allowed && !changes && reply.status == 401 && route.auth != "open")
                    || reply.status >= 500
                {
                    wrong.push(line());
                }
                if reply.status == 401 && reply.header("www-authenticate").is_none() && route.auth != "open" {
                    wrong.push(format!("no challenge: {}", line()));
                }
                let text = reply.text();
                if let Some(secret) = scene.secrets.iter().find(|s| text.contains(s.as_str())) {
                    wrong.push(format!("{secret:.4}… in the answer: {}", line()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 300, "{asked}");
    let logs = serde_json::to_string(&scene.server.logs()).unwrap();
    assert!(!scene.secrets.iter().any(|s| logs.contains(s.as_str())), "a secret is in the log");
    let local = scene.server.admin("GET", "/admin/status", "");
    assert_eq!(local.status, 200, "and the server is as it was");
}

/// The routes of marti-http.md 3.1.
const PARITY: [(&str, &str); 19] = [
    ("GET", "/"),
    ("GET", "/Alive"),
    ("GET", "/Marti/api/version"),
    ("GET", "/Marti/api/version/config"),
    ("GET", "/Marti/api/clientEndPoints"),
    ("GET", "/Marti/api/groups/groupCacheEnabled"),
    ("GET", "/Marti/api/groups/all"),
    ("GET", "/Marti/vcm"),
    ("POST", "/Marti/vcm"),
    ("GET", "/Marti/api/citrap"),
    ("POST", "/Marti/sync/upload?name=a"),
    ("GET", "/Marti/sync/search"),
    ("GET", "/Marti/sync/content"),
    ("PUT", "/Marti/sync/content?filename=a"),
    ("POST", "/Marti/sync/missionupload?filename=a.zip"),
    ("PUT", "/Marti/sync/missionupload?filename=a.zip"),
    ("GET", "/Marti/sync/missionquery"),
    ("POST", "/Marti/sync/missionquery"),
    ("DELETE", "/Marti/vcm"),
];

#[test]
fn m15_40_the_parity_routes_are_there_on_both_listeners() {
    let server = Server::build().secure().start();
    let phone = Pki::issue(&server, "phone");
    for listener in ["marti_http", "marti_https"] {
        let client = web(&server, listener, Some(&phone));
        for (method, path) in PARITY {
            let reply = client.send(method, path, &[], b"");
            assert!(!matches!(reply.status, 404 | 405 | 500..), "{listener} {method} {path}: {}", reply.status);
        }
        let stored = client.post("/Marti/sync/upload?name=a", "image/png", b"abc").expect(200).json();
        let hash = stored["Hash"].as_str().unwrap();
        client.get(&format!("/Marti/api/sync/metadata/{hash}/tool")).expect(200);
        client.put(&format!("/Marti/api/sync/metadata/{hash}/tool"), "text/plain", b"private").expect(200);
        client.send("HEAD", &format!("/Marti/sync/content?hash={hash}"), &[], b"").expect(200);
    }
}
