//! Host services of the mock: routes, SQL, links, other plugins.
use std::{
    io::{Read, Write},
    sync::mpsc,
    time::Duration,
};

use serde_json::json;

use super::{Client, MockHost};
use crate::{
    message::{Listener, Value},
    params,
    sdk::{alerts::*, *},
};

/// Runs `f` as the start of a plugin with every capability; what it keeps alive is what it registers.
macro_rules! plugin {
    ($name:ident, |$reg:ident, $host:ident| $body:block) => {
        struct $name;
        impl Plugin for $name {
            type Config = NoConfig;
            const CAPABILITIES: &'static [&'static str] =
                &["intercept", "routes", "open-routes", "net", "listen", "provide", "kick", "remote-contacts"];
            fn start(_: NoConfig, $reg: &mut Registrar<'_>, $host: Host) -> Result<Self> {
                $body
                Ok($name)
            }
        }
    };
}

#[test]
fn routes_are_found_checked_and_drained() {
    plugin!(Routes, |reg, host| {
        reg.route(GET, "/Marti/api/x/{name}", Listeners::MARTI, Auth::User, |req| {
            Ok(format!("one {}", req.param("name")))
        });
        reg.route(GET, "/Marti/api/x/all", Listeners::MARTI, Auth::Login, |_| Ok("all"));
        reg.route(POST, "/Marti/api/x/{path*}", Listeners::MARTI, Auth::Admin, |req| {
            let body = req.bytes(8)?;
            let hash = req.spooled()?;
            assert_eq!(std::fs::read(hash.path.unwrap()).unwrap(), body);
            Ok(json!({"path": req.param("path"), "q": req.query("q"), "n": body.len(), "hash": &hash.sha256[..8]}))
        });
        reg.route(GET, "/api/plugins/routes/pieces", Listeners::REST, Auth::Scope(Scope::Read), |_| {
            Ok(Response::pieces("text/plain", (0..3).map(|n| Ok(format!("{n};").into_bytes()))))
        });
        let dir = host.dir()?;
        reg.route(GET, "/api/plugins/routes/file", Listeners::REST, Auth::Open, move |req| {
            std::fs::write(dir.join("f.txt"), "content").map_err(Error::from)?;
            Ok(Response::file("text/plain", req.query("f").unwrap_or("f.txt")).header("x-a", "b"))
        });
        reg.route(GET, "/api/plugins/routes/boom", Listeners::ADMIN, Auth::Open, |_| -> Result<&str, HttpError> {
            panic!("boom")
        });
        reg.route(GET, "/api/plugins/routes/no", Listeners::ADMIN, Auth::Open, |_| -> Result<&str, HttpError> {
            Err(HttpError::not_found("nothing called so"))
        });
    });
    let host = MockHost::builder().name("routes").start::<Routes>().unwrap();
    let get = |path: &str| host.http(GET, path);
    assert_eq!(get("/Marti/api/x/a%20b").anonymous().send().text(), "one a b");
    assert_eq!(get("/Marti/api/x/all").send().text(), "all");
    assert_eq!(get("/Marti/api/x/all").anonymous().send().status, 401);
    assert_eq!(get("/Marti/api/x/all").on(Listener::Rest).send().status, 404);
    assert_eq!(host.http(PUT, "/Marti/api/x/all").send().status, 405);
    let posted = host.http(POST, "/Marti/api/x/a/b?q=1").body("abc");
    assert_eq!(
        posted.send().json::<serde_json::Value>().unwrap(),
        json!({"path": "a/b", "q": "1", "n": 3, "hash": "ba7816bf"})
    );
    assert_eq!(host.http(POST, "/Marti/api/x/a").user("bob", Role::User).send().status, 403);
    assert_eq!(host.http(POST, "/Marti/api/x/a").body("123456789").send().status, 413);
    assert_eq!(get("/api/plugins/routes/pieces").send().text(), "0;1;2;");
    let file = get("/api/plugins/routes/file").send();
    assert_eq!((file.text().as_str(), file.header("X-A")), ("content", Some("b")));
    assert_eq!(get("/api/plugins/routes/file?f=../data.db").send().status, 500);
    assert_eq!(get("/api/plugins/routes/no").send().text(), "nothing called so");
    assert_eq!(get("/api/plugins/routes/boom").send().status, 500);
    assert!(host.panics()[0].handler.contains("boom"), "{:?}", host.panics());
    assert_eq!(host.routes().len(), 7);
}

