//! Data packages over the wire, byte by byte as commo and ATAK send them: marti-http.md 15 lines 12 to 23 and 41.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::sync_bed;

use std::io::{Read, Write};

use fts_tests::{Client, Pki, Reply, Server, Web, event, fence, join_all};
use sync_bed::{contents, package, search, send_package, sha256, under_way};

/// A server with the package `mp.zip` of U1 in it; its bytes and their hash.
fn with_package(uid: &str) -> (Server, Web, Vec<u8>, String) {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let bytes = package(uid, "MP-T");
    let hash = sha256(&bytes);
    send_package(&web, "mp.zip", &format!("&hash={hash}&creatorUid=U1"), &bytes).expect(200);
    (server, web, bytes, hash)
}

#[test]
fn m15_12_m15_13_a_package_is_asked_for_and_sent_behind_its_head() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let bytes = package("u-1", "MP-T");
    let hash = sha256(&bytes);
    web.get(&format!("/Marti/sync/missionquery?hash={hash}")).expect(404);
    // 13: the head goes first, the body after the 100.
    let url = format!("http://{}/Marti/sync/content?hash={hash}", web.at);
    let body = [
        b"--c\r\nContent-Disposition: form-data; name=\"assetfile\"; filename=\"mp.zip\"\r\nContent-Type: application/x-zip-compressed\r\n\r\n".to_vec(),
        bytes.clone(),
        b"\r\n--c--\r\n".to_vec(),
    ]
    .concat();
    let mut wire = web.open();
    let head = format!(
        "POST /Marti/sync/missionupload?hash={hash}&filename=mp.zip&creatorUid=U1 HTTP/1.1\r\nhost: {}\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-type: multipart/form-data; boundary=c\r\ncontent-length: {}\r\n\r\n",
        web.at,
        body.len()
    );
    wire.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    wire.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    wire.write_all(&body).unwrap();
    let sent = Reply::read(&mut wire, false).expect(200);
    assert_eq!((sent.header("content-type"), sent.text()), (Some("text/plain"), url.clone()));
}

#[test]
fn m15_14_a_package_that_is_there_is_answered_with_its_url() {
    let (_server, web, _, hash) = with_package("u-14");
    let url = format!("http://{}/Marti/sync/content?hash={hash}", web.at);
    let query = format!("/Marti/sync/missionquery?hash={hash}");
    assert_eq!(web.get(&query).expect(200).text(), url, "no trailing newline");
    assert!(web.send("HEAD", &query, &[], b"").expect(200).body.is_empty());
    for method in ["POST", "PUT"] {
        assert_eq!(web.send(method, &query, &[], b"").expect(200).text(), url);
    }
    web.delete(&query).expect(405);
}

