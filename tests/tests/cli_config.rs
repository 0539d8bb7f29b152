//! Configuration from the command line (operations.md 3, 4, 10; acceptance lines 1, 2, 3, 4, 11, 25): where values come
//! from and which wins, errors with file, line and suggestion, FreeTAKServer's variables and options, `fts init`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use fts_tests::{Client, Server, binary};
use serde_json::Value;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// `fts ARGS` in this directory with these variables and no others of ours.
fn fts(dir: &Path, env: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = Command::new(binary());
    std::env::vars().filter(|(n, _)| n.starts_with("FTS_")).for_each(|(n, _)| {
        command.env_remove(n);
    });
    command.envs(env.iter().copied()).args(args).current_dir(dir).stdin(Stdio::null()).output().unwrap()
}

/// Every key with value and origin.
fn show(dir: &Path, env: &[(&str, &str)], args: &[&str]) -> Value {
    let out = fts(dir, env, &[&["config", "show", "--json"], args].concat());
    assert!(out.status.success(), "{}", text(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn op13_1_an_empty_directory_is_enough() {
    let start = |server: Option<&Server>| {
        let ports = ["listeners.cot_tcp.port", "listeners.cot_tls.port", "listeners.admin.port"];
        let builder = ports.iter().fold(Server::build().bare(), |b, key| b.set(key, "0"));
        match server {
            Some(before) => builder.again(before).start(),
            None => builder.start(),
        }
    };
    let mut server = start(None);
    // The goal is a second; the machine may be busy with other tests while RSA keys are made.
    let after = server.wait_log(|l| l["event"] == "server.ready")["after_ms"].as_u64().unwrap();
    assert!(after < 5_000, "{after} ms");
    let node = server.cli_json(&["status"])["node_id"].clone();
    let id = node.as_str().unwrap();
    assert!(id.len() == 32 && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{id}");
    assert!(!server.data_dir().join("fts.toml").exists());
    assert!(server.data_dir().join("certs/ca.pem").is_file());
    let mut alice = Client::join(&server, "A", "ALICE");
    assert_eq!(alice.next().kind(), "b-t-f", "the welcome");
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(start(Some(&server)).cli_json(&["status"])["node_id"], node);
}

#[test]
fn op13_2_new_names_beat_old_ones_and_the_command_line_beats_both() {
    let dir = tempfile::tempdir().unwrap();
    let key = "listeners.cot_tcp.port";
    let of = |env: &[(&str, &str)], args: &[&str]| {
        let all = show(dir.path(), env, args);
        (all[key]["value"].as_str().unwrap().to_owned(), all[key]["origin"].as_str().unwrap().to_owned())
    };
    let said = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(of(&[], &[]), said("8087", "default"));
    fs::create_dir(dir.path().join("fts-data")).unwrap();
    let file = dir.path().join("fts-data/fts.toml");
    fs::write(&file, "# mine\n\n[listeners.cot_tcp]\nport = 9000\n").unwrap();
    let place = fs::canonicalize(&file).unwrap().display().to_string() + ":4";
    assert_eq!(of(&[], &[]), said("9000", &place));
    let old = ("FTS_COT_PORT", "9087");
    let new = ("FTS_LISTENERS__COT_TCP__PORT", "9187");
    assert_eq!(of(&[old], &[]), said("9087", "env:FTS_COT_PORT"));
    assert_eq!(of(&[old, new], &[]), said("9187", "env:FTS_LISTENERS__COT_TCP__PORT"));
    assert_eq!(of(&[old, new], &["--set", "listeners.cot_tcp.port=9287"]), said("9287", "command line"));
    // conf.d stands above the file, sorted.
    fs::create_dir(dir.path().join("fts-data/conf.d")).unwrap();
    fs::write(dir.path().join("fts-data/conf.d/b.toml"), "listeners.cot_tcp.port = 9002").unwrap();
    fs::write(dir.path().join("fts-data/conf.d/a.toml"), "listeners.cot_tcp.port = 9001").unwrap();
    let (value, origin) = of(&[], &[]);
    assert!(value == "9002" && origin.ends_with("conf.d/b.toml:1"), "{origin}");
    let page = text(&fts(dir.path(), &[old], &["config", "show", "--origin"]).stdout);
    let line = page.lines().find(|l| l.starts_with("listeners.cot_tcp.port")).unwrap();
    assert!(line.ends_with("# env:FTS_COT_PORT"), "{line}");
}

#[test]
fn op13_2_the_old_variable_binds_the_port() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server::build()
        .bare()
        .env("FTS_COT_PORT", &free.to_string())
        .set("listeners.cot_tls.enabled", "false")
        .set("listeners.admin.port", "0")
        .set("listeners.marti_http.port", "0")
        .set("listeners.marti_https.port", "0")
        .set("listeners.enrollment.port", "0")
        .set("listeners.rest.port", "0")
        .start();
    assert_eq!(server.address("cot_tcp").port(), free);
    Client::join(&server, "A", "ALICE");
}

#[test]
fn op13_3_lists_and_flags_from_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::build();
    for (name, value) in [("FTS_LISTENERS__COT_TCP__DEFAULT_GROUPS", "red:blue"), ("FTS_COT__KEEP_MARTI", "y")] {
        server = server.env(name, value);
    }
    let server = server.start();
    Client::join(&server, "A", "ALICE");
    let _alice = Client::join(&server, "A", "ALICE");
    assert_eq!(server.client("A")["groups"]["in"], serde_json::json!(["red", "blue"]));
    for (value, good) in
        [("1", true), ("YES", true), ("y", true), ("on", true), ("No", true), ("0", true), ("maybe", false)]
    {
        let out = fts(dir.path(), &[("FTS_LISTENERS__COT_TLS__ENABLED", value)], &["config", "check"]);
        assert_eq!(out.status.success(), good, "{value}: {}", text(&out.stderr));
    }
    for list in ["10.0.0.1:10.0.0.2", "10.0.0.1,10.0.0.2", r#"["10.0.0.1", "10.0.0.2"]"#] {
        let out = fts(dir.path(), &[("FTS_SERVER__PUBLIC_NAMES", list)], &["config", "check"]);
        assert!(out.status.success(), "{list}: {}", text(&out.stderr));
    }
}

#[test]
fn op13_5_freetakservers_variables_are_accepted_with_a_note() {
    let dir = tempfile::tempdir().unwrap();
    let env = [
        ("FTS_SECRET_KEY", "x"),
        ("FTS_COT_TO_DB", "No"),
        ("FTS_API_PORT", "19023"),
        ("FTS_CLI_WHITELIST", "127.0.0.1"),
        ("FTS_FED_PORT", "9000"),
        ("FTS_UI_PORT", "5000"),
        ("FTS_MAP_LAT", "1"),
        ("FTS_CONNECTION_MESSAGE", "hello"),
        ("FTS_SSLCOT_PORT", "9089"),
        ("FTS_DP_ADDRESS", "192.0.2.5"),
    ];
    let out = fts(dir.path(), &env, &["config", "check"]);
    let said = text(&out.stderr);
    assert!(out.status.success(), "{said}");
    for name in ["FTS_SECRET_KEY", "FTS_CLI_WHITELIST", "FTS_FED_PORT", "FTS_MAP_LAT"] {
        assert!(said.contains(&format!("{name} is accepted and has no effect")), "{name}: {said}");
    }
    assert!(!said.contains("FTS_SSLCOT_PORT"), "{said}");
    let all = show(dir.path(), &env, &[]);
    assert_eq!(all["server.public_host"]["value"], "\"192.0.2.5\"");
    assert_eq!(all["cot.welcome_message"]["value"], "\"hello\"");
    let out = fts(dir.path(), &[("FTS_COT__WELCOM_MESSAGE", "x")], &["config", "check"]);
    let said = text(&out.stderr);
    assert!(out.status.success() && said.contains("did you mean FTS_COT__WELCOME_MESSAGE?"), "{said}");
    // A secret by file.
    fs::write(dir.path().join("secret"), "from-file\n").unwrap();
    let all = show(dir.path(), &[("FTS_PACKAGES__PASSWORD_FILE", "secret")], &[]);
    assert_eq!(
        all["packages.password"],
        serde_json::json!({"value": "\"***\"", "origin": "env:FTS_PACKAGES__PASSWORD_FILE"})
    );
}

#[test]
fn op13_4_an_unknown_key_is_refused_with_line_and_suggestion() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.toml");
    let check = |content: &str| {
        fs::write(&file, content).unwrap();
        let out = fts(dir.path(), &[], &["run", "--check", "--config", "x.toml"]);
        assert_eq!(out.status.code(), Some(4), "{}", text(&out.stderr));
        text(&out.stderr)
    };
    let said = check("[cot]\nkeep_marti = true\nreplay_att = \"connect\"\n");
    assert!(said.contains("x.toml:3: unknown key cot.replay_att, did you mean cot.replay_at?"), "{said}");
    let said = check("typo_key = 1\n");
    assert!(said.contains("x.toml:1: unknown key typo_key"), "{said}");
    // All errors at once, each with its line.
    let said = check("[listeners.cot_tcp]\nport = \"many\"\n[log]\nformat = \"xml\"\n[shutdown]\nflush = 2\n");
    for words in [
        "x.toml:2: listeners.cot_tcp.port",
        "x.toml:4: log.format",
        "auto | text | json | fts",
        "x.toml:6: shutdown.flush",
    ] {
        assert!(said.contains(words), "{words:?} in {said}");
    }
    let said = check("[cot\n");
    assert!(said.contains("x.toml:1: not TOML"), "{said}");
    let said = check("[rest]\nmax_repeated = 1\n");
    assert!(said.contains("does not have yet"), "{said}");
    let said = check("[log]\nlevel = \"info,fts=loud\"\n");
    assert!(said.contains("x.toml:2: log.level"), "{said}");
    let said = check("[[listeners.extra]]\nname = \"a\"\nkind = \"cot_tcp\"\nprot = 1\n");
    assert!(said.contains("listeners.extra.prot") && said.contains("did you mean listeners.extra.port?"), "{said}");
    let out = fts(dir.path(), &[], &["config", "check", "--config", "absent.toml"]);
    assert!(out.status.code() == Some(4) && text(&out.stderr).contains("absent.toml"), "{}", text(&out.stderr));
}

#[test]
fn op13_4_a_yaml_of_freetakserver_is_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("f.yaml"),
        "System:\n  FTS_NODE_ID: abc123\nAddresses:\n  FTS_COT_PORT: 18087\n  FTS_DP_ADDRESS: 192.0.2.5\n",
    )
    .unwrap();
    let all = show(dir.path(), &[("FTS_CONFIG_PATH", "f.yaml")], &[]);
    assert_eq!(all["server.public_host"]["value"], "\"192.0.2.5\"");
    assert_eq!(all["listeners.cot_tcp.port"]["value"], "18087");
    assert!(all["listeners.cot_tcp.port"]["origin"].as_str().unwrap().ends_with("f.yaml:4"));
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/fts.toml");
    let dir = tempfile::tempdir().unwrap();
    let out = fts(dir.path(), &[], &["config", "check", "--config", shipped.to_str().unwrap()]);
    assert!(out.status.success() && text(&out.stdout).starts_with("good: "), "{}", text(&out.stderr));
    let printed = text(&fts(dir.path(), &[], &["config", "default"]).stdout);
    assert_eq!(printed, fs::read_to_string(&shipped).unwrap());
    let values = |all: Value| -> Vec<(String, Value)> {
        all.as_object().unwrap().iter().map(|(k, v)| (k.clone(), v["value"].clone())).collect()
    };
    let from_file = show(dir.path(), &[], &["--config", shipped.to_str().unwrap()]);
    assert_eq!(values(from_file), values(show(dir.path(), &[], &[])));
    let schema: Value = serde_json::from_slice(&fts(dir.path(), &[], &["config", "schema"]).stdout).unwrap();
    assert_eq!(schema["properties"]["cot"]["properties"]["replay_at"]["default"], "connect");
    let out = fts(dir.path(), &[], &["run", "--check"]);
    assert_eq!((out.status.code(), &*text(&out.stdout)), (Some(0), "configuration is good\n"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "a check leaves nothing behind");
}

