//! Invitations: acceptance lines AC-27 to AC-31 of mission.md 9.
// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used)]
mod scene;

use fts_plugin_api::{
    sdk::Role,
    testkit::{Answer, Client},
};
use scene::*;
use serde_json::{Value, json};

const INNER: &str = "/Marti/api/missions/Inner";

/// Connections that got an invitation, in order of `all`; nothing else may have come.
fn invited(scene: &Scene, all: &[u64]) -> Vec<u64> {
    let got = |conn: &u64| {
        let kinds = scene.kinds(*conn);
        assert!(kinds.is_empty() || kinds == ["t-x-m-i"], "{conn}: {kinds:?}");
        !kinds.is_empty()
    };
    all.iter().copied().filter(got).collect()
}

fn list(scene: &Scene, who: Who, uid: &str) -> Vec<Value> {
    let answer = scene.ask(who, "GET", &format!("/Marti/api/missions/invitations?clientUid={uid}"), 200);
    assert_eq!(answer["type"], "MissionInvitation");
    answer["data"].as_array().unwrap().clone()
}

fn names(scene: &Scene, who: Who, uid: &str) -> Value {
    let answer = scene.ask(who, "GET", &format!("/Marti/api/missions/all/invitations?clientUid={uid}"), 200);
    assert_eq!(answer["type"], "MissionInvitation");
    answer["data"].clone()
}

fn with_token(scene: &Scene, who: Who, method: &str, path: &str, token: &str) -> Answer {
    scene.call(who, method, path).header("MissionAuthorization", format!("Bearer {token}")).send()
}

#[test]
fn ac_27_only_the_invitee_is_told_and_finds_it() {
    let (scene, guid, _) = Scene::flood();
    let path = format!("{FLOOD}/invite/clientUid/C?creatorUid=A&role=MISSION_SUBSCRIBER");
    assert_eq!(scene.ask(ALICE, "PUT", &path, 200), Value::Null);
    assert_eq!(invited(&scene, &[scene.a, scene.b, scene.c]), [scene.c]);
    let notice = scene.only(scene.c);
    let mission = notice.detail("mission").unwrap();
    let token = mission.attr("token").unwrap().into_owned();
    let wanted = format!(
        "<mission type=\"INVITE\" tool=\"public\" name=\"Flood North\" guid=\"{guid}\" authorUid=\"A\" token=\"{token}\">\
         <role type=\"MISSION_SUBSCRIBER\"><permissions><permission type=\"MISSION_READ\"/>\
         <permission type=\"MISSION_WRITE\"/></permissions></role></mission>"
    );
    assert_eq!((mission.xml(), token.split('.').count()), (wanted.as_str(), 3));
    let found = list(&scene, CAROL, "C");
    assert_eq!(
        found,
        [json!({"missionName": "Flood North", "missionGuid": guid, "invitee": "C", "type": "clientUid",
            "creatorUid": "A", "createTime": "2026-03-01T10:00:00.123Z", "token": token,
            "role": {"type": "MISSION_SUBSCRIBER", "permissions": ["MISSION_READ", "MISSION_WRITE"]}})]
    );
    assert_eq!(names(&scene, CAROL, "C"), json!(["Flood North"]));
    // Again: sent again, one row, and the first token is worth nothing.
    scene.host.forget();
    scene.ask(ALICE, "PUT", &path, 200);
    assert_eq!(invited(&scene, &[scene.a, scene.b, scene.c]), [scene.c]);
    assert_eq!(scene.rows("SELECT 1 FROM mission_invitation"), 1);
    assert_ne!(list(&scene, CAROL, "C")[0]["token"], json!(token));
}

