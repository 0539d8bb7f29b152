//! The store of files on a temporary directory: what is kept when things fail, and who sees what.
use std::{fs, sync::Arc};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::{resource::PACKAGE, *};
use crate::{
    config::{Config, Sources, load},
    store::core::temporary,
};

struct Bed {
    dir: tempfile::TempDir,
    db: Database,
    running: Arc<ArcSwap<Config>>,
    files: Arc<Files>,
}

fn bed() -> Bed {
    let dir = tempfile::tempdir().unwrap();
    let mut config =
        load(&Sources { data_dir: Some(dir.path().to_owned()), cwd: dir.path().to_owned(), ..Sources::default() })
            .unwrap()
            .config;
    config.files.dir = dir.path().join("files");
    config.storage.min_free_bytes = 0;
    let (db, running) = (temporary().unwrap(), Arc::new(ArcSwap::from_pointee(config)));
    let files = Files::open(db.clone(), running.clone()).unwrap();
    Bed { dir, db, running, files }
}

impl Bed {
    fn set(&self, change: impl Fn(&mut Config)) {
        let mut config = (*self.running.load_full()).clone();
        change(&mut config);
        self.running.store(Arc::new(config));
    }

    fn tmp_is_empty(&self) -> bool {
        fs::read_dir(self.files.tmp()).unwrap().next().is_none()
    }

    fn contents(&self) -> usize {
        self.files.blobs.all().unwrap().len()
    }
}

fn package(name: &str, groups: &[&str]) -> NewResource {
    NewResource {
        uid: Uid::Hash,
        name: name.into(),
        submitter: "alice".into(),
        keywords: vec![PACKAGE.into()],
        groups: groups.iter().map(ToString::to_string).collect(),
        ..NewResource::default()
    }
}

fn eyes(groups: &[&str]) -> Sight {
    Sight::Groups(groups.iter().map(ToString::to_string).collect())
}

#[test]
fn the_same_again_is_one_row_and_one_content() {
    let bed = bed();
    let first = bed.files.put_bytes(b"abc", package("mp.zip", &["red"])).unwrap();
    let second = bed.files.put_bytes(b"abc", package("mp.zip", &["blue"])).unwrap();
    assert_eq!((first.id, first.uid.as_str()), (second.id, first.hash.as_str()));
    assert_eq!(second.groups, ["blue"], "its submitter says where it is seen");
    assert_eq!((bed.contents(), bed.files.total()), (1, 3));
    let other = bed.files.put_bytes(b"abc", NewResource { name: "other".into(), ..NewResource::default() }).unwrap();
    assert_ne!(other.id, first.id);
    assert_eq!((bed.contents(), bed.files.total()), (1, 3));
    assert!(bed.tmp_is_empty());
    assert_eq!(fs::read(bed.files.path(&first.hash)).unwrap(), b"abc");
}

#[test]
fn somebody_else_cannot_hide_a_file_by_storing_it_again() {
    let bed = bed();
    let first = bed.files.put_bytes(b"abc", package("mp.zip", &["red"])).unwrap();
    let bob = NewResource {
        submitter: "bob".into(),
        keywords: vec!["x".into()],
        expiration: Some(1),
        ..package("mp.zip", &["blue"])
    };
    let second = bed.files.put_bytes(b"abc", bob).unwrap();
    assert_eq!((second.id, second.submitter.as_str(), second.expiration), (first.id, "alice", -1));
    assert_eq!(
        (second.groups, second.keywords),
        (vec!["blue".to_owned(), "red".into()], vec![PACKAGE.to_owned(), "x".into()])
    );
}

#[test]
fn groups_decide_who_sees_it() {
    let bed = bed();
    let row = bed.files.put_bytes(b"abc", package("mp.zip", &["red"])).unwrap();
    let hash = row.hash.as_str();
    assert!(bed.files.find(hash, &eyes(&["red", "x"])).is_ok() && bed.files.find(hash, &Sight::All).is_ok());
    for blind in [eyes(&["blue"]), eyes(&[])] {
        assert!(matches!(bed.files.find(hash, &blind), Err(FileError::NotFound)));
        assert!(bed.files.search(&Search::default(), &blind).unwrap().is_empty());
        let caller = Caller { name: "alice".into(), admin: false };
        assert!(matches!(bed.files.delete_named(hash, &caller, &blind), Err(FileError::NotFound)));
    }
    assert!(row.seen_by(&eyes(&["red"])) && !row.seen_by(&eyes(&["blue"])));
}

