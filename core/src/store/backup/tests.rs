//! Backups of a made-up data directory: whole, verified, restored; and what is wrong with damaged ones.
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use tempfile::TempDir;

use super::*;
use crate::store::{
    core,
    database::{Database, Options},
};

const CONTENT: &[u8] = b"the content of a stored file";

fn hash(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

fn plan(dir: &Path) -> Plan {
    Plan {
        data_dir: dir.into(),
        database: dir.join("fts.db"),
        files_dir: dir.join("files"),
        certs_dir: dir.join("certs"),
        packages_dir: dir.join("packages"),
        config_file: Some(dir.join("fts.toml")),
        files: true,
    }
}

/// A data directory with something of everything; its database stays open.
fn made() -> (TempDir, Database) {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let db = Database::open(&at("fts.db"), Options::default()).unwrap();
    db.migrate(core::MIGRATIONS).unwrap();
    let sha = hash(CONTENT);
    let blob = at(&format!("files/{}/{}/{sha}", &sha[..2], &sha[2..4]));
    let put = |path: PathBuf, bytes: &[u8]| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    put(blob, CONTENT);
    put(at("files/tmp/half"), b"no");
    put(at("certs/ca.key"), b"key");
    fs::set_permissions(at("certs/ca.key"), fs::Permissions::from_mode(0o600)).unwrap();
    put(at("certs/clients/1.pem"), b"pem");
    put(at("node_id"), b"n1");
    put(at("fts.toml"), b"[server]\n");
    put(at("plugin-data/kml/notes.txt"), b"note");
    let plugin =
        Database::open(&at("plugin-data/kml/data.db"), Options { confined: true, ..Options::default() }).unwrap();
    plugin.exec("CREATE TABLE t(n INTEGER)", &[]).unwrap();
    plugin.exec("INSERT INTO t VALUES(7)", &[]).unwrap();
    db.exec(
        "INSERT INTO resource(uid, hash, name, mime_type, size, submission_time, submitter) VALUES('u', ?1, 'n', 'x/y', 28, 0, 's')",
        &[sha.into()],
    )
    .unwrap();
    (dir, db)
}

fn archive(dir: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    create(&plan(dir), &mut out).unwrap();
    out
}

fn tree(dir: &Path) -> Vec<String> {
    fn walk(dir: &Path, root: &Path, all: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, root, all);
            } else {
                all.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let mut all = Vec::new();
    walk(dir, dir, &mut all);
    all.sort();
    all
}

#[test]
fn a_backup_is_whole_and_comes_back_as_it_was() {
    let (dir, db) = made();
    let bytes = archive(dir.path());
    let verified = verify(&bytes[..]).unwrap();
    assert_eq!(verified.databases, 2);
    assert!(
        verified.manifest.schema["fts.db"] >= 6
            && verified.manifest.missing.is_empty()
            && verified.manifest.elsewhere.is_empty()
    );
    // What is written afterwards is not in it.
    db.exec("INSERT INTO kv VALUES('later', '1')", &[]).unwrap();
    let target = tempfile::tempdir().unwrap();
    let to = target.path().join("new");
    assert!(restore(&bytes[..], &to, false).unwrap().old.is_none());
    let sha = hash(CONTENT);
    let blob = format!("files/{}/{}/{sha}", &sha[..2], &sha[2..4]);
    let mut wanted = vec![
        "certs/ca.key",
        "certs/clients/1.pem",
        &*blob,
        "fts.db",
        "fts.toml",
        "node_id",
        "plugin-data/kml/data.db",
        "plugin-data/kml/notes.txt",
    ];
    wanted.sort_unstable();
    assert_eq!(tree(&to), wanted);
    assert_eq!(fs::read(to.join(&blob)).unwrap(), CONTENT);
    assert_eq!(fs::metadata(to.join("certs/ca.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let again = Database::open(&to.join("fts.db"), Options::default()).unwrap();
    assert!(again.migrate(core::MIGRATIONS).unwrap().applied.is_empty());
    let n = again.query("SELECT (SELECT count(*) FROM resource) AS r, (SELECT count(*) FROM kv) AS k", &[]).unwrap();
    assert_eq!((n.first().unwrap().int("r"), n.first().unwrap().int("k")), (1, 0));
}

#[test]
fn a_directory_with_something_in_it_is_kept_beside_the_new_one() {
    let (dir, _db) = made();
    let bytes = archive(dir.path());
    let target = tempfile::tempdir().unwrap();
    let to = target.path().join("data");
    fs::create_dir_all(to.join("run")).unwrap();
    restore(&bytes[..], &to, false).unwrap();
    fs::write(to.join("mine"), "1").unwrap();
    assert!(matches!(restore(&bytes[..], &to, false), Err(BackupError::Occupied(_))));
    let old = restore(&bytes[..], &to, true).unwrap().old.unwrap();
    assert!(old.join("mine").is_file() && !to.join("mine").exists() && to.join("fts.db").is_file());
    assert!(fs::read_dir(target.path()).unwrap().count() == 2, "nothing else is left");
}

#[test]
fn a_damaged_one_is_refused_and_changes_nothing() {
    let (dir, _db) = made();
    let bytes = archive(dir.path());
    let target = tempfile::tempdir().unwrap();
    let refused = |bytes: &[u8]| {
        let to = target.path().join("data");
        let why = restore(bytes, &to, false).unwrap_err().to_string();
        assert!(!to.exists() && fs::read_dir(target.path()).unwrap().count() == 0, "{why}");
        assert!(verify(bytes).is_err(), "{why}");
        why
    };
    assert!(refused(b"no archive").contains("no backup"));
    refused(&bytes[..bytes.len() / 2]);
    let plain = zstd::decode_all(&bytes[..]).unwrap();
    // A stored file with one byte changed.
    let at = plain.windows(CONTENT.len()).position(|w| w == CONTENT).unwrap();
    let mut other = plain.clone();
    other[at] ^= 1;
    assert!(refused(&zstd::encode_all(&other[..], 1).unwrap()).contains("hash differs"));
    // Members that lead out of the directory, or that nobody listed.
    for (name, what) in
        [("../evil", "does not belong"), ("run/fts.sock", "does not belong"), ("certs/new.pem", "not in the manifest")]
    {
        let mut tar = tar::Builder::new(Vec::new());
        let mut from = tar::Archive::new(&plain[..]);
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o600);
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, &b"x"[..]).unwrap();
        for entry in from.entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header().clone();
            tar.append(&header, entry).unwrap();
        }
        let packed = zstd::encode_all(&tar.into_inner().unwrap()[..], 1).unwrap();
        let why = refused(&packed);
        assert!(why.contains(what), "{name}: {why}");
    }
}

#[test]
fn without_files_and_with_one_that_is_gone() {
    let (dir, _db) = made();
    let mut out = Vec::new();
    let small = Plan { files: false, ..plan(dir.path()) };
    let manifest = create(&small, &mut out).unwrap();
    assert!(!manifest.files && manifest.members.iter().all(|m| !m.path.starts_with("files/")));
    fs::remove_dir_all(dir.path().join("files")).unwrap();
    let mut out = Vec::new();
    assert_eq!(create(&plan(dir.path()), &mut out).unwrap().missing, [hash(CONTENT)]);
    verify(&out[..]).unwrap();
}

#[test]
fn files_are_private_whole_and_the_newest_are_kept() {
    let (dir, _db) = made();
    let to = dir.path().join("backups");
    let kept = write(&plan(dir.path()), &to.join("fts-20250101-000000.tar.zst")).unwrap();
    assert_eq!(fs::metadata(&kept.path).unwrap().permissions().mode() & 0o777, 0o600);
    write(&plan(dir.path()), &to.join("fts-20250102-030405.tar.zst")).unwrap();
    fs::write(to.join("fts-20250103-000000.tar.zst.part"), "").unwrap();
    let all = list(&to).unwrap();
    assert_eq!(all.iter().map(|k| k.at).collect::<Vec<_>>(), [1_735_787_045_000, 1_735_689_600_000]);
    let broken = Plan { database: dir.path().join("fts.toml"), ..plan(dir.path()) };
    assert!(
        write(&broken, &to.join("x.tar.zst")).is_err()
            && !to.join("x.tar.zst.part").exists()
            && !to.join("x.tar.zst").exists()
    );
}