#[test]
fn the_database_keeps_its_rules() {
    plugin!(Sql, |_reg, host| {
        let sql = host.sql();
        let steps = [(1, "CREATE TABLE t(n INTEGER UNIQUE, b BLOB)"), (2, "CREATE TABLE u(x)")];
        let applied = sql.migrate(&steps)?.applied;
        host.kv().set("applied", format!("{applied:?}"))?;
        let refused = |text: &str| assert!(sql.exec(text, &[]).is_err(), "{text}");
        for text in ["BEGIN", "ATTACH 'x' AS x", "PRAGMA journal_mode=DELETE", "DELETE FROM schema_migration", "SELEC"]
        {
            refused(text);
        }
        sql.exec("DELETE FROM t", &[])?;
        for n in 0..200 {
            sql.exec("INSERT INTO t VALUES (?1, ?2)", params![n, vec![1u8]])?;
        }
        refused("INSERT INTO t VALUES (7, NULL)");
        let count = |host: &Host| {
            host.sql().query("SELECT count(*) AS n FROM t", &[]).unwrap().first().unwrap().get::<i64>("n").unwrap()
        };
        let half = sql.tx(|t| {
            t.exec("DELETE FROM t WHERE n > 99", &[])?;
            assert!(sql.tx(|_| Ok(())).is_err_and(|e| e.code() == Code::InTransaction));
            let (sender, seen) = mpsc::channel();
            let other = host.clone();
            host.clients().all()?;
            std::thread::spawn(move || sender.send(count(&other))).join().unwrap().unwrap();
            assert_eq!(seen.recv().unwrap(), 200, "another thread sees what is committed");
            assert_eq!(t.query("SELECT n FROM t", &[])?.len(), 100);
            Err::<(), _>(Error::new("no"))
        });
        assert_eq!(half.unwrap_err().to_string(), "no");
        assert_eq!(count(&host), 200);
        let (before, behind) = sql.read(|read| {
            let rows = || read.query("SELECT n FROM t", &[]).map(|rows| rows.len());
            let before = rows()?;
            let other = host.clone();
            std::thread::spawn(move || other.sql().exec("DELETE FROM t WHERE n = 0", &[])).join().unwrap()?;
            assert_eq!(sql.exec("DELETE FROM t", &[]).unwrap_err().code(), Code::Invalid);
            assert_eq!(sql.tx(|_| Ok(())).unwrap_err().code(), Code::Invalid);
            assert_eq!(sql.read(|inner| inner.query("SELECT n FROM t", &[]))?.len(), 200, "the same snapshot");
            Ok::<_, Error>((before, rows()?))
        })?;
        assert_eq!((before, behind, count(&host)), (200, 200, 199), "one snapshot, and then what is committed");
        assert_eq!(sql.tx(|_| sql.read(|_| Ok::<_, Error>(()))).unwrap_err().code(), Code::InTransaction);
        sql.exec("INSERT INTO t VALUES (0, NULL)", &[])?;
        let mut cursor = sql.cursor("SELECT n FROM t ORDER BY n", &[])?;
        sql.exec("DELETE FROM t", &[])?;
        let mut seen = 0;
        while let Some(n) = cursor.next_row(|r| r.get::<i64>("n"))? {
            assert_eq!(n, seen);
            seen += 1;
        }
        assert_eq!(seen, 200, "the cursor has a snapshot");
        let open: Vec<_> = (0..9).map(|_| sql.cursor("SELECT 1", &[]).map_err(|e| e.code())).collect();
        assert_eq!(open.iter().filter(|c| matches!(c, Err(Code::Busy))).count(), 2);
        sql.exec("INSERT INTO u VALUES (1)", &[])?;
        assert!(sql.migrate(&steps[..1]).is_err() && sql.migrate(&[(1, "other"), (2, "x")]).is_err());
        assert!(sql.query("DELETE FROM u RETURNING x", &[]).is_err());
    });
    let host = MockHost::builder().start::<Sql>().unwrap();
    assert_eq!(host.query("SELECT x FROM u").unwrap().rows, [[Value::Int(1)]]);
    assert_eq!(host.kv("applied").unwrap(), b"[1, 2]");
    host.start_again().unwrap();
    assert_eq!((host.kv("applied").unwrap(), host.query("SELECT x FROM u").unwrap().rows.len()), (b"[]".to_vec(), 2));
}

