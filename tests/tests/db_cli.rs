//! `fts db` and the schema (operations.md 4, 13 line 20): with a server and without one; secrets are not exported.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
};

use fts_tests::{Client, Server, marker};

#[test]
fn op13_20_a_database_of_a_newer_server_is_not_touched() {
    let mut server = Server::start();
    assert!(server.stop().success());
    let path = server.data_dir().join("fts.db");
    // `user_version` in the header of the file.
    File::options().write(true).open(&path).unwrap().write_all_at(&99_u32.to_be_bytes(), 60).unwrap();
    let before = fs::read(&path).unwrap();
    let mut command = Server::build().command(server.dir());
    let out = command.output().unwrap();
    assert_eq!(out.status.code(), Some(4));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("99") && said.contains("newer version"), "{said}");
    let migrate = server.cli(&["db", "migrate"]);
    assert_eq!(migrate.status.code(), Some(4), "{}", String::from_utf8_lossy(&migrate.stderr));
    assert!(fs::read(&path).unwrap() == before, "the file is as it was");
}

#[test]
fn with_and_without_a_server() {
    let mut server = Server::start();
    let mut alice = Client::join(&server, "A", "ALICE");
    alice.send(&marker("M"));
    alice.sync();
    server.eventually("it is stored", || server.cli_json(&["db", "check"])["tables"]["cot_event"] == 2);
    let online = server.cli_json(&["db", "check", "--files"]);
    assert_eq!((&online["ok"], online["findings"].as_array().map(Vec::len)), (&true.into(), Some(0)));
    let vacuumed = server.cli_json(&["db", "vacuum"]);
    assert!(vacuumed["bytes_after"].as_u64().unwrap() > 0, "{vacuumed}");
    assert_eq!(server.cli(&["db", "migrate"]).status.code(), Some(5), "a running server does that when it starts");
    let schema = String::from_utf8(server.cli(&["db", "schema"]).stdout).unwrap();
    assert!(schema.contains("CREATE TABLE cot_event") && schema.contains("CREATE INDEX cot_event_time"), "{schema}");
    let rows = String::from_utf8(server.cli(&["db", "export", "--table", "cot_latest"]).stdout).unwrap();
    assert_eq!(rows.lines().count(), 2, "{rows}");
    assert!(rows.lines().all(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["table"] == "cot_latest"));
    assert!(server.stop().success());
    assert_eq!(server.cli_json(&["db", "check"])["ok"], true);
    assert_eq!(server.cli_json(&["db", "migrate"])["applied"], serde_json::json!([]));
    assert!(server.cli_json(&["db", "vacuum"])["rows_deleted"].is_u64());
    let all = server.cli(&["db", "export"]);
    assert!(all.status.success());
    let text = String::from_utf8(all.stdout).unwrap();
    for secret in ["password_hash", "argon2", "\"table\":\"api_token\"", "\"table\":\"enrollment_token\""] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(server.cli(&["db", "export", "--table", "api_token"]).status.code(), Some(1));
    let nowhere = server.cli(&["db", "schema", "--set", "storage.path=\"none.db\""]);
    assert_eq!(nowhere.status.code(), Some(3), "{}", String::from_utf8_lossy(&nowhere.stderr));
}

#[test]
fn damage_is_found() {
    let mut server = Server::start();
    let mut alice = Client::join(&server, "A", "ALICE");
    for n in 0..300 {
        alice.send(&marker(&format!("m-{n}")));
    }
    alice.sync();
    assert!(server.stop().success());
    let path = server.data_dir().join("fts.db");
    let len = fs::metadata(&path).unwrap().len();
    let file = File::options().write(true).open(&path).unwrap();
    // Pages of the middle of the file.
    file.write_all_at(&vec![0xA5; (len / 2) as usize / 4096 * 4096], 4096 * (len / 4 / 4096)).unwrap();
    let check = server.cli(&["db", "check"]);
    assert_ne!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));
}
