//! Names of missions and their guids, on the real server (mission.md 3.1, 3.2, 9: AC-04 to AC-08, AC-10, AC-11, AC-45,
//! AC-54, AC-55): what a name may be, whose mission it means, and what is left of it behind the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::accounts_bed;
use crate::mission_bed;

use std::collections::BTreeSet;

use fts_tests::{Pki, Server, Web, at};
use mission_bed::{FLOOD, Stage, TO_FLOOD, changes, events, put, text, uids};
use serde_json::{Value, json};

const MISSIONS: &str = "/Marti/api/missions";

fn one(web: &Web, path: &str) -> Value {
    web.get(path).expect(200).json()["data"][0].clone()
}

#[test]
fn ac_04_a_name_is_found_in_any_case() {
    let (stage, guid) = Stage::flood();
    for path in ["flood%20north".to_owned(), "FLOOD%20NORTH".into(), format!("guid/{}", guid.to_uppercase())] {
        let found = one(&stage.bob.web, &format!("{MISSIONS}/{path}"));
        assert_eq!((&found["name"], &found["guid"]), (&json!("Flood North"), &json!(guid)), "{path}");
    }
    assert_eq!(stage.bob.subscribe(&format!("{MISSIONS}/fLOOD%20nORTH"))["clientUid"], "B");
}

#[test]
fn ac_05_an_update_without_a_description_has_none() {
    let (mut stage, _) = Stage::flood();
    for (query, said) in [("&description=x", "x"), ("", "")] {
        let reply = stage.alice.web.put(&format!("{FLOOD}?creatorUid=A{query}"), "", b"").expect(200).json();
        assert_eq!(reply["data"][0]["description"], said);
        assert_eq!(one(&stage.bob.web, FLOOD)["description"], said);
        [&mut stage.bob, &mut stage.dora].into_iter().for_each(|p| drop(p.told("t-x-m-c-m")));
        stage.quiet();
    }
}

#[test]
fn ac_06_a_json_body_says_what_the_mission_is_and_not_when_it_was_made() {
    let stage = Stage::start();
    let before = at(0);
    let body = json!({"description": "w", "defaultRole": {"type": "MISSION_READONLY_SUBSCRIBER"},
        "createTime": "0001-01-01T00:00:00Z", "foo": 1});
    let made = put(&stage.alice.web, &format!("{FLOOD}?creatorUid=A"), &body).expect(201).json()["data"][0].clone();
    let seen = one(&stage.alice.web, FLOOD);
    for mission in [&made, &seen] {
        assert_eq!(mission["description"], "w");
        assert_eq!(
            mission["defaultRole"],
            json!({"type": "MISSION_READONLY_SUBSCRIBER", "permissions": ["MISSION_READ"]})
        );
        assert!((before.clone()..=at(0)).contains(&text(&mission["createTime"])), "{mission}");
    }
    let broken = stage.alice.web.put(&format!("{MISSIONS}/x"), "application/json", b"{").expect(400).json();
    assert_eq!((&broken["status"], &broken["code"]), (&json!("BAD_REQUEST"), &json!(2)));
}

#[test]
fn ac_07_of_two_of_one_name_the_newer_is_meant() {
    let (mut stage, old) = Stage::flood();
    let new = text(
        &stage.alice.web.post(&format!("{FLOOD}?allowDupe=true&creatorUid=A"), "", b"").expect(201).json()["data"][0]["guid"],
    );
    assert_ne!(new, old);
    [&mut stage.bob, &mut stage.dora].into_iter().for_each(|p| drop(p.told("t-x-m-n")));
    assert_eq!(one(&stage.bob.web, FLOOD)["guid"], json!(new));
    assert_eq!(one(&stage.bob.web, &format!("{MISSIONS}/guid/{old}"))["guid"], json!(old));
    assert_eq!(stage.bob.web.get(MISSIONS).expect(200).json()["data"].as_array().unwrap().len(), 2);
    // An event is for the newer one, too, and its members are other people.
    stage.quiet();
    stage.alice.mark("m-1", TO_FLOOD);
    stage.alice.acknowledged("m-1");
    stage.quiet();
    let of = |guid: &str| uids(&stage.bob.web, &format!("{MISSIONS}/guid/{guid}"));
    assert_eq!((of(&new), of(&old)), (vec!["m-1".to_owned()], vec![]));
    // When it is gone the older one is meant again.
    stage.alice.web.delete(&format!("{MISSIONS}/guid/{new}?creatorUid=A")).expect(200);
    stage.settle();
    stage.alice.mark("m-2", TO_FLOOD);
    stage.bob.item("m-2");
    assert_eq!(uids(&stage.bob.web, FLOOD), ["m-2"]);
}

