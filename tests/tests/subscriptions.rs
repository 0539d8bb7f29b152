//! Subscriptions over HTTP (marti-http.md 5.6).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::{Client, Pki, Server, Web, event, fence, join_all, sa_team};
use serde_json::{Value, json};

use crate::accounts_bed;

fn rows(web: &Web, query: &str) -> Vec<Value> {
    let reply = web.get(&format!("/Marti/api/subscriptions/all{query}")).expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let all = reply.json();
    assert_eq!(all["type"], "SubscriptionInfo");
    all["data"].as_array().unwrap().clone()
}

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|r| r["callsign"].as_str().unwrap()).collect()
}

#[test]
fn m05_6_connections_are_listed_as_they_come_and_go() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    assert!(rows(&web, "").is_empty());
    let [mut a, b] = join_all(&server, [("U1", "Bravo"), ("U2", "Alpha")]);
    a.send(&event("s", "t-x-c-m", r#"<stats battery="87" ip_address="10.0.0.5"/>"#));
    a.sync();
    let all = rows(&web, "?sortBy=CALLSIGN&direction=ASCENDING&page=-1&limit=-1");
    assert_eq!(names(&all), ["Alpha", "Bravo"]);
    let row = &all[1];
    assert_eq!(
        (&row["battery"], &row["deviceIPAddress"], &row["protocol"]),
        (&json!("87"), &json!("10.0.0.5"), &json!("tcp"))
    );
    assert_eq!((&row["username"], &row["ipAddress"]), (&json!("anonymous"), &json!("127.0.0.1")));
    assert_eq!(row["port"], a.port().to_string());
    assert!(row["numProcessed"].as_i64().unwrap() >= 1 && row["lastReportMilliseconds"].as_i64().unwrap() > 0);
    assert_eq!(names(&rows(&web, "?sortBy=UID&direction=DESCENDING")), ["Alpha", "Bravo"]);
    assert_eq!(web.get("/Marti/api/subscription/U1").expect(200).json()["data"]["callsign"], "Bravo");
    drop(b);
    server.eventually("the other one is gone", || rows(&web, "").len() == 1);
    web.get("/Marti/api/subscription/U2").expect(404);
    // Subscriptions the server would open itself are not offered.
    web.post("/Marti/api/subscriptions/add", "application/json", b"{}").expect(404);
}

#[test]
fn m05_6_who_is_in_another_group_is_not_there() {
    let server = Server::build().secure().start();
    ["Blue", "Red"].iter().for_each(|name| accounts_bed::group(&server, name));
    for (name, role, group) in [("alpha", "user", "Blue"), ("bravo", "user", "Red"), ("root", "admin", "Blue")] {
        accounts_bed::user(&server, name, role, &[group]);
    }
    let ca = server.data_dir().join("certs/ca.pem");
    let pki = |name: &str| Pki::issue(&server, name);
    let config = pki("alpha").client(&ca, rustls::ALL_VERSIONS);
    let mut alpha = Client::tls(&server, "cot_tls", config).unwrap().greeted().identify("U1", "A");
    alpha.sync();
    let web = |name| Web::tls(&server, "marti_https", Some(&pki(name)));
    assert_eq!((rows(&web("alpha"), "").len(), rows(&web("bravo"), "").len(), rows(&web("root"), "").len()), (1, 0, 1));
    assert!(rows(&Web::plain(&server, "marti_http"), "").is_empty());
    web("bravo").get("/Marti/api/subscription/U1").expect(404);
    web("bravo").post("/Marti/api/subscriptions/incognito/U1", "", b"").expect(404);
    web("alpha").post("/Marti/api/subscriptions/incognito/U1", "", b"").expect(200);
    assert_eq!(rows(&web("alpha"), "")[0]["incognito"], true);
    let row = &rows(&web("root"), "")[0];
    assert!(row["dn"].as_str().unwrap().contains("CN=alpha"), "{row}");
    assert_eq!(row["groups"].as_array().unwrap().iter().filter(|g| g["name"] == "Blue").count(), 2);
    Web::plain(&server, "marti_http").post("/Marti/api/subscriptions/incognito/U1", "", b"").expect(401);
}

#[test]
fn m05_6_a_filter_set_over_http_holds_back_what_lies_outside() {
    let server = Server::build().secure().start();
    accounts_bed::user(&server, "root", "admin", &[]);
    let web = Web::tls(&server, "marti_https", Some(&Pki::issue(&server, "root")));
    let [mut a, mut b] = join_all(&server, [("U1", "A"), ("U2", "B")]);
    let path = "/Marti/api/subscriptions/U2/filter";
    let far = r#"<filter><geospatialFilter><boundingBox minLongitude="10" minLatitude="10" maxLongitude="11" maxLatitude="11"/></geospatialFilter></filter>"#;
    web.put(path, "application/xml", far.as_bytes()).expect(200);
    web.put(path, "application/xml", b"<filter/>").expect(400);
    // All these lie at 45.5, -75.25; positions of clients pass.
    a.send(&event("M1", "b-m-p-s-m", ""));
    a.send(&sa_team("U1", "A", "Cyan", "HQ"));
    assert_eq!(b.next().uid(), "U1", "the marker was held back");
    web.delete(path).expect(200);
    a.send(&event("M2", "b-m-p-s-m", ""));
    assert_eq!(b.next().uid(), "M2");
    fence(&mut a, &mut [&mut b]);
}
