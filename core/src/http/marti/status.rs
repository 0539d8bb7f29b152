//! What the server says about itself and about the caller (marti-http.md 5.1, 5.2): banner, versions, node, roles, time.
//!
//! ATAK asks for the version at every connect and looks for words in the answer: `TAK Server` in the text, the type
//! `ServerConfig` and a version of at least 2 in the JSON. Everything else is from the running configuration. Who may:
//! `/` and `/Alive` are open, monitors ask for them; the rest is for whoever the listener lets in.
use axum::http::Method;
use fts_plugin_api::cot::format_time;
use serde_json::{Value, json};

use super::envelope;
use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::{Auth, Identity, Role},
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    observe::clock,
};

/// Its routes.
pub fn routes(book: &mut Book) {
    const GET: Method = Method::GET;
    let text = "text/plain";
    book.on(GET, "/", Listeners::MARTI, Auth::Open, banner).about("What this is").answers(200, text);
    book.on(GET, "/Alive", Listeners::MARTI, Auth::Open, alive).about("Somebody is there").answers(200, text);
    let mut tak = |path, endpoint, about, kind| {
        book.on(GET, path, Listeners::TAK, Auth::User, endpoint).about(about).answers(200, kind);
    };
    tak("/Marti/api/version", version, "Version, as text", text);
    tak("/Marti/api/ver", ver, "Bare version, as text", text);
    tak("/Marti/api/version/config", version_config, "Version and name of the server", "application/json");
    tak("/Marti/api/version/info", version_info, "Version in parts", "application/json");
    tak("/Marti/api/node/id", node_id, "Name of this server among others", text);
    tak("/Marti/api/home", home, "Where the web interface begins", text);
    tak("/Marti/api/util/isAdmin", is_admin, "Whether the caller administers the server", "application/json");
    tak("/Marti/api/util/user/roles", roles, "The caller's roles", "application/json");
    tak("/Marti/GetTime", time, "The server's time, UTC", text);
}

fn plain(text: impl Into<String>) -> Result<Answer, HandlerError> {
    Ok(Answer::bytes("text/plain", text.into()))
}

fn banner(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let config = native.config();
    plain(format!("{} {}: a TAK server\n", config.server.name, config.version()))
}

/// Monitors of FTS compare these words.
fn alive(_: &Native, _: Call) -> Result<Answer, HandlerError> {
    plain("DataPackage service alive")
}

fn version(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    plain(format!("TAK Server compatible: fts {}", native.config().version()))
}

fn ver(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    plain(native.config().version())
}

/// `api` is the version of the API, as in every envelope: from 2 on ATAK filters the packages it searches for.
fn version_config(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let host = call.host.as_deref().map(without_port).filter(|h| !h.is_empty());
    let reached = || call.local.map_or_else(|| "localhost".to_owned(), |at| at.ip().to_canonical().to_string());
    let hostname = host.map_or_else(reached, str::to_owned);
    let version = native.config().version().to_owned();
    Ok(envelope(native, "ServerConfig", json!({"version": version, "api": "3", "hostname": hostname})))
}

/// `tak.example.org:8443`, `[::1]:8080` without the port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

fn version_info(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    Ok(Answer::json(&parts(native.config().version())))
}

/// `5.3.0-rts.1` in parts; what does not fit the form is in `variant`.
fn parts(version: &str) -> Value {
    let (numbers, variant) = version.split_once(['-', '+', ' ']).unwrap_or((version, ""));
    let mut numbers = numbers.split('.').map(|n| n.parse::<u32>().ok());
    let mut next = || numbers.next().flatten();
    let (major, minor, patch) = (next(), next(), next());
    let variant = if major.is_some() { variant } else { version };
    json!({
        "major": major.unwrap_or(0), "minor": minor.unwrap_or(0), "patch": patch.unwrap_or(0),
        "branch": "", "variant": variant,
    })
}

fn node_id(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    plain(native.config().server.node_id.as_str())
}

fn home(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    plain(native.config().marti.web_home.as_str())
}

fn is_admin(_: &Native, call: Call) -> Result<Answer, HandlerError> {
    Ok(Answer::json(&json!(call.identity.role == Role::Admin)))
}

