//! The second version, alone and together with the first.
use super::*;
use crate::{
    document::Element,
    http::marti::bed::{Ask, Bed},
};

fn two(uid: &str) -> Value {
    json!({"uuid": uid, "active": true, "alias": "Camp", "feeds": [
        {"uuid": "f-1", "active": true, "alias": "North", "url": "rtsp://u:p@10.0.0.1:554/a?b=1", "roverPort": -1, "width": 640},
        {"alias": "South", "url": "srt://[::1]:9000"},
    ]})
}

fn ask(method: &str, uid: &str) -> Ask {
    Ask::new(method, "/").param("uid", uid)
}

fn created(connection: &Value) -> Ask {
    Ask::new("POST", "/").body(json!({"videoConnections": [connection]}).to_string())
}

fn v1(bed: &Bed, method: &str, body: &str) -> String {
    let endpoint = if method == "GET" { super::super::v1::list } else { super::super::v1::post };
    Ask::new(method, "/").body(body.to_owned()).of(bed, endpoint).unwrap().text()
}

#[test]
fn m08_2_a_connection_has_all_members_and_their_types() {
    let bed = Bed::new();
    let reply = created(&two("c-1")).of(&bed, create).unwrap();
    assert_eq!((reply.status, reply.header("content-type"), reply.bytes.len()), (200, "", 0));
    let all = Ask::get("/").of(&bed, list).unwrap();
    assert_eq!(all.header("content-type"), "application/json");
    let all = all.json();
    assert_eq!(all.as_object().unwrap().len(), 1, "no envelope");
    let wanted = json!({"uuid": "f-1", "active": true, "alias": "North", "url": "rtsp://10.0.0.1:554/a?b=1", "order": null,
        "macAddress": "", "roverPort": "-1", "ignoreEmbeddedKLV": "false", "source": null, "networkTimeout": "5000",
        "bufferTime": "-1", "rtspReliable": "0", "thumbnail": null, "classification": null, "latitude": null,
        "longitude": null, "fov": null, "heading": null, "range": null, "width": 640, "height": null, "bitrate": null});
    let connection = &all["videoConnections"][0];
    assert_eq!(connection["feeds"][0], wanted);
    assert!(connection["thumbnail"].is_null() && connection["classification"].is_null());
    assert_eq!(connection["feeds"][1]["uuid"].as_str().unwrap().len(), 36, "made by the server");
    assert_eq!(&ask("GET", "c-1").of(&bed, one).unwrap().json(), connection);
    let only = |protocol| Ask::get(protocol).of(&bed, list).unwrap().json()["videoConnections"].clone();
    assert_eq!(only("/?protocol=SRT")[0]["feeds"].as_array().unwrap().len(), 1);
    assert_eq!(only("/?protocol=http"), json!([]));
}

#[test]
fn m08_2_connections_are_changed_and_removed() {
    let bed = Bed::new();
    created(&two("c-1")).of(&bed, create).unwrap();
    let put = |uid, body: Value| ask("PUT", uid).body(body.to_string());
    assert_eq!(put("c-1", json!({"alias": "New", "feeds": []})).of(&bed, update).unwrap().status, 200);
    let now = ask("GET", "c-1").of(&bed, one).unwrap().json();
    assert_eq!((&now["alias"], &now["feeds"]), (&json!("New"), &json!([])));
    assert_eq!(put("c-9", json!({})).refused(&bed, update), 404);
    for body in ["", "[]", "{\"feeds\":1}", "{\"feeds\":[1]}", r#"{"feeds":[{"uuid":"a"},{"uuid":"a"}]}"#] {
        assert_eq!(ask("PUT", "c-1").body(body).refused(&bed, update), 400, "{body}");
    }
    for body in ["{}", r#"{"videoConnections":{}}"#, r#"{"videoConnections":[1]}"#] {
        assert_eq!(Ask::new("POST", "/").body(body).refused(&bed, create), 400, "{body}");
    }
    assert_eq!(ask("DELETE", "c-1").of(&bed, delete).unwrap().status, 200);
    assert_eq!([ask("GET", "c-1").refused(&bed, one), ask("DELETE", "c-1").refused(&bed, delete)], [404, 404]);
}

