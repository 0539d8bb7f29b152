//! Uploads that are large, slow, broken off, too long or wrong: marti-http.md 15 lines 24 to 30, 42 and 43, and what the
//! store keeps to whatever clients do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::sync_bed;

use std::{
    io::{Read, Write},
    net::Shutdown,
};

use fts_tests::{Client, Pki, Reply, Server, Web};
use serde_json::Value;
use sync_bed::{
    Framing, Noise, contents, fetch, package, peak, reset_peak, rss, search, send_package, sha256, stream_hashed,
    under_way,
};

const MB: u64 = 1_000_000;

#[test]
fn m15_24_350_megabytes_take_no_memory() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let len = 350 * MB;
    for (n, (form, framing)) in
        [(true, Framing::Length), (false, Framing::Length), (true, Framing::Chunked)].into_iter().enumerate()
    {
        reset_peak(server.pid());
        let before = rss(server.pid());
        let path = "/Marti/sync/missionupload?filename=big.zip";
        let (reply, hash, took) = stream_hashed(&web, path, form, framing, len, &mut Noise::new(n as u64 + 1, len));
        let grown = peak(server.pid()).saturating_sub(before);
        println!("{form} {framing:?}: answered after {took:.3} s, memory grew by {grown} bytes");
        let url = reply.expect(200).text();
        assert!(url.ends_with(&hash), "{url}");
        assert!(took < 2.0, "the answer took {took} s after the last byte");
        assert!(grown < 50 * MB, "memory grew by {grown} bytes");
        reset_peak(server.pid());
        let before = rss(server.pid());
        assert_eq!(fetch(&web, &format!("/Marti/sync/content?hash={hash}")), (200, len, hash.clone()));
        assert!(peak(server.pid()).saturating_sub(before) < 50 * MB);
        web.delete(&format!("/Marti/sync/delete?hash={hash}")).expect(200);
    }
    assert!(contents(&server).is_empty() && under_way(&server).is_empty());
}

#[test]
fn m15_25_too_long_is_413_before_the_body_or_while_it_comes() {
    let server = Server::build().set("files.max_upload", "\"1MB\"").start();
    let web = Web::plain(&server, "marti_http");
    for path in ["/Marti/sync/upload?name=a", "/Marti/sync/missionupload?filename=a.zip"] {
        // Said to be too long: nothing of it is sent, and the answer is there.
        let mut wire = web.open();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/zip\r\ncontent-length: 1000001\r\n\r\n"
        );
        wire.write_all(head.as_bytes()).unwrap();
        let reply = Reply::read(&mut wire, false).expect(413);
        assert_eq!(reply.header("content-type"), Some("text/plain"));
        // Found to be too long: answered or cut, never stored.
        let mut wire = web.open();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/zip\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        wire.write_all(head.as_bytes()).unwrap();
        let piece = [format!("{:x}\r\n", 100_000).as_bytes(), &[b'x'; 100_000], b"\r\n"].concat();
        let cut = (0..20).any(|_| wire.write_all(&piece).is_err());
        let mut answer = Vec::new();
        let _ = wire.read_to_end(&mut answer);
        assert!(cut || answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
    }
    server.eventually("the uploads are gone", || under_way(&server).is_empty());
    assert!(contents(&server).is_empty());
    web.post("/Marti/sync/upload?name=fits", "application/zip", &vec![b'x'; 1_000_000]).expect(200);
    assert_eq!(web.get("/files/api/config").expect(200).text(), r#"{"uploadSizeLimit":1}"#);
}

#[test]
fn m15_26_a_client_that_goes_leaves_nothing() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    for kind in ["application/zip", "multipart/form-data; boundary=b"] {
        let mut stream = std::net::TcpStream::connect(web.at).unwrap();
        let head = format!(
            "POST /Marti/sync/missionupload?filename=a.zip HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: 8000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        if kind.starts_with("multipart") {
            stream
                .write_all(b"--b\r\nContent-Disposition: form-data; name=\"assetfile\"; filename=\"a.zip\"\r\n\r\n")
                .unwrap();
        }
        stream.write_all(&vec![b'x'; 4_000_000]).unwrap();
        server.eventually("the upload lies in files/tmp", || !under_way(&server).is_empty());
        stream.shutdown(Shutdown::Both).unwrap();
        drop(stream);
        server.eventually("the upload is gone", || under_way(&server).is_empty());
    }
    assert!(search(&web, "").is_empty() && contents(&server).is_empty());
}