#[test]
fn m15_15_a_private_package_is_not_listed_and_a_public_one_is_again() {
    let (_server, web, bytes, hash) = with_package("u-15");
    let tool = format!("/Marti/api/sync/metadata/{hash}/tool");
    web.put(&tool, "text/plain", b"private").expect(200);
    let none = web.get("/Marti/sync/search?keywords=missionpackage&tool=public").expect(200);
    assert_eq!(none.text(), r#"{"resultCount":0,"results":[]}"#);
    assert_eq!(none.header("content-type"), Some("text/json"));
    web.put(&tool, "application/x-www-form-urlencoded", b"public").expect(200);
    let rows = search(&web, "keywords=missionpackage&tool=public");
    let row = &rows[0];
    assert_eq!((rows.len(), row["UID"].as_str(), row["Hash"].as_str()), (1, Some(&*hash), Some(&*hash)));
    assert_eq!((row["Name"].as_str(), row["Size"].as_str()), (Some("mp.zip"), Some(&*bytes.len().to_string())));
    assert!(row["PrimaryKey"].as_str().unwrap().bytes().all(|b| b.is_ascii_digit()));
}

#[test]
fn m15_16_content_whole_in_part_and_unchanged() {
    let (_server, web, bytes, hash) = with_package("u-16");
    let content = format!("/Marti/sync/content?hash={hash}");
    let whole = web.get(&content).expect(200);
    assert_eq!(whole.body, bytes);
    assert_eq!(whole.header("etag"), Some(&*format!("\"{hash}\"")));
    assert_eq!(whole.header("content-length"), Some(&*bytes.len().to_string()));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert_eq!(whole.header("content-encoding"), None);
    assert_eq!(whole.header("content-disposition"), Some("attachment; filename=\"mp.zip\"; filename*=UTF-8''mp.zip"));
    let rest = web.get(&format!("{content}&offset=10")).expect(200);
    assert_eq!(
        (rest.body.as_slice(), rest.header("content-length")),
        (&bytes[10..], Some(&*(bytes.len() - 10).to_string()))
    );
    assert!(web.get(&format!("{content}&offset={}", bytes.len())).expect(200).body.is_empty());
    let asked = |name: &str, value: &str| web.send("GET", &content, &[(name, value)], b"");
    let part = asked("range", "bytes=0-3").expect(206);
    assert_eq!(
        (part.body.as_slice(), part.header("content-range")),
        (&bytes[..4], Some(&*format!("bytes 0-3/{}", bytes.len())))
    );
    asked("range", "bytes=999999-").expect(416);
    assert_eq!(asked("range", "bytes=0-1,4-5").expect(200).body, bytes);
    asked("if-none-match", &format!("\"{hash}\"")).expect(304);
    let guarded = web.send("GET", &content, &[("range", "bytes=0-3"), ("if-range", "\"other\"")], b"");
    assert_eq!(guarded.expect(200).body, bytes);
    let head = web.send("HEAD", &content, &[], b"").expect(200);
    assert_eq!((head.body.len(), head.header("content-length")), (0, Some(&*bytes.len().to_string())));
    assert_eq!(web.get(&format!("/Marti/sync/content?HASH={}", hash.to_uppercase())).expect(200).body, bytes);
    assert_eq!(web.send("GET", &content, &[("accept-encoding", "gzip")], b"").expect(200).body, bytes, "never packed");
}

#[test]
fn m15_17_the_old_address_has_the_same_bytes() {
    let (_server, web, bytes, hash) = with_package("u-17");
    let tool = format!("/Marti/api/sync/metadata/{hash}/tool");
    assert_eq!(web.get(&tool).expect(200).body, bytes);
    assert_eq!(web.send("GET", &tool, &[("range", "bytes=4-5")], b"").expect(206).body, &bytes[4..6]);
    let meta = web.get(&format!("/Marti/sync/{hash}/metadata")).expect(200).json();
    assert_eq!(meta["Hash"].as_str(), Some(&*hash));
}

#[test]
fn m15_18_the_url_follows_listener_host_and_configuration() {
    let server = Server::build().secure().start();
    let alpha = Web::tls(&server, "marti_https", Some(&Pki::issue(&server, "alpha")));
    let bytes = package("u-18", "A");
    let tail = format!("/Marti/sync/content?hash={}", sha256(&bytes));
    assert_eq!(send_package(&alpha, "a.zip", "", &bytes).expect(200).text(), format!("https://{}{tail}", alpha.at));
    let named = alpha.clone().host("tak.example.org:8443");
    let url = format!("https://tak.example.org:8443{tail}");
    assert_eq!(send_package(&named, "a.zip", "", &bytes).expect(200).text(), url);
    assert_eq!(named.get(&format!("/Marti/sync/missionquery?hash={}", sha256(&bytes))).expect(200).text(), url);
    let public = "listeners.marti_https.public_url";
    let server = Server::build().secure().set(public, "\"https://phones.example.org\"").start();
    let alpha = Web::tls(&server, "marti_https", Some(&Pki::issue(&server, "alpha")));
    let sent = send_package(&alpha.host("tak.example.org:8443"), "a.zip", "", &bytes);
    assert_eq!(sent.expect(200).text(), format!("https://phones.example.org:443{tail}"));
}

#[test]
fn m15_19_the_same_upload_twice_is_one_row_and_one_content() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let bytes = package("u-19", "A");
    for _ in 0..2 {
        send_package(&web, "a.zip", "&creatorUid=U1", &bytes).expect(200);
    }
    assert_eq!(search(&web, "keywords=missionpackage").len(), 1);
    assert_eq!(contents(&server).len(), 1);
    assert_eq!(under_way(&server), Vec::<String>::new());
}

#[test]
fn m15_20_a_wrong_hash_is_computed_or_refused() {
    let bytes = package("u-20", "A");
    let wrong = "0".repeat(64);
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let sent = send_package(&web, "a.zip", &format!("&hash={wrong}"), &bytes).expect(200);
    assert!(sent.text().ends_with(&sha256(&bytes)));
    server.wait_log(|l| l["event"] == "file.hash_mismatch" && l["level"] == "WARN");
    let server = Server::build().set("files.reject_hash_mismatch", "true").start();
    let web = Web::plain(&server, "marti_http");
    let refused = send_package(&web, "a.zip", &format!("&hash={wrong}"), &bytes).expect(400);
    assert_eq!((refused.text(), refused.header("content-type")), ("hash mismatch".into(), Some("text/plain")));
    assert_eq!((search(&web, "").len(), contents(&server).len(), under_way(&server).len()), (0, 0, 0));
    send_package(&web, "a.zip", &format!("&hash={}", sha256(&bytes).to_uppercase()), &bytes).expect(200);
}