fn plain_first() -> Profile {
    Profile { tls: Some(LinkTls { starttls: true, ..LinkTls::default() }), ..Profile::default() }
}

#[test]
fn links_are_played_by_the_test() {
    plugin!(Links, |reg, host| {
        let link = host.links().dial("peer.example", 9000, Profile { pair: true, ..Profile::default() })?;
        let listener = host.links().listen("127.0.0.1", 0, plain_first())?;
        host.kv().set("listener", listener.address.clone())?;
        let mut pair = link.pair()?;
        host.spawn("echo", move || {
            let mut byte = [0; 1];
            while pair.read(&mut byte).is_ok_and(|n| n == 1) && pair.write_all(&byte).is_ok() {}
        })?;
        let h = host.clone();
        reg.links(move |event| match event {
            LinkEvent::Up { link, name, .. } => h.links().get(link).write(format!("hello {name}")),
            LinkEvent::Frame { link, number, bytes } if &bytes[..] == b"starttls" => {
                h.links().get(link).starttls(b"proceed", number - 1).unwrap_err();
                h.links().get(link).starttls(b"proceed", number)
            }
            LinkEvent::Secured { link, name, .. } => h.links().get(link).write(format!("secret of {name}")),
            LinkEvent::Rejected { why, .. } => h.kv().set("rejected", why),
            LinkEvent::Frame { link, bytes, .. } if &bytes[..] == b"bye" => h.links().get(link).close(),
            LinkEvent::Frame { link, bytes, .. } => h.links().get(link).write(bytes.into_vec()),
            LinkEvent::Writable { link } => h.links().get(link).write("again"),
            LinkEvent::Closed { how, .. } => h.kv().set("closed", how),
            _ => Ok(()),
        });
    });
    let host = MockHost::builder().start::<Links>().unwrap();
    let links = host.links();
    let peer = &links[0];
    assert_eq!(peer.dialled(), Some(("peer.example".into(), 9000)));
    peer.up_as("Peer", vec![b"leaf".to_vec()], "");
    peer.send("frame");
    assert_eq!(peer.written(), [b"hello Peer".to_vec(), b"frame".to_vec()]);
    peer.stop_reading();
    peer.send("lost");
    peer.read_again();
    assert_eq!(peer.written(), [b"again".to_vec()]);
    let mut stream = peer.stream().unwrap();
    stream.write_all(b"x").unwrap();
    let mut byte = [0; 1];
    stream.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"x");
    let listener = host.link_listeners()[0].0;
    let second = host.dial_in(listener, "192.0.2.7:1").unwrap();
    second.up();
    second.send("starttls");
    assert!(second.wants_tls());
    second.secured_as("Second", Vec::new(), "");
    assert_eq!(second.written(), [b"hello ".to_vec(), b"proceed".to_vec(), b"secret of Second".to_vec()]);
    host.rejected(listener, "192.0.2.8:1", "no certificate");
    assert_eq!(host.kv("rejected").unwrap(), b"no certificate");
    second.send("bye");
    assert_eq!((host.kv("closed").unwrap(), host.links().len()), (b"local".to_vec(), 1));
    drop(stream);
    peer.close("reset");
    assert_eq!(host.kv("closed").unwrap(), b"reset");
}

