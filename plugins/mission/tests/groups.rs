//! Groups of missions in what clients send again (mission.md 2.6, 3.2.1): who may change them, and that groups which the
//! caller does not see stay whatever it sends.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use fts_plugin_api::sdk::{Identity, Role};
use scene::*;
use serde_json::{Value, json};

const COAST: &str = "/Marti/api/missions/Coast";

/// A request with a JSON body of somebody who is in these groups.
fn send(scene: &Scene, user: &str, groups: &[&str], method: &str, path: &str, body: &Value, status: u16) -> Value {
    let groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
    let identity = Identity {
        user: user.into(),
        role: Role::User,
        groups_in: groups.clone(),
        groups_out: groups,
        ..Identity::default()
    };
    answered(&scene.host.http(method, path).identity(identity).json(body).send(), status)["data"][0].clone()
}

/// A mission of Blue, Red and Sea; erin (in Blue and Red) owns it.
fn coast() -> Scene {
    let scene = Scene::new();
    scene.ask(ADMIN, "PUT", &format!("{COAST}?creatorUid=x&group=Blue,Red,Sea"), 201);
    let owner = "clientUid=E&username=erin&role=MISSION_OWNER&creatorUid=x";
    scene.subscribe(Who("erin", "Red", Role::User), COAST, "E");
    scene.ask(ADMIN, "PUT", &format!("{COAST}/role?{owner}"), 200);
    scene.host.forget();
    scene
}

fn of(scene: &Scene) -> Value {
    scene.ask(ADMIN, "GET", COAST, 200)["data"][0]["groups"].clone()
}

#[test]
fn an_empty_list_of_groups_names_none() {
    let scene = Scene::new();
    for (path, wanted) in [("One?group=Red", "Red"), ("Two", "__ANON__")] {
        for body in [json!({"groups": []}), json!({"groups": null}), json!({"groups": [" "]})] {
            let path = format!("/Marti/api/missions/{path}{}creatorUid=A", if path.contains('?') { '&' } else { '?' });
            let again = format!("{path}&allowDupe=true");
            let made = send(&scene, "alice", &["__ANON__", "Red"], "POST", &again, &body, 201);
            assert_eq!(made["groups"], json!([wanted]), "{path} {body}");
            // Sent again, it changes nothing.
            let same = send(&scene, "alice", &["__ANON__", "Red"], "PUT", &path, &body, 200);
            assert_eq!(same["groups"], json!([wanted]), "{path} {body}");
        }
    }
    // Of a mission in another group than the default one, nothing is asked for either.
    let three = "/Marti/api/missions/Three?creatorUid=A";
    send(&scene, "alice", &["__ANON__", "Red"], "PUT", three, &json!({"groups": ["Red"]}), 201);
    let kept = send(&scene, "alice", &["__ANON__", "Red"], "PUT", three, &json!({"groups": []}), 200);
    assert_eq!(kept["groups"], json!(["Red"]));
}

#[test]
fn a_put_must_say_so_and_a_post_needs_the_permission_only() {
    let (scene, _, _) = Scene::flood();
    let both = &["__ANON__", "Red"];
    let to = |groups: &[&str]| json!({"groups": groups});
    let path = format!("{FLOOD}?creatorUid=A");
    send(&scene, "alice", both, "PUT", &path, &to(&["Red"]), 403);
    send(&scene, "alice", both, "PUT", &format!("{path}&allowGroupChange=true"), &to(both), 200);
    assert_eq!(send(&scene, "alice", both, "POST", &path, &to(&["Red"]), 200)["groups"], json!(["Red"]));
    // Without the permission neither.
    send(&scene, "bob", both, "POST", &format!("{FLOOD}?creatorUid=B"), &to(both), 403);
    send(&scene, "bob", both, "PUT", &format!("{FLOOD}?creatorUid=B&allowGroupChange=true"), &to(both), 403);
    // To groups that are not its own nobody moves it.
    send(&scene, "alice", both, "POST", &path, &to(&["Sea"]), 403);
}

#[test]
fn what_a_caller_sees_of_them_may_be_sent_again() {
    let scene = coast();
    let member = ["Blue", "Red"];
    for (user, uid) in [("erin", "E"), ("frank", "F")] {
        let path = format!("{COAST}?creatorUid={uid}");
        for query in ["", "&allowGroupChange=true"] {
            for groups in [["Blue", "Red"], ["Red", "Blue"]] {
                for method in ["PUT", "POST"] {
                    let sent = json!({"groups": groups});
                    let seen = send(&scene, user, &member, method, &format!("{path}{query}"), &sent, 200);
                    assert_eq!(seen["groups"], json!(["Blue", "Red"]), "{user} {method}");
                }
            }
        }
    }
    assert_eq!(of(&scene), json!(["Blue", "Red", "Sea"]));
    assert!(scene.kinds(scene.c).is_empty(), "nothing changed");
}

#[test]
fn groups_that_the_caller_does_not_see_stay() {
    let scene = coast();
    let path = format!("{COAST}?creatorUid=E&allowGroupChange=true");
    let sent = send(&scene, "erin", &["Blue", "Red"], "PUT", &path, &json!({"groups": ["Red"]}), 200);
    assert_eq!((&sent["groups"], of(&scene)), (&json!(["Red"]), json!(["Red", "Sea"])));
    assert_eq!(scene.kinds(scene.c), ["t-x-m-c-m"]);
    let post = format!("{COAST}?creatorUid=E");
    send(&scene, "erin", &["Blue", "Red"], "POST", &post, &json!({"groups": ["Blue"]}), 200);
    assert_eq!(of(&scene), json!(["Blue", "Sea"]));
    // An administrator sees them all: what it sends is all of them.
    scene.ask(ADMIN, "PUT", &format!("{COAST}?group=Red&allowGroupChange=true"), 200);
    assert_eq!(of(&scene), json!(["Red"]));
}