#[test]
fn m02_6_connections_are_seen_in_their_groups_and_changed_by_their_owner() {
    let bed = Bed::new();
    let by = |ask: Ask, user: &str, group: &str| ask.user(user, &[group]);
    by(created(&two("c-1")), "alpha", "Blue").of(&bed, create).unwrap();
    assert_eq!(by(ask("GET", "c-1"), "x", "Red").refused(&bed, one), 404);
    assert_eq!(by(ask("GET", "c-1"), "x", "Blue").of(&bed, one).unwrap().status, 200);
    for (group, status) in [("Red", 404), ("Blue", 403)] {
        assert_eq!(by(ask("PUT", "c-1").body("{}"), "x", group).refused(&bed, update), status);
        assert_eq!(by(ask("DELETE", "c-1"), "x", group).refused(&bed, delete), status);
        assert_eq!(by(created(&two("c-1")), "x", group).refused(&bed, create), status);
    }
    let grouped = |target: &str| {
        Ask::new("POST", target)
            .user("alpha", &["Blue", "Red"])
            .body(json!({"videoConnections": [two("c-2")]}).to_string())
    };
    assert_eq!(grouped("/?group=Green").refused(&bed, create), 403);
    grouped("/?group=Red&group=Blue").of(&bed, create).unwrap();
    grouped("/?group=Red").of(&bed, create).unwrap();
    assert_eq!(by(ask("GET", "c-2"), "x", "Blue").refused(&bed, one), 404);
    // Without a group it keeps the ones it has.
    grouped("/").of(&bed, create).unwrap();
    assert_eq!(by(ask("GET", "c-2"), "x", "Blue").refused(&bed, one), 404);
    assert_eq!(by(ask("DELETE", "c-2"), "x", "Red").admin().of(&bed, delete).unwrap().status, 200);
}

#[test]
fn m15_32_both_versions_show_the_same() {
    let bed = Bed::new();
    v1(
        &bed,
        "POST",
        "<feed><protocol>rtsp</protocol><alias>Gate</alias><uid>v-1</uid><address>10.0.0.9</address><port>554</port><path>/live</path><mine>1</mine></feed>",
    );
    let gate = ask("GET", "v-1").of(&bed, one).unwrap().json();
    assert_eq!(gate["feeds"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&gate["feeds"][0]["url"], &gate["feeds"][0]["roverPort"]),
        (&json!("rtsp://10.0.0.9:554/live"), &json!("-1"))
    );
    // Changed by the second, shown by the first; what only the first knows stays.
    let mut changed = gate.clone();
    changed["feeds"][0]["url"] = json!("http://h/x");
    ask("PUT", "v-1").body(changed.to_string()).of(&bed, update).unwrap();
    let feed = Element::parse(&v1(&bed, "GET", "")).unwrap().children.remove(0);
    assert_eq!(
        ["protocol", "address", "port", "path", "mine"].map(|n| feed.text_of(n)),
        ["http", "h", "-1", "/x", "1"]
    );
    // Two feeds of one connection are two of the first.
    created(&two("c-1")).of(&bed, create).unwrap();
    assert_eq!(Element::parse(&v1(&bed, "GET", "")).unwrap().children.len(), 3);
    v1(&bed, "POST", "<feed><protocol>udp</protocol><alias>West</alias><uid>f-1</uid></feed>");
    let camp = ask("GET", "c-1").of(&bed, one).unwrap().json();
    assert_eq!(
        (&camp["alias"], &camp["feeds"][0]["alias"], &camp["feeds"][0]["url"]),
        (&json!("Camp"), &json!("West"), &json!("udp://"))
    );
}
