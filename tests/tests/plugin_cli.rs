//! `fts plugin …` (operations.md 4): what operators see and change on a running server, and the authors' tools `check` and
//! `test` on good and broken files. The admin routes behind it are in `plugin_admin`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use fts_tests::{Builder, Server, binary};
use serde_json::{Value, json};

fn server() -> Builder {
    Server::build().set("plugins.enabled", "[\"ping\", \"emergency\"]")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// `fts ARGS` in an empty directory without a server.
fn alone(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    Command::new(binary()).args(args).current_dir(dir.path()).stdin(Stdio::null()).output().unwrap()
}

/// The library of a plugin of this build.
fn library(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let file = format!("release/libfts_plugin_{name}.so");
    exe.ancestors().map(|d| d.join(&file)).find(|p| p.is_file()).expect("build it first: cargo build --release")
}

fn check(file: &Path, args: &[&str]) -> Output {
    alone(&[&["plugin", "check", file.to_str().unwrap()], args].concat())
}

/// The one line of a refusal.
fn refusal(out: &Output) -> String {
    assert_eq!(out.status.code(), Some(1), "{}{}", text(&out.stdout), text(&out.stderr));
    let said = text(&out.stderr);
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(said.starts_with("fts: ") && out.stdout.is_empty(), "{said}");
    said
}

#[test]
fn list_info_and_order_are_tables_or_json() {
    let server = server().start();
    let out = |args: &[&str]| {
        let out = server.cli(args);
        assert!(out.status.success(), "{args:?}: {}", text(&out.stderr));
        text(&out.stdout)
    };
    let list = out(&["plugin", "list"]);
    let lines: Vec<Vec<&str>> = list.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["plugin", "state", "version", "queue", "panics"]);
    assert_eq!(lines[1][..5], ["emergency", "running", "1.0.0", "0", "0"]);
    assert_eq!(lines[2][..5], ["ping", "running", "1.0.0", "0", "0"]);
    assert_eq!(server.cli_json(&["plugin", "list"])[1]["name"], "ping");

    let info = out(&["plugin", "info", "emergency"]);
    for part in [
        "emergency 1.0.0 is running",
        "built with   plugin API 1.0",
        "capabilities intercept, provide, routes",
        "generation   1\n",
        "/ManageEmergency/getEmergency",
        "intercept b-a-* <emergency>",
        "repeat = \"10s\"",
    ] {
        assert!(info.contains(part), "{part}\nis not in\n{info}");
    }
    assert_eq!(server.cli_json(&["plugin", "info", "ping"])["state"], "running");
    let order = out(&["plugin", "order"]);
    assert!(order.lines().nth(1).unwrap().contains("rewrite"), "{order}");
    assert_eq!(server.cli_json(&["plugin", "order"])[0]["plugin"], "emergency");
    let status = out(&["status"]);
    assert!(status.contains("plugins   emergency running") && status.contains("ping running"), "{status}");
}

#[test]
fn changes_say_what_was_done_or_why_not() {
    let server = server().start();
    let change = |args: &[&str]| server.cli(&[&["plugin"], args].concat());
    let done = |args: &[&str]| {
        let out = change(args);
        assert!(out.status.success(), "{args:?}: {}", text(&out.stderr));
        text(&out.stdout)
    };
    assert_eq!(done(&["disable", "ping"]), "stopped: ping\n");
    assert!(text(&server.cli(&["plugin", "list"]).stdout).contains("stopped"));
    assert_eq!(done(&["enable", "ping"]), "ping runs\n");
    let reloaded = done(&["reload", "ping"]);
    assert!(
        reloaded.starts_with("ping runs version 1.0.0; /")
            && reloaded.ends_with(" is unchanged: the same code started again\n"),
        "{reloaded}"
    );
    assert_eq!(server.cli_json(&["plugin", "reload", "ping"])["unchanged"], true);
    assert_eq!(done(&["restart", "ping"]), "ping runs version 1.0.0\n");
    let info = text(&server.cli(&["plugin", "info", "ping"]).stdout);
    assert!(info.contains("3 old generations resident (") && info.contains(" MB)"), "{info}");
    for (args, says) in [
        (&["disable", "kml"][..], "there is no plugin kml; there are: emergency, ping"),
        (&["info", "kml"], "there is no plugin kml"),
        (&["enable", "kml"], "no libfts_plugin_kml.so or kml.so in"),
    ] {
        let said = refusal(&change(args));
        assert!(said.contains(says), "{args:?}: {said}");
    }
    for args in [&["plugin", "list"][..], &["plugin", "reload", "ping"]] {
        assert_eq!(alone(args).status.code(), Some(3), "{args:?}");
    }
    assert_eq!(alone(&["plugin", "explode", "ping"]).status.code(), Some(2));
}

