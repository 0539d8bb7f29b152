//! marti-http.md 5.3 and 5.4 without the wire.
use super::*;
use crate::http::marti::bed::{Ask, Bed};

fn bed() -> Bed {
    let bed = Bed::new();
    bed.native.history.begin(None).unwrap();
    bed
}

#[test]
fn m15_06_a_line_per_endpoint_with_the_form_clients_demand() {
    let bed = bed();
    let client = bed.join("alpha", "U1", "A", &["red"]);
    bed.native.history.identified(&client);
    let of = |target: &str| Ask::get(target).user("alpha", &["red"]).of(&bed, endpoints).unwrap();
    let reply = of("/x");
    assert_eq!(reply.headers["cache-control"], "no-cache");
    let json: Value = serde_json::from_slice(&reply.bytes).unwrap();
    assert_eq!((&json["type"], &json["version"]), (&json!("com.bbn.marti.remote.ClientEndpoint"), &json!("3")));
    let row = &json["data"][0];
    assert_eq!(
        (&row["callsign"], &row["uid"], &row["username"], &row["team"], &row["role"], &row["lastStatus"]),
        (&json!("A"), &json!("U1"), &json!("alpha"), &json!("Cyan"), &json!("Team Member"), &json!("Connected"))
    );
    let time = row["lastEventTime"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[19] == b'.', "{time}");
    bed.native.history.gone(&client, crate::directory::Leave::Eof, &[], clock::now_ms());
    let lines =
        |target: &str| serde_json::from_slice::<Value>(&of(target).bytes).unwrap()["data"].as_array().unwrap().clone();
    assert_eq!(lines("/x")[0]["lastStatus"], "Disconnected");
    assert!(lines("/x?showCurrentlyConnectedClients=true").is_empty());
    assert_eq!((lines("/x?secAgo=60").len(), lines("/x?group=red").len()), (1, 1));
    let refused = |target: &str| Ask::get(target).user("alpha", &["red"]).refused(&bed, endpoints);
    assert_eq!(
        (
            refused("/x?secAgo=-1"),
            refused("/x?secAgo=x"),
            refused("/x?group=blue"),
            refused("/x?showMostRecentOnly=maybe")
        ),
        (400, 400, 403, 400)
    );
    let stranger = Ask::get("/x").user("bob", &["blue"]).of(&bed, endpoints).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&stranger.bytes).unwrap()["data"], json!([]));
    bed.native.history.stop();
}

#[test]
fn m15_07_nobody_without_a_callsign_is_a_line() {
    let bed = bed();
    let client = bed.join("", "U1", "", &["__ANON__"]);
    bed.native.history.identified(&client);
    let reply = Ask::get("/x").of(&bed, endpoints).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&reply.bytes).unwrap()["data"], json!([]));
    bed.native.history.stop();
}

#[test]
fn m15_09_contacts_are_a_bare_list_of_texts() {
    let bed = bed();
    bed.join("alpha", "U2", "ALPHA", &["red"]);
    bed.join("bravo", "U1", "BRAVO", &["red"]);
    bed.join("carol", "U3", "CAROL", &["blue"]);
    let of = |target: &str, endpoint| {
        let reply = Ask::get(target).user("alpha", &["red"]).of(&bed, endpoint).unwrap();
        serde_json::from_slice::<Value>(&reply.bytes).unwrap()
    };
    let all = of("/x", short);
    let row = all[0].as_object().unwrap();
    assert_eq!(
        row.keys().map(String::as_str).collect::<Vec<_>>(),
        ["callsign", "filterGroups", "notes", "role", "takv", "team", "uid"]
    );
    assert!(
        row["filterGroups"].is_null() && row.iter().filter(|(k, _)| *k != "filterGroups").all(|(_, v)| v.is_string())
    );
    assert_eq!((&row["notes"], &row["callsign"]), (&json!("alpha"), &json!("ALPHA")));
    let names = |list: &Value| {
        list.as_array().unwrap().iter().map(|r| r["callsign"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&all), ["ALPHA", "BRAVO"], "not those of other groups");
    assert_eq!(names(&of("/x?sortBy=UID", short)), ["BRAVO", "ALPHA"]);
    assert_eq!(names(&of("/x?direction=DESCENDING", short)), ["BRAVO", "ALPHA"]);
    assert_eq!(of("/x", lite)[0]["user"]["name"], "alpha");
    assert_eq!(of("/x", full)[0]["clientUid"], "U2");
    assert_eq!(Ask::get("/x?sortBy=AGE").user("alpha", &["red"]).refused(&bed, short), 400);
}
