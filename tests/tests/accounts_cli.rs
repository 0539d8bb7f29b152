//! `fts user`, `fts group`, `fts audit` (operations.md 4): the same with a running server and without one, secrets printed
//! once, and refused while somebody else holds the data directory. The first start and its administrator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::accounts_bed;

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Output, Stdio},
};

use accounts_bed::{PASSWORD, door, log};
use fts_tests::{Server, binary};
use serde_json::{Value, json};

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn login(server: &Server, name: &str, password: &str) -> u16 {
    door(server).basic(name, password).get("/Marti/api/tls/config").status
}

fn offline(dir: &std::path::Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args).arg("--data-dir").arg(dir).args(["--set", "tls.key_type=\"p256\""]).stdin(Stdio::null());
    command
}

fn with_input(mut command: Command, text: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn users_are_managed_with_a_running_server() {
    let server = Server::build().secure().start();
    let made = server.cli_json(&["user", "add", "alice", "--role", "admin"]);
    let password = made["password"].as_str().unwrap().to_owned();
    assert_eq!((login(&server, "alice", &password), made["role"].as_str()), (200, Some("admin")));
    let said = with_input(server.cli_command(&["user", "add", "bob", "--password-stdin"]), &format!("{PASSWORD}\n"));
    assert!(!out(&said).contains(PASSWORD), "what was given is not printed");
    assert_eq!(login(&server, "bob", PASSWORD), 200);
    let again = server.cli(&["user", "add", "BOB"]);
    let why = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.code() == Some(1) && why.contains("there is a user BOB already"), "{why}");
    let short = server.cli(&["user", "add", "carol", "--password", "short"]);
    assert!(!short.status.success() && String::from_utf8_lossy(&short.stderr).contains("at least 12"), "{short:?}");
    let list = out(&server.cli(&["user", "list"]));
    assert!(list.contains("alice") && list.contains("bob") && !list.contains("carol"), "{list}");
    let next = server.cli_json(&["user", "passwd", "bob"])["password"].as_str().unwrap().to_owned();
    assert_eq!((login(&server, "bob", PASSWORD), login(&server, "bob", &next)), (401, 200));
    out(&server.cli(&["user", "disable", "bob"]));
    assert_eq!(login(&server, "bob", &next), 403);
    out(&server.cli(&["user", "enable", "bob"]));
    assert_eq!(login(&server, "bob", &next), 200);
    out(&server.cli(&["group", "add", "Blue", "--description", "the blue ones"]));
    out(&server.cli(&["group", "grant", "Blue", "bob", "--in"]));
    let groups = server.cli_json(&["group", "list"]);
    assert_eq!((&groups[1]["in"], &groups[1]["out"]), (&json!(["bob"]), &json!([])));
    let missing = server.cli(&["group", "grant", "Green", "bob"]);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("fts group add Green"), "{missing:?}");
    out(&server.cli(&["group", "revoke", "Blue", "bob"]));
    out(&server.cli(&["group", "rm", "Blue"]));
    out(&server.cli(&["user", "delete", "bob"]));
    assert_eq!(login(&server, "bob", &next), 401);
    let audit = out(&server.cli(&["audit", "--since", "1h"]));
    for action in
        ["user.add", "user.password", "user.disable", "group.grant", "group.remove", "user.delete", "auth.failed"]
    {
        assert!(audit.contains(action), "{action}: {audit}");
    }
    let rows = server.cli_json(&["audit", "--who", "bob", "--action", "user.*", "--limit", "2"]);
    let row = &rows[0];
    assert_eq!(
        (rows.as_array().unwrap().len(), &row["action"], &row["actor"]),
        (2, &json!("user.delete"), &json!("local"))
    );
    let everything = format!("{audit}{}", log(&server));
    assert!([PASSWORD, password.as_str(), next.as_str()].iter().all(|secret| !everything.contains(secret)), "a secret");
}