#[test]
fn m15_27_a_picture_is_a_row_and_no_package() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let reply = web.post("/Marti/sync/upload?name=a.jpg&keywords=x,y&creatorUid=U1", "image/jpeg", b"jpeg").expect(200);
    assert_eq!(reply.header("content-type"), Some("text/json"));
    let row = reply.json();
    for key in [
        "UID",
        "SubmissionDateTime",
        "Keywords",
        "MIMEType",
        "SubmissionUser",
        "PrimaryKey",
        "Hash",
        "CreatorUid",
        "Name",
    ] {
        assert!(row.get(key).is_some_and(|v| !v.is_null()), "{key}");
    }
    assert_eq!((row["Keywords"].to_string(), row["Hash"].as_str()), (r#"["x","y"]"#.into(), Some(&*sha256(b"jpeg"))));
    let time = row["SubmissionDateTime"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[19] == b'.', "{time}");
    assert!(search(&web, "keywords=missionpackage").is_empty());
}

#[test]
fn m15_28_what_itak_sends_is_a_package() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    // Without saying that it is a package and without an ending.
    let bytes = package("u-28", "I");
    let itak = web.clone().header("user-agent", "iTAK/2.8.0 (iPhone)");
    itak.post("/Marti/sync/upload?name=pack&CreatorUid=I1", "application/x-zip-compressed", &bytes).expect(200);
    let rows = search(&web, "keywords=missionpackage&tool=public");
    assert_eq!(
        (rows.len(), rows[0]["Name"].as_str(), rows[0]["CreatorUid"].as_str()),
        (1, Some("pack.zip"), Some("I1"))
    );
}

#[test]
fn m15_29_an_empty_body_and_a_wrong_method() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    web.post("/Marti/sync/upload?name=a", "image/png", b"").expect(400);
    web.get("/Marti/sync/upload?name=a").expect(405);
    web.put("/Marti/sync/upload?name=a", "image/png", b"x").expect(405);
    assert!(search(&web, "").is_empty() && contents(&server).is_empty());
}

#[test]
fn m15_30_the_part_of_a_form_has_any_name() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let row = web.form("/Marti/sync/upload", "resource", "b.png", "image/png", b"png").expect(200).json();
    assert_eq!((row["Name"].as_str(), row["MIMEType"].as_str()), (Some("b.png"), Some("image/png")));
    let row = web.form("/Marti/sync/upload", "anything", "c.txt", "text/plain", b"text").expect(200).json();
    assert_eq!(row["Name"], "c.txt");
    let empty = b"--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--b--\r\n";
    web.post("/Marti/sync/upload", "multipart/form-data; boundary=b", empty).expect(400);
    web.post("/Marti/sync/missionupload?filename=a", "multipart/form-data; boundary=b", b"not a form").expect(400);
    // PUT does what POST does, and a raw zip is taken.
    let bytes = package("u-30", "P");
    let url = web.put("/Marti/sync/missionupload?filename=p.zip", "application/zip", &bytes).expect(200).text();
    assert!(url.ends_with(&sha256(&bytes)));
}