#[test]
fn a_name_may_be_a_hash_an_alias_or_a_uid() {
    let bed = bed();
    let row =
        bed.files.put_bytes(b"abc", NewResource { uid: Uid::Given("u-1".into()), ..package("a", &["g"]) }).unwrap();
    let old = Hash::of(b"what another server computed");
    bed.files.alias(&old, &row.hash).unwrap();
    for name in [row.hash.as_str(), &row.hash.as_str().to_uppercase(), "u-1", old.as_str()] {
        assert_eq!(bed.files.find(name, &Sight::All).unwrap().id, row.id, "{name}");
    }
    for name in ["", "../../etc/passwd", "u-2", Hash::of(b"x").as_str()] {
        assert!(matches!(bed.files.find(name, &Sight::All), Err(FileError::NotFound)), "{name}");
    }
}

#[test]
fn versions_of_a_uid() {
    let bed = bed();
    let put = |text: &[u8]| {
        let row =
            bed.files.put_bytes(text, NewResource { uid: Uid::Given("t".into()), ..NewResource::default() }).unwrap();
        let at = row.id * 1_000;
        bed.db
            .exec(
                "UPDATE resource SET submission_time = ?1 WHERE id = ?2",
                &[Value::Integer(at), Value::Integer(row.id)],
            )
            .unwrap();
        (row.hash, at)
    };
    let (one, two) = (put(b"1"), put(b"2"));
    let found = |limit| bed.files.version("t", limit, &Sight::All).unwrap().map(|r| r.hash);
    assert_eq!(found(None), Some(two.0));
    assert_eq!(found(Some(two.1 - 1)), Some(one.0));
    assert_eq!(found(Some(one.1 - 1)), None);
}

#[test]
fn limits_are_errors_and_leave_nothing() {
    let bed = bed();
    bed.set(|c| c.files.max_total = 5);
    let row = bed.files.put_bytes(b"abc", package("a", &["g"])).unwrap();
    assert!(matches!(bed.files.put_bytes(b"def", package("b", &["g"])), Err(FileError::Quota { total: 3, limit: 5 })));
    // What is there already takes no room.
    bed.files.put_bytes(b"abc", package("c", &["g"])).unwrap();
    bed.set(|c| c.storage.min_free_bytes = u64::MAX);
    assert!(matches!(bed.files.put_bytes(b"x", package("b", &["g"])), Err(FileError::Full)));
    assert_eq!((bed.contents(), bed.files.total()), (1, row.size));
    assert!(bed.tmp_is_empty());
}

#[test]
fn a_content_goes_with_its_last_row() {
    let bed = bed();
    let a = bed.files.put_bytes(b"abc", package("a", &["g"])).unwrap();
    let b = bed.files.put_bytes(b"abc", package("b", &["g"])).unwrap();
    bed.files.delete(&a, Cause::Deleted).unwrap();
    assert_eq!(bed.contents(), 1);
    bed.files.delete(&a, Cause::Deleted).unwrap();
    bed.files.delete(&b, Cause::Deleted).unwrap();
    assert_eq!((bed.contents(), bed.files.total()), (0, 0));
    assert!(bed.db.query("SELECT 1 AS x FROM resource_keyword", &[]).unwrap().first().is_none());
}

#[derive(Default)]
struct Watcher {
    veto: bool,
    asked: Mutex<Vec<String>>,
    told: Mutex<Vec<String>>,
}

impl Keeper for Watcher {
    fn may_go(&self, hash: &Hash, cause: Cause<'_>) -> Result<(), String> {
        let by = match cause {
            Cause::Plugin(name) => name,
            Cause::Deleted => "deleted",
            Cause::Expired => "expired",
        };
        self.asked.lock().push(format!("{hash} {by}"));
        if self.veto { Err("mission: it is in a mission".into()) } else { Ok(()) }
    }

    fn tell(&self, topic: &'static str, resource: &Resource) {
        self.told.lock().push(format!("{topic} {}", resource.name));
    }
}