#[test]
fn ac_28_nobody_finds_invitations_of_others() {
    let (scene, ..) = Scene::flood();
    for (kind, invitee) in [("clientUid", "C"), ("callsign", "carol"), ("userName", "carol"), ("group", "Red")] {
        scene.ask(ALICE, "PUT", &format!("{FLOOD}/invite/{kind}/{invitee}?creatorUid=A"), 200);
    }
    assert_eq!(list(&scene, CAROL, "C").len(), 4);
    assert_eq!(names(&scene, CAROL, "C"), json!(["Flood North"]), "each mission once");
    for uid in [".", "C", ".*", "%25", "_", "c", "B"] {
        assert!(list(&scene, BOB, uid).is_empty(), "{uid}");
        assert!(list(&scene, NOBODY, uid).is_empty(), "{uid}");
        assert_eq!(names(&scene, BOB, uid), json!([]), "{uid}");
    }
    // A device that carol does not use now, or that somebody else does, is not hers.
    assert_eq!(list(&scene, CAROL, "B").len(), 2, "by user and group");
    scene.host.disconnect(scene.c, "eof");
    assert_eq!(list(&scene, CAROL, "C").len(), 2);
    assert!(list(&scene, BOB, "C").is_empty());
    assert_eq!(scene.ask(BOB, "GET", "/Marti/api/missions/invitations", 400)["code"], 2);
    scene.ask(BOB, "GET", "/Marti/api/missions/invitations?clientUid=", 400);
}

#[test]
fn ac_29_an_invitation_opens_an_invite_only_mission_once() {
    let scene = Scene::new();
    scene.create("Inner?creatorUid=A&inviteOnly=true");
    scene.host.forget();
    let subscribe = format!("{INNER}/subscription?uid=B");
    scene.ask(BOB, "PUT", &subscribe, 403);
    scene.ask(ALICE, "PUT", &format!("{INNER}/invite/clientUid/B?creatorUid=A&role=MISSION_OWNER"), 200);
    let token = text(&list(&scene, BOB, "B")[0]["token"]);
    // It is worth nothing but to subscribe with.
    assert_eq!(with_token(&scene, NOBODY, "GET", INNER, &token).status, 403);
    let dave = Who("dave", "__ANON__", Role::User);
    assert_eq!(with_token(&scene, dave, "PUT", &format!("{INNER}/subscription?uid=D"), "x.y.z").status, 403);
    let joined = answered(&with_token(&scene, BOB, "PUT", &subscribe, &token), 201);
    assert_eq!(joined["data"]["role"]["type"], "MISSION_OWNER");
    assert!(list(&scene, BOB, "B").is_empty());
    assert_eq!(scene.rows("SELECT 1 FROM mission_invitation"), 0);
    // Used up: the next one does not get in with it.
    assert_eq!(with_token(&scene, dave, "PUT", &format!("{INNER}/subscription?uid=D"), &token).status, 403);
}

