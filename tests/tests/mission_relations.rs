//! Missions beside other missions and other systems, on the real server (mission.md 3.1, 3.9, 3.10, 9: AC-49, AC-50, AC-52):
//! parents and children, external data, copies. Every step is looked at as the members and the others see it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::mission_bed;

use fts_tests::{Element, Reply};
use mission_bed::{FLOOD, Stage, TO_FLOOD, changes, events, item, text, uids};
use serde_json::{Value, json};

const MISSIONS: &str = "/Marti/api/missions";

fn names(reply: &Reply) -> Vec<String> {
    reply.json()["data"].as_array().unwrap().iter().map(|m| text(&m["name"])).collect()
}

#[test]
fn ac_49_a_mission_has_one_parent_and_no_circle() {
    let (stage, guid) = Stage::flood();
    let [alice, bob] = [&stage.alice.web, &stage.bob.web];
    ["Bridge", "Dam"].iter().for_each(|name| drop(stage.create(name)));
    let put = |child: &str, parent: &str| alice.put(&format!("{MISSIONS}/{child}/parent/{parent}"), "", b"");
    let children = |of: &str| names(&bob.get(&format!("{MISSIONS}/{of}/children")).expect(200));
    assert!(children("Flood%20North").is_empty());
    assert_eq!(put("Bridge", "Flood%20North").expect(200).body, b"");
    put("Dam", "Bridge").expect(200);
    let parent = bob.get(&format!("{MISSIONS}/Bridge/parent")).expect(200).json();
    assert_eq!((&parent["type"], &parent["data"]["guid"]), (&json!("Mission"), &json!(guid)));
    assert_eq!((children("Flood%20North"), children("Bridge")), (vec!["Bridge".into()], vec!["Dam".to_owned()]));
    for (child, status) in [("Dam", 400), ("Bridge", 400), ("Flood%20North", 400), ("Nowhere", 404)] {
        put("Flood%20North", child).expect(status);
    }
    put("Dam", "flood%20north").expect(200);
    assert_eq!(children("Flood%20North"), ["Bridge", "Dam"]);
    assert!(children("Bridge").is_empty(), "one parent only");
    alice.delete(&format!("{MISSIONS}/Bridge/parent")).expect(200);
    bob.get(&format!("{MISSIONS}/Bridge/parent")).expect(404);
    // Whose mission it is to see is asked of the child and of the parent.
    stage.carol.web.get(&format!("{FLOOD}/children")).expect(404);
    stage.carol.web.get(&format!("{MISSIONS}/Dam/parent")).expect(404);
    stage.carol.web.put(&format!("{MISSIONS}/Dam/parent/Bridge"), "", b"").expect(404);
}

