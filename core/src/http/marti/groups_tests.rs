use super::*;
use crate::{
    http::marti::bed::{Ask, Bed},
    identity::{
        accounts::{NewUser, Secret},
        audit::Actor,
    },
};

fn bed() -> Bed {
    let bed = Bed::new();
    for (name, role) in [("alice", Role::User), ("root", Role::Admin)] {
        let new = NewUser { name: name.into(), role, password: None::<Secret>, ..NewUser::default() };
        bed.native.accounts.add_user(new, &Actor::local()).unwrap();
    }
    bed
}

fn group(bed: &Bed, name: &str, user: &str, directions: &[Direction]) {
    if bed.native.accounts.group(name).is_none() {
        bed.native.accounts.add_group(name, "text", &Actor::local()).unwrap();
    }
    bed.native.accounts.grant(user, name, directions, &Actor::local()).unwrap();
}

/// A user of the accounts, as the listener knows it.
fn by(bed: &Bed, ask: Ask, user: &str) -> Ask {
    let id = bed.native.accounts.user(user).unwrap().map(|u| (u.id, u.role));
    ask.user(user, &[]).identity(|i| {
        i.user_id = id.map(|(id, _)| id);
        i.role = id.map_or(Role::User, |(_, role)| role);
    })
}

fn rows(answer: &Value) -> Vec<String> {
    let row = |g: &Value| {
        format!("{} {} {} {}", g["name"].as_str().unwrap(), g["direction"].as_str().unwrap(), g["bitpos"], g["active"])
    };
    answer["data"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn id12_21_groups_of_a_plain_user_on_a_fresh_server_are_the_constant_of_fts() {
    let bed = bed();
    for ask in [by(&bed, Ask::get("/Marti/api/groups/all"), "alice"), Ask::get("/Marti/api/groups/all")] {
        let mut answer = ask.json(&bed, all);
        let created = answer["data"][0]["created"].as_str().unwrap().to_owned();
        assert!(created.len() == 10 && created.as_bytes()[4] == b'-', "{created}");
        answer["data"][0]["created"] = "2023-02-22".into();
        let constant = json!({
            "version": "3", "type": "com.bbn.marti.remote.groups.Group",
            "data": [{"name": "__ANON__", "direction": "OUT", "created": "2023-02-22", "type": "SYSTEM", "bitpos": 2, "active": true, "description": ""}],
            "nodeId": "node1",
        });
        assert_eq!(answer, constant);
    }
    let cached = by(&bed, Ask::get("/Marti/api/groups/all?useCache=true"), "alice").json(&bed, all);
    assert_eq!(rows(&cached), ["__ANON__ IN 2 true", "__ANON__ OUT 2 true"]);
    let enabled = Ask::get("/Marti/api/groups/groupCacheEnabled").json(&bed, enabled);
    assert_eq!((&enabled["type"], &enabled["data"]), (&"java.lang.Boolean".into(), &false.into()));
}

#[test]
fn m15_10_every_row_is_one_atak_can_read() {
    let bed = bed();
    group(&bed, "Blue", "alice", &Direction::BOTH);
    group(&bed, "Red", "alice", &[Direction::Out]);
    let answer = by(&bed, Ask::get("/Marti/api/groups/all?usecache=TRUE"), "alice").json(&bed, all);
    assert_eq!(answer["type"], "com.bbn.marti.remote.groups.Group");
    assert_eq!(rows(&answer), ["Blue IN 3 true", "Blue OUT 3 true", "Red OUT 4 true"]);
    for row in answer["data"].as_array().unwrap() {
        assert!(row["bitpos"].as_i64().unwrap() >= 0 && row["type"] == "SYSTEM" && row["description"] == "text");
        let created = row["created"].as_str().unwrap();
        assert!(created.len() == 10 && created.split('-').map(str::len).eq([4, 2, 2]), "{created}");
    }
    let plain = by(&bed, Ask::get("/Marti/api/groups/all"), "alice").json(&bed, all);
    assert_eq!(rows(&plain), ["Blue OUT 3 true", "Red OUT 4 true"]);
    let admin = by(&bed, Ask::get("/Marti/api/groups/all"), "root").json(&bed, all);
    assert_eq!(rows(&admin), ["__ANON__ OUT 2 true", "Blue OUT 3 true", "Red OUT 4 true"]);
    assert_eq!(Ask::get("/x").json(&bed, enabled)["data"], true, "there is a group besides __ANON__");
    assert_eq!(Ask::get("/x").json(&bed, prefix)["data"], "");
}

#[test]
fn one_group_is_shown_to_who_is_in_it() {
    let bed = bed();
    group(&bed, "Blue", "alice", &[Direction::Out]);
    let ask = |name: &str, direction: &str, user: &str| {
        by(&bed, Ask::get("/x").param("name", name).param("direction", direction), user).status(&bed, one)
    };
    assert_eq!((ask("Blue", "OUT", "alice"), ask("Blue", "IN", "alice")), (200, 404));
    assert_eq!(
        (ask("Blue", "OUT", "stranger"), ask("Green", "OUT", "root"), ask("Blue", "x", "alice")),
        (404, 404, 404)
    );
}

#[test]
fn a_choice_takes_created_as_number_or_text_and_ignores_what_is_not_ours() {
    let bed = bed();
    group(&bed, "Blue", "alice", &Direction::BOTH);
    let put = |body: &str| {
        by(&bed, Ask::new("PUT", "/Marti/api/groups/active?clientUid=U1").body(body.to_owned()), "alice")
            .status(&bed, active)
    };
    let now = || rows(&by(&bed, Ask::get("/x?useCache=true"), "alice").json(&bed, all));
    let body = r#"[{"name":"Blue","direction":"OUT","created":1738281600000,"type":"SYSTEM","bitpos":3,"active":false},
        {"name":"Red","direction":"OUT","created":"2025-01-31","type":"SYSTEM","bitpos":9,"active":true}]"#;
    assert_eq!((put(body), now()), (200, vec!["Blue IN 3 true".to_owned(), "Blue OUT 3 false".to_owned()]));
    assert_eq!(
        (put(r#"[{"name":"Blue","direction":"OUT","created":"2025-01-31"}]"#), now()[1].as_str()),
        (200, "Blue OUT 3 true")
    );
    for wrong in ["", "null", "{}", r#"[{"name":"Blue"}]"#, r#"[{"name":"Blue","direction":"UP"}]"#, "[1]"] {
        assert_eq!(put(wrong), 400, "{wrong}");
    }
    let bits = |body: &str| by(&bed, Ask::new("PUT", "/x").body(body.to_owned()), "alice").status(&bed, activebits);
    assert_eq!((bits("[]"), now().join(",").as_str()), (200, "Blue IN 3 false,Blue OUT 3 false"));
    assert_eq!((bits("[3, 77, -1]"), now().join(",").as_str()), (200, "Blue IN 3 true,Blue OUT 3 true"));
    assert_eq!(bits("[\"a\"]"), 400);
}

#[test]
fn the_last_channel_stays_on_where_that_is_wanted() {
    let bed = Bed::with(&["groups.require_active=true", "groups.channels=\"true\""]);
    let put = |active: bool| {
        let body = format!(
            r#"[{{"name":"__ANON__","direction":"OUT","active":{active}}},{{"name":"__ANON__","direction":"IN","active":{active}}}]"#
        );
        Ask::new("PUT", "/x").body(body).user("phone", &[]).status(&bed, super::active)
    };
    assert_eq!((put(false), put(true)), (400, 200));
}

#[test]
fn administrators_choose_and_look_for_others() {
    let bed = bed();
    group(&bed, "Blue", "alice", &Direction::BOTH);
    let body = r#"[{"name":"Blue","direction":"IN","active":false}]"#;
    let force = |query: &str| by(&bed, Ask::new("PUT", query).body(body), "root").status(&bed, active_force);
    assert_eq!((force("/x?username=ALICE"), force("/x?username=nobody"), force("/x")), (200, 404, 400));
    let groups = by(&bed, Ask::get("/x?username=alice"), "root").json(&bed, of_user);
    assert_eq!(rows(&groups), ["Blue IN 3 false", "Blue OUT 3 true"]);
    let again = Ask::new("POST", "/x").body(r#"["alice","nobody"]"#).json(&bed, update);
    assert_eq!((&again["type"], &again["data"]), (&"java.lang.Boolean".into(), &true.into()));
    assert_eq!(Ask::new("POST", "/x").body("alice").status(&bed, update), 400);
    bed.join("phone", "U1", "A", &["__ANON__"]);
    bed.join("phone", "U2", "B", &["__ANON__"]);
    bed.join("", "U3", "C", &["__ANON__"]);
    assert_eq!(Ask::get("/x").json(&bed, users)["data"], json!([{"name": "phone", "connections": 2}]));
    let of = by(&bed, Ask::get("/x?username=phone"), "root").json(&bed, of_user);
    assert_eq!(rows(&of), ["__ANON__ IN 2 true", "__ANON__ OUT 2 true"], "a user that is only a certificate");
}