#[test]
fn ac_30_a_list_invites_each_and_each_kind_reaches_its_own() {
    let (scene, ..) = Scene::flood();
    let client = |uid: &str, callsign: &str, user: &str, group: &str, team: &str| {
        scene.host.connect(Client::new(uid, callsign).user(user).groups([group]).team(team, "Team Member"))
    };
    let dave = client("D", "Delta", "dave", "__ANON__", "Cyan");
    let second = client("D2", "Delta", "dave", "__ANON__", "Blue");
    let erin = client("E", "Echo", "erin", "Red", "Cyan");
    let all = [scene.a, scene.b, scene.c, dave, second, erin];
    for (kind, invitee, wanted) in [
        ("clientUid", "D", vec![dave]),
        ("clientuid", "d2", vec![second]),
        ("callsign", "Delta", vec![dave, second]),
        ("callsign", "Delt", vec![]),
        ("userName", "erin", vec![erin]),
        ("USERNAME", "Dave", vec![dave, second]),
        ("group", "Red", vec![scene.c, erin]),
        ("group", "R.*", vec![]),
        // Everybody has a colour; nobody outside the mission's groups is meant.
        ("team", "Cyan", vec![dave]),
        ("team", "Magenta", vec![]),
    ] {
        scene.host.forget();
        scene.ask(ALICE, "PUT", &format!("{FLOOD}/invite/{kind}/{invitee}?creatorUid=A"), 200);
        assert_eq!(invited(&scene, &all), wanted, "{kind} {invitee}");
    }
    scene.host.forget();
    let body = json!([
        {"invitee": "B", "type": "clientUid", "role": {"type": "MISSION_SUBSCRIBER"}, "missionName": "x"},
        {"invitee": "erin", "type": "userName"}
    ]);
    let post = |who, body: &Value, status| {
        answered(&scene.call(who, "POST", &format!("{FLOOD}/invite?creatorUid=A")).json(body).send(), status)
    };
    assert_eq!(post(ALICE, &body, 200), Value::Null);
    assert_eq!(invited(&scene, &all), [scene.b, erin]);
    // All or none.
    scene.host.forget();
    for (body, status) in [
        (json!([{"invitee": "B", "type": "clientUid"}, {"invitee": "C", "type": "pigeon"}]), 400),
        (json!([{"invitee": "B", "type": "clientUid"}, {"invitee": " ", "type": "clientUid"}]), 400),
        (json!([{"invitee": "B"}]), 400),
        (json!({"invitee": "B", "type": "clientUid"}), 400),
        (json!([{"invitee": "B", "type": "clientUid"}, {"invitee": "C", "type": "clientUid", "role": "KING"}]), 400),
    ] {
        post(ALICE, &body, status);
    }
    post(BOB, &json!([{"invitee": "B", "type": "clientUid", "role": "MISSION_OWNER"}]), 403);
    assert!(invited(&scene, &all).is_empty());
    // The older form: client uids in the query or a form.
    scene.ask(ALICE, "POST", &format!("{FLOOD}/invite?creatorUid=A&contacts=B&contacts=D"), 200);
    assert_eq!(invited(&scene, &all), [scene.b, dave]);
    scene.host.forget();
    let form = scene.call(ALICE, "POST", &format!("{FLOOD}/invite?creatorUid=A"));
    let form = form.header("content-type", "application/x-www-form-urlencoded").body("contacts=C&contacts=%45");
    assert_eq!(form.send().status, 200);
    assert_eq!(invited(&scene, &all), [scene.c, erin]);
    scene.ask(ALICE, "POST", &format!("{FLOOD}/invite?creatorUid=A"), 400);
}

#[test]
fn ac_31_who_is_offline_finds_it_later() {
    let (scene, ..) = Scene::flood();
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/invite/clientUid/D?creatorUid=A"), 200);
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/invite/callsign/Delta?creatorUid=A"), 200);
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/invite/team/Cyan?creatorUid=A"), 200);
    assert!(invited(&scene, &[scene.a, scene.b, scene.c]).is_empty());
    let dave = Who("dave", "__ANON__", Role::User);
    assert!(list(&scene, dave, "D").is_empty(), "nobody is that device yet");
    let conn = scene.host.connect(Client::new("D", "Delta").user("dave").groups(["__ANON__"]).team("Cyan", "HQ"));
    assert!(scene.kinds(conn).is_empty());
    let kinds: Vec<_> = list(&scene, dave, "D").iter().map(|i| text(&i["type"])).collect();
    assert_eq!(kinds, ["clientUid", "callsign", "team"]);
    assert_eq!(names(&scene, dave, "D"), json!(["Flood North"]));
    // Who becomes a member with a uid does not get its invitations, nor are they used up by that.
    scene.host.disconnect(conn, "eof");
    scene.ask(BOB, "PUT", &format!("{FLOOD}/subscription?uid=D"), 201);
    assert_eq!(names(&scene, BOB, "D"), json!([]));
    scene.host.connect(Client::new("D", "Delta").user("dave").groups(["__ANON__"]).team("Cyan", "HQ"));
    assert_eq!(list(&scene, dave, "D").len(), 3);
}

