//! Who may do what in a mission, on the real server (mission.md 2.2, 3.6, 3.7, 4.7, 9: AC-17, AC-24, AC-26, AC-30, AC-41,
//! AC-59): tokens as they are served, owners, administrators, every kind of invitation, and what the log says of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::accounts_bed;
use crate::mission_bed;
use crate::plugin_bed;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use fts_tests::{Pki, Server, Web, sa_team};
use mission_bed::{FLOOD, Stage, TO_FLOOD, put, text};
use plugin_bed::Asks;
use serde_json::{Value, json};

const MISSIONS: &str = "/Marti/api/missions";

fn admin(server: &Server) -> Web {
    accounts_bed::user(server, "chief", "admin", &["__ANON__"]);
    accounts_bed::web(server, &Pki::issue(server, "chief"))
}

/// The first line of the plugin with this in it.
fn said(server: &Server, what: &str) -> String {
    text(&server.wait_plugin("mission", "plugin.log", what)["msg"])
}

fn part(token: &str, n: usize) -> Value {
    let part = token.split('.').nth(n).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn ac_17_a_token_says_what_it_is_for() {
    let mut stage = Stage::start();
    let made = stage.alice.web.put(&format!("{FLOOD}?creatorUid=A&password=river"), "", b"").expect(201).json();
    [&mut stage.bob, &mut stage.dora].into_iter().for_each(|p| drop(p.told("t-x-m-n")));
    let guid = text(&made["data"][0]["guid"]);
    let joined = stage.bob.web.put(&format!("{FLOOD}/subscription?uid=B&password=river"), "", b"").expect(201).json();
    stage.alice.web.put(&format!("{FLOOD}/invite/clientUid/D?creatorUid=A"), "", b"").expect(200);
    let access = stage.dora.web.get(&format!("{FLOOD}/token?password=river")).expect(201).json();
    for (kind, token) in [
        ("SUBSCRIPTION", text(&made["data"][0]["token"])),
        ("SUBSCRIPTION", text(&joined["data"]["token"])),
        ("INVITATION", stage.dora.told("t-x-m-i").attr("token").to_owned()),
        ("ACCESS", text(&access["data"])),
    ] {
        assert_eq!(part(&token, 0)["alg"], "HS256");
        let claims = part(&token, 1);
        assert_eq!((&claims["sub"], &claims["MISSION_NAME"]), (&json!(kind), &json!("Flood North")), "{claims}");
        assert_eq!(claims["MISSION_GUID"], json!(guid));
        assert_eq!(claims["jti"], claims[kind]);
        assert!(uuid::Uuid::try_parse(&text(&claims["jti"])).is_ok() && claims["iat"].is_i64(), "{claims}");
        assert!(claims.get("exp").is_none(), "it ends with its row: {claims}");
    }
}

#[test]
fn ac_24_nobody_gives_more_than_it_has_and_a_mission_keeps_an_owner() {
    let (mut stage, _) = Stage::flood();
    let role = |web: &Web, query: &str| web.put(&format!("{FLOOD}/role?{query}"), "", b"");
    for query in ["clientUid=D&role=MISSION_OWNER", "clientUid=B&role=MISSION_OWNER", "clientUid=A"] {
        role(&stage.bob.web, query).expect(403);
    }
    let invite = format!("{FLOOD}/invite/clientUid/D?creatorUid=B&role=MISSION_OWNER");
    stage.bob.web.put(&invite, "", b"").expect(403);
    for query in ["clientUid=A", "clientUid=A&role=MISSION_SUBSCRIBER", "username=alice"] {
        let refused = role(&stage.alice.web, query).expect(409).json();
        assert_eq!((&refused["status"], &refused["code"]), (&json!("CONFLICT"), &json!(4)));
    }
    stage.quiet();
    let mine = |web: &Web| web.get(&format!("{FLOOD}/role")).expect(200).json()["data"]["type"].clone();
    assert_eq!((mine(&stage.alice.web), mine(&stage.bob.web)), (json!("MISSION_OWNER"), json!("MISSION_SUBSCRIBER")));
    // With a second owner the first may go.
    role(&stage.alice.web, "clientUid=B&role=MISSION_OWNER").expect(200);
    drop(stage.bob.told("t-x-m-r"));
    role(&stage.alice.web, "clientUid=A&role=MISSION_SUBSCRIBER").expect(200);
    assert_eq!(stage.alice.told("t-x-m-r").child("role").unwrap().attr("type"), "MISSION_SUBSCRIBER");
    role(&stage.bob.web, "clientUid=B").expect(409);
    stage.quiet();
    // An administrator is asked by nobody.
    role(&admin(&stage.server), "clientUid=B").expect(200);
    assert!(stage.bob.told("t-x-m-r").child("role").is_none());
    assert_eq!(stage.alice.web.get(&format!("{FLOOD}/subscriptions")).expect(200).json()["data"], json!(["A"]));
}

#[test]
fn ac_26_the_members_of_all_missions_are_for_administrators() {
    let (stage, guid) = Stage::flood();
    stage.bob.web.get(&format!("{FLOOD}/subscription?uid=Z")).expect(404);
    let admin = admin(&stage.server);
    for (path, key) in
        [("all/subscriptions", "Flood North".to_owned()), ("all/subscriptions/guid", format!("{guid}=Flood North"))]
    {
        let path = format!("{MISSIONS}/{path}");
        let refused = stage.bob.web.get(&path).expect(403).json();
        assert_eq!((&refused["status"], &refused["code"]), (&json!("FORBIDDEN"), &json!(10)));
        let line = said(&stage.server, &format!("path={path}"));
        assert!(line.contains("event=\"mission.denied\"") && line.contains("user=bob"), "{line}");
        Web::plain(&stage.server, "marti_http").get(&path).expect(403);
        let all = admin.get(&path).expect(200);
        assert!(!all.text().contains("token"));
        let all = all.json();
        assert_eq!((&all["type"], &all["data"]), (&json!("MissionSubscription"), &json!([{&*key: "A"}, {&*key: "B"}])));
    }
}

#[test]
fn ac_30_each_kind_of_invitation_reaches_exactly_those_it_names() {
    let (mut stage, _) = Stage::flood();
    // carol has the colour, too, and is outside of the mission's groups.
    for (person, team) in [(&mut stage.bob, "Cyan"), (&mut stage.carol, "Cyan"), (&mut stage.dora, "Blue")] {
        let (uid, callsign) = (person.client.uid.clone(), person.client.callsign.clone());
        person.client.send(&sa_team(&uid, &callsign, team, "Team Member"));
        person.client.sync();
    }
    stage.settle();
    let web = stage.alice.web.clone();
    for (kind, invitee, wanted) in [
        ("clientUid", "D", "D"),
        ("callsign", "CS-B", "B"),
        ("userName", "carol", "C"),
        ("group", "Red", "CD"),
        ("team", "Cyan", "B"),
        ("team", "Magenta", ""),
    ] {
        web.put(&format!("{FLOOD}/invite/{kind}/{invitee}?creatorUid=A"), "", b"").expect(200);
        for person in [&mut stage.alice, &mut stage.bob, &mut stage.carol, &mut stage.dora] {
            if wanted.contains(&person.client.uid) {
                let told = person.told("t-x-m-i");
                assert_eq!((told.attr("type"), told.attr("authorUid")), ("INVITE", "A"), "{kind}");
                assert_eq!(part(told.attr("token"), 1)["sub"], "INVITATION", "{kind}");
                assert_eq!(told.child("role").unwrap().attr("type"), "MISSION_SUBSCRIBER");
            }
        }
        stage.quiet();
    }
    let two = json!([{"invitee": "D", "type": "clientUid"}, {"invitee": "bob", "type": "userName"}]).to_string();
    web.post(&format!("{FLOOD}/invite?creatorUid=A"), "application/json", two.as_bytes()).expect(200);
    drop((stage.bob.told("t-x-m-i"), stage.dora.told("t-x-m-i")));
    stage.quiet();
    let all = web.get(&format!("{FLOOD}/invitations")).expect(200).json()["data"].as_array().unwrap().len();
    assert_eq!(all, 7, "each once");
}

/// Everything that carries a password or a token; all secrets that were used or served.
fn flows(stage: &mut Stage) -> Vec<String> {
    const SECRET: &str = "/Marti/api/missions/Secret";
    let mut secrets: Vec<String> =
        ["word-of-alice", "wrong-word", "second-word", "third%20word", "third word", "copied-word"]
            .map(str::to_owned)
            .into();
    let (alice, bob, dora) = (stage.alice.web.clone(), stage.bob.web.clone(), stage.dora.web.clone());
    let plain = Web::plain(&stage.server, "marti_http");
    let mut keep = |token: &Value| {
        let token = text(token);
        secrets.push(token.clone());
        token
    };
    let made = alice.put(&format!("{SECRET}?creatorUid=A&password=word-of-alice"), "", b"").expect(201).json();
    let owner = keep(&made["data"][0]["token"]);
    for web in [&bob, &plain] {
        web.put(&format!("{SECRET}/subscription?uid=B&password=wrong-word"), "", b"").expect(403);
        web.get(&format!("{SECRET}?password=wrong-word")).expect(403);
        web.get(&format!("{SECRET}/token?password=wrong-word")).expect(403);
    }
    let joined = bob.put(&format!("{SECRET}/subscription?uid=B&password=word-of-alice"), "", b"").expect(201).json();
    keep(&joined["data"]["token"]);
    let access = keep(&plain.get(&format!("{SECRET}/token?password=word-of-alice")).expect(201).json()["data"]);
    keep(&dora.get(&format!("{SECRET}?password=word-of-alice")).expect(200).json()["data"][0]["token"]);
    for header in ["authorization", "missionauthorization"] {
        for token in [&owner, &access] {
            let web = plain.clone().header(header, &format!("Bearer {token}"));
            web.get(&format!("{SECRET}/cot")).expect(200);
            web.delete(&format!("{SECRET}/keywords/none")).expect(400);
        }
    }
    bob.put(&format!("{SECRET}/password?creatorUid=B&password=wrong-word"), "", b"").expect(403);
    alice.put(&format!("{SECRET}/password?creatorUid=A&password=second-word"), "", b"").expect(200);
    alice.put(&format!("{SECRET}?creatorUid=A&description=x&password=third%20word"), "", b"").expect(200);
    let copy = format!("{SECRET}/copy?creatorUid=A&copyName=Copy&password=copied-word");
    keep(&alice.put(&copy, "", b"").expect(201).json()["data"][0]["token"]);
    alice.put(&format!("{SECRET}/invite/clientUid/D?creatorUid=A"), "", b"").expect(200);
    let invited = dora.get(&format!("{MISSIONS}/invitations?clientUid=D")).expect(200).json();
    let invitation = keep(&invited["data"][0]["token"]);
    let invited = dora.header("missionauthorization", &format!("Bearer {invitation}"));
    keep(&invited.put(&format!("{SECRET}/subscription?uid=D"), "", b"").expect(201).json()["data"]["token"]);
    stage.alice.mark("m-1", r#"<dest mission="Secret"/>"#);
    alice.get(&format!("{SECRET}/archive")).expect(200);
    alice.delete(&format!("{SECRET}/password?creatorUid=A")).expect(200);
    alice.put(&format!("{SECRET}/password?creatorUid=A&password=second-word"), "", b"").expect(200);
    alice.delete(&format!("{SECRET}?creatorUid=A")).expect(200);
    stage.settle();
    secrets
}

#[test]
fn ac_59_no_secret_is_in_the_log_at_its_lowest_level() {
    let mut stage = Stage::with(Server::build().set("log.level", "\"trace\"").set("log.raw_cot", "true"));
    let secrets = flows(&mut stage);
    let key = std::fs::read(stage.server.data_dir().join("plugin-data/mission/token.key")).unwrap();
    assert!(stage.server.stop().success());
    let log = accounts_bed::log(&stage.server);
    // Or it would show nothing.
    for said in [
        "TRACE",
        "mission.denied",
        "mission.password",
        "mission.invited",
        "/Marti/api/missions/Secret/token",
        "password=***",
    ] {
        assert!(log.contains(said) || log.contains(&said.to_lowercase()), "{said}");
    }
    assert!(secrets.len() > 12);
    for secret in &secrets {
        // Of a token the signature is the secret; what it says is no more to be read in a log.
        let parts = secret.split('.').skip(1).filter(|p| p.len() > 20).chain([secret.as_str()]);
        for part in parts {
            let line = log.lines().find(|line| line.contains(part));
            assert!(line.is_none(), "{part}: {line:?}");
        }
    }
    let hex: String = key.iter().map(|b| format!("{b:02x}")).collect();
    let coded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&key);
    for secret in ["$argon2", &hex, &coded] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[test]
fn ac_41_denials_and_limits_are_said_and_logged_with_mission_user_and_client() {
    let (mut stage, guid) = Stage::flood_with(Server::build().set("plugins.mission.max_uids", "1"));
    let path = format!("{FLOOD}/password?creatorUid=B&password=brook");
    stage.bob.web.put(&path, "", b"").expect(403);
    let line = said(&stage.server, "mission.denied");
    let whom = format!("mission={guid} user=bob uid=B ");
    for part in [&*whom, "/password ", "MISSION_SUBSCRIBER", "MISSION_SET_PASSWORD"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("brook"), "{line}");
    stage.alice.mark("m-1", TO_FLOOD);
    stage.bob.item("m-1");
    stage.alice.acknowledged("m-1");
    stage.bob.mark("m-2", TO_FLOOD);
    let line = said(&stage.server, "mission.limit");
    assert!(line.contains(&format!("{whom}item=m-2 ")), "{line}");
    // What was refused reaches nobody and changes nothing.
    stage.bob.client.sync();
    stage.quiet();
    let all = json!({"uids": ["m-1", "m-2"]});
    let full = put(&stage.alice.web, &format!("{FLOOD}/contents?creatorUid=A"), &all).expect(200).json();
    let why = text(&full["messages"][0]);
    assert!(why.contains("m-2") && why.contains("max_uids"), "{full}");
    assert_eq!(mission_bed::uids(&stage.bob.web, FLOOD), ["m-1"]);
}