#[test]
fn a_broken_new_file_leaves_the_old_one_running() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("libfts_plugin_ping.so");
    fs::copy(library("ping"), &file).unwrap();
    let dirs = format!("[{:?}]", dir.path().to_str().unwrap());
    let server = Server::build().set("plugins.enabled", "[\"ping\"]").set("plugins.dirs", &dirs).start();
    let bytes = fs::read(&file).unwrap();
    fs::write(dir.path().join("new"), &bytes[..bytes.len() / 2]).unwrap();
    fs::rename(dir.path().join("new"), &file).unwrap();
    let said = refusal(&server.cli(&["plugin", "reload", "ping"]));
    assert!(said.contains("cut short") && said.contains("the running generation stays"), "{said}");
    assert_eq!(server.cli_json(&["plugin", "info", "ping"])["state"], "running");
    fs::write(dir.path().join("new"), &bytes).unwrap();
    fs::rename(dir.path().join("new"), &file).unwrap();
    assert!(server.cli(&["plugin", "reload", "ping"]).status.success());
}

#[test]
fn secrets_of_plugin_tables_are_masked_and_the_schema_takes_them() {
    let table = "[plugins.xmpp-chat]\nhost = \"h\"\npassword = \"p4ss\"\nrooms = [{ muc = \"m\", token = \"t0k\" }]\n";
    let server = server().toml(table).start();
    for args in [&["config", "show"][..], &["config", "show", "--origin"], &["config", "show", "--json"]] {
        let mut command = server.cli_command(args);
        let out = command.arg("--config").arg(server.dir().join("test.toml")).output().unwrap();
        let shown = text(&out.stdout);
        assert!(out.status.success() && shown.contains("plugins.xmpp-chat.host"), "{shown}{}", text(&out.stderr));
        assert!(!shown.contains("p4ss") && !shown.contains("t0k") && shown.contains("***"), "{shown}");
    }
    let merged = server.admin("GET", "/admin/config", "").body;
    assert!(merged.contains("plugins.xmpp-chat.password") && !merged.contains("p4ss"), "{merged}");
    let schema: Value = serde_json::from_slice(&alone(&["config", "schema"]).stdout).unwrap();
    let table = &schema["properties"]["plugins"]["additionalProperties"];
    assert_eq!(table["additionalProperties"], true);
    assert_eq!(table["properties"]["required"], json!({"type": "boolean", "default": false}));
}

#[test]
fn completion_and_help_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&alone(&["completion", shell]).stdout);
        for word in ["plugin", "reload", "order", "reset-plugin", "rounds"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let help = text(&alone(&["plugin", "--help"]).stdout);
    assert!(help.contains("check") && help.contains("test") && !help.contains("inside"), "{help}");
}

#[test]
fn reset_plugin_wants_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let out = Server::build().arg("--reset-plugin").arg("../x").command(dir.path()).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("no name of a plugin"), "{}", text(&out.stderr));
}

#[test]
fn check_says_everything_about_a_good_file() {
    let out = check(&library("emergency"), &["--json"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let about: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&about["name"], &about["built"]["api"]), (&json!("emergency"), &json!("1.0")));
    assert_eq!(about["capabilities"], json!(["intercept", "provide", "routes"]));
    assert_eq!(about["defaults"]["repeat"], "10s");
    assert_eq!(about["size"].as_u64().unwrap(), fs::metadata(library("emergency")).unwrap().len());
    let linked_in = "this fts has emergency linked in and takes that one: the file was inspected, not loaded";
    assert_eq!(about["warnings"], if fts_tests::bundled() { json!([linked_in]) } else { json!([]) });
    let page = text(&check(&library("emergency"), &["--name", "emergency"]).stdout);
    for part in ["emergency 1.0.0 can be loaded", "sha256 ", "rustc ", "[plugins.emergency]", "max_active = 10000"] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn check_refuses_what_a_server_would_refuse_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let good = fs::read(library("ping")).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let mut other = good.clone();
    other[18..20].copy_from_slice(&183u16.to_le_bytes());
    for (path, args, says) in [
        (file("notes.so", b"not a library"), &[][..], "notes: is no library (no ELF file)"),
        (file("short.so", &good[..good.len() / 3]), &[], "short: is cut short"),
        (file("other.so", &other), &[], "other: is for aarch64, server is x86_64"),
        (library("ping"), &["--name", "pong"], "pong: is no fts plugin called so"),
        (dir.path().join("lost.so"), &[], "lost.so: No such file"),
    ] {
        let said = refusal(&check(&path, args));
        assert!(said.contains(says), "{says}: {said}");
    }
}