#[test]
fn m15_21_a_hostile_hash_touches_nothing() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let bytes = package("u-21", "A");
    let outside = server.dir().join("victim");
    std::fs::write(&outside, "untouched").unwrap();
    for hash in
        ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "../../../victim", "%00", "%2e%2e/victim", "'%20OR%201=1"]
    {
        web.get(&format!("/Marti/sync/missionquery?hash={hash}")).expect(404);
        let missing = web.get(&format!("/Marti/sync/content?hash={hash}")).expect(404);
        assert!(!missing.text().contains('/'), "an error names no path: {}", missing.text());
        let escaped = hash.replace('/', "%2f");
        let tool = format!("/Marti/api/sync/metadata/{escaped}/tool");
        assert!(
            matches!(web.get(&tool).status, 400 | 404) && matches!(web.put(&tool, "", b"public").status, 400 | 404)
        );
        let sent = send_package(&web, "..%2f..%2fvictim", &format!("&hash={hash}"), &bytes).expect(200);
        assert!(sent.text().ends_with(&sha256(&bytes)));
    }
    assert_eq!(std::fs::read(&outside).unwrap(), b"untouched");
    assert_eq!(contents(&server).len(), 1);
    assert_eq!(search(&web, "")[0]["Name"], "victim");
}

#[test]
fn m15_22_a_second_user_cannot_hide_a_public_package() {
    let server = Server::build().secure().start();
    let [alpha, bravo] =
        ["alpha", "bravo"].map(|name| Web::tls(&server, "marti_https", Some(&Pki::issue(&server, name))));
    let bytes = package("u-22", "A");
    let hash = sha256(&bytes);
    send_package(&alpha, "a.zip", "", &bytes).expect(200);
    bravo.get(&format!("/Marti/sync/missionquery?hash={hash}")).expect(200);
    bravo.put(&format!("/Marti/api/sync/metadata/{hash}/tool"), "text/plain", b"private").expect(200);
    assert_eq!(search(&alpha, "tool=public&keywords=missionpackage").len(), 1);
    assert_eq!(search(&alpha, "tool=public")[0]["SubmissionUser"], "alpha");
    bravo.delete(&format!("/Marti/sync/delete?hash={hash}")).expect(403);
    alpha.delete(&format!("/Marti/sync/delete?hash={hash}")).expect(200);
    alpha.get(&format!("/Marti/sync/content?hash={hash}")).expect(404);
    assert!(contents(&server).is_empty());
}

#[test]
fn m15_23_an_offer_with_that_url_reaches_only_whom_it_names() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let bytes = package("u-23", "A");
    let url = send_package(&web, "a.zip", "", &bytes).expect(200).text();
    let [mut alice, mut bob, mut carol] = join_all(&server, [("A", "ALICE"), ("B", "BOB"), ("C", "CAROL")]);
    let share = format!(
        r#"<fileshare filename="a.zip" senderUrl="{url}" sizeInBytes="{}" sha256="{}" senderUid="B" senderCallsign="BOB" name="a"/><ackrequest uid="k" ackrequested="true" tag="a"/><marti><dest callsign="ALICE"/></marti>"#,
        bytes.len(),
        sha256(&bytes)
    );
    let text = event("offer", "b-f-t-r", &share);
    bob.send(&text);
    let got = alice.expect("offer");
    let expected = fts_tests::parse(&text).unwrap().without(&["marti"]);
    assert_eq!(got.tree().clone().without(&["_flow-tags_"]), expected);
    let at = got.detail("fileshare").unwrap().attr("senderUrl").to_owned();
    let path = at.split_once("/Marti").map(|(_, rest)| format!("/Marti{rest}")).unwrap();
    assert_eq!(web.get(&path).expect(200).body, bytes);
    fence(&mut bob, &mut [&mut carol]);
    let mut late = Client::join(&server, "D", "DORA");
    late.sync();
}

#[test]
fn m15_41_unknown_parameters_are_ignored_everywhere() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let bytes = package("u-41", "A");
    let hash = sha256(&bytes);
    send_package(&web, "a.zip", "&receiver=ALPHA&x=%zz", &bytes).expect(200);
    for path in [
        format!("/Marti/sync/missionquery?hash={hash}&receiver=ALPHA"),
        format!("/Marti/sync/content?hash={hash}&receiver=ALPHA&feedName=x&y={{|^"),
        "/Marti/sync/search?nothing=1&=2&&".to_owned(),
    ] {
        web.get(&path).expect(200);
    }
    web.post("/Marti/sync/upload?name=a&nothing=1", "text/plain", b"x").expect(200);
    web.delete(&format!("/Marti/sync/delete?hash={hash}&nothing=1")).expect(200);
}
