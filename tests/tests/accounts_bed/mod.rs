//! What the tests of accounts share: users made as an operator makes them, and clients with a user's certificate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)] // Each test program uses a part of it.
use fts_tests::{Client, Pki, Server, Web};
use serde_json::{Value, json};

/// Every user's password here.
pub const PASSWORD: &str = "correct horse battery";

/// Makes a user; `groups` as the command takes them.
pub fn user(server: &Server, name: &str, role: &str, groups: &[&str]) {
    let body = json!({"name": name, "password": PASSWORD, "role": role, "groups": groups});
    let answer = server.admin("POST", "/admin/users", &body.to_string());
    assert_eq!(answer.status, 201, "{}", answer.body);
}

/// Makes a group.
pub fn group(server: &Server, name: &str) {
    let answer = server.admin("POST", "/admin/groups", &json!({"name": name}).to_string());
    assert_eq!(answer.status, 201, "{}", answer.body);
}

/// Any change through the local socket.
pub fn admin(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let answer = server.admin(method, path, &text);
    assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.body);
    answer.json()
}

/// A CoT client with the certificate, identified; what it was shown meanwhile is kept.
pub fn join(server: &Server, pki: &Pki, uid: &str) -> Client {
    let ca = server.data_dir().join("certs/ca.pem");
    let client = Client::tls(server, "cot_tls", pki.client(&ca, &[&rustls::version::TLS13])).unwrap();
    client.greeted().identify(uid, &format!("CS-{uid}"))
}

/// The TAK API with the certificate.
pub fn web(server: &Server, pki: &Pki) -> Web {
    Web::tls(server, "marti_https", Some(pki))
}

/// The enrollment listener, without a certificate.
pub fn door(server: &Server) -> Web {
    Web::tls(server, "enrollment", None)
}

/// Everything the log holds so far, as one text.
pub fn log(server: &Server) -> String {
    server.logs().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