#[test]
fn ac_08_what_is_no_name_is_refused() {
    let stage = Stage::start();
    for name in ["logs", "ALL", "invitations", "hierarchy", "a%2Fb", &"x".repeat(1025), "a%22b", "%20"] {
        let refused = stage.alice.web.put(&format!("{MISSIONS}/{name}?creatorUid=A"), "", b"").expect(400).json();
        assert_eq!(refused["status"], "BAD_REQUEST", "{name}");
    }
    stage.alice.web.put(&format!("{MISSIONS}/{}?creatorUid=A", "x".repeat(1024)), "", b"").expect(201);
    assert_eq!(stage.alice.web.get(MISSIONS).expect(200).json()["data"].as_array().unwrap().len(), 1);
}

#[test]
fn ac_10_a_name_is_free_when_its_mission_is_gone_and_nothing_is_left_of_that() {
    let (mut stage, old) = Stage::flood();
    stage.alice.mark("m-1", TO_FLOOD);
    stage.alice.acknowledged("m-1");
    stage.bob.item("m-1");
    stage.alice.web.delete(&format!("{FLOOD}?creatorUid=A")).expect(200);
    stage.bob.told("t-x-m-d");
    stage.settle();
    let new = stage.create("Flood%20North");
    assert_ne!(new, old);
    [&mut stage.bob, &mut stage.dora].into_iter().for_each(|p| drop(p.told("t-x-m-n")));
    assert_eq!(uids(&stage.bob.web, FLOOD), Vec::<String>::new());
    assert_eq!(changes(&stage.bob.web, FLOOD), [("CREATE_MISSION".to_owned(), String::new())]);
    assert_eq!(events(&stage.bob.web.get(&format!("{FLOOD}/cot")).expect(200).text()), Vec::<String>::new());
    stage.bob.web.get(&format!("{MISSIONS}/guid/{old}")).expect(410);
    // Who was a member of the old one is none of the new one.
    stage.alice.mark("m-2", TO_FLOOD);
    stage.alice.acknowledged("m-2");
    stage.quiet();
}

#[test]
fn ac_11_a_member_deletes_only_where_the_option_says_so() {
    let (mut stage, _) = Stage::flood();
    let refused = stage.bob.web.delete(&format!("{FLOOD}?creatorUid=B")).expect(403).json();
    assert_eq!((&refused["status"], &refused["code"]), (&json!("FORBIDDEN"), &json!(10)));
    stage.quiet();
    one(&stage.bob.web, FLOOD);
    let off = Server::build().set("plugins.mission.delete_requires_owner", "false");
    let (mut stage, _) = Stage::flood_with(off);
    stage.bob.web.delete(&format!("{FLOOD}?creatorUid=B&deepDelete=true")).expect(403);
    stage.bob.web.delete(&format!("{FLOOD}?creatorUid=B")).expect(200);
    stage.alice.told("t-x-m-d");
    stage.bob.web.get(FLOOD).expect(410);
}

#[test]
fn ac_45_changes_are_newest_first_and_of_the_time_that_is_asked_for() {
    let (mut stage, _) = Stage::flood();
    for uid in ["m-1", "m-2"] {
        stage.alice.mark(uid, TO_FLOOD);
        stage.bob.item(uid);
    }
    let asked = |query: &str| stage.bob.web.get(&format!("{FLOOD}/changes?{query}"));
    let told = |query: &str| -> Vec<String> {
        let all = asked(query).expect(200).json();
        all["data"].as_array().unwrap().iter().map(|c| c["contentUid"].as_str().unwrap_or("-").to_owned()).collect()
    };
    assert_eq!(told("secago=60"), ["m-2", "m-1", "-"]);
    stage.server.eventually("a second without changes is over", || told("secago=1").is_empty());
    let (now, hour) = (at(0), at(3_600_000));
    assert_eq!(told(&format!("start={now}&end={hour}")), Vec::<String>::new());
    assert_eq!(told(&format!("start={}&end={hour}", at(-3_600_000))), ["m-2", "m-1", "-"]);
    for query in [format!("start={hour}&end={now}"), format!("start={now}&end={now}"), "secago=x".into()] {
        let refused = asked(&query).expect(400).json();
        assert_eq!(refused["code"], 2, "{query}");
    }
}