#[test]
fn plugins_are_asked_and_told() {
    for veto in [false, true] {
        let bed = bed();
        let watcher = Arc::new(Watcher { veto, ..Watcher::default() });
        bed.files.keep(watcher.clone());
        let a = bed.files.put_bytes(b"abc", package("a", &["g"])).unwrap();
        let b = bed.files.put_bytes(b"abc", package("b", &["g"])).unwrap();
        bed.files.delete(&a, Cause::Deleted).unwrap();
        assert!(watcher.asked.lock().is_empty(), "the content stays");
        let gone = bed.files.delete(&b, Cause::Plugin("excheck"));
        assert_eq!(*watcher.asked.lock(), [format!("{} excheck", b.hash)]);
        let mut told = vec!["resource.added a", "resource.added b", "resource.removed a"];
        if veto {
            assert!(matches!(gone, Err(FileError::Kept(why)) if why.starts_with("mission")));
            assert_eq!(bed.contents(), 1);
        } else {
            gone.unwrap();
            told.push("resource.removed b");
            assert_eq!(bed.contents(), 0);
        }
        assert_eq!(*watcher.told.lock(), told);
    }
}

#[test]
fn expired_files_are_not_there_and_go_with_the_sweep_unless_they_are_kept() {
    for veto in [false, true] {
        let bed = bed();
        bed.files.keep(Arc::new(Watcher { veto, ..Watcher::default() }));
        let row = bed.files.put_bytes(b"abc", NewResource { expiration: Some(1), ..package("a", &["g"]) }).unwrap();
        let later = crate::observe::clock::now_ms() / 1_000 + 1_000;
        let stays =
            bed.files.put_bytes(b"def", NewResource { expiration: Some(later), ..package("b", &["g"]) }).unwrap();
        assert!(row.expired() && !stays.expired());
        assert!(matches!(bed.files.find(row.hash.as_str(), &Sight::All), Err(FileError::NotFound)));
        let swept = bed.files.sweep_expired().unwrap();
        assert_eq!(swept, Swept { expired: usize::from(!veto), kept: usize::from(veto), orphans: 0 });
        assert_eq!(bed.contents(), if veto { 2 } else { 1 });
    }
}

#[test]
fn a_start_removes_what_a_crash_left_and_nothing_else() {
    let bed = bed();
    let row = bed.files.put_bytes(b"abc", package("a", &["g"])).unwrap();
    let orphan = Hash::of(b"orphan");
    let (staged, ..) = bed.files.blobs.copied(&mut fs::File::open(bed.files.path(&row.hash)).unwrap()).unwrap();
    bed.files.blobs.place(staged, &orphan).unwrap();
    fs::write(bed.files.tmp().join("body-x"), "torn").unwrap();
    let strange = bed.dir.path().join("files/README");
    fs::write(&strange, "somebody's").unwrap();
    let again = Files::open(bed.db.clone(), bed.running.clone()).unwrap();
    assert!(bed.tmp_is_empty() && strange.exists());
    assert_eq!((bed.contents(), again.total()), (1, 3));
    assert!(again.open_content(&row).is_ok() && !again.path(&orphan).exists());
}

#[test]
fn a_lost_database_is_no_reason_to_delete_everything() {
    let bed = bed();
    for n in 0..20_u8 {
        bed.files.put_bytes(&[n], package("a", &["g"])).unwrap();
    }
    let empty = temporary().unwrap();
    let again = Files::open(empty, bed.running.clone()).unwrap();
    assert_eq!(bed.contents(), 20);
    assert_eq!(again.sweep_orphans(true).unwrap(), 20);
    assert_eq!(bed.contents(), 0);
}

#[test]
fn a_missing_or_damaged_content_is_found_and_healed_by_an_upload() {
    let bed = bed();
    let row = bed.files.put_bytes(b"abc", package("a", &["g"])).unwrap();
    let at = bed.files.path(&row.hash);
    fs::write(&at, "ab").unwrap();
    assert!(bed.files.open_content(&row).is_err());
    assert_eq!(bed.files.check(false).unwrap().missing, [row.hash.to_string()]);
    bed.files.put_bytes(b"abc", package("a", &["g"])).unwrap();
    assert!(bed.files.open_content(&row).is_ok());
    fs::write(&at, "abd").unwrap();
    assert!(bed.files.check(false).unwrap().damaged.is_empty());
    assert_eq!(bed.files.check(true).unwrap().damaged, [row.hash.to_string()]);
    fs::remove_file(&at).unwrap();
    assert!(matches!(bed.files.open_content(&row), Err(FileError::Missing(_))));
}