#[test]
fn m15_31_what_node_tak_does() {
    // The requests of node-tak 12's Files and Package classes, byte by byte; its answers are read as it reads them.
    let server = Server::build().secure().start();
    let web = Web::tls(&server, "marti_https", Some(&Pki::issue(&server, "cloud")));
    let bytes = package("u-31", "C");
    let hash = sha256(&bytes);
    let path = format!(
        "/Marti/sync/missionupload?filename=c.zip&creatorUid=CloudTAK&hash={hash}&mimetype=application%2Fzip&keyword=a&keyword=b&Groups=__ANON__"
    );
    let sent = web.form(&path, "assetfile", "c.zip", "application/octet-stream", &bytes).expect(200);
    assert_eq!(sent.header("content-type"), Some("text/plain"));
    let rows = search(&web, &format!("uid={hash}"));
    assert!(!rows.is_empty() && rows[0]["UID"] == hash.as_str());
    assert_eq!(rows[0]["Keywords"].to_string(), r#"["a","b","missionpackage"]"#);
    let list = web.get("/Marti/api/sync/search").expect(200);
    assert_eq!(list.header("content-type"), Some("application/json"));
    assert_eq!(
        (list.json()["data"][0]["size"].as_u64(), list.json()["version"].as_str()),
        (Some(bytes.len() as u64), Some("3"))
    );
    assert_eq!(web.get("/Marti/api/files/metadata/count").expect(200).json()["data"], 1);
    let updated =
        web.put(&format!("/Marti/api/sync/metadata/{hash}/keywords"), "application/json", br#"["x"]"#).expect(200);
    assert_eq!((updated.body.len(), updated.header("content-type")), (0, None));
    web.put(&format!("/Marti/api/sync/metadata/{hash}/expiration?expiration=-1"), "", b"").expect(200);
    assert_eq!(web.get("/files/api/config").expect(200).text(), r#"{"uploadSizeLimit":400}"#);
    web.delete(&format!("/Marti/api/files/{hash}")).expect(403);
    web.delete(&format!("/Marti/sync/delete?hash={hash}")).expect(200);
    // An attachment: raw, with a place.
    let up =
        "/Marti/sync/upload?name=photo.jpg&keywords=photo&creatorUid=CloudTAK&latitude=52.5&longitude=13.4&altitude=30";
    let row = web.post(up, "image/jpeg", b"jpeg").expect(200).json();
    assert_eq!((row["Latitude"].as_str(), row["SubmissionUser"].as_str()), (Some("52.5"), Some("cloud")));
    assert_eq!(search(&web, "bbox=13,52,14,53").len(), 1);
}

#[test]
fn m15_42_errors_have_their_shape_and_name_no_path() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let json = web.get(&format!("/Marti/api/files/{}", "a".repeat(64))).expect(404);
    assert_eq!(json.header("content-type"), Some("application/json"));
    let shape = json.json();
    assert_eq!((shape["status"].as_str(), shape["code"].as_i64()), (Some("NOT_FOUND"), Some(1)));
    assert!(shape["message"].is_string());
    let text = web.get("/Marti/sync/content?hash=x").expect(404);
    assert_eq!(text.header("content-type"), Some("text/plain"));
    let bad = web.get("/Marti/sync/search?bbox=1").expect(400);
    assert_eq!(bad.header("content-type"), Some("text/plain"));
    // The store is broken: who asks learns that, and nothing of where it lies.
    let bytes = package("u-42", "B");
    send_package(&web, "a.zip", "", &bytes).expect(200);
    let at = &contents(&server)[0];
    std::fs::remove_file(at).unwrap();
    std::fs::create_dir(at).unwrap();
    let broken = web.get(&format!("/Marti/sync/content?hash={}", sha256(&bytes)));
    let dir = server.dir().display().to_string();
    for reply in [json, text, bad, broken] {
        assert!(
            reply.status >= 400 && !reply.text().contains(&dir) && !reply.text().contains("files/"),
            "{}",
            reply.text()
        );
    }
}

#[test]
fn m15_43_without_plugins_files_are_all_there() {
    let server = Server::build().set("plugins.enabled", "[]").start();
    let web = Web::plain(&server, "marti_http");
    web.get("/Marti/ExportMissionKML").expect(404);
    let bytes = package("u-43", "P");
    let url = send_package(&web, "p.zip", "", &bytes).expect(200).text();
    assert_eq!(search(&web, "keywords=missionpackage").len(), 1);
    let path = url.split_once("/Marti").map(|(_, rest)| format!("/Marti{rest}")).unwrap();
    assert_eq!(web.get(&path).expect(200).body, bytes);
}

#[test]
fn a_missing_content_is_asked_for_again_and_healed() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let bytes = package("u", "H");
    let query = format!("/Marti/sync/missionquery?hash={}", sha256(&bytes));
    send_package(&web, "h.zip", "", &bytes).expect(200);
    std::fs::remove_file(&contents(&server)[0]).unwrap();
    web.get(&query).expect(404);
    server.wait_log(|l| l["event"] == "file.missing");
    send_package(&web, "h.zip", "", &bytes).expect(200);
    web.get(&query).expect(200);
    assert_eq!(search(&web, "").len(), 1);
}

#[test]
fn a_hostile_zip_is_stored_as_it_came() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let mut out = std::io::Cursor::new(Vec::new());
    let mut zip = zip::ZipWriter::new(&mut out);
    for name in ["../../evil", "MANIFEST/manifest.xml"] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&vec![b'a'; 3 << 20]).unwrap();
    }
    zip.finish().unwrap();
    let bytes = out.into_inner();
    send_package(&web, "evil.zip", "", &bytes).expect(200);
    server.wait_log(|l| l["event"] == "file.package" && l["level"] == "WARN");
    assert_eq!(web.get(&format!("/Marti/sync/content?hash={}", sha256(&bytes))).expect(200).body, bytes);
}

