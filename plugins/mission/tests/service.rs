//! The service `missions` as other plugins use it: checklists (excheck), KML, federation.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use fts_plugin_api::sdk::{
    Code, FileInfo,
    missions::{Answer, Ask, By, CHANGED, External, Folder, Key, Missions, NewFile, NewMission, Who},
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
