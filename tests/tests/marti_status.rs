//! What the server says about itself, and properties (marti-http.md 15 lines 1 to 5, 5.2, 10, 12).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::io::{Read, Write};

use fts_tests::{Pki, Server, Web};
use serde_json::json;

use crate::accounts_bed;
use accounts_bed::user;

#[test]
fn m15_01_the_server_is_alive() {
    let server = Server::start();
    let reply = Web::plain(&server, "marti_http").get("/Alive").expect(200);
    assert_eq!(reply.text(), "DataPackage service alive");
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    Web::plain(&server, "marti_http").get("/").expect(200);
}

#[test]
fn m15_02_the_version_has_the_words_atak_looks_for() {
    let server = Server::start();
    let reply = Web::plain(&server, "marti_http").get("/Marti/api/version").expect(200);
    assert!(reply.text().contains("TAK Server"), "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("text/plain"));
}

#[test]
fn m15_03_the_configuration_is_typed_exactly() {
    let server = Server::start();
    let reply = Web::plain(&server, "marti_http").get("/Marti/api/version/config").expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let config = reply.json();
    assert_eq!((&config["version"], &config["type"]), (&json!("3"), &json!("ServerConfig")));
    assert!(!config["data"]["version"].as_str().unwrap().is_empty());
    assert_eq!((&config["data"]["hostname"], &config["data"]["api"]), (&json!("127.0.0.1"), &json!("3")));
    let named = Web::plain(&server, "marti_http").host("tak.example.org:8080").get("/Marti/api/version/config").json();
    assert_eq!(named["data"]["hostname"], "tak.example.org");
    let node = Web::plain(&server, "marti_http").get("/Marti/api/node/id").expect(200).text();
    assert_eq!(config["nodeId"], node.as_str());
}

#[test]
fn m15_04_the_configuration_is_packed_for_who_asks() {
    let server = Server::start();
    let ask = |coding: &[(&str, &str)]| {
        Web::plain(&server, "marti_http").send("GET", "/Marti/api/version/config", coding, b"")
    };
    let plain = ask(&[]).expect(200);
    assert_eq!(plain.header("content-encoding"), None);
    let packed = ask(&[("accept-encoding", "gzip")]).expect(200);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(&packed.body[..2], [0x1F, 0x8B]);
    let mut gunzip = std::process::Command::new("gzip");
    let mut child =
        gunzip.arg("-dc").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&packed.body).unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, plain.body);
}

#[test]
fn m15_05_http_1_0_is_answered_and_closed() {
    let server = Server::start();
    let mut wire = Web::plain(&server, "marti_http").open();
    wire.write_all(b"GET /Alive HTTP/1.0\r\n\r\n").unwrap();
    let mut all = String::new();
    wire.read_to_string(&mut all).unwrap();
    assert!(all.starts_with("HTTP/1.0 200") || all.starts_with("HTTP/1.1 200"), "{all}");
    assert!(all.ends_with("DataPackage service alive"), "{all}");
}

#[test]
fn m05_2_roles_and_security_are_those_of_the_caller_and_the_configuration() {
    let server = Server::build().secure().start();
    user(&server, "alpha", "user", &[]);
    user(&server, "root", "admin", &[]);
    let (alpha, root) = (Pki::issue(&server, "alpha"), Pki::issue(&server, "root"));
    let web = |pki| Web::tls(&server, "marti_https", Some(pki));
    let roles = |web: Web| web.get("/Marti/api/util/user/roles").expect(200).json();
    assert_eq!((roles(web(&alpha)), roles(web(&root))), (json!(["ROLE_WEBTAK"]), json!(["ROLE_ADMIN"])));
    assert_eq!(roles(Web::plain(&server, "marti_http")), json!(["ROLE_ANONYMOUS"]));
    let admin = |web: Web| web.get("/Marti/api/util/isAdmin").expect(200).json();
    assert_eq!((admin(web(&alpha)), admin(web(&root))), (json!(false), json!(true)));
    for path in [
        "/Marti/api/security/config",
        "/Marti/api/security/verifyConfig",
        "/Marti/api/security/isSecure",
        "/Marti/api/authentication/config",
    ] {
        web(&alpha).get(path).expect(403);
        assert_eq!(web(&root).get(path).expect(200).json()["version"], "3", "{path}");
    }
    let data = |path| web(&root).get(path).json()["data"].clone();
    assert_eq!(data("/Marti/api/security/verifyConfig"), "true");
    // 8080 is open, so it is not.
    assert_eq!(data("/Marti/api/security/isSecure"), "false");
    assert_eq!(data("/Marti/api/security/config")["enableEnrollment"], true);
}

#[test]
fn m10_properties_are_kept_across_a_restart() {
    let mut server = Server::start();
    let path = "/Marti/api/properties/ANDROID%201";
    Web::plain(&server, "marti_http").put(path, "application/json", br#"{"layer":"7"}"#).expect(200);
    Web::plain(&server, "marti_http").get("/Marti/api/sync/sequence/n").expect(200);
    server.stop();
    let server = Server::build().again(&server).start();
    let web = Web::plain(&server, "marti_http");
    assert_eq!(web.get(&format!("{path}/all")).expect(200).json()["data"], json!({"layer": "7"}));
    assert_eq!(web.get("/Marti/api/properties/uids").expect(200).json()["data"], json!(["ANDROID 1"]));
    assert_eq!(web.get("/Marti/api/sync/sequence/n").expect(200).json()["data"], 2);
    let empty = web.delete(&format!("{path}/layer")).expect(200);
    assert!(empty.body.is_empty() && empty.header("content-type").is_none());
    assert_eq!(web.get(&format!("{path}/layer")).expect(404).json()["status"], "NOT_FOUND");
}

#[test]
fn m10_what_is_switched_off_is_not_there() {
    let off = ["iconsets", "injectors", "properties", "error_log"];
    let build = off.iter().fold(Server::build(), |b, key| b.set(&format!("marti.{key}"), "false"));
    let server = build.secure().start();
    user(&server, "root", "admin", &[]);
    let web = Web::tls(&server, "marti_https", Some(&Pki::issue(&server, "root")));
    for path in ["/Marti/api/iconset/all/uid", "/Marti/api/injectors/cot/uid", "/Marti/api/properties/uids"] {
        assert_eq!(web.get(path).expect(404).json()["code"], 1, "{path}");
    }
    assert_eq!(web.get("/Marti/ErrorLog?id=ALL").expect(404).header("content-type"), Some("text/plain"));
    // Off unless it is switched on.
    web.post("/locate/api?latitude=1&longitude=2&name=x", "", b"").expect(404);
}

#[test]
fn m15_35_citrap_without_its_plugin_is_an_empty_list() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let reply = web.get("/Marti/api/citrap").expect(200);
    assert_eq!((reply.text().as_str(), reply.header("content-type")), ("[]", Some("application/json")));
    web.get("/Marti/api/citrap/1").expect(404);
}