/// A library that says it is a plugin for this server and crashes as soon as it is loaded.
fn crashing(dir: &Path) -> PathBuf {
    let about: Value = serde_json::from_slice(&check(&library("ping"), &["--json"]).stdout).unwrap();
    let target = about["built"]["target"].as_str().unwrap();
    let source = format!(
        "#include <stdlib.h>\nstruct {{ char magic[8]; unsigned size; unsigned short major, minor; unsigned char panic, debug, \
         spare[6]; char sdk[24], name[40], version[40], target[64], rustc[80]; }} fts_plugin_crash_info = {{ \"FTSPLUG1\", 272, \
         1, 0, 1, 0, {{0}}, \"1.0.0\", \"crash\", \"0.1.0\", \"{target}\", \"none\" }};\nchar fts_plugin_crash[64];\n\
         __attribute__((constructor)) static void now(void) {{ abort(); }}\n"
    );
    let (code, library) = (dir.join("crash.c"), dir.join("libfts_plugin_crash.so"));
    fs::write(&code, source).unwrap();
    let cc = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&code).status().unwrap();
    assert!(cc.success());
    library
}

#[test]
fn a_constructor_that_crashes_costs_only_the_child() {
    let dir = tempfile::tempdir().unwrap();
    let file = crashing(dir.path());
    for tool in ["check", "test"] {
        let out = alone(&["plugin", tool, file.to_str().unwrap()]);
        assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
        let said = text(&out.stderr);
        assert!(said.contains("crash: ended the process in: load (signal 6)"), "{tool}: {said}");
    }
}

#[test]
fn test_finds_no_fault_in_good_plugins() {
    for (name, handler) in [("ping", "observe b-t-f"), ("emergency", "POST /ManageEmergency/postEmergency")] {
        let out = alone(&["plugin", "test", library(name).to_str().unwrap()]);
        let page = text(&out.stdout);
        assert!(out.status.success(), "{page}{}", text(&out.stderr));
        assert!(page.contains(handler) && page.contains("100 starts and stops"), "{page}");
        assert!(page.ends_with(&format!("{name} 1.0.0: no faults\n")), "{page}");
    }
}

#[test]
fn test_names_handler_place_and_input_of_each_fault() {
    let run = |mode: &str, args: &[&str]| {
        let mode = format!("plugins.hostile.mode={mode:?}");
        let file = library("hostile");
        let until = "plugins.hostile.until=\"/nowhere\"";
        let own = ["plugin", "test", file.to_str().unwrap(), "--rounds", "3", "--set", &mode, "--set", until, "--json"];
        let out = alone(&[&own, args].concat());
        let outcome: Value =
            serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&out.stderr)));
        (out.status.code(), outcome)
    };
    let (code, outcome) = run("none", &[]);
    assert_eq!((code, &outcome["faults"]), (Some(0), &json!([])), "{outcome}");
    for (mode, what, place) in [
        ("panic-tap", "intercept b-x-h panicked: in an intercept", "harm.rs:"),
        ("panic-observe", "observe b-x-h panicked: in an observer", "harm.rs:"),
        ("panic-route", "GET /api/plugins/hostile/do panicked: in a route", "harm.rs:"),
        ("panic-clients", "clients panicked: in clients", "lib.rs:"),
        ("panic-stop", "stop panicked", "lib.rs:"),
        ("panic-save", "save panicked", "lib.rs:"),
        ("panic-drop", "a destructor panicked: in drop", ""),
        ("leak", "called hostile-leak", ""),
        ("panic-start", "start panicked: in start (tests/plugins/hostile/src/lib.rs:", ""),
        ("abort-tap", "ended the process in: intercept b-x-h with b-x-h as sent (signal 6)", ""),
        ("segv", "ended the process in: observe b-x-h with b-x-h as sent (signal 11)", ""),
    ] {
        let (code, outcome) = run(mode, &[]);
        assert_eq!(code, Some(1), "{mode}: {outcome}");
        let faults = outcome["faults"].as_array().unwrap();
        let found = faults.iter().find(|f| f["what"].as_str().unwrap().contains(what));
        let found = found.unwrap_or_else(|| panic!("{mode}: {outcome}"));
        assert!(found["place"].as_str().unwrap_or_default().contains(place), "{mode}: {found}");
    }
    let (code, outcome) = run("block-observe", &["--patience", "3"]);
    let what = outcome["faults"][0]["what"].as_str().unwrap();
    assert!(code == Some(1) && what.starts_with("does not come back from: observe b-x-h"), "{outcome}");
}

#[test]
fn new_writes_a_plugin_once() {
    let dir = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = Command::new(binary());
        command.args(["plugin", "new", "demo", "--dir"]).arg(dir.path()).current_dir(dir.path()).output().unwrap()
    };
    let out = run();
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(dir.path().join("demo/src/lib.rs").is_file() && dir.path().join("fts-plugin-api").is_dir());
    assert!(text(&out.stdout).contains("cargo test"), "{}", text(&out.stdout));
    assert!(refusal(&run()).contains("exists already"));
}