#[test]
fn other_plugins_can_be_played_too() {
    plugin!(Uses, |reg, host| {
        assert!(host.find::<Alerts>()?.is_some());
        let list = host.require::<Alerts>()?.ask(&Ask::List)?.alerts;
        host.kv().set("uid", list[0].uid.clone())?;
        host.kv().set("called", host.call("other", "m", b"args")?)?;
        assert_eq!(host.call("third", "m", b"").unwrap_err().code(), Code::Unavailable);
        host.publish("mine", b"1")?;
        let h = host.clone();
        host.spawn("late", move || h.status(Level::Error, "from a thread"))?;
        let h = host.clone();
        reg.before_delete(move |hash| (h.kv().get(hash).ok()?.is_some()).then(|| "in use".into()));
        reg.health(|| (Level::Warn, "so so".into()));
        reg.import(|section, rows| Ok(json!({section: rows})));
        reg.history_source(|ask| {
            let text = crate::cot::Builder::new("b-x", ask.to).uid(&ask.uid).build().unwrap().text().to_vec().into();
            Ok(vec![StoredEvent { uid: ask.uid.clone(), text, received: ask.to, groups: vec![] }])
        });
    });
    let alert = Alert { uid: "911".into(), ..Alert::default() };
    let builder = MockHost::builder().provide::<Alerts>(move |_| Ok(Answer { alerts: vec![alert.clone()] }));
    let host = builder.plugin("other", |method, args| Ok([method.as_bytes(), args].concat())).start::<Uses>().unwrap();
    assert_eq!((host.kv("uid").unwrap(), host.kv("called").unwrap()), (b"911".to_vec(), b"margs".to_vec()));
    assert_eq!(host.published(), [("mine".to_owned(), b"1".to_vec())]);
    assert!(host.wait_for(Duration::from_secs(10), |h| h.status().text == "from a thread"));
    assert_eq!(host.before_delete("uid").unwrap().as_deref(), Some("in use"));
    assert_eq!(host.before_delete("none").unwrap(), None);
    assert_eq!(host.health().unwrap().text, "so so");
    assert_eq!(host.import("users", &json!([1])).unwrap(), json!({"users": [1]}));
    let ask = HistoryAsk { uid: "H".into(), to: 2, ..HistoryAsk::default() };
    assert_eq!(host.history(&ask).unwrap()[0].uid, "H");
    assert_eq!(host.socket_event("none", &json!(null)).unwrap_err().code(), Code::NotFound);
}

#[test]
fn a_generation_that_is_over_can_do_nothing() {
    use std::sync::Mutex;
    static KEPT: Mutex<Option<Host>> = Mutex::new(None);
    plugin!(Kept, |_reg, host| {
        KEPT.lock().unwrap().get_or_insert(host.clone());
    });
    let host = MockHost::builder().start::<Kept>().unwrap();
    let kept = KEPT.lock().unwrap().take().unwrap();
    assert!(kept.clients().all().is_ok());
    host.stop().unwrap();
    assert_eq!(kept.clients().all().unwrap_err().code(), Code::Gone);
    assert_eq!(host.reload().unwrap_err().to_string(), "the plugin is stopped: use start_again");
    host.start_again().unwrap();
    assert_eq!(kept.kv().set("k", "v").unwrap_err().code(), Code::Gone);
}

