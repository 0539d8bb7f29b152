//! Plugin files and tables that must not do (plugins.md 3): each is refused with one line that says what is wrong and what
//! to do, the same in the log and in `GET /admin/plugins`, and the server goes on with everything else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use fts_tests::{Builder, Client, Server, binary};
use serde_json::Value;
use tempfile::TempDir;

use crate::abi;

/// Every capability the hostile plugin asks for.
const ALL: &str = "capabilities = [\"intercept\", \"bind-dest\", \"listen\", \"routes\"]";

/// A server that wants these plugins and looks for them in these directories first.
fn wanting(dirs: &[&Path], names: &[&str]) -> Builder {
    Server::build()
        .set("plugins.dirs", &format!("{:?}", abi::places(dirs)))
        .toml(&format!("[plugins]\nenabled = {names:?}"))
}

/// A library beside the server.
fn beside(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let file = format!("release/libfts_plugin_{name}.so");
    exe.ancestors()
        .map(|d| d.join(&file))
        .find(|p| p.is_file())
        .unwrap_or_else(|| panic!("no {file}: cargo build --release"))
}

/// The plugin is not running, says so in one line with this text, and nowhere else differently.
#[track_caller]
fn assert_out(server: &Server, name: &str, state: &str, report: &str) {
    let list = server.admin("GET", "/admin/plugins", "").json();
    let entry =
        list.as_array().unwrap().iter().find(|p| p["name"] == name).unwrap_or_else(|| panic!("{name} in {list}"));
    assert_eq!((entry["state"].as_str(), entry["report"].as_str()), (Some(state), Some(report)));
    let logs = server.logs();
    let of = |l: &&Value| l["plugin"] == name && l["level"] == "ERROR";
    let errors: Vec<&Value> = logs.iter().filter(of).collect();
    assert_eq!(errors.len(), 1, "one line about {name}: {errors:#?}");
    assert_eq!((&errors[0]["event"], &errors[0]["state"]), (&"plugin.state".into(), &state.into()));
    assert_eq!(errors[0]["msg"], report);
    assert!(!report.contains('\n'));
}

/// It takes clients and says that it is well but for these.
fn assert_serves(server: &Server) {
    let mut alice = Client::join(server, "A", "ALICE");
    let mut bob = Client::join(server, "B", "BOB");
    alice.expect("B");
    bob.expect("A");
    fts_tests::fence(&mut alice, &mut [&mut bob]);
    assert_eq!(server.get("/livez").status, 200);
}

#[test]
fn files_that_are_no_plugin_of_this_server() {
    let dir = TempDir::new().unwrap();
    let put = |name: &str, bytes: &[u8]| abi::put(dir.path(), name, bytes);
    let old = fs::read(abi::library("old")).unwrap();
    let changed = |from: &Path, change: &dyn Fn(&mut [u8], usize)| {
        let mut bytes = fs::read(from).unwrap();
        let at = abi::info_at(&bytes);
        change(&mut bytes, at);
        bytes
    };
    put("text", b"#!/bin/sh\necho I am a plugin\n");
    put("nothing", b"");
    let half = old.len() / 2;
    put("half", &old[..half]);
    put("head", &old[..40]);
    put("program", &fs::read(binary()).unwrap());
    put("foreign", &{
        let mut bytes = old.clone();
        bytes[18] = 183; // EM_AARCH64
        bytes
    });
    put("renamed", &old);
    // From the info: magic 8, size 4, api_major 2, api_minor 2, panic, debug, spare 6, sdk 24, name 40, version 40, target 64.
    put("old", &changed(&abi::library("old"), &|bytes, at| bytes[at + 14] = 7));
    put("needy", &changed(&abi::library("needy"), &|bytes, at| bytes[at + 12] = 2));
    put("ping", &changed(&beside("ping"), &|bytes, at| bytes[at + 49] = b'o'));
    put(
        "hostile",
        &changed(&beside("hostile"), &|bytes, at| {
            let other = b"aarch64-unknown-linux-gnu\0";
            bytes[at + 128..at + 128 + other.len()].copy_from_slice(other);
        }),
    );
    for name in ["aborts", "tampered-module", "tampered-failure"] {
        put(name, &fs::read(abi::library(name)).unwrap());
    }
    let names = [
        "text",
        "nothing",
        "half",
        "head",
        "program",
        "foreign",
        "renamed",
        "old",
        "needy",
        "ping",
        "hostile",
        "aborts",
        "tampered-module",
        "tampered-failure",
        "absent",
        "emergency",
    ];
    let server = wanting(&[dir.path()], &names).start();
    let refused = |name: &str, why: &str| assert_out(&server, name, "refused", &format!("{name}: {why}"));
    refused("text", "is no library (no ELF file)");
    refused("nothing", "is no library (no ELF file)");
    refused("program", "is no fts plugin called so: it does not export fts_plugin_program_info");
    refused("foreign", "is for aarch64, server is x86_64");
    refused(
        "renamed",
        "is no fts plugin called so: it does not export fts_plugin_renamed_info, but fts_plugin_old_info",
    );
    refused("old", "needs server plugin API >= 1.7, this server offers 1.0");
    refused("needy", "built for plugin API 2.0, this server offers 1.0 — use a plugin release for 1.x");
    refused("ping", "calls itself \"pong\" — a plugin is loaded by its own name");
    refused("hostile", "is for aarch64-unknown-linux-gnu, server is x86_64-unknown-linux-gnu");
    refused("aborts", "compiled with panic=abort; plugins must unwind — remove it from [profile.release]");
    for (name, end) in [("half", half), ("head", 40)] {
        let told = report(&server, name);
        assert!(told.starts_with(&format!("{name}: is cut short: it should go on to byte ")), "{told}");
        assert!(told.ends_with(&format!(" and ends at {end} — copy it again")), "{told}");
        assert_out(&server, name, "refused", &told);
    }
    for name in ["tampered-module", "tampered-failure"] {
        let told = report(&server, name);
        let text = server.data_dir().join(format!("run/plugins/{name}.layout.txt"));
        let begin = format!("{name}: does not fit this server's plugin interface (");
        let end =
            format!(") — rebuild it with the fts-plugin-api of this major version; everything in {}", text.display());
        assert!(told.starts_with(&begin) && told.ends_with(&end), "{told}");
        assert!(told.len() < 600, "{told}");
        assert!(fs::read_to_string(text).unwrap().lines().count() > 3);
        assert_out(&server, name, "refused", &told);
    }
    let program = binary().parent().unwrap().to_owned();
    let mut places = abi::places(&[dir.path()]);
    places.extend((!places.contains(&program)).then_some(program));
    let places: Vec<String> = places.iter().map(|p| p.display().to_string()).collect();
    refused(
        "absent",
        &format!(
            "no libfts_plugin_absent.so or absent.so in {} — install it there or take it out of plugins.enabled",
            places.join(", ")
        ),
    );
    // The one that is in order runs, and so does the server.
    assert_eq!(server.admin("GET", "/admin/plugins/emergency", "").json()["state"], "running");
    assert_serves(&server);
    let ready = server.get("/readyz");
    assert!(ready.status == 200 && ready.body.contains("plugin.aborts"), "degraded, not down: {}", ready.body);
}

