//! A plugin of somebody else's: written by `fts plugin new`, compiled outside the workspace, put into a server that runs,
//! changed and reloaded under two clients, at last replaced by half a file.
//!
//! It is compiled into `target/outside` without a network, so that a later run compiles only the plugin and the interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use fts_tests::{Client, Server, binary, join_all};
use serde_json::{Value, json};
use tempfile::TempDir;

const FILE: &str = "libfts_plugin_outside.so";
const ROUTE: &str = "/api/plugins/outside/seen";

/// What `fts plugin new` wrote, and where it is compiled.
struct Author {
    dir: TempDir,
    target: PathBuf,
    /// The target directory belongs to one run at a time.
    _lock: File,
}

impl Author {
    fn new() -> Self {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/outside");
        fs::create_dir_all(&target).unwrap();
        let lock = File::create(target.join("lock")).unwrap();
        lock.lock().unwrap();
        let dir = TempDir::new().unwrap();
        let made = Command::new(binary()).args(["plugin", "new", "outside"]).current_dir(dir.path()).output().unwrap();
        succeeded(&made);
        Self { dir, target, _lock: lock }
    }

    fn source(&self) -> PathBuf {
        self.dir.path().join("outside/src/lib.rs")
    }

    fn cargo(&self, args: &[&str]) -> Output {
        let mut cargo = Command::new("cargo");
        cargo.args(args).arg("--offline").current_dir(self.dir.path().join("outside"));
        cargo.env("CARGO_TARGET_DIR", &self.target).env("CARGO_PROFILE_DEV_DEBUG", "0").output().unwrap()
    }

    /// Compiles it and gives the library's bytes.
    fn build(&self) -> Vec<u8> {
        succeeded(&self.cargo(&["build"]));
        fs::read(self.target.join("debug").join(FILE)).unwrap()
    }
}

impl Drop for Author {
    // The two have another name (a hash of the temp directory) in each run; what they leave would pile up.
    fn drop(&mut self) {
        let swept = self.cargo(&["clean", "--quiet", "-p", "fts-plugin-outside", "-p", "fts-plugin-api"]);
        if !swept.status.success() {
            eprintln!("target/outside was not swept: {}", String::from_utf8_lossy(&swept.stderr));
        }
    }
}

fn succeeded(done: &Output) {
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// As an operator replaces it: a new file, renamed.
fn put(server: &Server, bytes: &[u8]) {
    let dir = server.data_dir().join("plugins");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("new"), bytes).unwrap();
    fs::rename(dir.join("new"), dir.join(FILE)).unwrap();
}

fn seen(server: &Server) -> (u16, String) {
    let answer = server.admin("GET", ROUTE, "");
    (answer.status, answer.body)
}

fn info(server: &Server) -> Value {
    server.admin("GET", "/admin/plugins/outside", "").json()
}

/// Who is there and has left, by name and connection number.
fn connections(server: &Server) -> Vec<(Value, Value, bool)> {
    let list = server.admin("GET", "/admin/clients?gone=true", "").json();
    let mut all: Vec<_> =
        list.as_array().unwrap().iter().map(|c| (c["uid"].clone(), c["conn"].clone(), c["gone"].is_null())).collect();
    all.sort_by_key(|(_, conn, _)| conn.as_u64());
    all
}

/// Alice says it, Bob hears it, and the plugin's count is this one soon after.
fn is_counted(server: &Server, alice: &mut Client, bob: &mut Client, uid: &str, then: &str) {
    alice.say(uid, "b-t-f", "<remarks>hello, Bob</remarks>");
    bob.expect(uid);
    server.eventually(&format!("the plugin answers {then}"), || seen(server) == (200, then.to_owned()));
}

#[test]
fn a_plugin_from_outside_is_installed_changed_and_reloaded_under_two_clients() {
    let author = Author::new();
    let first = author.build();
    let server = Server::build().set("plugins.enabled", "[]").start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let joined = connections(&server);
    assert_eq!(joined.len(), 2, "{joined:?}");
    assert_eq!(server.admin("GET", "/admin/plugins", "").json(), json!([]));
    assert_eq!(seen(&server).0, 404);

    put(&server, &first);
    succeeded(&server.cli(&["plugin", "enable", "outside"]));
    assert_eq!(seen(&server), (200, "0".to_owned()));
    is_counted(&server, &mut alice, &mut bob, "chat-1", "1");
    // Another type, and a chat without the word: neither is counted (the worker takes them in order).
    alice.say("other-type", "b-m-p", "<remarks>hello, Bob</remarks>");
    alice.say("other-word", "b-t-f", "<remarks>good bye</remarks>");
    ["other-type", "other-word"].iter().for_each(|uid| drop(bob.expect(uid)));
    is_counted(&server, &mut alice, &mut bob, "chat-2", "2");
    let before = info(&server);
    assert_eq!((&before["state"], &before["resident_generations"]), (&json!("running"), &json!(0)));

    let source = fs::read_to_string(author.source()).unwrap();
    let changed = source.replace(".to_string()))", ".to_string() + \" seen\"))");
    assert_ne!(source, changed, "the template has another answer now: change this test");
    fs::write(author.source(), changed).unwrap();
    let second = author.build();
    assert_eq!(seen(&server), (200, "2".to_owned()), "the old one until it is reloaded");
    put(&server, &second);
    let from = Instant::now();
    succeeded(&server.cli(&["plugin", "reload", "outside"]));
    assert_eq!(seen(&server), (200, "0 seen".to_owned()));
    let took = from.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    is_counted(&server, &mut alice, &mut bob, "chat-3", "1 seen");
    assert_eq!(connections(&server), joined, "the same connections, nobody left");
    let after = info(&server);
    assert_eq!(after["resident_generations"], 1, "{after}");
    assert_eq!(after["generation"].as_u64(), before["generation"].as_u64().map(|g| g + 1));
    assert_ne!(after["sha256"], before["sha256"]);

    put(&server, &second[..second.len() / 2]);
    let refused = server.cli(&["plugin", "reload", "outside"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success());
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(said.contains("cut short") && said.contains("the running generation stays"), "{said}");
    is_counted(&server, &mut alice, &mut bob, "chat-4", "2 seen");
    let still = info(&server);
    for key in ["state", "generation", "sha256", "resident_generations"] {
        assert_eq!(still[key], after[key], "{key}");
    }
    assert_eq!(connections(&server), joined);
}
