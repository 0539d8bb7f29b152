//! Who is in a mission, on the real server (mission.md 2, 3.6, 3.7, 9: AC-13 to AC-16, AC-18 to AC-20, AC-25, AC-27 to
//! AC-29, AC-31): passwords, tokens, groups, invitations, leaving.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::accounts_bed;
use crate::mission_bed;

use fts_tests::Web;
use mission_bed::{FLOOD, Stage, TO_FLOOD, put, text};
use serde_json::json;

const SECRET: &str = "/Marti/api/missions/Secret";
const TO_SECRET: &str = r#"<dest mission="Secret"/>"#;

fn bearer(web: &Web, header: &str, token: &str) -> Web {
    web.clone().header(header, &format!("Bearer {token}"))
}

#[test]
fn ac_13_a_mission_of_other_groups_is_not_there() {
    let (mut stage, guid) = Stage::flood();
    let web = &stage.carol.web;
    assert_eq!(
        web.get("/Marti/api/missions?passwordProtected=true&defaultRole=true").expect(200).json()["data"],
        json!([])
    );
    for path in [FLOOD.to_owned(), format!("/Marti/api/missions/guid/{guid}")] {
        web.get(&path).expect(404);
        web.get(&format!("{path}/cot")).expect(404);
        web.get(&format!("{path}/changes")).expect(404);
        web.put(&format!("{path}/subscription?uid=C"), "", b"").expect(404);
        put(web, &format!("{path}/contents?creatorUid=C"), &json!({"uids": ["m-1"]})).expect(404);
    }
    stage.alice.mark("m-1", TO_FLOOD);
    stage.bob.item("m-1");
    stage.alice.acknowledged("m-1");
    stage.quiet();
    assert_eq!(stage.carol.web.get("/Marti/api/cot/xml/m-1").status, 404, "nor is what is in it");
}

#[test]
fn ac_14_subscribing_again_is_the_same_row_and_the_same_token() {
    let (stage, _) = Stage::flood();
    let (first, second) = (stage.bob.subscribe(FLOOD), stage.bob.subscribe(FLOOD));
    assert_eq!((&first["clientUid"], &first["role"]["type"]), (&json!("B"), &json!("MISSION_SUBSCRIBER")));
    assert_eq!(first["token"], second["token"]);
    let rows = stage.bob.web.get(&format!("{FLOOD}/subscriptions")).expect(200).json()["data"].clone();
    assert_eq!(rows, json!(["A", "B"]));
    let roles = stage.bob.web.get(&format!("{FLOOD}/subscriptions/roles")).expect(200).text();
    assert!(roles.contains("permissions") && !roles.contains("token"), "AC-22: {roles}");
}

#[test]
fn ac_15_the_version_of_the_interface_decides_what_comes_with_a_subscription() {
    let (mut stage, _) = Stage::flood();
    stage.alice.mark("m-1", TO_FLOOD);
    stage.bob.item("m-1");
    let put = |version: Option<&str>| {
        let web = version.into_iter().fold(stage.bob.web.clone(), |web, v| web.header("API_VERSION", v));
        web.put(&format!("{FLOOD}/subscription?uid=B"), "", b"").expect(201).json()["data"].clone()
    };
    assert!(put(None).get("mission").is_none());
    let three = put(Some("3"))["mission"].clone();
    let kinds: Vec<_> = three["missionChanges"].as_array().unwrap().iter().map(|c| text(&c["type"])).collect();
    assert_eq!((kinds, &three["logs"]), (vec!["ADD_CONTENT".to_owned(), "CREATE_MISSION".into()], &json!([])));
    assert!(three["uids"][0]["data"] == "m-1" && three["uids"][0].get("details").is_none(), "{three}");
    assert_eq!(put(Some("4"))["mission"]["uids"][0]["details"]["callsign"], "Alpha");
}

#[test]
fn ac_16_a_subscription_names_somebody() {
    let (stage, _) = Stage::flood();
    for query in ["", "?uid=", "?topic="] {
        let refused = stage.dora.web.put(&format!("{FLOOD}/subscription{query}"), "", b"").expect(400).json();
        assert_eq!(refused["code"], 2, "{query}");
    }
    let rows = stage.bob.web.get(&format!("{FLOOD}/subscriptions")).expect(200).json()["data"].clone();
    assert_eq!(rows, json!(["A", "B"]));
}

