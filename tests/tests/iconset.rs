//! Icon sets over HTTP (marti-http.md 10, 11.5).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::io::{Cursor, Write};

use fts_tests::{Pki, Server, Web};
use serde_json::json;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::accounts_bed;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nthe picture";
const XML: &str =
    r#"<iconset name="Vehicles" uid="set-1" version="1"><icon name="car.png" type2525b="a-f-G-E-V"/></iconset>"#;

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn m10_a_set_is_uploaded_as_a_form_and_its_pictures_are_fetched() {
    let server = Server::build().secure().start();
    accounts_bed::user(&server, "alpha", "user", &[]);
    let alpha = Web::tls(&server, "marti_https", Some(&Pki::issue(&server, "alpha")));
    let list = |web: &Web| web.get("/Marti/api/iconset/all/uid").expect(200).json()["data"].clone();
    assert_eq!(list(&alpha), json!([]));
    alpha.get("/Marti/api/iconseturl/set-1").expect(404);
    let icons = zip(&[("iconset.xml", XML.as_bytes()), ("Road/car.png", PNG)]);
    let made = alpha.form("/Marti/api/iconset", "file", "icons.zip", "application/zip", &icons).expect(200);
    assert_eq!(made.json()["data"], "set-1");
    let plain = Web::plain(&server, "marti_http");
    assert_eq!(list(&plain), json!(["set-1"]));
    let urls = plain.get("/Marti/api/iconseturl/set-1").expect(200).json();
    assert_eq!(urls, json!([format!("http://{}/Marti/api/icon/set-1/Road/car.png", plain.at)]));
    let picture = plain.get("/Marti/api/icon/set-1/Road/car.png").expect(200);
    assert_eq!((picture.header("content-type"), picture.body.as_slice()), (Some("image/png"), PNG));
    assert_eq!(plain.get("/Marti/api/iconimage?cotType=a-f-G-E-V").expect(200).body, PNG);
    plain.get("/Marti/api/iconimage?cotType=a-h").expect(404);
    // Nobody in particular does not change what everybody sees.
    plain.form("/Marti/api/iconset", "file", "icons.zip", "application/zip", &icons).expect(401);
    alpha.delete("/Marti/api/iconset/set-1").expect(200);
    assert_eq!(list(&plain), json!([]));
}

#[test]
fn m11_5_a_zip_that_breaks_a_rule_is_refused() {
    let server = Server::build().secure().start();
    accounts_bed::user(&server, "alpha", "user", &[]);
    let alpha = Web::tls(&server, "marti_https", Some(&Pki::issue(&server, "alpha")));
    let wrong = [
        b"no zip".to_vec(),
        zip(&[("iconset.xml", XML.as_bytes()), ("../car.png", PNG)]),
        zip(&[("iconset.xml", XML.as_bytes()), ("Road/car.png", &[PNG, &vec![0; 8 << 20]].concat())]),
        zip(&[("iconset.xml", format!("<!DOCTYPE iconset>{XML}").as_bytes()), ("Road/car.png", PNG)]),
    ];
    for bytes in wrong {
        let refused = alpha.form("/Marti/api/iconset", "file", "icons.zip", "application/zip", &bytes).expect(400);
        assert_eq!(refused.json()["code"], 2);
    }
}
