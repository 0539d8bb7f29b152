//! What is written, or decides otherwise, while the archive of an ending mission is made (mission.md 3.2 M-08, M-15, 7.6).
//!
//! The test holds the database like another writer: the archive is stored by then, the transaction that ends the mission
//! waits, and what the test commits is what was acknowledged in between.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use fts_plugin_api::{message::FileInfo, sdk::Code};
use rusqlite::Connection;
use scene::*;
use serde_json::json;
use zip::ZipArchive;

/// Longest wait for an archive.
const LIMIT: Duration = Duration::from_secs(4);

fn file(scene: &Scene, name: &str, bytes: &[u8]) -> String {
    let info = FileInfo { name: name.into(), groups: vec!["__ANON__".into()], ..FileInfo::default() };
    scene.host.put_file(info, bytes).sha256
}

fn add(scene: &Scene, hash: &str) -> u16 {
    scene.call(ALICE, "PUT", &format!("{FLOOD}/contents?creatorUid=A")).json(&json!({"hashes": [hash]})).send().status
}

/// alice's mission with an item.
fn marked() -> Scene {
    let (scene, ..) = Scene::flood();
    scene.host.deliver(marker("m-1", "mission=\"Flood North\""), scene.a);
    scene
}

fn archives(scene: &Scene) -> Vec<FileInfo> {
    let archived = |f: &FileInfo| f.keywords.iter().any(|k| k == "ARCHIVED_MISSION");
    scene.host.files().into_iter().filter(archived).collect()
}

/// What the only archive holds.
fn kept(scene: &Scene) -> BTreeMap<String, String> {
    let all = archives(scene);
    assert_eq!(all.len(), 1, "{all:?}");
    let mut zip = ZipArchive::new(Cursor::new(scene.host.file_content(&all[0].sha256).unwrap())).unwrap();
    let mut files = BTreeMap::new();
    for n in 0..zip.len() {
        let (mut file, mut text) = (zip.by_index(n).unwrap(), String::new());
        file.read_to_string(&mut text).unwrap();
        files.insert(file.name().unwrap().into_owned(), text);
    }
    files
}

/// Does something that ends the mission; when its archive is stored, and before the transaction, this is committed.
fn between<T: Send>(scene: &Scene, end: impl FnOnce() -> T + Send, sql: &str) -> T {
    let link = Connection::open(scene.host.dir().join("data.db")).unwrap();
    link.execute_batch("PRAGMA foreign_keys=ON; BEGIN IMMEDIATE").unwrap();
    thread::scope(|s| {
        let ending = s.spawn(end);
        let stored = scene.host.wait_for(LIMIT, |_| !archives(scene).is_empty());
        link.execute_batch(&format!("{sql}; COMMIT")).unwrap();
        assert!(stored, "no archive");
        ending.join().unwrap()
    })
}