#[test]
fn ac_54_a_fresh_server_has_its_two_missions_empty_and_they_stay_deleted() {
    let mut stage = Stage::start();
    for (path, name, tool) in [
        ("exchecktemplates", "exchecktemplates", "ExCheck"),
        ("ExCheckTemplates", "exchecktemplates", "ExCheck"),
        ("citrap", "citrap", "citrap"),
    ] {
        let found = one(&stage.carol.web, &format!("{MISSIONS}/{path}"));
        assert_eq!((&found["name"], &found["tool"]), (&json!(name), &json!(tool)));
        assert_eq!((&found["uids"], &found["contents"]), (&json!([]), &json!([])));
        let all = stage.carol.web.get(&format!("{MISSIONS}/{path}/changes")).expect(200).json();
        assert!(!all.to_string().contains("2020-"), "{all}");
        assert_eq!(all["data"], json!([]));
    }
    assert_eq!(stage.carol.web.get(MISSIONS).expect(200).json()["data"], json!([]), "they are not in the list");
    accounts_bed::user(&stage.server, "chief", "admin", &["__ANON__"]);
    let chief = accounts_bed::web(&stage.server, &Pki::issue(&stage.server, "chief"));
    chief.delete(&format!("{MISSIONS}/citrap")).expect(200);
    stage = stage.again(Server::build());
    stage.carol.web.get(&format!("{MISSIONS}/citrap")).expect(410);
    one(&stage.carol.web, &format!("{MISSIONS}/exchecktemplates"));
}

/// Every GET of a mission the server says it has, without what is in front of the rest of the path.
fn reads(web: &Web, before: &str) -> BTreeSet<String> {
    let document = web.get("/openapi.json").expect(200).json();
    let paths = document["paths"].as_object().unwrap().iter();
    let gets = paths.filter(|(path, methods)| path.starts_with(before) && methods.get("get").is_some());
    gets.map(|(path, _)| path[before.len()..].to_owned()).collect()
}

#[test]
fn ac_55_by_guid_everything_is_said_as_by_name() {
    let (mut stage, guid) = Stage::flood();
    let web = stage.alice.web.clone();
    for name in ["Above", "Below"] {
        stage.create(name);
    }
    web.put(&format!("{FLOOD}/parent/Above?creatorUid=A"), "", b"").expect(200);
    web.put(&format!("{MISSIONS}/Below/parent/Flood%20North?creatorUid=A"), "", b"").expect(200);
    web.put(&format!("{FLOOD}/layers?creatorUid=A&name=Things&type=UID&uid=l-1"), "", b"").expect(200);
    let entry = json!({"content": "it rises", "creatorUid": "A", "missionNames": ["Flood North"]});
    web.post(&format!("{MISSIONS}/logs/entries"), "application/json", entry.to_string().as_bytes()).expect(201);
    web.put(&format!("{FLOOD}/invite/clientUid/D?creatorUid=A"), "", b"").expect(200);
    stage.alice.mark("m-1", r#"<dest mission="Flood North" path="l-1"/>"#);
    stage.alice.client.until(|e| e.kind() == "t-x-m-c");
    let (named, by_guid) = (format!("{MISSIONS}/{{name}}"), format!("{MISSIONS}/guid/{{guid}}"));
    let rests = reads(&stage.bob.web, &named);
    assert_eq!(rests, reads(&stage.bob.web, &by_guid));
    assert!(rests.len() >= 16, "{rests:?}");
    for rest in rests {
        let rest = rest.replace("{uid}", "l-1") + if rest == "/subscription" { "?uid=B" } else { "" };
        let ask = |mission: &str| stage.bob.web.get(&format!("{mission}{rest}"));
        let two = [FLOOD.to_owned(), format!("{MISSIONS}/guid/{guid}")].map(|mission| ask(&mission));
        let said = two.each_ref().map(|reply| (reply.status, reply.header("content-type").map(str::to_owned)));
        assert_eq!(said[0], said[1], "{rest}");
        assert_eq!(two[0].status, if rest == "/token" { 201 } else { 200 }, "{rest}: {}", two[0].text());
        if !matches!(&*rest, "/archive" | "/token") {
            assert_eq!(two[0].text(), two[1].text(), "{rest}");
        }
        for bad in ["no-guid", "5d1f0c1e4d364a0f9c550a8f4b6c7d21"] {
            let refused = ask(&format!("{MISSIONS}/guid/{bad}")).expect(400).json();
            assert!(text(&refused["message"]).contains("is no guid"), "{rest}: {refused}");
        }
    }
}