fn roles(_: &Native, call: Call) -> Result<Answer, HandlerError> {
    Ok(Answer::json(&json!(tak_roles(&call.identity))))
}

/// By the names TAK has for them (identity.md 7). Who may not send anywhere only reads.
fn tak_roles(who: &Identity) -> Vec<&'static str> {
    let mut roles = vec![match who.role {
        Role::Admin => "ROLE_ADMIN",
        _ if who.anonymous => "ROLE_ANONYMOUS",
        _ => "ROLE_WEBTAK",
    }];
    if who.role == Role::ReadOnly || (who.role != Role::Admin && who.groups_in.is_empty()) {
        roles.push("ROLE_READONLY");
    }
    roles
}

fn time(_: &Native, _: Call) -> Result<Answer, HandlerError> {
    plain(format_time(clock::now_ms()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::marti::bed::{Ask, Bed};

    #[test]
    fn m15_01_monitors_find_the_words_they_compare() {
        let bed = Bed::new();
        let alive = Ask::get("/Alive").of(&bed, alive).unwrap();
        assert_eq!((alive.status, alive.text().as_str()), (200, "DataPackage service alive"));
        assert!(Ask::get("/").of(&bed, banner).unwrap().text().contains(env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn m15_02_and_03_versions_are_what_atak_looks_for() {
        let bed = Bed::with(&["compat.version_string=\"5.3.0-rts\"", "marti.web_home=\"/map/\""]);
        let text = Ask::get("/Marti/api/version").of(&bed, version).unwrap();
        assert!(text.text().contains("TAK Server") && text.text().contains("5.3.0-rts"));
        assert_eq!(text.header("content-type"), "text/plain");
        let config = Ask::get("/Marti/api/version/config").of(&bed, version_config).unwrap();
        assert_eq!(config.header("content-type"), "application/json");
        let wanted = json!({"version": "3", "type": "ServerConfig", "nodeId": "node1",
            "data": {"version": "5.3.0-rts", "api": "3", "hostname": "tak.example.org"}});
        assert_eq!(config.json(), wanted);
        let says = |endpoint| Ask::get("/").of(&bed, endpoint).unwrap().text();
        assert_eq!([says(ver), says(node_id), says(home)], ["5.3.0-rts", "node1", "/map/"]);
    }

    #[test]
    fn hosts_lose_their_port() {
        for (host, name) in [("a.b:80", "a.b"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a", "a"), ("a:b", "a:b")] {
            assert_eq!(without_port(host), name);
        }
    }

    #[test]
    fn versions_come_apart() {
        let wanted = json!({"major": 5, "minor": 3, "patch": 0, "branch": "", "variant": "rts.1"});
        assert_eq!(parts("5.3.0-rts.1"), wanted);
        assert_eq!(
            parts("FreeTAKServer 2"),
            json!({"major": 0, "minor": 0, "patch": 0, "branch": "", "variant": "FreeTAKServer 2"})
        );
    }

    #[test]
    fn roles_have_the_names_of_tak() {
        let bed = Bed::new();
        let of = |ask: Ask| ask.of(&bed, roles).unwrap().json();
        let user = || Ask::get("/").user("alpha", &["Blue"]);
        assert_eq!(of(Ask::get("/")), json!(["ROLE_ANONYMOUS"]));
        assert_eq!(of(user()), json!(["ROLE_WEBTAK"]));
        assert_eq!(of(user().admin()), json!(["ROLE_ADMIN"]));
        assert_eq!(of(Ask::get("/").user("alpha", &[])), json!(["ROLE_WEBTAK", "ROLE_READONLY"]));
        assert_eq!(of(user().identity(|i| i.role = Role::ReadOnly)), json!(["ROLE_WEBTAK", "ROLE_READONLY"]));
        let admin = |ask: Ask| ask.of(&bed, is_admin).unwrap().json();
        assert_eq!((admin(user()), admin(user().admin())), (json!(false), json!(true)));
    }

    #[test]
    fn the_time_has_three_digits() {
        let text = Ask::get("/Marti/GetTime").of(&Bed::new(), time).unwrap().text();
        assert!(text.len() == 24 && text.ends_with('Z'), "{text}");
    }
}
