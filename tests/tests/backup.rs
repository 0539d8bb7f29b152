//! Backups (operations.md 7.4, 13 line 19): made under load, verified, restored into an empty directory, kept private, and
//! scheduled ones listed. Damage is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use fts_tests::{Client, Server, Web, binary, marker};
use serde_json::{Value, json};

fn fts(dir: &Path, args: &[&str]) -> std::process::Output {
    Command::new(binary())
        .args(args)
        .arg("--data-dir")
        .arg(dir)
        .current_dir(dir.parent().unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn json_of(out: &std::process::Output) -> Value {
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn op13_19_a_backup_under_load_restores_into_an_empty_directory() {
    let mut server = Server::start();
    let node = server.cli_json(&["status"])["node_id"].clone();
    let web = Web::plain(&server, "marti_http");
    let content = vec![7_u8; 300_000];
    let stored = web
        .form("/Marti/sync/upload?name=a.bin", "assetfile", "a.bin", "application/octet-stream", &content)
        .expect(200);
    let hash = stored.json()["Hash"].as_str().unwrap().to_owned();
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut sender = Client::join(&server, "S", "SENDER");
    let load = thread::spawn({
        let (stop, sent) = (stop.clone(), sent.clone());
        move || {
            while !stop.load(Relaxed) {
                let n = sent.fetch_add(1, Relaxed);
                sender.send(&marker(&format!("m-{n}")));
                sender.sync();
            }
        }
    });
    server.eventually("the load runs", || sent.load(Relaxed) > 100);
    let before = sent.load(Relaxed) - 1;
    let file = server.dir().join("b.tar.zst");
    let made = server.cli_json(&["backup", "create", "--to", file.to_str().unwrap()]);
    assert_eq!(made["path"], file.to_str().unwrap());
    stop.store(true, Relaxed);
    load.join().unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let verified = server.cli_json(&["backup", "verify", file.to_str().unwrap()]);
    assert_eq!(
        (&verified["ok"], &verified["stored_files"], &verified["missing"]),
        (&json!(true), &json!(true), &json!([]))
    );
    assert!(server.stop().success());

    // The directory the next server of the harness uses.
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let restored = json_of(&fts(&data, &["backup", "restore", file.to_str().unwrap(), "--json"]));
    assert_eq!(restored["old"], Value::Null);
    let tables = |dir: &Path| json_of(&fts(dir, &["db", "check", "--files", "--json"]));
    let check = tables(&data);
    assert_eq!(check["ok"], true, "{check}");
    let export = fts(&data, &["db", "export", "--table", "cot_event"]);
    let rows = String::from_utf8(export.stdout).unwrap().lines().count() as u64;
    assert!(
        rows > before && rows <= sent.load(Relaxed) + 1,
        "{rows} rows; {before} markers were there before, {} at the end",
        sent.load(Relaxed)
    );
    fs::rename(&data, server.data_dir().with_extension("moved")).unwrap();
    fs::rename(server.data_dir(), server.dir().join("old")).unwrap();
    fs::rename(server.data_dir().with_extension("moved"), server.data_dir()).unwrap();
    let again = Server::build().again(&server).start();
    assert_eq!(again.cli_json(&["status"])["node_id"], node);
    let web = Web::plain(&again, "marti_http");
    web.get("/Marti/api/cot/xml/m-0").expect(200);
    web.get(&format!("/Marti/api/cot/xml/m-{before}")).expect(200);
    assert_eq!(web.get(&format!("/Marti/sync/content?hash={hash}")).expect(200).body, content);
}

#[test]
fn a_backup_can_be_piped_and_is_refused_where_something_is() {
    let mut server = Server::start();
    let mut alice = Client::join(&server, "A", "ALICE");
    alice.send(&marker("M"));
    alice.sync();
    let out = server.cli(&["backup", "create", "--to", "-", "--no-files"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let file = server.dir().join("piped.tar.zst");
    fs::write(&file, &out.stdout).unwrap();
    let name = file.to_str().unwrap();
    let verified = server.cli_json(&["backup", "verify", name]);
    assert_eq!((&verified["ok"], &verified["stored_files"]), (&json!(true), &json!(false)));
    assert!(
        fs::read_dir(server.data_dir().join("run"))
            .unwrap()
            .flatten()
            .all(|e| !e.file_name().to_string_lossy().starts_with("backup-")),
        "nothing is left in run/"
    );
    let running = server.cli(&["backup", "restore", name, "--force"]);
    assert_eq!(running.status.code(), Some(5), "only when it is stopped");
    assert!(server.stop().success());
    let occupied = server.cli(&["backup", "restore", name]);
    assert!(occupied.status.code() == Some(1) && String::from_utf8_lossy(&occupied.stderr).contains("--force"));
    let restored = server.cli_json(&["backup", "restore", name, "--force"]);
    let old = restored["old"].as_str().unwrap();
    assert!(old.contains("data.bak-") && Path::new(old).join("fts.db").is_file());
    let again = Server::build().again(&server).start();
    Web::plain(&again, "marti_http").get("/Marti/api/cot/xml/M").expect(200);
    let mut cut = out.stdout.clone();
    cut.truncate(out.stdout.len() / 2);
    fs::write(&file, &cut).unwrap();
    let bad = server.cli(&["backup", "verify", name]);
    assert!(bad.status.code() == Some(1) && !bad.stderr.is_empty());
}

#[test]
fn backups_are_kept_in_their_directory_and_the_oldest_make_room() {
    let mut server = Server::build().set("backup.keep", "2").start();
    let dir = server.data_dir().join("backups");
    fs::create_dir_all(&dir).unwrap();
    for name in ["fts-20200101-000000.tar.zst", "fts-20200102-000000.tar.zst", "notes.txt"] {
        fs::write(dir.join(name), "x").unwrap();
    }
    let made = server.admin("POST", "/admin/backup", "").json();
    assert!(made["path"].as_str().unwrap().contains("backups/fts-"), "{made}");
    let list = server.admin("GET", "/admin/backups", "").json();
    let names: Vec<&str> = list["backups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b["path"].as_str().unwrap().rsplit('/').next().unwrap())
        .collect();
    assert!(names.len() == 2 && names[1] == "fts-20200102-000000.tar.zst", "{names:?}");
    assert!(dir.join("notes.txt").is_file());
    assert!(server.metric("fts_backup_last_success_timestamp_seconds", &[]) > 0.0);
    let text = String::from_utf8(server.cli(&["backup", "list"]).stdout).unwrap();
    assert!(text.contains("fts-20200102-000000"), "{text}");
    for (body, status) in [(r#"{"to": "relative"}"#, 400), (r#"{"what": 1}"#, 400), ("[", 400)] {
        assert_eq!(server.admin("POST", "/admin/backup", body).status, status, "{body}");
    }
    assert_eq!(server.get("/admin/backups").status, 401, "not for who has no name");
    // Without a server the command makes it itself.
    assert!(server.stop().success());
    let offline = server.cli_json(&["backup", "create", "--to", "off.tar.zst"]);
    assert!(server.dir().join("off.tar.zst").is_file() && offline["bytes"].as_u64().unwrap() > 0);
}