#[test]
fn ac_50_external_data_is_told_to_members_and_kept_without_the_token() {
    let (mut stage, _) = Stage::flood();
    let path = format!("{FLOOD}/externaldata");
    let sent = json!({"uid": "e-1", "name": "List", "tool": "ExCheck", "urlData": "http://h/d", "urlView": "http://h/v",
        "notes": "added"});
    let post = |stage: &Stage, path: &str, body: &str| {
        let kind = if body.starts_with('{') { "application/json" } else { "text/plain" };
        stage.bob.web.post(&format!("{path}?creatorUid=B"), kind, body.as_bytes())
    };
    /// Both members are told the same, and nobody else anything; the change.
    fn told(stage: &mut Stage) -> Element {
        let [one, two] = [&mut stage.alice, &mut stage.bob].map(|member| {
            let mission = member.told("t-x-m-c-e");
            assert_eq!(mission.attr("authorUid"), "B");
            mission.at("MissionChanges/MissionChange").unwrap().clone()
        });
        assert_eq!(one.child("type").unwrap().text(), two.child("type").unwrap().text());
        stage.quiet();
        one
    }
    let said = |change: &Element, name: &str| change.at(&format!("externalData/{name}")).unwrap().text();
    let made = post(&stage, &path, &sent.to_string()).expect(201).json();
    assert_eq!((&made["type"], &made["data"]), (&json!("com.bbn.marti.sync.model.ExternalMissionData"), &sent));
    let change = told(&mut stage);
    assert_eq!(change.child("type").unwrap().text(), "ADD_CONTENT");
    assert_eq!((said(&change, "urlView"), said(&change, "notes")), ("http://h/v".into(), "added".into()));

    let reply = post(&stage, &format!("{path}/e-1/change"), "tok").expect(200);
    assert_eq!(reply.body, b"");
    let change = told(&mut stage);
    let urls = (said(&change, "urlData"), said(&change, "urlView"));
    assert_eq!(urls, ("http://h/d?token=tok".into(), "http://h/v?token=tok".into()));
    let kept = |stage: &Stage| stage.alice.web.get(FLOOD).expect(200).json()["data"][0]["externalData"].clone();
    assert_eq!(kept(&stage), json!([sent]), "what is stored is plain");

    stage.bob.web.delete(&format!("{path}/e-1?creatorUid=B&notes=gone")).expect(200);
    let change = told(&mut stage);
    assert_eq!(
        (change.child("type").unwrap().text(), said(&change, "notes")),
        ("REMOVE_CONTENT".into(), "gone".into())
    );
    assert_eq!(kept(&stage), json!([]));
    stage.bob.web.delete(&format!("{path}/e-1?creatorUid=B")).expect(404);
    post(&stage, &format!("{path}/e-1/change"), "tok").expect(404);
    stage.carol.web.post(&format!("{path}?creatorUid=C"), "application/json", sent.to_string().as_bytes()).expect(404);
    stage.quiet();
}

#[test]
fn ac_52_a_copy_has_everything_and_the_source_stays_as_it_is() {
    let (mut stage, guid) = Stage::flood();
    let stored = stage.alice.web.post("/Marti/sync/upload?name=a.txt&creatorUid=A", "text/plain", b"by the river");
    let hash = text(&stored.expect(200).json()["Hash"]);
    let body = json!({"hashes": [hash]});
    mission_bed::put(&stage.alice.web, &format!("{FLOOD}/contents?creatorUid=A"), &body).expect(200);
    stage.alice.mark("m-1", TO_FLOOD);
    stage.alice.client.until(|e| e.kind() == "t-x-m-c" && e.text().contains("m-1"));
    stage.bob.client.until(|e| e.uid() == "m-1");
    let source = |stage: &Stage| stage.alice.web.get(&format!("{FLOOD}?changes=true&logs=true")).expect(200).text();
    let before = source(&stage);
    let web = stage.bob.web.clone();
    let copy = |query: &str| web.put(&format!("{FLOOD}/copy?creatorUid=B&{query}"), "", b"");
    let made: Value = copy("copyName=Second&copyPath=/p").expect(201).json()["data"][0].clone();
    assert_ne!(made["guid"], json!(guid));
    assert_eq!((&made["name"], &made["creatorUid"], &made["path"]), (&json!("Second"), &json!("B"), &json!("/p")));
    assert_eq!((&made["uids"][0]["data"], &made["contents"][0]["data"]["hash"]), (&json!("m-1"), &json!(hash)));
    for other in [&mut stage.alice, &mut stage.dora] {
        assert_eq!(other.told("t-x-m-n").attr("name"), "Second");
    }
    stage.quiet();
    assert_eq!(source(&stage), before, "the source is unchanged");
    let second = format!("{MISSIONS}/Second");
    assert_eq!(uids(&stage.alice.web, &second), ["m-1"]);
    assert_eq!(events(&stage.alice.web.get(&format!("{second}/cot")).expect(200).text()), ["m-1"]);
    assert_eq!(changes(&stage.alice.web, &second)[0].0, "CREATE_MISSION");
    for query in ["copyName=second", "copyName=Flood%20North", "copyName=logs", ""] {
        copy(query).expect(400);
    }
    stage.carol.web.put(&format!("{FLOOD}/copy?creatorUid=C&copyName=Third"), "", b"").expect(404);
    // bob owns the copy: what is sent to it reaches him, and not the members of the source.
    stage.bob.client.send(&item("m-2", r#"<dest mission="Second"/>"#));
    stage.bob.acknowledged("m-2");
    stage.quiet();
}
