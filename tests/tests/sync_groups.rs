//! Who sees, offers and deletes stored files: groups, roles, the file manager (marti-http.md 2.6, 6.9, 6.10).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::sync_bed;

use fts_tests::{Pki, Server, Web};
use sync_bed::{package, search, send_package, sha256};

pub fn user(server: &Server, name: &str, groups: &[&str], role: &str) -> Web {
    let pki = Pki::issue(server, name);
    let run = |args: &[&str]| {
        let out = server.cli(args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    };
    run(&["user", "add", name, "--role", role]);
    for group in groups {
        let _ = server.cli(&["group", "add", group]);
        run(&["group", "grant", group, name]);
    }
    Web::tls(server, "marti_https", Some(&pki))
}

#[test]
fn a_file_is_seen_in_its_groups_and_nowhere_else() {
    let server = Server::build().secure().start();
    let red = user(&server, "ruby", &["Red"], "user");
    let both = user(&server, "violet", &["Red", "Blue"], "user");
    let blue = user(&server, "bella", &["Blue"], "user");
    let bytes = package("u-g", "G");
    let hash = sha256(&bytes);
    send_package(&red, "g.zip", "&groups=Blue", &bytes).expect(403);
    send_package(&both, "g.zip", "&groups=Blue", &bytes).expect(200);
    for (who, status) in [(&red, 404), (&both, 200), (&blue, 200)] {
        for path in [
            format!("/Marti/sync/content?hash={hash}"),
            format!("/Marti/sync/missionquery?hash={hash}"),
            format!("/Marti/sync/{hash}/metadata"),
            format!("/Marti/api/sync/metadata/{hash}/tool"),
            format!("/Marti/api/files/{hash}"),
        ] {
            assert_eq!(who.get(&path).status, status, "{path}");
        }
        assert_eq!(search(who, "").len(), usize::from(status == 200));
        assert_eq!(who.get("/Marti/api/files/metadata/count").expect(200).json()["data"], i32::from(status == 200));
    }
    red.put(&format!("/Marti/api/sync/metadata/{hash}/tool"), "", b"private").expect(404);
    red.delete(&format!("/Marti/sync/delete?hash={hash}")).expect(404);
    blue.delete(&format!("/Marti/sync/delete?hash={hash}")).expect(403);
    // What is stored in one's own groups joins what is there; nothing is hidden by it.
    send_package(&red, "g.zip", "", &bytes).expect(200);
    red.get(&format!("/Marti/sync/content?hash={hash}")).expect(200);
    blue.get(&format!("/Marti/sync/content?hash={hash}")).expect(200);
}

#[test]
fn readers_read_and_administrators_do_everything() {
    let server = Server::build().secure().start();
    let writer = user(&server, "wanda", &[], "user");
    let reader = user(&server, "rita", &[], "readonly");
    let admin = user(&server, "anna", &[], "admin");
    let bytes = package("u-r", "R");
    let hash = sha256(&bytes);
    send_package(&reader, "r.zip", "", &bytes).expect(403);
    send_package(&writer, "r.zip", "", &bytes).expect(200);
    reader.get(&format!("/Marti/sync/content?hash={hash}")).expect(200);
    reader.put(&format!("/Marti/api/sync/metadata/{hash}/tool"), "", b"public").expect(403);
    reader.delete(&format!("/Marti/sync/delete?hash={hash}")).expect(403);
    writer.delete(&format!("/Marti/api/files/{hash}")).expect(403);
    writer.post("/files/api/config", "application/json", br#"{"uploadSizeLimit":1}"#).expect(403);
    let rows = admin.get("/Marti/api/files/metadata?page=-1&limit=-1&ascending=true").expect(200).json();
    assert_eq!((rows["type"].as_str(), rows["data"][0]["User"].as_str()), (Some("Files"), Some("wanda")));
    admin.put(&format!("/Marti/api/files/{hash}/metadata?user=wendy&keywords=a,b"), "", b"").expect(200);
    assert_eq!(search(&admin, "submissionUser=wendy")[0]["Keywords"].to_string(), r#"["a","b"]"#);
    admin.post("/files/api/config", "application/json", br#"{"uploadSizeLimit":1}"#).expect(200);
    writer.post("/Marti/sync/upload?name=long", "text/plain", &vec![b'x'; 1_000_001]).expect(413);
    let gone = admin.delete(&format!("/Marti/api/files/{hash}")).expect(200);
    assert_eq!(gone.body.len(), 0);
    writer.get(&format!("/Marti/sync/content?hash={hash}")).expect(404);
}

#[test]
fn the_largest_upload_that_was_set_is_there_after_a_restart_until_it_is_taken_back() {
    let mut server = Server::build().secure().start();
    let limit = |server: &Server| {
        let said = Web::plain(server, "marti_http").get("/files/api/config").expect(200).json();
        said["uploadSizeLimit"].as_i64().unwrap()
    };
    let set = |server: &Server, to: &str| {
        let admin = Web::tls(server, "marti_https", Some(&Pki::issue(server, "anna")));
        admin.post("/files/api/config", "application/json", format!(r#"{{"uploadSizeLimit":{to}}}"#).as_bytes())
    };
    user(&server, "anna", &[], "admin");
    for wrong in ["0", "-1", "\"1\"", "1.5", "9999999999"] {
        set(&server, wrong).expect(400);
    }
    assert_eq!(limit(&server), 400);
    set(&server, "7").expect(200);
    let config = server.admin("GET", "/admin/config", "").json();
    assert_eq!(config["files.max_upload"], serde_json::json!({"value": "7000000", "origin": "runtime override"}));
    server.admin("POST", "/admin/reload", "");
    assert_eq!(limit(&server), 7, "a reload changes nothing");
    assert!(server.stop().success());
    let mut server = Server::build().secure().again(&server).start();
    assert_eq!(limit(&server), 7);
    // Stronger than it: the command line.
    assert!(server.stop().success());
    let mut server = Server::build().secure().set("files.max_upload", "\"9MB\"").again(&server).start();
    assert_eq!(limit(&server), 9);
    assert!(set(&server, "8").expect(409).text().contains("command line"));
    assert!(server.stop().success());
    let mut server = Server::build().secure().again(&server).start();
    assert_eq!(limit(&server), 7, "and it is not forgotten for that");
    set(&server, "null").expect(200);
    assert_eq!(limit(&server), 400);
    assert!(server.stop().success());
    assert_eq!(limit(&Server::build().secure().again(&server).start()), 400);
}

#[test]
fn anonymous_deletes_what_anonymous_stored_and_get_deletes_nothing() {
    let server = Server::build().secure().start();
    let (plain, alpha) = (Web::plain(&server, "marti_http"), user(&server, "alpha", &[], "user"));
    let (one, two) = (package("u-1", "A"), package("u-2", "B"));
    send_package(&plain, "a.zip", "", &one).expect(200);
    send_package(&alpha, "b.zip", "", &two).expect(200);
    let delete = |bytes: &[u8]| format!("/Marti/sync/delete?hash={}", sha256(bytes));
    let refused = plain.get(&delete(&one)).expect(405);
    assert_eq!(refused.header("allow"), Some("DELETE, POST"));
    plain.delete(&delete(&two)).expect(403);
    plain.post(&delete(&one), "", b"").expect(200);
    plain.delete(&delete(&one)).expect(404);
    // Private files of nobody in particular are in nobody's list, and there for who knows them.
    send_package(&plain, "a.zip", "&tool=private", &one).expect(200);
    assert!(search(&plain, "tool=private").is_empty());
    assert_eq!(search(&plain, &format!("uid={}", sha256(&one))).len(), 1);
    plain.get(&format!("/Marti/sync/content?hash={}", sha256(&one))).expect(200);
}

#[test]
fn the_command_works_with_and_without_a_server() {
    let mut server = Server::start();
    let file = server.dir().join("note.txt");
    std::fs::write(&file, "hello").unwrap();
    let stored = server.cli_json(&["files", "put", file.to_str().unwrap(), "--keyword", "k", "--package"]);
    let hash = stored["hash"].as_str().unwrap().to_owned();
    assert_eq!(hash, sha256(b"hello"));
    let web = Web::plain(&server, "marti_http");
    assert_eq!(search(&web, "keywords=missionpackage")[0]["Name"], "note.txt");
    for running in [true, false] {
        if !running {
            server.stop();
        }
        let list = server.cli_json(&["files", "list", "note"]);
        assert_eq!((list["files"].as_array().unwrap().len(), list["bytes"].as_u64()), (1, Some(5)), "{list}");
        let out = server.dir().join(format!("out-{running}"));
        let got = server.cli(&["files", "get", &hash, "--output", out.to_str().unwrap()]);
        assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
        assert_eq!(std::fs::read(&out).unwrap(), b"hello");
        assert!(!server.cli(&["files", "get", &hash, "--output", out.to_str().unwrap()]).status.success());
        assert!(server.cli(&["files", "check", "--read"]).status.success());
        assert_eq!(server.cli_json(&["files", "info", &hash])["there"], true);
    }
    assert!(server.cli(&["files", "rm", &hash]).status.success());
    assert!(!server.cli(&["files", "rm", &hash]).status.success());
    assert_eq!(server.cli_json(&["files", "sweep"])["orphans"], 0);
}