#[test]
fn m15_22_a_public_file_of_somebody_else_stays_public() {
    let bed = bed();
    let row = bed.files.put_bytes(b"abc", package("a", &["g"])).unwrap();
    let tool = |name: &str, admin, tool: &str| {
        let caller = Caller { name: name.into(), admin };
        bed.files.set_tool(row.hash.as_str(), tool, &caller, &Sight::All).unwrap();
        bed.files.find(row.hash.as_str(), &Sight::All).unwrap().tool
    };
    assert_eq!(tool("bravo", false, "private"), "public");
    assert_eq!(tool("alice", false, "private"), "private");
    assert_eq!(tool("bravo", false, "public"), "public");
    assert_eq!(tool("bravo", true, "private"), "private");
    let bravo = Caller { name: "bravo".into(), admin: false };
    for done in [
        bed.files.set_keywords(row.hash.as_str(), &[], &bravo, &Sight::All),
        bed.files.set_expiration(row.hash.as_str(), 1, &bravo, &Sight::All),
        bed.files.delete_named(row.hash.as_str(), &bravo, &Sight::All).map(drop),
    ] {
        assert!(matches!(done, Err(FileError::Forbidden(_))));
    }
}

#[test]
fn search_finds_by_everything() {
    let bed = bed();
    let new = NewResource {
        latitude: Some(52.5),
        longitude: Some(13.4),
        altitude: Some(30.0),
        remarks: "Some Remarks".into(),
        creator_uid: "ANDROID-1".into(),
        ..package("MP-ALPHA.zip", &["g"])
    };
    let row = bed.files.put_bytes(b"abc", new).unwrap();
    let hidden = NewResource { tool: "private".into(), ..package("secret", &["g"]) };
    let hidden = bed.files.put_bytes(b"def", hidden).unwrap();
    let found = |search: Search| {
        let found = bed.files.search(&search, &eyes(&["g"])).unwrap();
        found.into_iter().map(|r| r.name).collect::<Vec<_>>()
    };
    let pattern = |text: &str| search::Pattern::new(text);
    let alpha = ["MP-ALPHA.zip"];
    assert_eq!(found(Search::default()), alpha, "private ones are not shown");
    assert_eq!(
        found(Search {
            name: pattern("mp-"),
            keywords: search::Pattern::list(["x,mission"].into_iter()),
            ..Search::default()
        }),
        alpha
    );
    assert_eq!(
        found(Search {
            uid: pattern(row.uid.as_str()),
            hash: Some(row.hash.as_str().to_uppercase()),
            ..Search::default()
        }),
        alpha
    );
    assert_eq!(
        found(Search { primary_key: Some(row.id.to_string()), creator_uid: pattern("^android-"), ..Search::default() }),
        alpha
    );
    assert_eq!(
        found(Search { area: search::Area::of_box("13,52,14,53"), min_altitude: Some(30.0), ..Search::default() }),
        alpha
    );
    for none in [
        Search { name: pattern("^mp$"), ..Search::default() },
        Search { tool: Some("Public".into()), ..Search::default() },
        Search { from: Some(i64::MAX), ..Search::default() },
        Search { max_altitude: Some(29.0), ..Search::default() },
        Search { area: search::Area::of_circle("0,0,10"), ..Search::default() },
        Search { tool: Some("private".into()), asker: "bob".into(), ..Search::default() },
        Search { uid: pattern(".*ef"), name: pattern("secret"), ..Search::default() },
    ] {
        assert_eq!(found(none.clone()), Vec::<String>::new(), "{none:?}");
    }
    let secret = ["secret"];
    assert_eq!(found(Search { tool: Some("private".into()), asker: "alice".into(), ..Search::default() }), secret);
    assert_eq!(found(Search { uid: pattern(&hidden.uid), ..Search::default() }), secret);
    assert_eq!(found(Search { hash: Some(hidden.hash.to_string()), ..Search::default() }), secret);
}