#[test]
fn what_is_stored_is_asked_for_and_tracks_grow() {
    plugin!(Reads, |_reg, host| {
        let point =
            |time, lat| TrackPoint { uid: "U".into(), time, lat, groups: vec!["g".into()], ..TrackPoint::default() };
        assert_eq!(host.history().append(&[point(1, 10.0), point(2, 20.0), point(1, 30.0)])?, 2);
        assert_eq!(host.history().append(&[point(3, 91.0)]).unwrap_err().code(), Code::Invalid);
        let all = TrackQuery { from: Some(0), ..TrackQuery::default() };
        assert_eq!(host.history().tracks(&all)?.iter().map(|p| p.lat).collect::<Vec<_>>(), [10.0, 20.0]);
        let few =
            TrackQuery { max_points: 1, bbox: Some([-1.0, 0.0, 1.0, 25.0]), groups: Some(vec!["g".into()]), ..all };
        assert_eq!(host.history().tracks(&few)?[0].time, 2);
        assert!(host.history().tracks(&TrackQuery { groups: Some(vec!["h".into()]), ..few })?.is_empty());
    });
    let host = MockHost::builder().start::<Reads>().unwrap();
    assert_eq!(host.points().len(), 2);
    let conn = host.connect(Client::new("A", "ALICE"));
    let cot = crate::cot::Builder::new("b-m-p-s-m", host.now()).uid("m").build().unwrap();
    host.deliver(cot.text(), conn);
    let of = |types: &str| {
        host.shared.lock().stored(&EventQuery { types: vec![types.into()], ..EventQuery::default() }).len()
    };
    assert_eq!((of("b-m"), of("a-")), (1, 0));
}

#[test]
fn files_are_stored_versioned_kept_and_offered() {
    plugin!(Stores, |reg, host| {
        let info = |name: &str| FileInfo {
            uid: "u".into(),
            name: name.into(),
            groups: vec!["Red".into()],
            ..FileInfo::default()
        };
        assert!(host.files().there()?);
        let one = host.files().put(info("a.txt"), "one")?;
        std::fs::write(host.dir()?.join("b.txt"), "two")?;
        let two = host.files().put_file(info("b.txt"), "b.txt")?;
        assert_eq!((one.len, one.submitter.as_str(), two.tool.as_str()), (3, "stores", "public"));
        assert_eq!(host.files().version("u", None)?.unwrap().id, two.id);
        assert!(host.files().version("u", Some(one.time - 1))?.is_none());
        assert_eq!(std::fs::read(host.files().path(&two.sha256)?)?, b"two");
        assert_eq!(host.files().put_file(info("x"), "../x").unwrap_err().code(), Code::Invalid);
        host.files().describe(FileInfo {
            id: one.id,
            keywords: vec!["k".into()],
            groups: one.groups,
            ..info("c.txt")
        })?;
        assert_eq!(host.files().search("k", "", "")?[0].name, "c.txt");
        assert!(host.files().public_url(&one.sha256)?.ends_with(&one.sha256));
        host.files().delete_versions("u", Some(&one.sha256))?;
        assert_eq!(host.files().delete(&one.sha256).unwrap_err().code(), Code::NotFound);
        let told = host.clone();
        reg.subscribe("resource.added", move |bytes| {
            let file: FileInfo = crate::message::unpack(bytes)?;
            told.files().share(&file.sha256, Target::All)
        });
        let deletes = host.clone();
        reg.every(std::time::Duration::from_secs(1), move || {
            let kept = deletes.files().delete(&two.sha256);
            deletes.status(Level::Ok, kept.err().map_or_else(String::new, |e| e.to_string()))
        });
    });
    let host = MockHost::builder().name("stores").start::<Stores>().unwrap();
    assert_eq!(host.files().len(), 1);
    let red = host.connect(Client::new("R", "RED").groups(["Red"]));
    let blue = host.connect(Client::new("B", "BLUE").groups(["Blue"]));
    let info = FileInfo { name: "m.zip".into(), groups: vec!["Red".into()], ..FileInfo::default() };
    let file = host.put_file(info, b"three");
    assert_eq!((host.received(red).len(), host.received(blue).len()), (1, 0));
    let share = host.received(red)[0].detail("fileshare").unwrap().attr("sha256").unwrap().into_owned();
    assert_eq!((share, host.file_content(&file.sha256)), (file.sha256, Some(b"three".to_vec())));
    let two = host.files()[0].sha256.clone();
    host.keep_file(&two, "in a mission");
    host.tick(std::time::Duration::from_secs(1));
    assert!(host.status().text.contains("in a mission"));
}