fn report(server: &Server, name: &str) -> String {
    server.admin("GET", &format!("/admin/plugins/{name}"), "").json()["report"].as_str().unwrap().to_owned()
}

#[test]
fn files_that_somebody_else_could_exchange() {
    let dir = TempDir::new().unwrap();
    let place = |name: &str, mode: u32| {
        let place = dir.path().join(name);
        fs::create_dir(&place).unwrap();
        let file = abi::put(&place, name, b"never looked into");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        (place, file)
    };
    let (writable, writable_file) = place("writable", 0o666);
    let (open, open_file) = place("open", 0o644);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let (linked, _) = place("linked", 0o644);
    fs::remove_file(linked.join("libfts_plugin_linked.so")).unwrap();
    std::os::unix::fs::symlink(&open_file, linked.join("libfts_plugin_linked.so")).unwrap();
    let (folder, folder_file) = place("folder", 0o644);
    fs::remove_file(&folder_file).unwrap();
    fs::create_dir(&folder_file).unwrap();
    let (foreign, foreign_file) = place("foreign", 0o644);
    let root = rustix::process::geteuid().is_root();
    if root {
        chown(&foreign_file, Some(12_345), None).unwrap();
    }
    let mut names = vec!["writable", "open", "linked", "folder"];
    names.extend(root.then_some("foreign"));
    let server = wanting(&[&writable, &open, &linked, &folder, &foreign], &names).start();
    let refused = |name: &str, why: &str| assert_out(&server, name, "refused", &format!("{name}: {why}"));
    let may = |path: &Path| format!("anybody can write {0} — chmod o-w {0}", path.display());
    refused("writable", &may(&writable_file));
    refused("open", &may(&open));
    refused("linked", &may(&open));
    let told = report(&server, "folder");
    assert!(told.contains(&format!("{} (no file)", folder_file.display())), "{told}");
    if root {
        refused(
            "foreign",
            &format!(
                "{0} belongs to uid 12345, who could exchange it — it must belong to root or to the user of the server: chown root {0}",
                foreign_file.display()
            ),
        );
    }
    assert_serves(&server);
}

#[test]
fn a_file_is_what_its_pin_says() {
    let file = beside("ping");
    let wrong = "00".repeat(32);
    let table = |pin: &str| format!("[plugins.ping]\nsha256 = {pin:?}");
    let server = wanting(&[], &["ping"]).toml(&table(&wrong)).start();
    let told = report(&server, "ping");
    let begin = format!("ping: {} has the SHA-256 ", file.display());
    let end = format!(", [plugins.ping] sha256 wants {wrong} — install the file that is meant, or write the new one");
    assert!(told.starts_with(&begin) && told.ends_with(&end), "{told}");
    assert_out(&server, "ping", "refused", &told);
    let found = told[begin.len()..].split(',').next().unwrap().to_uppercase();
    // What it says fits.
    let server = wanting(&[], &["ping"]).toml(&table(&found)).start();
    assert_eq!(server.admin("GET", "/admin/plugins/ping", "").json()["state"], "running");
}

