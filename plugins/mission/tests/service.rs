//! The service `missions` as other plugins use it: checklists (excheck), KML, federation.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use fts_plugin_api::sdk::{
    Code, FileInfo,
    missions::{
        Answer, Ask, By, CHANGED, EDITED, Edited, External, Feed, Folder, Hidden, Key, Missions, NewFile, NewMission,
        Settings, Who,
    },
};
use scene::*;
use serde_json::json;

fn by(author: &str) -> By {
    By { author: author.to_owned(), ..By::default() }
}

fn ask(scene: &Scene, ask: Ask) -> Answer {
    scene.host.ask::<Missions>(&ask).unwrap()
}

fn refused(scene: &Scene, ask: Ask) -> Code {
    scene.host.ask::<Missions>(&ask).unwrap_err().code()
}

thread_local! {
    /// Edits this test has seen.
    static SEEN: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// (kind, what, JSON, federated) of every edit that was told since the last time. Notices are forgotten, too.
fn edits(scene: &Scene) -> Vec<(String, String, serde_json::Value, bool)> {
    let told: Vec<_> = scene.host.published().into_iter().filter(|(topic, _)| topic == EDITED).collect();
    let seen = SEEN.replace(told.len());
    scene.host.forget();
    let edits = told.into_iter().skip(seen).map(|(_, bytes)| {
        let Edited { kind, what, json, federated, .. } = Edited::read(&bytes).unwrap();
        (kind, what, serde_json::from_str(&json).unwrap_or_default(), federated)
    });
    edits.collect()
}

fn kinds_of(scene: &Scene) -> Vec<(String, String)> {
    edits(scene).into_iter().map(|(kind, what, ..)| (kind, what)).collect()
}

fn far() -> By {
    By { author: "F".into(), at: None, federated: true }
}

fn named(name: &str) -> Key {
    Key::Name(name.to_owned())
}

#[test]
fn a_checklist_is_made_joined_put_below_and_ended() {
    let scene = Scene::new();
    let new = NewMission {
        name: "list-1".to_owned(),
        tool: "ExCheck".to_owned(),
        groups: vec!["__ANON__".to_owned()],
        parent: Some(named("exchecktemplates")),
        owner: Some(("A".to_owned(), "alice".to_owned())),
        ..NewMission::default()
    };
    let made = ask(&scene, Ask::Create(new.clone(), by("A")));
    let guid = made.missions[0].guid.clone();
    assert_eq!((scene.kinds(scene.b), scene.kinds(scene.a).len()), (vec!["t-x-m-n".to_owned()], 0));
    assert_eq!(refused(&scene, Ask::Create(new, by("A"))), Code::Constraint);
    let path = "/Marti/api/missions/list-1";
    assert_eq!(scene.ask(ALICE, "GET", &format!("{path}/role?uid=A"), 200)["data"]["type"], "MISSION_OWNER");
    assert_eq!(scene.ask(ALICE, "GET", &format!("{path}/parent"), 200)["data"]["name"], "exchecktemplates");
    let below = Ask::SetParent(named("exchecktemplates"), Some(Key::Guid(guid.clone())));
    assert_eq!(refused(&scene, below), Code::Invalid);
    ask(&scene, Ask::SetParent(Key::Guid(guid.clone()), None));
    scene.ask(ALICE, "GET", &format!("{path}/parent"), 404);

    ask(
        &scene,
        Ask::Subscribe(Key::Guid(guid.clone()), "B".into(), "bob".into(), "MISSION_READONLY_SUBSCRIBER".into()),
    );
    scene.host.forget();
    ask(&scene, Ask::Tell(named("LIST-1"), "t-x-m-c-m".to_owned(), by("A")));
    assert_eq!((scene.kinds(scene.a), scene.kinds(scene.b)), (vec!["t-x-m-c-m".into()], vec!["t-x-m-c-m".into()]));
    assert!(scene.kinds(scene.c).is_empty());
    assert_eq!(refused(&scene, Ask::Tell(named("list-1"), "t-x-m-d".to_owned(), by("A"))), Code::Invalid);

    scene.host.forget();
    ask(&scene, Ask::Delete { mission: Key::Guid(guid), deep: true, by: by("A") });
    assert_eq!(scene.kinds(scene.b), ["t-x-m-d"]);
    scene.ask(ALICE, "GET", path, 410);
    assert_eq!(refused(&scene, Ask::Find(named("list-1"))), Code::NotFound);
}

#[test]
fn files_are_linked_with_their_text_in_the_notice() {
    let (scene, guid, _) = Scene::flood();
    let info = FileInfo { name: "task".into(), uid: "t-1".into(), groups: vec!["Red".into()], ..FileInfo::default() };
    let hash = scene.host.put_file(info, b"<checklistTask/>").sha256;
    let file = |inline: &str| NewFile { sha256: hash.clone(), inline: inline.to_owned() };
    let key = Key::Guid(guid);
    assert_eq!(refused(&scene, Ask::AddFiles(key.clone(), vec![file("<a>")], by("B"))), Code::Invalid);
    let gone = NewFile { sha256: "0".repeat(64), ..NewFile::default() };
    let done = ask(&scene, Ask::AddFiles(key.clone(), vec![file("<checklistTask/>"), gone], by("B")));
    assert_eq!(done.messages.len(), 1);
    let notice = scene.only(scene.a);
    let xml = notice.detail("mission").unwrap().xml().to_owned();
    assert!(xml.ends_with("<content><checklistTask/></content></MissionChange></MissionChanges></mission>"), "{xml}");
    assert_eq!(scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["contents"][0]["data"]["hash"], hash);
    let items = ask(&scene, Ask::Items(key.clone()));
    assert_eq!((items.files[0].sha256.as_str(), items.files[0].name.as_str()), (hash.as_str(), "task"));
    scene.host.forget();
    ask(&scene, Ask::Remove { mission: key, uids: vec![], hashes: vec![hash], by: by("B") });
    assert!(scene.got(scene.a)[0].1.contains("REMOVE_CONTENT"));
    assert_eq!(scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["contents"], json!([]));
}

#[test]
fn events_of_a_federate_are_marked_and_delivered() {
    let (scene, guid, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    scene.host.forget();
    let at = Some(NOW - 60_000);
    let sign = By { author: "far".into(), at, federated: true };
    let events = vec![marker("m-1", "mission=\"Elsewhere\"").into()];
    ask(&scene, Ask::AddEvents(Key::Guid(guid.clone()), events, sign.clone()));
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c", "a-f-G"]);
    assert!(scene.got(scene.b)[0].1.contains("<isFederatedChange>true</isFederatedChange>"));
    assert!(!scene.got(scene.b)[1].1.contains("marti"));
    let newest = scene.host.published().into_iter().rfind(|(topic, _)| topic == CHANGED).unwrap().1;
    let found = ask(&scene, Ask::Changes(None, 0, 100)).changes;
    let last = found.last().unwrap();
    assert_eq!(last.id.to_string().into_bytes(), newest);
    assert!(last.federated && last.mission == guid && !found[0].federated);
    let json: serde_json::Value = serde_json::from_str(&last.json).unwrap();
    assert_eq!((&json["contentUid"], &json["isFederatedChange"]), (&json!("m-1"), &json!(true)));
    assert_eq!(json["timestamp"], "2026-03-01T09:59:00.123Z");
    assert!(ask(&scene, Ask::Changes(Some(named("Flood North")), last.id, 100)).changes.is_empty());
    let items = ask(&scene, Ask::Items(Key::Guid(guid.clone())));
    assert_eq!((items.events[0].uid.as_str(), items.events[0].received), ("m-1", NOW - 60_000));
    let bad = Ask::AddEvents(Key::Guid(guid.clone()), vec![b"<event".to_vec().into()], sign);
    assert_eq!(refused(&scene, bad), Code::Invalid);
    ask(&scene, Ask::Remove { mission: Key::Guid(guid), uids: vec!["m-1".into()], hashes: vec![], by: by("A") });
    assert_eq!(scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["uids"], json!([]));
}

#[test]
fn external_data_is_linked_changed_and_unlinked() {
    let (scene, _, _) = Scene::flood();
    let key = named("flood north");
    let external = External { uid: "e".into(), url_data: "http://h/d".into(), ..External::default() };
    ask(&scene, Ask::PutExternal(key.clone(), external.clone(), by("B")));
    assert_eq!(ask(&scene, Ask::Items(key.clone())).externals, [external]);
    ask(&scene, Ask::ExternalChanged(key.clone(), "e".into(), Some("done".into()), "tok".into(), by("B")));
    ask(&scene, Ask::RemoveExternal(key.clone(), "e".into(), None, by("B")));
    assert_eq!(refused(&scene, Ask::RemoveExternal(key, "e".into(), None, by("B"))), Code::NotFound);
    let got = scene.got(scene.a);
    assert!(got.iter().all(|(kind, _)| kind == "t-x-m-c-e") && got.len() == 3);
    assert!(got[1].1.contains("http://h/d?token=tok") && got[1].1.contains("<notes>done</notes>"));
}

#[test]
fn rights_are_those_of_a_request() {
    let scene = Scene::new();
    let (guid, token) = scene.create("Locked?creatorUid=A&password=p");
    let who = Who { user: "bob".into(), groups: vec!["__ANON__".into()], ..Who::default() };
    let rights = |who: &Who| ask(&scene, Ask::Rights(Key::Guid(guid.clone()), who.clone())).rights.unwrap();
    assert_eq!((rights(&who).role, rights(&who).permissions.len()), (String::new(), 0));
    let wrong = Who { password: Some("q".into()), ..who.clone() };
    assert_eq!((rights(&wrong).password_right, rights(&wrong).role), (false, String::new()));
    let right = Who { password: Some("p".into()), ..who.clone() };
    assert!(rights(&right).password_right && rights(&right).permissions.contains(&"MISSION_WRITE".to_owned()));
    let holder = Who { token: Some(token), ..who.clone() };
    assert_eq!(rights(&holder).role, "MISSION_OWNER");
    assert!(!format!("{holder:?}{right:?}").contains(holder.token.as_deref().unwrap()));
    let alice = Who { user: "alice".into(), ..who.clone() };
    assert_eq!(rights(&alice).role, "MISSION_OWNER");
    let carol = Who { groups: vec!["Red".into()], ..who };
    assert_eq!(refused(&scene, Ask::Rights(Key::Guid(guid.clone()), carol)), Code::NotFound);
    assert_eq!(ask(&scene, Ask::List("public".into())).missions.len(), 1);
}

#[test]
fn log_entries_and_folders_come_from_elsewhere() {
    let (scene, _, _) = Scene::flood();
    let key = named("Flood North");
    let entry = json!({"id": "far-1", "content": "x", "creatorUid": "F", "created": "2026-01-01T00:00:00.000Z"});
    let put = |entry: &serde_json::Value| {
        ask(&scene, Ask::PutLog(vec![key.clone()], entry.to_string(), by("F"))).messages[0].clone()
    };
    assert_eq!(put(&entry), "far-1");
    assert_eq!(put(&json!({"id": "far-1", "content": "y"})), "far-1");
    assert_ne!(put(&json!({"content": "z"})), "far-1");
    let log = scene.ask(BOB, "GET", &format!("{FLOOD}/log"), 200)["data"].clone();
    assert_eq!((log.as_array().unwrap().len(), &log[0]["content"]), (2, &json!("y")));
    assert_eq!(log[0]["created"], "2026-01-01T00:00:00.000Z");
    ask(&scene, Ask::RemoveLog("far-1".into(), by("F")));
    assert_eq!(refused(&scene, Ask::RemoveLog("far-1".into(), by("F"))), Code::NotFound);
    assert_eq!(scene.kinds(scene.a), ["t-x-m-c-l"; 4]);
    scene.host.forget();

    let folder = |uid: &str, parent: Option<&str>| {
        let parent_uid = parent.map(str::to_owned);
        let folder = Folder { uid: uid.into(), name: uid.into(), kind: "GROUP".into(), parent_uid, after: None };
        Ask::PutFolder(key.clone(), folder, by("F"))
    };
    ask(&scene, folder("l", None));
    ask(&scene, folder("k", Some("l")));
    assert_eq!(refused(&scene, folder("l", Some("k"))), Code::Invalid);
    let tree = scene.ask(BOB, "GET", &format!("{FLOOD}/layers"), 200);
    assert_eq!(tree["data"][0]["mission_layers"][0]["uid"], "k");
    ask(&scene, Ask::RemoveFolders(key.clone(), vec!["l".into()], by("F")));
    assert_eq!(scene.kinds(scene.a), ["t-x-m-c-h"; 3]);

    let sign = By { author: "F".into(), federated: true, ..By::default() };
    ask(&scene, Ask::Delete { mission: key, deep: false, by: sign });
    let last = ask(&scene, Ask::Changes(None, 0, 100)).changes.pop().unwrap();
    assert!(last.federated && last.json.contains("DELETE_MISSION"));
}

#[test]
fn a_mission_of_another_server_is_made_with_everything_it_has_there() {
    let scene = Scene::new();
    let hash = format!("$2a$10${}", "x".repeat(53));
    let settings = Settings {
        description: Some("d".into()),
        chat_room: Some("room".into()),
        base_layer: Some("osm".into()),
        bbox: Some("1,2,3,4".into()),
        bounding_polygon: Some("1 2,3 4,5 6,1 2".into()),
        path: Some("/cop".into()),
        classification: Some("none".into()),
        expiration: Some(NOW / 1_000 + 60),
        invite_only: Some(true),
        password_hash: Some(Hidden(hash.clone())),
        ..Settings::default()
    };
    let new = NewMission {
        name: "Far".into(),
        groups: vec!["__ANON__".into()],
        parent: Some(named("citrap")),
        settings: settings.clone(),
        ..NewMission::default()
    };
    assert!(!format!("{new:?}").contains(&hash));
    ask(&scene, Ask::Create(new.clone(), far()));
    assert!(scene.kinds(scene.b).is_empty(), "who is not invited is not told");
    let info = ask(&scene, Ask::Find(named("Far"))).missions.remove(0);
    let citrap = ask(&scene, Ask::Find(named("citrap"))).missions.remove(0);
    assert_eq!((info.chat_room.as_str(), info.base_layer.as_str(), info.bbox.as_str()), ("room", "osm", "1,2,3,4"));
    assert_eq!((info.path.as_str(), info.classification.as_str()), ("/cop", "none"));
    assert_eq!((info.description.as_str(), info.tool.as_str()), ("d", "public"));
    assert_eq!((info.bounding_polygon.as_str(), info.expiration), ("1 2,3 4,5 6,1 2", Some(NOW / 1_000 + 60)));
    assert_eq!((info.parent, info.protected, info.invite_only), (Some(citrap.guid), true, true));
    assert_eq!(ask(&scene, Ask::PasswordHash(named("Far"))).password_hash, Some(Hidden(hash)));
    for bad in [
        Settings { expiration: Some(-2), ..Settings::default() },
        Settings { default_role: Some("KING".into()), ..Settings::default() },
        Settings { password_hash: Some(Hidden("pw".into())), ..Settings::default() },
    ] {
        let again = NewMission { name: "Other".into(), settings: bad.clone(), ..new.clone() };
        assert_eq!(refused(&scene, Ask::Create(again, far())), Code::Invalid, "{bad:?}");
        assert_eq!(refused(&scene, Ask::Update(named("Far"), bad, far())), Code::Invalid);
    }
}

#[test]
fn settings_are_written_and_told_once() {
    let (scene, _, _) = Scene::flood();
    let update = |new: Settings, by: By| ask(&scene, Ask::Update(named("Flood North"), new, by));
    let new = Settings {
        classification: Some("c".into()),
        keywords: Some(vec!["a".into(), "b".into(), "a".into()]),
        expiration: Some(NOW / 1_000 + 60),
        ..Settings::default()
    };
    update(new.clone(), far());
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c-m"]);
    let (kind, end) = ("details".to_owned(), json!(NOW / 1_000 + 60));
    assert_eq!(
        edits(&scene),
        [
            ("keywords".into(), String::new(), json!(["a", "b"]), true),
            ("expiration".into(), String::new(), end, true),
            (kind, String::new(), json!(null), true)
        ]
    );
    update(new, far());
    assert!(scene.kinds(scene.b).is_empty() && edits(&scene).is_empty(), "nothing is another than before");
    update(Settings { expiration: Some(-1), password_hash: Some(Hidden(String::new())), ..Settings::default() }, far());
    assert_eq!(kinds_of(&scene), [("expiration".to_owned(), String::new())]);
    let mission = scene.ask(BOB, "GET", FLOOD, 200)["data"][0].clone();
    assert_eq!((&mission["classification"], &mission["keywords"]), (&json!("c"), &json!(["a", "b"])));
    assert_eq!((&mission["expiration"], &mission["tool"]), (&json!(-1), &json!("public")));
}

#[test]
fn map_layers_and_feeds_come_from_elsewhere() {
    let (scene, guid, _) = Scene::flood();
    let key = Key::Guid(guid);
    let layer = |url: &str| Ask::PutMapLayer(key.clone(), json!({"uid": "l", "url": url}).to_string(), far());
    ask(&scene, layer("http://a"));
    assert_eq!((scene.kinds(scene.a), edits(&scene).len()), (vec!["t-x-m-c".to_owned()], 0));
    ask(&scene, layer("http://b"));
    assert!(scene.kinds(scene.a).is_empty(), "in place: nobody is told");
    let (kind, what, json, federated) = edits(&scene).remove(0);
    assert_eq!((kind.as_str(), what.as_str(), &json["url"], federated), ("map-layer", "l", &json!("http://b"), true));
    assert_eq!(
        (&json["creatorUid"], refused(&scene, Ask::PutMapLayer(key.clone(), "{}".into(), far()))),
        (&json!("F"), Code::Invalid)
    );

    let feed = |types: &[&str], groups: &[&str]| Feed {
        uid: "f".into(),
        data_feed_uid: "ais".into(),
        filter_cot_types: types.iter().map(|t| (*t).to_owned()).collect(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        ..Feed::default()
    };
    let wanted = || scene.host.intercepts().into_iter().find(|i| i.key == "feeds").unwrap().types;
    ask(&scene, Ask::PutFeed(key.clone(), feed(&["a-*"], &[]), far()));
    assert_eq!((scene.kinds(scene.a), wanted()), (vec!["t-x-m-c".to_owned()], vec!["a-*".to_owned()]));
    scene.host.forget();
    ask(&scene, Ask::PutFeed(key.clone(), feed(&["b-*"], &["Red"]), far()));
    assert_eq!((scene.kinds(scene.a).len(), wanted()), (0, vec!["b-*".to_owned()]));
    assert_eq!(kinds_of(&scene), [("feed".to_owned(), "f".to_owned())]);
    assert_eq!(refused(&scene, Ask::PutFeed(key.clone(), feed(&["a-*-*"], &[]), far())), Code::Invalid);
    assert_eq!(refused(&scene, Ask::PutFeed(named("citrap"), feed(&[], &[]), far())), Code::Invalid, "whose events?");

    let all = ask(&scene, Ask::Attachments(key.clone()));
    assert_eq!((all.map_layers.len(), all.feeds), (1, vec![Feed { name: "ais".into(), ..feed(&["b-*"], &["Red"]) }]));
    let last = ask(&scene, Ask::Changes(None, 0, 100)).changes.pop().unwrap();
    assert!(last.federated && last.json.contains("CREATE_DATA_FEED"));
    ask(&scene, Ask::RemoveMapLayer(key.clone(), "l".into(), far()));
    ask(&scene, Ask::RemoveFeed(key.clone(), "f".into(), far()));
    assert!(wanted().is_empty());
    assert_eq!(refused(&scene, Ask::RemoveMapLayer(key.clone(), "l".into(), far())), Code::NotFound);
    assert_eq!(refused(&scene, Ask::RemoveFeed(key, "f".into(), far())), Code::NotFound);
}

#[test]
fn other_plugins_see_what_is_edited_without_a_change() {
    let (scene, guid, _) = Scene::flood();
    let key = Key::Guid(guid);
    ask(&scene, Ask::PutLog(vec![key.clone()], json!({"id": "l-1", "content": "x"}).to_string(), far()));
    let (kind, what, entry, federated) = edits(&scene).remove(0);
    assert_eq!((kind.as_str(), what.as_str(), &entry["content"], federated), ("log", "l-1", &json!("x"), true));
    assert_eq!(entry["missionNames"], json!(["Flood North"]));
    let body = |text: &str| {
        scene
            .call(ALICE, "POST", "/Marti/api/missions/logs/entries?creatorUid=A")
            .json(&serde_json::from_str::<serde_json::Value>(text).unwrap())
            .send()
    };
    assert_eq!(body(r#"{"content":"y","creatorUid":"A","missionNames":["Flood North"]}"#).status, 201);
    let own = edits(&scene).remove(0);
    assert_eq!((own.0.as_str(), own.3), ("log", false), "a client's");
    ask(&scene, Ask::RemoveLog("l-1".into(), far()));
    assert_eq!(kinds_of(&scene), [("log-removed".to_owned(), "l-1".to_owned())]);

    let path = |rest: &str| format!("{FLOOD}/{rest}creatorUid=A");
    scene.ask(ALICE, "PUT", &path("layers?uid=k&name=K&type=GROUP&"), 200);
    let (kind, what, folder, _) = edits(&scene).remove(0);
    assert_eq!(
        (kind.as_str(), what.as_str(), &folder["name"], &folder["type"]),
        ("folder", "k", &json!("K"), &json!("GROUP"))
    );
    assert_eq!(ask(&scene, Ask::Attachments(key.clone())).folders[0].uid, "k");
    scene.ask(ALICE, "PUT", &path("layers/k/name?name=L&"), 200);
    assert_eq!(edits(&scene)[0].2["name"], "L");
    scene.ask(ALICE, "DELETE", &path("layers?uid=k&"), 200);
    assert_eq!(kinds_of(&scene), [("folder-removed".to_owned(), "k".to_owned())]);

    scene.ask(ALICE, "PUT", &path(&format!("expiration?expiration={}&", NOW / 1_000 + 60)), 200);
    assert_eq!(edits(&scene)[0].2, json!(NOW / 1_000 + 60));
    scene.call(ALICE, "PUT", &path("keywords?")).json(&json!(["k"])).send();
    assert_eq!(edits(&scene)[0].2, json!(["k"]));
    scene.ask(ALICE, "PUT", &path("parent/citrap?"), 200);
    let above = ask(&scene, Ask::Find(named("citrap"))).missions[0].guid.clone();
    assert_eq!(kinds_of(&scene), [("parent".to_owned(), above)]);
    ask(&scene, Ask::Assign(key.clone(), None, far()));
    let cleared = edits(&scene).remove(0);
    assert_eq!((cleared.0.as_str(), cleared.1.as_str(), cleared.3), ("parent", "", true));
    scene.ask(ALICE, "PUT", &path("password?password=p&"), 200);
    let told =
        scene.host.published().into_iter().filter(|(topic, _)| topic == EDITED).map(|(_, b)| b).collect::<Vec<_>>();
    assert!(!told.is_empty() && told.iter().all(|b| !String::from_utf8_lossy(b).contains("argon2")));
    assert_eq!(kinds_of(&scene), [("details".to_owned(), String::new())]);
    scene.ask(ALICE, "PUT", &path("parent/exchecktemplatesx?"), 404);
    assert!(edits(&scene).is_empty(), "what was refused is told to nobody");
}