#[test]
fn who_borrows_a_uid_gets_no_invitation_of_it() {
    let (scene, ..) = Scene::flood();
    let mallory = Who("mallory", "__ANON__", Role::User);
    let conn = scene.host.connect(Client::new("B", "Mike").user("mallory").groups(["__ANON__"]));
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/invite/clientUid/B?creatorUid=A"), 200);
    assert_eq!(invited(&scene, &[scene.a, scene.b, conn]), [scene.b]);
    assert!(list(&scene, mallory, "B").is_empty());
    assert_eq!(list(&scene, BOB, "B").len(), 1);
    scene.ask(mallory, "PUT", &format!("{FLOOD}/subscription?uid=B"), 201);
    assert_eq!(list(&scene, BOB, "B").len(), 1);
}

#[test]
fn an_anonymous_device_finds_its_invitations_and_those_of_users_stay_theirs() {
    let (scene, ..) = Scene::flood();
    scene.host.connect(Client::new("N", "nora").groups(["__ANON__"]));
    for uid in ["N", "B"] {
        scene.ask(ALICE, "PUT", &format!("{FLOOD}/invite/clientUid/{uid}?creatorUid=A"), 200);
    }
    assert_eq!(list(&scene, NOBODY, "N").len(), 1);
    assert!(list(&scene, NOBODY, "B").is_empty());
}

#[test]
fn who_may_invite_and_with_which_role() {
    let (scene, ..) = Scene::flood();
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/invite/clientUid/C"), 400);
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/invite/pigeon/C?creatorUid=A"), 400);
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/invite/clientUid/C?creatorUid=A&role=KING"), 400);
    assert_eq!(
        scene.ask(BOB, "PUT", &format!("{FLOOD}/invite/clientUid/C?creatorUid=B&role=MISSION_OWNER"), 403)["code"],
        10
    );
    let less = format!("{FLOOD}/invite/clientUid/C?creatorUid=A&role=MISSION_READONLY_SUBSCRIBER");
    scene.ask(ALICE, "PUT", &less, 403);
    scene.ask(CAROL, "PUT", &format!("{FLOOD}/invite/clientUid/C?creatorUid=C"), 404);
    scene.create("Inner?creatorUid=A&inviteOnly=true&password=river");
    scene.host.forget();
    scene.ask(BOB, "PUT", &format!("{INNER}/invite/clientUid/B?creatorUid=B"), 403);
    scene.ask(NOBODY, "PUT", &format!("{INNER}/invite/clientUid/B?creatorUid=A"), 403);
    assert!(invited(&scene, &[scene.a, scene.b, scene.c]).is_empty());
    // With a password, less than the default is allowed.
    scene.ask(ALICE, "PUT", &format!("{INNER}/invite/clientUid/B?creatorUid=A&role=MISSION_READ_ONLY"), 200);
    let token = text(&list(&scene, BOB, "B")[0]["token"]);
    let joined = answered(&with_token(&scene, BOB, "PUT", &format!("{INNER}/subscription?uid=B"), &token), 201);
    assert_eq!(joined["data"]["role"]["type"], "MISSION_READONLY_SUBSCRIBER");
}

#[test]
fn an_invitation_is_withdrawn_by_members_and_by_the_invitee() {
    let scene = Scene::new();
    scene.create("Inner?creatorUid=A&password=river");
    let invite = format!("{INNER}/invite/clientUid/B?creatorUid=A");
    scene.ask(ALICE, "PUT", &invite, 200);
    let token = text(&list(&scene, BOB, "B")[0]["token"]);
    scene.ask(NOBODY, "DELETE", &invite, 403);
    // The password alone is not enough.
    let access = text(&scene.ask(BOB, "GET", &format!("{INNER}/token?password=river"), 201)["data"]);
    assert_eq!(with_token(&scene, NOBODY, "DELETE", &invite, &access).status, 403);
    // A token of an invitation withdraws that one and no other.
    scene.ask(ALICE, "PUT", &format!("{INNER}/invite/userName/dave?creatorUid=A"), 200);
    let other = format!("{INNER}/invite/userName/dave?creatorUid=B");
    assert_eq!(with_token(&scene, NOBODY, "DELETE", &other, &token).status, 403);
    let own = format!("{INNER}/invite/CLIENTUID/b?creatorUid=B");
    assert_eq!(with_token(&scene, NOBODY, "DELETE", &own, &token).status, 200);
    assert!(list(&scene, BOB, "B").is_empty());
    assert_eq!(with_token(&scene, BOB, "PUT", &format!("{INNER}/subscription?uid=B"), &token).status, 403);
    // Also when there is none.
    assert_eq!(scene.ask(ALICE, "DELETE", &invite, 200), Value::Null);
    assert_eq!(scene.ask(ALICE, "DELETE", &other.replace("creatorUid=B", "creatorUid=A"), 200), Value::Null);
    assert_eq!(scene.rows("SELECT 1 FROM mission_invitation"), 0);
}

