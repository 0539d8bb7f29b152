//! Error logs (marti-http.md 10, 11.5; 15 line 33).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::io::{Cursor, Read, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use fts_tests::{Pki, Server, Web};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::accounts_bed;

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// As ATAK sends it: base64 in lines, with a coding that is none.
fn posted(web: &Web, query: &str, bytes: &[u8]) -> u16 {
    let text = STANDARD.encode(bytes);
    let lines: String = text.as_bytes().chunks(76).map(|l| format!("{}\n", std::str::from_utf8(l).unwrap())).collect();
    let headers = [("content-type", "text/plain"), ("content-encoding", "UTF-8")];
    web.send("POST", &format!("/Marti/ErrorLog?{query}"), &headers, lines.as_bytes()).status
}

const QUERY: &str = "platform=ATAK&uid=U1&callsign=A&majorVersion=5&minorVersion=3";

#[test]
fn m15_33_a_phone_hands_in_its_log_and_an_administrator_reads_it() {
    let server = Server::build().secure().start();
    for (name, role) in [("alpha", "user"), ("root", "admin")] {
        accounts_bed::user(&server, name, role, &[]);
    }
    let web = |name| Web::tls(&server, "marti_https", Some(&Pki::issue(&server, name)));
    let (alpha, root) = (web("alpha"), web("root"));
    let crash: Vec<u8> = (0..40_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    assert_eq!(posted(&alpha, QUERY, &zip(&[("a.txt", &crash)])), 200);
    assert_eq!(posted(&Web::plain(&server, "marti_http"), QUERY, &zip(&[("logs/b.txt", b"two")])), 200);
    let all = root.get("/Marti/ErrorLog?id=ALL").expect(200);
    assert_eq!(all.header("content-type"), Some("application/zip"));
    let mut archive = ZipArchive::new(Cursor::new(all.body)).unwrap();
    let mut read = |name: &str| {
        let mut bytes = Vec::new();
        archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    assert_eq!((read("1_a.txt"), read("2_b.txt")), (crash, b"two".to_vec()));
    alpha.get("/Marti/ErrorLog?id=1").expect(403);
    alpha.delete("/Marti/ErrorLog?id=ALL").expect(403);
    let one = root.get("/Marti/ErrorLog?id=2").expect(200);
    assert_eq!((one.header("content-type"), one.text().as_str()), (Some("text/plain"), "two"));
    root.delete("/Marti/ErrorLog?id=2").expect(200);
    let gone = root.get("/Marti/ErrorLog?id=2").expect(404);
    assert_eq!(gone.header("content-type"), Some("text/plain"), "no JSON here");
}

#[test]
fn m15_33_what_is_no_zip_is_refused_and_stores_nothing() {
    let server = Server::build().secure().start();
    accounts_bed::user(&server, "root", "admin", &[]);
    let web = Web::plain(&server, "marti_http");
    let good = zip(&[("a.txt", b"1")]);
    assert_eq!(posted(&web, "platform=ATAK", &good), 400, "without a uid");
    assert_eq!(posted(&web, QUERY, b"not a zip"), 400);
    assert_eq!(posted(&web, QUERY, &zip(&[("ok.txt", b"1"), ("../../evil.txt", b"2")])), 400);
    assert_eq!(posted(&web, QUERY, &zip(&[("bomb", &vec![0; 20 << 20])])), 400);
    assert_eq!(web.post(&format!("/Marti/ErrorLog?{QUERY}"), "text/plain", b"\xFF\xFE!").status, 400);
    let root = Web::tls(&server, "marti_https", Some(&Pki::issue(&server, "root")));
    let all = root.get("/Marti/ErrorLog?id=ALL").expect(200);
    assert_eq!(ZipArchive::new(Cursor::new(all.body)).unwrap().len(), 0);
}