#[test]
fn an_upload_may_be_offered_to_everybody_at_once() {
    let server = Server::build().secure().start();
    let pki = Pki::issue(&server, "alpha");
    let mut plain = Client::join(&server, "P", "PLAIN");
    let tls = pki.client(&server.data_dir().join("certs/ca.pem"), rustls::ALL_VERSIONS);
    let mut secure = Client::tls(&server, "cot_tls", tls).unwrap().identify("S", "SECURE");
    plain.until(|e| e.uid() == "S");
    let web = Web::tls(&server, "marti_https", Some(&pki)).host("tak.example.org:8443");
    let row = web.post("/Marti/sync/upload?name=plan.pdf&broadcast=true", "application/pdf", b"pdf").expect(200).json();
    let hash = row["Hash"].as_str().unwrap();
    for (client, listener) in [(&mut plain, "marti_http"), (&mut secure, "marti_https")] {
        let (offer, _) = client.until(|e| e.kind() == "b-f-t-r");
        let share = offer.detail("fileshare").unwrap();
        let scheme = if listener == "marti_http" { "http" } else { "https" };
        let port = server.address(listener).port();
        assert_eq!(
            share.attr("senderUrl"),
            format!("{scheme}://tak.example.org:{port}/Marti/sync/content?hash={hash}")
        );
        assert_eq!((share.attr("senderCallsign"), share.attr("name")), ("alpha", "plan"));
        assert_eq!((share.attr("filename"), share.attr("sizeInBytes")), ("plan.pdf", "3"));
        assert!(offer.detail("ackrequest").is_none() && offer.detail("marti").is_none());
    }
}

#[test]
fn the_store_says_when_it_is_full() {
    let server = Server::build().set("files.max_total", "\"10kB\"").start();
    let web = Web::plain(&server, "marti_http");
    web.post("/Marti/sync/upload?name=a", "text/plain", &vec![b'a'; 6_000]).expect(200);
    let full = web.post("/Marti/sync/upload?name=b", "text/plain", &vec![b'b'; 6_000]).expect(507);
    assert!(full.text().contains("max_total"), "{}", full.text());
    // What is there takes no more room.
    web.post("/Marti/sync/upload?name=c", "text/plain", &vec![b'a'; 6_000]).expect(200);
    assert_eq!((contents(&server).len(), under_way(&server).len()), (1, 0));
    let rows: Vec<Value> = search(&web, "name=b");
    assert!(rows.is_empty());
}
