//! Endpoints and contacts (marti-http.md 15 lines 6 to 9).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::{Client, Server, Web, marker, sa_team};
use serde_json::{Value, json};

fn rows(web: &Web, query: &str) -> Vec<Value> {
    let reply = web.get(&format!("/Marti/api/clientEndPoints{query}")).expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-cache"));
    reply.json()["data"].as_array().unwrap().clone()
}

fn well_formed(row: &Value) {
    for name in ["callsign", "uid", "lastEventTime", "lastStatus"] {
        assert!(!row[name].as_str().unwrap().is_empty(), "{name} in {row}");
    }
    for name in ["username", "team", "role"] {
        assert!(row[name].is_string(), "{name} in {row}");
    }
    let time = row["lastEventTime"].as_str().unwrap();
    let form = |(n, c): (usize, char)| match n {
        4 | 7 => c == '-',
        10 => c == 'T',
        13 | 16 => c == ':',
        19 => c == '.',
        23 => c == 'Z',
        _ => c.is_ascii_digit(),
    };
    assert!(time.len() == 24 && time.chars().enumerate().all(form), "{time}");
}

#[test]
fn m15_06_an_endpoint_comes_and_goes() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    assert!(rows(&web, "").is_empty());
    let mut client = Client::connect(&server);
    client.send(&sa_team("U1", "A", "Cyan", "HQ"));
    client.sync();
    let there = rows(&web, "");
    assert_eq!(there.len(), 1);
    well_formed(&there[0]);
    let row = &there[0];
    assert_eq!(
        (&row["uid"], &row["callsign"], &row["lastStatus"], &row["team"], &row["role"]),
        (&json!("U1"), &json!("A"), &json!("Connected"), &json!("Cyan"), &json!("HQ"))
    );
    assert_eq!(rows(&web, "?showCurrentlyConnectedClients=true").len(), 1);
    drop(client);
    server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "U1");
    server.eventually("it is told gone", || rows(&web, "")[0]["lastStatus"] == "Disconnected");
    assert!(rows(&web, "?showCurrentlyConnectedClients=true").is_empty());
    assert_eq!(rows(&web, "?secAgo=3600&showMostRecentOnly=true").len(), 1);
    web.get("/Marti/api/clientEndPoints?secAgo=-1").expect(400);
    web.get("/Marti/api/clientEndPoints?group=red").expect(403);
}

#[test]
fn m15_07_who_never_said_a_callsign_is_no_row() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let mut silent = Client::connect(&server);
    silent.send(&marker("M"));
    silent.sync();
    let _named = Client::join(&server, "U1", "A");
    let all = rows(&web, "");
    assert_eq!(all.len(), 1);
    all.iter().for_each(well_formed);
}

#[test]
fn m15_08_a_row_survives_a_restart_as_disconnected() {
    for kill in [false, true] {
        let mut server = Server::start();
        let client = Client::join(&server, "U1", "A");
        assert_eq!(rows(&Web::plain(&server, "marti_http"), "").len(), 1);
        if kill {
            server.kill();
        } else {
            assert!(server.stop().success());
        }
        let again = Server::build().again(&server).start();
        let back = rows(&Web::plain(&again, "marti_http"), "");
        assert_eq!((back.len(), &back[0]["lastStatus"]), (1, &json!("Disconnected")), "kill: {kill}");
        well_formed(&back[0]);
        drop(client);
    }
}

#[test]
fn a_new_callsign_is_a_new_row_and_one_row_per_callsign_can_be_asked_for() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let mut client = Client::join(&server, "U1", "A");
    client.send(&sa_team("U1", "B", "Red", "HQ"));
    client.sync();
    let all = rows(&web, "");
    let status: Vec<_> =
        all.iter().map(|r| (r["callsign"].as_str().unwrap(), r["lastStatus"].as_str().unwrap())).collect();
    assert_eq!(status, [("A", "Disconnected"), ("B", "Connected")]);
    let _other = Client::join(&server, "U2", "A");
    let latest = rows(&web, "?showMostRecentOnly=true");
    let status: Vec<_> = latest.iter().map(|r| (r["callsign"].as_str().unwrap(), r["uid"].as_str().unwrap())).collect();
    assert_eq!(status, [("A", "U2"), ("B", "U1")]);
}

#[test]
fn m15_09_contacts_are_a_bare_array_of_seven_members() {
    let server = Server::build().listener("blue", "cot_tcp", "default_groups = [\"blue\"]").start();
    let web = Web::plain(&server, "marti_http");
    let mut alice = Client::connect(&server);
    let takv = r#"<takv platform="ATAK-CIV" version="5.3.0.12" device="x" os="30"/>"#;
    alice.send(&sa_team("U2", "ALPHA", "Cyan", "HQ").replace("</detail>", &format!("{takv}</detail>")));
    alice.sync();
    let _bob = Client::join(&server, "U1", "BRAVO");
    let _hidden = Client::join_to(&server, "blue", "U3", "CAROL");
    let all = web.get("/Marti/api/contacts/all").expect(200);
    let list = all.json();
    let row = list[0].as_object().unwrap();
    assert_eq!(row.len(), 7);
    assert!(row["filterGroups"].is_null());
    for name in ["notes", "callsign", "team", "role", "takv", "uid"] {
        assert!(row[name].is_string(), "{name}");
    }
    assert_eq!(row["takv"], "ATAK-CIV: 5.3.0.12");
    let names = |query: &str| {
        let list = web.get(&format!("/Marti/api/contacts/all{query}")).expect(200).json();
        list.as_array().unwrap().iter().map(|r| r["callsign"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["ALPHA", "BRAVO"], "not those of another group");
    assert_eq!(names("?sortBy=UID"), ["BRAVO", "ALPHA"]);
    assert_eq!(names("?sortBy=CALLSIGN&direction=DESCENDING"), ["BRAVO", "ALPHA"]);
    assert_eq!(names("/lite").len() + names("/full?noFederates=true").len(), 4);
}