#[test]
fn ac_18_a_password_keeps_others_out_and_tokens_let_in() {
    const PASSWORD: &str = "hunter2-of-the-mission";
    let mut stage = Stage::start();
    let made = stage.alice.web.put(&format!("{SECRET}?creatorUid=A&password={PASSWORD}"), "", b"").expect(201).json();
    let owner = text(&made["data"][0]["token"]);
    assert_eq!(made["data"][0]["passwordProtected"], true);
    [&mut stage.bob, &mut stage.dora].into_iter().for_each(|p| drop(p.told("t-x-m-n")));
    let web = stage.bob.web.clone();
    web.put(&format!("{SECRET}/subscription?uid=B"), "", b"").expect(403);
    web.put(&format!("{SECRET}/subscription?uid=B&password=wrong"), "", b"").expect(403);
    stage.alice.mark("m-1", TO_SECRET);
    stage.alice.acknowledged("m-1");
    let file = stage.alice.web.post("/Marti/sync/upload?name=plan.txt&creatorUid=A", "text/plain", b"the plan");
    let hash = text(&file.expect(200).json()["Hash"]);
    put(&stage.alice.web, &format!("{SECRET}/contents?creatorUid=A"), &json!({"hashes": [hash]})).expect(200);
    assert_eq!(stage.alice.change().at("contentResource/hash").unwrap().text(), hash);
    stage.quiet();
    let token = web.put(&format!("{SECRET}/subscription?uid=B&password={PASSWORD}"), "", b"").expect(201).json();
    let token = text(&token["data"]["token"]);
    stage.alice.mark("m-2", TO_SECRET);
    stage.alice.acknowledged("m-2");
    stage.bob.item("m-2");
    stage.quiet();
    // dora is no member: refused without a token, let in with one in either header.
    let web = stage.dora.web.clone();
    web.get(SECRET).expect(403);
    web.get(&format!("{SECRET}/cot")).expect(403);
    for header in ["authorization", "missionauthorization"] {
        let seen = bearer(&web, header, &token).get(SECRET).expect(200).json();
        let count = |what: &str| seen["data"][0][what].as_array().unwrap().len();
        assert_eq!((count("uids"), count("contents")), (2, 1), "{header}");
    }
    let seen = web.clone().header("api_version", "3").get(SECRET).expect(200).json();
    assert_eq!((&seen["data"][0]["uids"], &seen["data"][0]["contents"]), (&json!([]), &json!([])));
    // AC-19: in the list only when asked for, and as empty.
    let listed = |query: &str| {
        let all = web.get(&format!("/Marti/api/missions{query}")).expect(200).json()["data"].clone();
        all.as_array().unwrap().iter().find(|mission| mission["name"] == "Secret").cloned()
    };
    let shown = listed("?passwordProtected=true").expect("it is listed");
    assert_eq!(
        (&shown["passwordProtected"], &shown["uids"], &shown["contents"]),
        (&json!(true), &json!([]), &json!([]))
    );
    assert!(listed("").is_none());
    // AC-17, AC-20: changed by one byte, or of another mission, it is none.
    let mut broken = token.clone().into_bytes();
    let at = broken.len() / 2;
    broken[at] = if broken[at] == b'A' { b'B' } else { b'A' };
    bearer(&web, "missionauthorization", &String::from_utf8(broken).unwrap()).get(SECRET).expect(403);
    stage.create("Other?password=else");
    [&mut stage.bob, &mut stage.dora].into_iter().for_each(|p| drop(p.told("t-x-m-n")));
    bearer(&web, "missionauthorization", &token).get("/Marti/api/missions/Other").expect(403);
    // A token that let in is worth nothing when its row is gone, also to write with.
    stage.bob.web.delete(&format!("{SECRET}/subscription?uid=B&disconnectOnly=false")).expect(200);
    bearer(&web, "missionauthorization", &token).get(SECRET).expect(403);
    stage.alice.mark("m-3", TO_SECRET);
    stage.alice.acknowledged("m-3");
    stage.bob.mark("b-1", TO_SECRET);
    stage.bob.client.sync();
    stage.quiet();
    // AC-59: none of it is in a log.
    let log = crate::accounts_bed::log(&stage.server);
    assert!(![PASSWORD, &token, &owner, "$argon2"].iter().any(|secret| log.contains(secret)));
}

#[test]
fn ac_25_who_disconnects_hears_nothing_until_it_subscribes_again() {
    let (mut stage, _) = Stage::flood();
    stage.bob.web.delete(&format!("{FLOOD}/subscription?uid=B&disconnectOnly=true")).expect(200);
    stage.alice.mark("m-1", TO_FLOOD);
    stage.alice.acknowledged("m-1");
    stage.quiet();
    let rows = stage.bob.web.get(&format!("{FLOOD}/subscriptions")).expect(200).json()["data"].clone();
    assert_eq!(rows, json!(["A", "B"]));
    stage.bob.client = crate::accounts_bed::join(&stage.server, &stage.bob.pki, "B");
    stage.settle();
    stage.alice.mark("m-2", TO_FLOOD);
    stage.alice.acknowledged("m-2");
    stage.quiet();
    stage.bob.subscribe(FLOOD);
    stage.alice.mark("m-3", TO_FLOOD);
    stage.alice.acknowledged("m-3");
    stage.bob.item("m-3");
    // Nobody takes somebody else out.
    stage.bob.web.delete(&format!("{FLOOD}/subscription?uid=A&disconnectOnly=false")).expect(403);
    stage.quiet();
}

