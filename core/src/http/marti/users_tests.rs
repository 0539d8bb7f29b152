use super::*;
use crate::http::marti::bed::{Ask, Bed};

fn ask(method: &str, body: Value) -> Ask {
    Ask::new(method, "/x").body(body.to_string()).user("root", &[]).admin()
}

#[test]
fn users_are_made_listed_changed_and_removed() {
    let bed = Bed::new();
    let new = |body| ask("POST", body).status(&bed, new_user);
    let alice = json!({"username": "alice", "password": "correct horse", "groupList": ["Blue"], "groupListIN": ["Red"], "groupListOUT": ["Green"]});
    assert_eq!((new(alice.clone()), new(alice)), (200, 409));
    assert_eq!(new(json!({"username": "bob", "password": "short"})), 400);
    assert_eq!(new(json!({"password": "correct horse"})), 400);
    assert_eq!(Ask::get("/x").json(&bed, list), json!([{"username": "alice"}]));
    let groups = || Ask::get("/x").param("user", "ALICE").json(&bed, groups_of);
    assert_eq!(
        groups(),
        json!({"username": "alice", "groupList": ["Blue"], "groupListIN": ["Red"], "groupListOUT": ["Green"]})
    );
    let other = json!({"username": "alice", "groupList": [], "groupListOUT": ["Blue"]});
    assert_eq!(ask("PUT", other).status(&bed, update_groups), 200);
    assert_eq!(groups()["groupListOUT"], json!(["Blue"]));
    assert_eq!(ask("PUT", json!({"username": "nobody"})).status(&bed, update_groups), 404);
    let change = |user: &str, to: &str| ask("PUT", json!({"username": user, "password": to})).status(&bed, password);
    assert_eq!(
        (change("alice", "battery staple"), change("alice", "x"), change("nobody", "battery staple")),
        (200, 400, 404)
    );
    let from = [10, 0, 0, 1].into();
    assert!(bed.native.accounts.by_password("alice", "battery staple", from, false).is_ok());
    assert!(bed.native.accounts.by_password("alice", "correct horse", from, false).is_err());
    assert_eq!(Ask::get("/x").param("user", "nobody").status(&bed, groups_of), 404);
}

#[test]
fn many_users_are_made_at_once_with_passwords_told_once() {
    let bed = Bed::new();
    let many = |expression: &str, from: i64, to: i64| {
        ask("POST", json!({"usernameExpression": expression, "startN": from, "endN": to, "groupList": ["Blue"]}))
    };
    let made = many("team-[N]", 1, 3).json(&bed, new_users);
    let first = (made[0]["username"].as_str().unwrap(), made[0]["password"].as_str().unwrap());
    assert_eq!((first.0, made.as_array().unwrap().len()), ("team-1", 3));
    assert!(bed.native.accounts.by_password(first.0, first.1, [10, 0, 0, 1].into(), false).is_ok());
    assert_eq!(many("team-[N]", 3, 4).status(&bed, new_users), 409);
    assert!(bed.native.accounts.user("team-4").unwrap().is_none(), "all or nothing");
    for (expression, from, to) in [("team", 1, 2), ("t-[N]", 2, 1), ("t-[N]", 1, 101), ("t-[N]", i64::MIN, i64::MAX)] {
        assert_eq!(many(expression, from, to).status(&bed, new_users), 400, "{expression} {from} {to}");
    }
}

#[test]
fn groups_have_users_and_other_users() {
    let bed = Bed::new();
    for name in ["alice", "bob"] {
        let body = json!({"username": name, "password": "correct horse", "groupList": ["Blue"]});
        assert_eq!(ask("POST", body).status(&bed, new_user), 200);
    }
    assert_eq!(Ask::get("/x").json(&bed, group_names), json!([{"groupname": "__ANON__"}, {"groupname": "Blue"}]));
    let members = || Ask::get("/x").param("group", "Blue").json(&bed, users_in);
    assert_eq!(members()["usersInGroupList"], json!(["alice", "bob"]));
    let change = |body| ask("PUT", body).status(&bed, update_users);
    assert_eq!(
        change(json!({"groupname": "Blue", "usersInGroupList": ["ALICE"], "usersInGroupListOUT": ["bob"]})),
        200
    );
    assert_eq!(
        members(),
        json!({"groupname": "Blue", "usersInGroupList": ["alice"], "usersInGroupListIN": [], "usersInGroupListOUT": ["bob"]})
    );
    assert_eq!(change(json!({"groupname": "Blue", "usersInGroupList": ["nobody"]})), 404);
    assert_eq!(change(json!({"groupname": "Red"})), 404);
    assert_eq!(members()["usersInGroupList"], json!(["alice"]), "nothing was changed");
}
