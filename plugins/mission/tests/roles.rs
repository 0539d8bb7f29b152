//! Roles, lists of members, passwords: acceptance lines AC-18, AC-21 to AC-24, AC-26, AC-59 of mission.md 9, and M-37, M-42.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use fts_plugin_api::testkit::Client;
use scene::*;
use serde_json::{Value, json};

/// alice owns it, bob is a member; nothing of that is waiting.
fn both() -> (Scene, String) {
    let (scene, guid, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    scene.host.forget();
    (scene, guid)
}

fn role_of(scene: &Scene, who: Who, uid: &str) -> String {
    let role = scene.ask(who, "GET", &format!("{FLOOD}/role?clientUid={uid}"), 200);
    assert_eq!(role["type"], "com.bbn.marti.sync.model.MissionRole");
    text(&role["data"]["type"])
}

#[test]
fn ac_22_the_list_of_roles_has_permissions_and_no_token() {
    let (scene, guid) = both();
    for path in [FLOOD.to_owned(), format!("/Marti/api/missions/guid/{guid}")] {
        let roles = scene.ask(BOB, "GET", &format!("{path}/subscriptions/roles"), 200);
        assert_eq!(roles["type"], "MissionSubscription");
        let all = roles["data"].as_array().unwrap();
        let seen: Vec<_> = all.iter().map(|s| (text(&s["clientUid"]), text(&s["username"]))).collect();
        assert_eq!(seen, [("A".to_owned(), "alice".to_owned()), ("B".into(), "bob".into())]);
        assert_eq!(all[0]["role"]["permissions"].as_array().unwrap().len(), 8);
        assert_eq!(all[1]["role"]["permissions"], json!(["MISSION_READ", "MISSION_WRITE"]));
        assert_eq!(all[1]["createTime"], "2026-03-01T10:00:00.123Z");
        assert!(!roles.to_string().contains("token"));
        let uids = scene.ask(BOB, "GET", &format!("{path}/subscriptions"), 200);
        assert_eq!((&uids["type"], &uids["data"]), (&json!("MissionSubscription"), &json!(["A", "B"])));
    }
    // Who does not see the mission does not see its members.
    scene.ask(CAROL, "GET", &format!("{FLOOD}/subscriptions"), 404);
    scene.ask(CAROL, "GET", &format!("{FLOOD}/subscriptions/roles"), 404);
    scene.create("Closed?creatorUid=A&password=river");
    scene.ask(BOB, "GET", "/Marti/api/missions/Closed/subscriptions/roles", 403);
}

#[test]
fn ac_23_a_member_becomes_an_owner_and_is_removed() {
    let (scene, guid) = both();
    let token = text(&scene.ask(BOB, "GET", &format!("{FLOOD}/subscription?uid=B"), 200)["data"]["token"]);
    let may_set_password = |who| {
        let call = scene.call(who, "PUT", &format!("{FLOOD}/password?password=river"));
        call.header("MissionAuthorization", format!("Bearer {token}")).send().status
    };
    assert_eq!(may_set_password(NOBODY), 403);
    let role = scene.ask(ALICE, "PUT", &format!("{FLOOD}/role?clientUid=B&role=MISSION_OWNER"), 200);
    assert_eq!(role, Value::Null);
    let notice = scene.only(scene.b);
    assert_eq!(notice.kind(), "t-x-m-r");
    let body = notice.detail("mission").unwrap().xml().to_owned();
    assert!(body.starts_with(&format!(
        "<mission type=\"INVITE\" tool=\"public\" name=\"Flood North\" guid=\"{guid}\"><role type=\"MISSION_OWNER\"><permissions>"
    )), "{body}");
    assert_eq!(body.matches("<permission ").count(), 8);
    assert!(scene.kinds(scene.a).is_empty() && scene.kinds(scene.c).is_empty());
    assert_eq!(role_of(&scene, BOB, "B"), "MISSION_OWNER");
    assert_eq!(may_set_password(NOBODY), 200, "the old token carries the new rights");

    scene.host.forget();
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/role?clientUid=B"), 200);
    assert_eq!(scene.kinds(scene.b), ["t-x-m-r"]);
    assert!(!scene.got(scene.b)[0].1.contains("<role"), "{:?}", scene.got(scene.b));
    assert_eq!(scene.ask(ALICE, "GET", &format!("{FLOOD}/subscriptions"), 200)["data"], json!(["A"]));
    assert_eq!(may_set_password(NOBODY), 403, "the token died with the row");
    scene.host.forget();
    scene.host.deliver(marker("m-1", "mission=\"Flood North\""), scene.a);
    assert!(scene.kinds(scene.b).is_empty());
    assert_eq!(scene.host.deliver(marker("m-2", "mission=\"Flood North\""), scene.b).held, None);
}

#[test]
fn ac_24_nobody_gives_more_than_they_have_and_an_owner_stays() {
    let (scene, _) = both();
    let refused = scene.ask(BOB, "PUT", &format!("{FLOOD}/role?clientUid=B&role=MISSION_OWNER"), 403);
    assert_eq!(refused["code"], 10);
    for query in ["clientUid=A", "clientUid=A&role=MISSION_SUBSCRIBER", "username=alice"] {
        let refused = scene.ask(ALICE, "PUT", &format!("{FLOOD}/role?{query}"), 409);
        assert_eq!((&refused["status"], &refused["code"]), (&json!("CONFLICT"), &json!(4)), "{query}");
    }
    assert_eq!(role_of(&scene, ALICE, "A"), "MISSION_OWNER", "what was refused was not done");
    assert!(scene.kinds(scene.a).is_empty() && scene.kinds(scene.b).is_empty());
    // On an open mission nobody gets less than everybody has.
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/role?clientUid=B&role=MISSION_READONLY_SUBSCRIBER"), 403);
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/password?creatorUid=A&password=river"), 200);
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/role?username=bob&role=MISSION_READONLY_SUBSCRIBER"), 200);
    assert_eq!(role_of(&scene, BOB, "B"), "MISSION_READONLY_SUBSCRIBER");
    // With a second owner, the first may go. An administrator may leave it without.
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/role?clientUid=B&role=MISSION_OWNER"), 200);
    scene.ask(BOB, "PUT", &format!("{FLOOD}/role?clientUid=A"), 200);
    scene.ask(BOB, "PUT", &format!("{FLOOD}/role?clientUid=B"), 409);
    scene.ask(ADMIN, "PUT", &format!("{FLOOD}/role?clientUid=B"), 200);
    assert_eq!(scene.rows("SELECT 1 FROM mission_subscription"), 0);
}

#[test]
fn roles_are_set_for_members_only_and_by_name() {
    let (scene, _) = both();
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/role?clientUid=Z&role=MISSION_OWNER"), 404);
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/role?role=MISSION_OWNER"), 400);
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/role?clientUid=B&role=KING"), 400);
    scene.ask(CAROL, "PUT", &format!("{FLOOD}/role?clientUid=B"), 404);
}

#[test]
fn a_role_is_not_told_to_who_borrows_the_uid() {
    let (scene, _) = both();
    let mallory = scene.host.connect(Client::new("B", "bob").user("mallory").groups(["__ANON__"]));
    scene.host.forget();
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/role?clientUid=B&role=MISSION_OWNER"), 200);
    assert_eq!((scene.kinds(scene.b).len(), scene.kinds(mallory).len()), (1, 0));
    let mallory = Who("mallory", "__ANON__", fts_plugin_api::sdk::Role::User);
    assert_eq!(role_of(&scene, mallory, "B"), "MISSION_SUBSCRIBER", "the default of everybody");
}

#[test]
fn a_list_sets_the_roles_of_members_and_invites_the_others() {
    let (scene, _) = both();
    let post = |who, body: Value, status| {
        answered(&scene.call(who, "POST", &format!("{FLOOD}/subscription?creatorUid=A")).json(&body).send(), status)
    };
    let list = json!([
        {"clientUid": "B", "username": "bob", "role": {"type": "MISSION_OWNER"}},
        {"clientUid": "C", "username": null},
        {"username": "dave", "role": "MISSION_SUBSCRIBER"}
    ]);
    assert_eq!(post(ALICE, list.clone(), 200), Value::Null);
    assert_eq!(role_of(&scene, BOB, "B"), "MISSION_OWNER");
    assert_eq!((scene.kinds(scene.b), scene.kinds(scene.c)), (vec!["t-x-m-r".to_owned()], vec!["t-x-m-i".to_owned()]));
    let invited = scene.ask(ALICE, "GET", &format!("{FLOOD}/invitations"), 200);
    let invited: Vec<_> =
        invited["data"].as_array().unwrap().iter().map(|i| (text(&i["type"]), text(&i["invitee"]))).collect();
    assert_eq!(invited, [("clientUid".to_owned(), "C".to_owned()), ("userName".into(), "dave".into())]);

    // All or none, by who may, and never the last owner.
    scene.ask(ADMIN, "PUT", &format!("{FLOOD}/role?clientUid=B&role=MISSION_SUBSCRIBER"), 200);
    scene.host.forget();
    post(BOB, list, 403);
    post(ALICE, json!([{"clientUid": "D"}, {"clientUid": "A", "role": "MISSION_SUBSCRIBER"}]), 409);
    post(ALICE, json!([{"clientUid": "D"}, {}]), 400);
    post(ALICE, json!({"clientUid": "D"}), 400);
    let no_author = scene.call(ALICE, "POST", &format!("{FLOOD}/subscription")).json(&json!([])).send();
    assert_eq!(no_author.status, 400);
    assert_eq!(scene.rows("SELECT 1 FROM mission_invitation WHERE invitee = 'D'"), 0);
    assert!([scene.a, scene.b, scene.c].iter().all(|conn| scene.kinds(*conn).is_empty()));
}

#[test]
fn ac_26_all_members_are_for_administrators() {
    let (scene, guid) = both();
    for path in ["/Marti/api/missions/all/subscriptions", "/Marti/api/missions/all/subscriptions/guid"] {
        assert_eq!(scene.ask(BOB, "GET", path, 403)["code"], 10);
        scene.ask(NOBODY, "GET", path, 403);
    }
    let all = scene.ask(ADMIN, "GET", "/Marti/api/missions/all/subscriptions", 200);
    assert_eq!(all["type"], "MissionSubscription");
    assert_eq!(all["data"], json!([{"Flood North": "A"}, {"Flood North": "B"}]));
    let key = format!("{guid}=Flood North");
    let all = scene.ask(ADMIN, "GET", "/Marti/api/missions/all/subscriptions/guid", 200);
    assert_eq!(all["data"], json!([{key.as_str(): "A"}, {key.as_str(): "B"}]));
}

#[test]
fn ac_18_a_password_is_set_and_taken_away_by_who_may() {
    let (scene, _) = both();
    let token = text(&scene.ask(BOB, "GET", &format!("{FLOOD}/subscription?uid=B"), 200)["data"]["token"]);
    let password = format!("{FLOOD}/password?creatorUid=A");
    scene.ask(BOB, "PUT", &format!("{FLOOD}/password?creatorUid=B&password=river"), 403);
    scene.ask(ALICE, "PUT", &password, 400);
    assert_eq!(scene.ask(ALICE, "PUT", &format!("{password}&password=river"), 200), Value::Null);
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c-m"]);
    assert!(scene.kinds(scene.a).is_empty() && scene.kinds(scene.c).is_empty());
    assert!(!scene.got(scene.b)[0].1.contains("river"));
    scene.ask(NOBODY, "GET", FLOOD, 403);
    let with_token =
        || scene.call(NOBODY, "GET", FLOOD).header("Authorization", format!("Bearer {token}")).send().status;
    assert_eq!(with_token(), 200, "members stay");
    scene.ask(NOBODY, "PUT", &format!("{FLOOD}/subscription?uid=N&password=lake"), 403);
    scene.ask(BOB, "DELETE", &password, 403);
    scene.host.forget();
    assert_eq!(scene.ask(ALICE, "DELETE", &password, 200), Value::Null);
    assert_eq!((scene.kinds(scene.b), with_token()), (vec!["t-x-m-c-m".to_owned()], 200));
    assert_eq!(scene.ask(NOBODY, "GET", FLOOD, 200)["data"][0]["passwordProtected"], false);
    // A client that still sends the old one gets in.
    scene.ask(NOBODY, "PUT", &format!("{FLOOD}/subscription?uid=N&password=river"), 201);
}

#[test]
fn passwords_over_plain_http_only_where_the_option_lets_them() {
    let scene = Scene::with(&json!({"password_requires_tls": true}));
    scene.create("Flood%20North?creatorUid=A");
    let put = |listener| {
        let call = scene.call(ALICE, "PUT", &format!("{FLOOD}/password?creatorUid=A&password=river"));
        call.on(listener).send().status
    };
    use fts_plugin_api::message::Listener;
    assert_eq!((put(Listener::MartiHttp), put(Listener::MartiHttps)), (403, 200));
}

#[test]
fn ac_21_a_readonly_member_edits_nothing_of_these_families() {
    let scene = Scene::new();
    scene.create("Flood%20North?creatorUid=A&defaultRole=MISSION_READONLY_SUBSCRIBER");
    scene.subscribe(BOB, FLOOD, "B");
    let body = json!(["water"]);
    for (method, path) in [
        ("PUT", "/keywords"),
        ("DELETE", "/keywords"),
        ("DELETE", "/keywords/water"),
        ("PUT", "/uid/m-1/keywords"),
        ("DELETE", "/uid/m-1/keywords"),
        ("PUT", "/content/h/keywords"),
        ("DELETE", "/content/h/keywords"),
        ("PUT", "/password?password=x"),
        ("DELETE", "/password"),
        ("PUT", "/expiration?expiration=5"),
        ("PUT", "/role?clientUid=B&role=MISSION_OWNER"),
        ("POST", "/subscription?creatorUid=B"),
        ("PUT", "/invite/clientUid/C?creatorUid=B&role=MISSION_SUBSCRIBER"),
        ("DELETE", "/invite/clientUid/C"),
    ] {
        let answer = scene.call(BOB, method, &format!("{FLOOD}{path}")).json(&body).send();
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
    }
    assert_eq!(role_of(&scene, BOB, "B"), "MISSION_READONLY_SUBSCRIBER");
    scene.ask(BOB, "GET", &format!("{FLOOD}/subscriptions"), 200);
}

#[test]
fn ac_59_neither_passwords_nor_tokens_are_logged() {
    let (scene, _) = both();
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/password?creatorUid=A&password=river"), 200);
    scene.ask(BOB, "PUT", &format!("{FLOOD}/password?creatorUid=B&password=brook"), 403);
    scene.ask(NOBODY, "PUT", &format!("{FLOOD}/subscription?uid=N&password=lake"), 403);
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/invite/clientUid/C?creatorUid=A"), 200);
    let invited = scene.ask(CAROL, "GET", "/Marti/api/missions/invitations?clientUid=C", 200);
    let invitation = text(&invited["data"][0]["token"]);
    let access = text(&scene.ask(BOB, "GET", &format!("{FLOOD}/token?password=river"), 201)["data"]);
    let hash = scene.host.query("SELECT password_hash FROM mission WHERE name = 'Flood North'").unwrap();
    let hash = text(&serde_json::to_value(&hash.rows[0][0]).unwrap()["Text"]);
    let ids = scene.host.query("SELECT token_id FROM mission_invitation").unwrap();
    let id = text(&serde_json::to_value(&ids.rows[0][0]).unwrap()["Text"]);
    let log: Vec<String> = scene.host.log().iter().map(|line| format!("{line:?}")).collect();
    for event in ["mission.password", "mission.invited", "mission.denied"] {
        assert!(log.iter().any(|line| line.contains(event)), "{event}: {log:?}");
    }
    let tail = |token: &str| token[token.len() - 20..].to_owned();
    for secret in ["river", "brook", "lake", &hash, &id, &tail(&invitation), &tail(&access)] {
        assert!(!log.iter().any(|line| line.contains(secret)), "{secret}");
    }
}

/// In the mission's group, and no member.
const CAROL_HERE: Who = Who("carol", "__ANON__", fts_plugin_api::sdk::Role::User);

#[test]
fn who_was_let_in_by_another_way_is_not_any_more() {
    let (scene, _) = both();
    let token = |query: &str| text(&scene.ask(CAROL_HERE, "GET", &format!("{FLOOD}/token{query}"), 201)["data"]);
    let reads = |token: &str| {
        let call = scene.call(CAROL_HERE, "GET", &format!("{FLOOD}/changes"));
        call.header("MissionAuthorization", format!("Bearer {token}")).send().status
    };
    let open = token("");
    assert_eq!(reads(&open), 200);
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/password?creatorUid=A&password=river"), 200);
    assert_eq!(reads(&open), 403, "it needed no password then");
    let river = token("?password=river");
    assert_eq!(reads(&river), 200);
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/password?creatorUid=A&password=brook"), 200);
    assert_eq!(reads(&river), 403);
    // Members stay members (M-14), and a token says the same each time.
    scene.ask(BOB, "GET", &format!("{FLOOD}/changes"), 200);
    assert_eq!(token("?password=brook"), token("?password=brook"));
    assert_eq!(reads(&token("?password=brook")), 200);
}