#[test]
fn ac_27_and_ac_29_an_invitation_reaches_the_invited_alone_and_opens_a_closed_mission() {
    let mut stage = Stage::start();
    let closed = "/Marti/api/missions/Closed";
    stage.alice.web.put(&format!("{closed}?creatorUid=A&inviteOnly=true"), "", b"").expect(201);
    stage.quiet();
    let dora = stage.dora.web.clone();
    dora.put(&format!("{closed}/subscription?uid=D"), "", b"").expect(403);
    let invite = format!("{closed}/invite/clientUid/D?creatorUid=A&role=MISSION_SUBSCRIBER");
    stage.bob.web.put(&invite, "", b"").expect(403);
    stage.quiet();
    stage.alice.web.put(&invite, "", b"").expect(200);
    let told = stage.dora.told("t-x-m-i");
    let token = told.attr("token").to_owned();
    assert_eq!((told.attr("type"), token.split('.').count()), ("INVITE", 3));
    stage.quiet();
    let listed = dora.get("/Marti/api/missions/invitations?clientUid=D").expect(200).json()["data"].clone();
    assert_eq!((&listed[0]["missionName"], text(&listed[0]["token"])), (&json!("Closed"), token.clone()));
    let names = dora.get("/Marti/api/missions/all/invitations?clientUid=D").expect(200).json()["data"].clone();
    assert_eq!(names, json!(["Closed"]));
    // AC-28: nobody else's token is given out.
    for query in ["clientUid=D", "clientUid=.", "clientUid=B"] {
        let reply = stage.bob.web.get(&format!("/Marti/api/missions/invitations?{query}"));
        assert!(!reply.text().contains(&token), "{query}: {}", reply.text());
    }
    stage.bob.web.get("/Marti/api/missions/invitations").expect(400);
    stage.bob.web.put(&format!("{closed}/subscription?uid=B"), "", b"").expect(403);
    bearer(&dora, "missionauthorization", &token).put(&format!("{closed}/subscription?uid=D"), "", b"").expect(201);
    let left = dora.get("/Marti/api/missions/invitations?clientUid=D").expect(200).json()["data"].clone();
    assert_eq!(left, json!([]));
    stage.alice.mark("m-1", r#"<dest mission="Closed"/>"#);
    stage.dora.item("m-1");
    stage.alice.acknowledged("m-1");
    stage.bob.mark("b-1", r#"<dest mission="Closed"/>"#);
    stage.bob.client.sync();
    stage.quiet();
    assert!(!crate::accounts_bed::log(&stage.server).contains(&token));
}

#[test]
fn ac_31_who_is_away_is_sent_nothing_and_finds_the_invitation_when_it_comes() {
    let (mut stage, _) = Stage::flood();
    stage
        .alice
        .web
        .put(&format!("{FLOOD}/invite/clientUid/D2?creatorUid=A&role=MISSION_SUBSCRIBER"), "", b"")
        .expect(200);
    stage.quiet();
    let listed = |stage: &Stage| {
        let all = stage.dora.web.get("/Marti/api/missions/invitations?clientUid=D2").expect(200).json();
        all["data"].as_array().unwrap().clone()
    };
    assert!(listed(&stage).is_empty(), "nobody is that device yet");
    let mut late = accounts_bed::join(&stage.server, &stage.dora.pki, "D2");
    let found = listed(&stage);
    assert_eq!((found.len(), &found[0]["invitee"], &found[0]["missionName"]), (1, &json!("D2"), &json!("Flood North")));
    let names = stage.dora.web.get("/Marti/api/missions/all/invitations?clientUid=D2").expect(200).json();
    assert_eq!(names["data"], json!(["Flood North"]));
    // It was not sent when the device came, and it opens the mission.
    stage.settle();
    stage.alice.client.send(&fts_tests::marker("end"));
    let (_, before) = late.until(|e| e.uid() == "end");
    assert!(before.iter().all(|e| !e.kind().starts_with("t-x-m")), "{before:?}");
    let web = bearer(&stage.dora.web, "authorization", &text(&found[0]["token"]));
    web.put(&format!("{FLOOD}/subscription?uid=D2"), "", b"").expect(201);
    assert!(listed(&stage).is_empty(), "it is used up");
}
