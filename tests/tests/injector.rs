//! Injectors and located markers: what the server puts into the stream by request (marti-http.md 10).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::{Client, Pki, Server, Web, event, fence, join_all};
use serde_json::json;

use crate::accounts_bed;

#[test]
fn m10_an_injector_changes_every_event_of_its_uid_and_no_other() {
    let mut server = Server::build().secure().start();
    accounts_bed::user(&server, "root", "admin", &[]);
    accounts_bed::user(&server, "alpha", "user", &[]);
    let (root, alpha) = (Pki::issue(&server, "root"), Pki::issue(&server, "alpha"));
    let path = "/Marti/api/injectors/cot/uid";
    let one = json!({"uid": "M1", "toInject": "tag a=\"1\""});
    {
        let web = Web::tls(&server, "marti_https", Some(&alpha));
        web.post(path, "application/json", one.to_string().as_bytes()).expect(403);
        web.get(path).expect(403);
    }
    Web::plain(&server, "marti_http").get(path).expect(401);
    let web = Web::tls(&server, "marti_https", Some(&root));
    let bad = json!({"uid": "M1", "toInject": "a><b"}).to_string();
    web.post(path, "application/json", bad.as_bytes()).expect(400);
    let [mut a, mut b] = join_all(&server, [("A", "Alpha"), ("B", "Bravo")]);
    a.send(&event("M1", "b-m-p-s-m", "<contact callsign=\"m\"/>"));
    assert!(b.expect("M1").detail("tag").is_none());
    let reply = web.post(path, "application/json", one.to_string().as_bytes()).expect(200).json();
    assert_eq!((&reply["type"], &reply["data"]), (&json!("InjectorConfig"), &json!([one])));
    for detail in ["<contact callsign=\"m\"/>", "<tag a=\"1\"/>", ""] {
        a.send(&event("M1", "b-m-p-s-m", detail));
        let got = b.expect("M1");
        assert_eq!(got.detail("tag").unwrap().attr("a"), "1");
        assert_eq!(got.text().matches("<tag").count(), 1, "{}", got.text());
    }
    a.send(&event("M2", "b-m-p-s-m", ""));
    assert!(b.expect("M2").detail("tag").is_none());
    drop((a, b));
    server.stop();
    // It is there after a restart, and gone when it is removed.
    let server = Server::build().secure().set("storage.restore_positions", "false").again(&server).start();
    let web = Web::tls(&server, "marti_https", Some(&root));
    assert_eq!(web.get(&format!("{path}/M1")).expect(200).json()["data"], json!([one]));
    let [mut a, mut b] = join_all(&server, [("A", "Alpha"), ("B", "Bravo")]);
    a.send(&event("M1", "b-m-p-s-m", ""));
    assert!(b.expect("M1").detail("tag").is_some());
    web.delete(&format!("{path}?uid=M1&toInject=tag%20a%3D%221%22")).expect(200);
    a.send(&event("M1", "b-m-p-s-m", ""));
    assert!(b.expect("M1").detail("tag").is_none());
}

#[test]
fn m10_a_located_marker_reaches_the_group_and_nobody_else() {
    let server = Server::build().secure().set("marti.locate", "true").start();
    ["Blue", "Red"].iter().for_each(|name| accounts_bed::group(&server, name));
    for (name, group) in [("alpha", "Blue"), ("bravo", "Blue"), ("charlie", "Red")] {
        accounts_bed::user(&server, name, "user", &[group]);
    }
    let pki = |name: &str| Pki::issue(&server, name);
    let ca = server.data_dir().join("certs/ca.pem");
    let join = |name: &str, uid: &str| {
        let config = pki(name).client(&ca, rustls::ALL_VERSIONS);
        Client::tls(&server, "cot_tls", config).unwrap().greeted().identify(uid, uid)
    };
    let (mut bravo, mut charlie) = (join("bravo", "B"), join("charlie", "C"));
    let web = Web::tls(&server, "marti_https", Some(&pki("alpha")));
    let reply =
        web.post("/locate/api?latitude=45.5&longitude=-75.25&name=Here&remarks=a%20%3Cb%3E", "", b"").expect(200);
    assert!(reply.body.is_empty());
    let (marker, _) = bravo.until(|e| e.kind() == "a-f-G");
    assert_eq!((marker.attr("how"), marker.detail("contact").unwrap().attr("callsign")), ("h-g-i-g-o", "Here (alpha)"));
    assert_eq!(marker.detail("remarks").unwrap().text(), "a <b>");
    let mut other = join("charlie", "C2");
    charlie.expect("C2");
    fence(&mut other, &mut [&mut charlie]);
    // With a password on the enrollment listener; without one 401.
    let target = "/locate/api?latitude=1&longitude=2&name=Again";
    let door = Web::tls(&server, "enrollment", None);
    door.post(target, "", b"").expect(401);
    door.clone().basic("alpha", accounts_bed::PASSWORD).post(target, "", b"").expect(200);
    bravo.until(|e| e.kind() == "a-f-G" && e.text().contains("Again (alpha)"));
}