#[test]
fn users_are_managed_without_a_server_and_are_there_when_it_starts() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let none = offline(&data, &["user", "list"]).output().unwrap();
    assert_eq!(none.status.code(), Some(3), "nothing to look at: {none:?}");
    assert!(!data.exists(), "looking makes nothing");
    let added = with_input(
        offline(&data, &["user", "add", "alice", "--password-stdin", "--role", "admin"]),
        &format!("{PASSWORD}\n"),
    );
    out(&added);
    out(&offline(&data, &["group", "add", "Blue"]).output().unwrap());
    out(&offline(&data, &["group", "grant", "Blue", "alice"]).output().unwrap());
    let listed: Value =
        serde_json::from_str(&out(&offline(&data, &["user", "list", "--json"]).output().unwrap())).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["groups"]), (&json!("alice"), &json!(["Blue:in", "Blue:out"])));
    let refused = offline(&data, &["user", "add", "alice"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let audit = out(&offline(&data, &["audit"]).output().unwrap());
    assert!(audit.contains("group.grant") && audit.contains("local"), "{audit}");
}

#[test]
fn a_data_directory_somebody_holds_is_not_touched() {
    let server = Server::start();
    std::fs::remove_file(server.data_dir().join("run/fts.sock")).unwrap();
    let refused = server.cli(&["user", "add", "alice"]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(5) && why.contains(&server.pid().to_string()), "{why}");
}

/// Starts a server, returns what it printed until it was ready, and ends it.
fn first_words(dir: &std::path::Path, env: &[(&str, &str)]) -> (String, String, bool) {
    let mut builder = Server::build().set("shutdown.drain", "\"0s\"");
    for (name, value) in env {
        builder = builder.env(name, value);
    }
    let mut command = builder.command(dir);
    if !env.iter().any(|(name, _)| *name == "FTS_ADMIN_PASSWORD") {
        command.env_remove("FTS_ADMIN_PASSWORD");
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let (mut log, mut ready) = (String::new(), false);
    let mut line = String::new();
    while stdout.read_line(&mut line).unwrap() > 0 {
        ready |= line.contains("server.ready");
        log.push_str(&line);
        line.clear();
        if ready {
            break;
        }
    }
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    if ready {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }
    stdout.read_to_string(&mut log).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    (said, log, ready)
}

fn shown(said: &str) -> Option<String> {
    let at = said.split_once("user admin, password ")?.1;
    Some(at.split_whitespace().next().unwrap().to_owned())
}

#[test]
fn the_first_start_shows_a_password_once_and_never_logs_it() {
    let dir = tempfile::tempdir().unwrap();
    let (said, log, _) = first_words(dir.path(), &[]);
    let password = shown(&said).unwrap_or_else(|| panic!("no password: {said}"));
    assert!(password.len() == 20 && said.contains("fts user passwd admin"), "{said}");
    assert!(!log.contains(&password), "it is not in the log");
    let (said, log, _) = first_words(dir.path(), &[]);
    assert!(shown(&said).is_none() && !log.contains(&password), "{said}");
    // A reset works without a server; then the start shows nothing either.
    let reset = offline(&dir.path().join("data"), &["user", "passwd", "admin", "--json"]).output().unwrap();
    let reset: Value = serde_json::from_str(&out(&reset)).unwrap();
    assert_ne!(reset["password"], json!(password));
    assert!(shown(&first_words(dir.path(), &[]).0).is_none());
}

#[test]
fn the_first_start_takes_the_password_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let (said, _, ready) = first_words(dir.path(), &[("FTS_ADMIN_PASSWORD", "short")]);
    assert!(!ready && said.contains("FTS_ADMIN_PASSWORD") && said.contains("12 characters"), "{said}");
    let file = dir.path().join("secret");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let (said, log, ready) = first_words(dir.path(), &[("FTS_ADMIN_PASSWORD_FILE", file.to_str().unwrap())]);
    assert!(
        ready && shown(&said).is_none() && !log.contains(PASSWORD) && !log.contains("is no setting"),
        "{said}{log}"
    );
    let listed = offline(&dir.path().join("data"), &["user", "list", "--json"]).output().unwrap();
    let listed: Value = serde_json::from_str(&out(&listed)).unwrap();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["role"], &listed[0]["has_password"]),
        (&json!("admin"), &json!("admin"), &json!(true))
    );
}