#[test]
fn op13_11_freetakservers_options_are_translated() {
    let dir = tempfile::tempdir().unwrap();
    for first in [&["run"][..], &[]] {
        let args = [
            first,
            &[
                "-CoTPort",
                "0",
                "-AutoStart",
                "False",
                "-RestAPIPort",
                "0",
                "--data-dir",
                "d",
                "--set",
                "listeners.admin.port=0",
                "--set",
                "listeners.enrollment.port=0",
            ],
        ]
        .concat();
        let mut command = Command::new(binary());
        let mut child =
            command.args(&args).current_dir(dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let ready = lines.any(|l| l.unwrap().contains("server.ready"));
        let bound: Value = serde_json::from_slice(&fs::read(dir.path().join("d/run/listeners.json")).unwrap()).unwrap();
        child.kill().unwrap();
        let said = text(&child.wait_with_output().unwrap().stderr);
        assert!(ready, "{args:?}: {said}");
        assert_eq!(bound.as_object().unwrap().keys().collect::<Vec<_>>(), ["admin", "enrollment", "rest"], "{args:?}");
        assert!(!said.contains("no effect"), "{said}");
    }
    let all = fts(dir.path(), &[], &["-CoTPort", "8187", "-SSLCoTPort", "many"]);
    assert_eq!(all.status.code(), Some(4), "{}", text(&all.stderr));
}

#[test]
fn op13_25_init_without_a_terminal_never_waits_and_says_what_it_did() {
    let dir = tempfile::tempdir().unwrap();
    // A pipe nobody writes into: input that never comes.
    let mut child = Command::new(binary())
        .args([
            "init",
            "--host",
            "tak.example.org",
            "--ca-name",
            "My CA",
            "--data-dir",
            "d",
            "--set",
            "tls.key_type=\"p256\"",
        ])
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let held = child.stdin.take();
    let out = child.wait_with_output().unwrap();
    drop(held);
    let said = text(&out.stdout);
    assert!(out.status.success(), "{said}");
    for words in ["no terminal", "tak.example.org:8089", "fingerprint", "d/fts.toml"] {
        assert!(said.contains(words), "{words:?} in {said}");
    }
    let file = dir.path().join("d/fts.toml");
    let written = fs::read_to_string(&file).unwrap();
    assert!(
        written.contains("public_host = \"tak.example.org\"") && written.contains("ca_name = \"My CA\""),
        "{written}"
    );
    assert!(dir.path().join("d/certs/ca.pem").is_file() && !said.contains("PRIVATE KEY"));
    // A second run edits only when told to, and keeps comments.
    let init = |args: &[&str]| fts(dir.path(), &[], &[&["init", "--data-dir", "d"], args].concat());
    let again = init(&["--non-interactive"]);
    assert!(again.status.code() == Some(1) && text(&again.stderr).contains("--force"));
    fs::write(&file, format!("# mine\n{written}")).unwrap();
    fs::write(dir.path().join("answers.toml"), "host = \"other.example\"\nprofile = \"secure\"\n").unwrap();
    let out = init(&["--answers", "answers.toml", "--non-interactive", "--force"]);
    assert!(out.status.success() && text(&out.stdout).contains("plain TCP  off"), "{}", text(&out.stdout));
    let written = fs::read_to_string(&file).unwrap();
    assert!(
        written.starts_with("# mine\n") && written.contains("other.example") && written.contains("My CA"),
        "{written}"
    );
    let all = show(dir.path(), &[], &["--data-dir", "d"]);
    assert_eq!(all["listeners.cot_tcp.enabled"], serde_json::json!({"value": "false", "origin": "profile:secure"}));
    fs::write(dir.path().join("answers.toml"), "admin = \"x\"\n").unwrap();
    assert_eq!(init(&["--answers", "answers.toml", "--force"]).status.code(), Some(2));
    assert_eq!(init(&["--profile", "open", "--force"]).status.code(), Some(2));
}

#[test]
fn a_directory_of_freetakserver_is_never_written_into() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("FTSDataBase.db"), "").unwrap();
    let out = fts(dir.path(), &[], &["run", "--data-dir", "."]);
    assert!(out.status.code() == Some(4) && text(&out.stderr).contains("FreeTAKServer"), "{}", text(&out.stderr));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