/// Where a line of the test's configuration is, as errors say it.
fn at(server: &Server, line: usize) -> String {
    format!("{}:{line}", server.dir().join("test.toml").display())
}

#[test]
fn tables_that_are_wrong_say_file_and_line() {
    // Lines 1 to 3 are [plugins], enabled and a blank one.
    let ping = |line: &str| wanting(&[], &["ping"]).toml(&format!("\n[plugins.ping]\n{line}")).start();
    let server = ping("colour = \"red\"");
    assert_out(&server, "ping", "refused", &format!("ping: [plugins.ping] colour: unknown key ({})", at(&server, 5)));
    let hostile =
        |lines: &str| wanting(&[], &["hostile"]).toml(&format!("\n[plugins.hostile]\n{ALL}\n{lines}")).start();
    for (value, found) in [
        ("\"ten\"", ", found \"ten\""),
        ("-5", ", not negative, found -5"),
        ("1.5", ", found 1.5"),
        ("[1]", ", found a list"),
    ] {
        let server = hostile(&format!("slow_ms = {value}"));
        let told = format!("hostile: [plugins.hostile] slow_ms: expected integer{found} ({})", at(&server, 6));
        assert_out(&server, "hostile", "refused", &told);
    }
    let server = hostile("mode = 3");
    let told = format!("hostile: [plugins.hostile] mode: expected a string, found 3 ({})", at(&server, 6));
    assert_out(&server, "hostile", "refused", &told);
    assert_serves(&server);
}

#[test]
fn what_a_plugin_needs_and_has_not() {
    let server = wanting(&[&abi::built().join("debug")], &["needy", "old", "hostile"])
        .toml("[plugins.hostile]\ncapabilities = [\"intercept\", \"bind-dest\", \"routes\"]")
        .start();
    assert_out(
        &server,
        "old",
        "refused",
        "old: asks for the capability \"intercept\" — grant it: [plugins.old] capabilities = [\"intercept\"]",
    );
    // The one that is missing, and all that it asks for to be copied.
    assert_out(
        &server,
        "hostile",
        "refused",
        "hostile: asks for the capability \"listen\" — grant it: [plugins.hostile] capabilities = [\"intercept\", \"bind-dest\", \"listen\", \"routes\"]",
    );
    let told = report(&server, "needy");
    assert!(told.starts_with("needy: ") && told.contains("ghost"), "{told}");
    assert_out(&server, "needy", "refused", &told);
    assert_serves(&server);
}

#[test]
fn starts_that_fail_leave_nothing_behind() {
    let with = |lines: &str| {
        wanting(&[&abi::built().join("debug")], &["hostile", "old"])
            .toml(&format!("[plugins.old]\ncapabilities = [\"intercept\"]\n[plugins.hostile]\n{ALL}\n{lines}"))
            .start()
    };
    let server = with("mode = \"double-route\"");
    let told = report(&server, "hostile");
    assert!(told.contains("GET /api/plugins/hostile/ok"), "{told}");
    assert_out(&server, "hostile", "failed", &told);
    assert_eq!(server.get("/api/plugins/hostile/ok").status, 404);
    assert_eq!(server.get("/api/plugins/old/count").status, 200);
    // Whoever comes second is told who was first.
    let server = with("route = \"/api/plugins/old/count\"");
    let out = server.admin("GET", "/admin/plugins", "").json();
    let failed: Vec<&Value> = out.as_array().unwrap().iter().filter(|p| p["state"] == "failed").collect();
    let told = failed[0]["report"].as_str().unwrap();
    for word in ["hostile", "old", "GET /api/plugins/old/count"] {
        assert!(failed.len() == 1 && told.contains(word), "{word}: {told}");
    }
    let server = with("mode = \"panic-start\"");
    let told = report(&server, "hostile");
    assert!(told.starts_with("hostile: start panicked: in start (") && told.contains("lib.rs:"), "{told}");
    assert_out(&server, "hostile", "failed", &told);
    assert_serves(&server);
}

#[test]
fn a_required_plugin_that_does_not_run_ends_the_start() {
    let dir = TempDir::new().unwrap();
    abi::put(dir.path(), "text", b"no plugin");
    let out =
        wanting(&[dir.path()], &["text"]).toml("[plugins.text]\nrequired = true").command(dir.path()).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    let wrong = String::from_utf8_lossy(&out.stderr);
    let lines: Vec<&str> = wrong.lines().collect();
    assert_eq!(lines.len(), 1, "{wrong}");
    assert!(
        lines[0].ends_with("the plugin text is required and does not run: text: is no library (no ELF file)"),
        "{wrong}"
    );
}
