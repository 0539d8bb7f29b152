//! Callers of every class, made as an operator makes them: users with passwords, roles and tokens, and certificates.
#![allow(dead_code)] // Each test file uses its part.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::{Pki, Server, Web};
use serde_json::json;

/// The password of every user a test makes.
pub const PASSWORD: &str = "a password nobody guesses";

/// Makes a user with that password.
pub fn user(server: &Server, name: &str, role: &str) {
    let body = json!({"name": name, "password": PASSWORD, "role": role}).to_string();
    let made = server.admin("POST", "/admin/users", &body);
    assert_eq!(made.status, 201, "{}", made.body);
}

/// Makes a token of a user.
pub fn token(server: &Server, name: &str, scopes: &str) -> String {
    let body = json!({"scopes": scopes}).to_string();
    let made = server.admin("POST", &format!("/admin/users/{name}/tokens"), &body);
    assert_eq!(made.status, 201, "{}", made.body);
    made.json()["token"].as_str().unwrap().to_owned()
}

/// A client of a listener: with TLS where it has it, with a certificate if there is one.
pub fn web(server: &Server, listener: &str, cert: Option<&Pki>) -> Web {
    match listener {
        "marti_https" | "enrollment" => Web::tls(server, listener, cert),
        _ => Web::plain(server, listener),
    }
}

/// Names of the files uploads under way are in.
pub fn uploads(server: &Server) -> usize {
    std::fs::read_dir(server.data_dir().join("files/tmp")).map_or(0, Iterator::count)
}
