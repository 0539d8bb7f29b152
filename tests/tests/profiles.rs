//! Device profiles over the real listeners: an administrator makes one on 8443, devices are told at connect (8443, 8080)
//! and at enrolment (8446, by password), and a device gets the offer that was sent to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fts_tests::{Client, Package, Pki, Server, Web};
use rustls::ALL_VERSIONS;

const PROFILE: &str = "/Marti/api/device/profile";

/// A server with an administrator `root` on 8443.
fn server() -> (Server, Web) {
    let server = Server::build().secure().start();
    let out = server.cli(&["user", "add", "root", "--role", "admin"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let root = Web::tls(&server, "marti_https", Some(&Pki::issue(&server, "root")));
    (server, root)
}

fn profile(root: &Web, name: &str, change: &str) {
    let made = root.post(&format!("{PROFILE}/{name}"), "", b"");
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(root.put(&format!("{PROFILE}/{name}"), "application/json", change.as_bytes()).status, 200);
    let file = format!("{PROFILE}/{name}/file?filename=team.pref");
    assert_eq!(root.put(&file, "application/octet-stream", b"<preferences/>").status, 200);
}

#[test]
fn m15_34_nothing_is_204_one_profile_is_a_package_and_an_old_one_is_204() {
    let (server, root) = server();
    let alice = Web::tls(&server, "marti_https", Some(&Pki::issue(&server, "alice")));
    let connect = |web: &Web, ago: &str| web.get(&format!("{PROFILE}/connection?syncSecago={ago}&clientUid=ANDROID-1"));
    let none = connect(&alice, "-1");
    assert_eq!((none.status, none.body.len(), none.header("content-type")), (204, 0, None));
    assert_eq!(alice.get(PROFILE).status, 403, "users do not administer");
    profile(&root, "Field", r#"{"applyOnConnect":true}"#);
    let told = connect(&alice, "-1");
    assert_eq!((told.status, told.header("content-type")), (200, Some("application/zip")));
    assert_eq!(told.header("content-disposition"), Some("attachment; filename=profile.zip"));
    let package = Package::of(&told.body);
    assert_eq!(package.outer, ["MANIFEST/manifest.xml", "file0/team.pref"]);
    assert_eq!(connect(&alice, "0").status, 204, "nothing is newer than now");
    assert_eq!(connect(&alice, "3600").status, 200);
    assert_eq!(connect(&Web::plain(&server, "marti_http"), "3600").status, 200, "devices without TLS, too");
    assert_eq!(alice.get(&format!("{PROFILE}/connection?syncSecago=1")).status, 400);
    assert_eq!(alice.get(&format!("{PROFILE}/tool/vns?clientUid=A")).status, 204);
}

#[test]
fn at_enrolment_a_password_is_enough() {
    let (server, root) = server();
    let added = server.cli(&["user", "add", "bob", "--password", "correct horse battery"]);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let bob = Web::tls(&server, "enrollment", None).basic("bob", "correct horse battery");
    let enrolled = |web: &Web| web.get("/Marti/api/tls/profile/enrollment?clientUid=ANDROID-2");
    let none = enrolled(&bob);
    assert_eq!((none.status, none.body.len()), (204, 0));
    assert_eq!(enrolled(&Web::tls(&server, "enrollment", None)).status, 401);
    profile(&root, "Start", r#"{"applyOnEnrollment":true,"tool":"vns"}"#);
    assert_eq!(Package::of(&enrolled(&bob).body).outer, ["MANIFEST/manifest.xml", "file0/team.pref"]);
    let file = bob.get("/Marti/api/tls/profile/tool/vns/file?relativePath=/team.pref&clientUid=A");
    assert_eq!((file.status, file.text().as_str()), (200, "<preferences/>"));
    assert!(file.header("last-modified").is_some_and(|date| date.ends_with(" GMT")));
    let modified = file.header("last-modified").unwrap().to_owned();
    let again = bob.clone().header("if-modified-since", &modified);
    assert_eq!(again.get("/Marti/api/tls/profile/tool/vns/file?relativePath=/team.pref").status, 304);
    assert_eq!(bob.get("/Marti/api/tls/profile/tool/vns/file?relativePath=/../secret").status, 400);
    assert_eq!(bob.get(&format!("{PROFILE}/connection?syncSecago=1&clientUid=A")).status, 401, "no token, no more");
}

#[test]
fn a_profile_is_sent_to_a_device_which_can_fetch_it() {
    let (server, root) = server();
    profile(&root, "Field", "{}");
    let pki = Pki::issue(&server, "alice");
    let config = pki.client(&server.data_dir().join("certs/ca.pem"), ALL_VERSIONS);
    let mut alice = Client::tls(&server, "cot_tls", config).unwrap().greeted().identify("ANDROID-1", "ALICE");
    alice.sync();
    let sent = root.post(&format!("{PROFILE}/Field/send"), "application/json", br#"["ANDROID-1","ANDROID-9"]"#);
    assert_eq!((sent.status, sent.json()["data"].as_i64()), (200, Some(1)));
    let offer = alice.next();
    assert_eq!(offer.kind(), "b-f-t-r");
    let share = offer.detail("fileshare").unwrap();
    let url = share.attr("senderUrl").to_owned();
    let path = &url[url.find("/Marti").unwrap()..];
    let fetched = Web::tls(&server, "marti_https", Some(&pki)).get(path);
    assert_eq!((fetched.status, fetched.body.len().to_string().as_str()), (200, share.attr("sizeInBytes")));
    Package::of(&fetched.body);
}
