//! Plugins built against another minor of the interface, or by another rustc (plugins.md 2 and 10).
//!
//! `tests/abi/api-1.0` is a kept copy of the interface crate; `build.sh` makes a 1.1 of it that grew everywhere it may.
//! "1.0 on a later host" runs on the small host of `tests/abi/host`, until there is a later server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{collections::BTreeSet, fs, path::Path, process::Command};

use fts_tests::{Builder, Client, Server, event};
use tempfile::TempDir;

use crate::abi;

/// A server that looks for plugins in this directory first.
fn with(dir: &Path, name: &str) -> Builder {
    Server::build()
        .set("plugins.dirs", &format!("{:?}", abi::places(&[dir])))
        .toml(&format!("[plugins]\nenabled = [{name:?}]"))
}

fn chat(uid: &str, text: &str) -> String {
    event(uid, "b-t-f", &format!("<remarks>{text}</remarks>"))
}

/// Event, intercept, route, database: everything a plugin does, by a file from before.
fn assert_it_works(dir: &Path) {
    let server = with(dir, "old").toml("[plugins.old]\ncapabilities = [\"intercept\"]").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    let mut bob = Client::join(&server, "B", "BOB");
    alice.expect("B");
    bob.expect("A");
    for n in 1..=3 {
        alice.send(&chat(&format!("c{n}"), "count"));
        alice.expect(&format!("old-{n}"));
        bob.expect(&format!("c{n}"));
    }
    alice.send(&chat("hidden", "old-secret"));
    alice.send(&chat("shown", "hello"));
    bob.expect("shown");
    let asked = server.get("/api/plugins/old/count");
    assert_eq!((asked.status, asked.body.as_str()), (200, "3"));
    assert_eq!(server.get("/api/plugins/old/call/nobody/greet").body, "Unavailable: there is no plugin \"nobody\"");
}

#[test]
fn a_plugin_of_the_kept_interface_works() {
    assert_it_works(&abi::built().join("debug"));
}

#[test]
fn a_plugin_of_another_rustc_works() {
    let other = abi::built().join("other");
    let Ok(rustc) = fs::read_to_string(other.join("rustc")) else {
        eprintln!("left out: rustup has no second toolchain");
        return;
    };
    let server = with(&other.join("debug"), "old").toml("[plugins.old]\ncapabilities = [\"intercept\"]").start();
    let told = server.admin("GET", "/admin/plugins/old", "").json();
    assert_eq!(told["built"]["rustc"], rustc.trim(), "shown, and not compared");
    drop(server);
    assert_it_works(&other.join("debug"));
}

#[test]
fn a_plugin_of_a_later_minor_is_refused_in_one_line() {
    let server = with(&abi::built().join("debug"), "new").start();
    let told = server.admin("GET", "/admin/plugins/new", "").json();
    assert_eq!(told["state"], "refused");
    assert_eq!(told["report"], "new: needs server plugin API >= 1.1, this server offers 1.0");
}

/// The number in the file is not all there is to it: the SDK in the plugin checks the host itself.
#[test]
fn a_later_minor_that_hides_it_is_refused_by_its_own_check() {
    let dir = TempDir::new().unwrap();
    let mut bytes = fs::read(abi::library("new")).unwrap();
    let at = abi::info_at(&bytes) + 14;
    assert_eq!(bytes[at..at + 2], [1, 0], "api_minor");
    bytes[at] = 0;
    abi::put(dir.path(), "new", &bytes);
    let server = with(dir.path(), "new").start();
    let told = server.admin("GET", "/admin/plugins/new", "").json();
    assert_eq!(told["state"], "refused");
    assert_eq!(told["report"], "new: needs a newer server: its plugin API has more than this one offers");
    assert_eq!(server.get("/livez").status, 200);
}

/// What the small host of 1.1 says about plugins of 1.0 and 1.1 in one process.
fn together(map: &str, names: [&str; 2]) -> BTreeSet<String> {
    let files = names.map(|n| format!("{n}={}", abi::library(n).display()));
    let out = Command::new(abi::built().join("debug/abi-host")).arg(map).args(files).output().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}\n{wrong}");
    said.lines().map(str::to_owned).collect()
}

#[test]
fn plugins_of_both_minors_run_on_a_later_host_in_either_order_and_use_each_other() {
    let expected: BTreeSet<String> = [
        "old started",
        "new started",
        "old intercepts: action 0",
        "new intercepts: action 0",
        "old sends 259 bytes",
        "an observer took it: true",
        // A method the plugin lacks takes its default; a later plugin's own is called.
        "old kinds 11",
        "new kinds 12",
        "old.extra: failure 9: extra",
        "new.extra: host 42 about Some(11) since 11 source 99",
        "old asks new: new greets old",
        "new asks old: old greets new",
        "old stopped: true",
        "new stopped: true",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(together("fresh", ["old", "new"]), expected);
    assert_eq!(together("fresh", ["new", "old"]), expected);
}

/// The trap that `check_afresh` is there for (plugins.md 8.19). When this fails, abi_stable has changed: look again.
#[test]
fn with_one_type_map_for_the_process_the_older_plugin_first_shuts_the_newer_out() {
    let said = together("shared", ["old", "new"]);
    assert!(said.contains("old started") && !said.contains("new started"), "{said:?}");
    assert!(said.iter().any(|l| l.starts_with("new refused: code 8, ")), "{said:?}");
    let said = together("shared", ["new", "old"]);
    assert!(said.contains("old started") && said.contains("new started"), "{said:?}");
}

/// The texts of the interface, without comments and test modules.
fn sources() -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-api/src/abi");
    let files = fs::read_dir(dir).unwrap().map(|f| f.unwrap().path());
    let text = |path: &Path| {
        let all = fs::read_to_string(path).unwrap();
        let code = all.split("#[cfg(test)]").next().unwrap();
        code.lines().map(|l| l.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
    };
    files.map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), text(&p))).collect()
}