fn delete(scene: &Scene) -> u16 {
    scene.call(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A")).send().status
}

const MOVED: &str =
    "INSERT INTO mission_cot (mission_id, uid, version, received, creator_uid, change_id, xml)
     SELECT mission_id, uid, version + 1, received, creator_uid, change_id, replace(xml, '44.5', '45.5') FROM mission_cot";

#[test]
fn what_is_written_while_the_archive_is_made_is_in_it() {
    let scene = marked();
    assert_eq!(between(&scene, || delete(&scene), MOVED), 200);
    let files = kept(&scene);
    assert!(files["cot/m-1.cot"].contains("45.5"), "an event that is part of an older change: {files:?}");
    scene.ask(BOB, "GET", FLOOD, 410);

    let scene = marked();
    assert_eq!(add(&scene, &file(&scene, "a.jpg", b"picture")), 200);
    let renamed = "UPDATE mission_content SET resource_json = replace(resource_json, 'a.jpg', 'b.jpg')";
    assert_eq!(between(&scene, || delete(&scene), renamed), 200);
    assert_eq!(kept(&scene)["contents/0_b.jpg"], "picture");

    let scene = marked();
    let closed = "UPDATE mission SET description = 'wet', invite_only = 1";
    assert_eq!(between(&scene, || delete(&scene), closed), 200);
    assert!(kept(&scene)["MANIFEST/manifest.xml"].contains("name=\"description\" value=\"wet\""));
    assert_eq!(archives(&scene)[0].tool, "private", "it was closed meanwhile");
}

#[test]
fn whoever_deletes_what_is_deleted_already_leaves_no_archive() {
    let scene = marked();
    let gone =
        "INSERT INTO mission_change (mission_id, mission_guid, mission_name, mission_name_key, type, ts, server_ts)
            SELECT id, guid, name, name_key, 1, 0, 0 FROM mission WHERE name = 'Flood North';
        DELETE FROM mission WHERE name = 'Flood North'";
    assert_eq!(between(&scene, || delete(&scene), gone), 410);
    assert!(archives(&scene).is_empty());
}

#[test]
fn an_expiry_that_was_overtaken_leaves_no_archive() {
    let scene = marked();
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/expiration?expiration={}", NOW / 1_000 + 1), 200);
    between(&scene, || scene.host.tick(Duration::from_secs(1)), "UPDATE mission SET expiration = -1");
    scene.ask(BOB, "GET", FLOOD, 200);
    assert!(archives(&scene).is_empty());
    // Nor does one whose transaction fails.
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/expiration?expiration=1"), 200);
    scene.host.fail_next(fts_plugin_api::message::op::SQL_BEGIN, Code::Busy, "busy");
    scene.host.tick(Duration::from_secs(1));
    scene.ask(BOB, "GET", FLOOD, 200);
    assert!(archives(&scene).is_empty());
}

#[test]
fn of_many_who_delete_at_once_one_leaves_an_archive() {
    for _ in 0..4 {
        let scene = marked();
        assert_eq!(add(&scene, &file(&scene, "a.bin", &vec![7; 200_000])), 200);
        let start = Barrier::new(4);
        let mut statuses: Vec<u16> = thread::scope(|s| {
            let one = |_| {
                s.spawn(|| {
                    start.wait();
                    delete(&scene)
                })
            };
            (0..4).map(one).collect::<Vec<_>>().into_iter().map(|t| t.join().unwrap()).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 410, 410, 410]);
        assert_eq!(archives(&scene).len(), 1);
    }
}

#[test]
fn everything_that_was_acknowledged_before_the_end_is_in_the_archive() {
    let scene = marked();
    let hashes: Vec<_> = (0..200).map(|n| file(&scene, &format!("f{n}"), format!("content {n}").as_bytes())).collect();
    for hash in &hashes[..20] {
        assert_eq!(add(&scene, hash), 200);
    }
    let begun = AtomicBool::new(false);
    let added = thread::scope(|s| {
        let writer = s.spawn(|| {
            let mut added = 20;
            for hash in &hashes[20..] {
                begun.store(added > 22, SeqCst);
                match add(&scene, hash) {
                    200 => added += 1,
                    410 => break,
                    other => panic!("{other}"),
                }
            }
            begun.store(true, SeqCst);
            added
        });
        assert!(scene.host.wait_for(LIMIT, |_| begun.load(SeqCst)));
        assert_eq!(delete(&scene), 200);
        writer.join().unwrap()
    });
    let files = kept(&scene);
    for n in 0..added {
        assert_eq!(files.get(&format!("contents/{n}_f{n}")), Some(&format!("content {n}")), "{n} of {added}");
    }
}

#[test]
fn an_archive_that_fails_is_no_reason_to_go_on() {
    let scene = marked();
    scene.host.fail_next("files", Code::Full, "disk full");
    assert_eq!(delete(&scene), 200);
    assert!(archives(&scene).is_empty() && scene.host.log().iter().any(|l| l.message.contains("without an archive")));
    scene.ask(BOB, "GET", FLOOD, 410);
    // Where only the second one fails the first is better than none.
    let scene = marked();
    let link = Connection::open(scene.host.dir().join("data.db")).unwrap();
    link.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::scope(|s| {
        let ending = s.spawn(|| delete(&scene));
        assert!(scene.host.wait_for(LIMIT, |_| !archives(&scene).is_empty()));
        scene.host.fail_next("files", Code::Full, "disk full");
        link.execute_batch(&format!("{MOVED}; COMMIT")).unwrap();
        assert_eq!(ending.join().unwrap(), 200);
    });
    assert!(kept(&scene)["cot/m-1.cot"].contains("44.5"));
    assert!(scene.host.log().iter().any(|l| l.message.contains("written last")));
}