#[test]
fn the_invitations_of_a_mission_show_tokens_to_who_may_set_roles() {
    let (scene, guid, _) = Scene::flood();
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/invite/userName/dave?creatorUid=A"), 200);
    for path in [FLOOD.to_owned(), format!("/Marti/api/missions/guid/{guid}")] {
        let ask = |who| scene.ask(who, "GET", &format!("{path}/invitations"), 200)["data"][0].clone();
        assert_eq!(ask(BOB)["invitee"], "dave");
        assert!(ask(BOB).get("token").is_none() && ask(NOBODY).get("token").is_none());
        assert_eq!(text(&ask(ALICE)["token"]).split('.').count(), 3);
        scene.ask(CAROL, "GET", &format!("{path}/invitations"), 404);
    }
}

#[test]
fn who_is_provably_invited_withdraws_without_a_token_and_nobody_else() {
    let scene = Scene::new();
    scene.create("Inner?creatorUid=A&inviteOnly=true&password=river");
    let cyan = |uid: &str, callsign: &str, user: &str| {
        scene.host.connect(Client::new(uid, callsign).user(user).groups(["__ANON__"]).team("Cyan", "HQ"))
    };
    let (erin, dave) = (Who("erin", "__ANON__", Role::User), Who("dave", "__ANON__", Role::User));
    let conn = cyan("E", "Echo", "erin");
    let path = |kind: &str, invitee: &str| format!("{INNER}/invite/{kind}/{invitee}?creatorUid=");
    let left = || scene.rows("SELECT 1 FROM mission_invitation");
    let delete = |who, kind: &str, invitee: &str, status| {
        scene.ask(who, "DELETE", &format!("{}E", path(kind, invitee)), status);
    };
    for (kind, invitee) in [("clientUid", "E"), ("callsign", "Echo"), ("team", "Cyan"), ("userName", "erin")] {
        scene.ask(ALICE, "PUT", &format!("{}A", path(kind, invitee)), 200);
        // Saying that one is the device is no proof.
        [dave, NOBODY].into_iter().for_each(|who| delete(who, kind, invitee, 403));
        assert_eq!(left(), 1, "{kind}");
        delete(erin, kind, invitee, 200);
        assert_eq!(left(), 0, "{kind}");
    }
    scene.ask(ALICE, "PUT", &format!("{}A", path("group", "__ANON__")), 200);
    delete(dave, "group", "__ANON__", 200);
    // Neither is borrowing its uid, nor another's group.
    for (kind, invitee) in [("clientUid", "E"), ("group", "Red"), ("userName", "erin")] {
        scene.ask(ALICE, "PUT", &format!("{}A", path(kind, invitee)), 200);
    }
    cyan("E", "Delta", "dave");
    for (kind, invitee) in [("clientUid", "E"), ("group", "Red"), ("userName", "erin")] {
        delete(dave, kind, invitee, 403);
    }
    // A device that is gone proves nothing; a user is who it is.
    scene.host.disconnect(conn, "eof");
    delete(erin, "clientUid", "E", 403);
    delete(erin, "userName", "ERIN", 200);
    assert_eq!(left(), 2);
}