/// What stands between the braces behind `at`.
fn braces(text: &str, at: usize) -> &str {
    let from = at + text[at..].find('{').unwrap();
    let mut depth = 0;
    for (n, byte) in text.bytes().enumerate().skip(from) {
        depth += i32::from(byte == b'{') - i32::from(byte == b'}');
        if depth == 0 {
            return &text[from + 1..n];
        }
    }
    panic!("braces of {}", &text[at..at + 60]);
}

/// Each `#[sabi_trait]` with its name and body.
fn traits() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (_, text) in sources() {
        for (at, _) in text.match_indices("#[sabi_trait]") {
            let head = &text[at..];
            let name = head.split("pub trait ").nth(1).unwrap().split([':', ' ', '{']).next().unwrap();
            all.push((name.to_owned(), braces(&text, at).to_owned()));
        }
    }
    all
}

/// A method appended without a default passes the layout check and ends the process at its first call on an older object.
#[test]
fn every_method_behind_the_last_prefix_field_has_a_default_body() {
    let all = traits();
    let names: BTreeSet<&str> = all.iter().map(|(n, _)| n.as_str()).collect();
    let known =
        ["Body", "Caller", "Host", "Http", "Intercept", "Observe", "Observed", "PluginHandle", "Pull", "Source"];
    assert!(known.iter().all(|k| names.contains(k)), "found {names:?}");
    for (name, body) in &all {
        let (before, rest) =
            body.split_once("#[sabi(last_prefix_field)]").unwrap_or_else(|| panic!("{name}: no last prefix field"));
        assert!(!rest.contains("last_prefix_field"), "{name}: one last prefix field");
        assert!(!before.contains('{'), "{name}: a default before the last prefix field is no default for anybody");
        let mut later = rest.split("fn ").skip(1);
        let last = later.next().unwrap();
        assert!(last.trim_end().trim_end_matches("#[").contains(';'), "{name}: {last}");
        for method in later {
            assert!(method.contains('{'), "{name}: fn {method} is new and has no default body");
        }
        if name == "PluginHandle" {
            assert_eq!(rest.matches("fn ").count(), 1, "frozen for the major");
        }
    }
}

#[test]
fn nothing_but_types_of_abi_stable_and_our_own_crosses() {
    let theirs = ["RArc", "RBox", "ROption", "RResult", "RSlice", "RSliceMut", "RStr", "RString", "RVec", "LibHeader"];
    let plain = ["bool", "u8", "u16", "u32", "u64", "usize", "i64", "f64", "Self"];
    let text: Vec<(String, String)> = sources();
    // Ours: what is declared here with a layout, objects of traits, names for them; Span and Child come from `cot`.
    let mut own: BTreeSet<String> = ["Span", "Child"].map(str::to_owned).into();
    for (_, text) in &text {
        for line in text.lines().map(str::trim) {
            for (start, end) in [("pub struct ", [' ', '<', '(']), ("pub type ", [' ', '<', '='])] {
                if let Some(rest) = line.strip_prefix(start) {
                    own.insert(rest.split(end).next().unwrap().to_owned());
                }
            }
        }
    }
    own.extend(traits().into_iter().map(|(name, _)| format!("{name}_TO")));
    own.extend(["HostModule_Ref", "PluginModule_Ref"].map(str::to_owned));
    let allowed = |word: &str| theirs.contains(&word) || plain.contains(&word) || own.contains(word);
    let mut checked = 0;
    let mut check = |of: &str, signature: &str| {
        let types = signature.split_once('(').map_or(signature, |(_, rest)| rest);
        for part in types.split(['<', '>', '(', ')', ',', ' ', '\n', '&', '*', '[', ']', ';']) {
            // Names of parameters end with a colon, lifetimes begin with a quote.
            let skip = ["", "self", "mut", "const", "extern", "fn", "->", "-", "\"C\"", "static"];
            if skip.contains(&part) || part.ends_with(':') || part.starts_with('\'') || part.parse::<u32>().is_ok() {
                continue;
            }
            assert!(allowed(part), "{of}: {part:?} must not cross: {signature}");
            checked += 1;
        }
    };
    for (name, body) in traits() {
        for method in body.split("fn ").skip(1) {
            check(&name, method.split([';', '{']).next().unwrap());
        }
    }
    // Structs with a layout, but for Info, which is read from the file as bytes and is checked in its own test.
    for (_, text) in &text {
        for (at, _) in text.match_indices("StableAbi") {
            let Some(head) = text[at..].find("pub struct ").map(|n| at + n) else { continue };
            if text[at..head].contains("use ") || text[at..head].contains(';') {
                continue;
            }
            for field in braces(text, head).split(",\n").map(str::trim).filter(|f| !f.is_empty()) {
                let field = field.rsplit("]\n").next().unwrap().trim().trim_start_matches("pub ");
                let (name, kind) = field.split_once(':').unwrap();
                check(name, kind.strip_prefix(" extern \"C\" fn").unwrap_or(kind));
            }
        }
    }
    assert!(checked > 60, "only {checked} types were looked at: the test does not see the sources any more");
}
