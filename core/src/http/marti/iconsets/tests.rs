//! Sets are handed in, listed, looked through, and removed by their owner.
use std::io::Write;

use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::http::marti::bed::{Ask, Bed};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nthe picture of ";

fn zip(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn picture(name: &str) -> Vec<u8> {
    [PNG, name.as_bytes()].concat()
}

fn vehicles() -> Vec<u8> {
    let xml = r#"<?xml version="1.0"?><iconset name="Vehicles" uid="set-1" version="1" defaultFriendly="car.png"><icon name="car.png" type2525b="a-f-G-E-V"/><icon name="bus.png"/></iconset>"#;
    zip(&[
        ("iconset.xml", xml.as_bytes().to_vec()),
        ("Road & Rail/car.png", picture("car")),
        ("Road & Rail/bus.png", picture("bus")),
        ("top.png", picture("top")),
        ("Road & Rail/fake.png", b"no picture".to_vec()),
        ("readme.txt", b"text".to_vec()),
    ])
}

fn posted(bytes: Vec<u8>) -> Ask {
    Ask::new("POST", "/").user("alpha", &["Blue"]).part("file", "icons.zip", "application/zip").body(bytes)
}

#[test]
fn m10_without_sets_the_list_is_empty_and_all_else_is_not_there() {
    let bed = Bed::new();
    let reply = Ask::get("/").of(&bed, uids).unwrap().json();
    assert_eq!((&reply["version"], &reply["data"]), (&json!("3"), &json!([])));
    assert_eq!(Ask::get("/").param("uid", "x").refused(&bed, urls), 404);
    for endpoint in [icon, icon_url, icon_image] {
        assert_eq!(Ask::get("/?cotType=a-f-G").param("uid", "x").refused(&bed, endpoint), 404);
    }
}

#[test]
fn m10_a_set_is_handed_in_and_its_pictures_come_back() {
    let bed = Bed::new();
    assert_eq!(posted(vehicles()).of(&bed, post).unwrap().json()["data"], "set-1");
    assert_eq!(Ask::get("/").of(&bed, uids).unwrap().json()["data"], json!(["set-1"]));
    let all = Ask::get("/").param("uid", "set-1").of(&bed, urls).unwrap().json();
    let base = "http://tak.example.org:8080/Marti/api/icon/set-1";
    let wanted =
        ["Default/top.png", "Road%20%26%20Rail/bus.png", "Road%20%26%20Rail/car.png"].map(|p| format!("{base}/{p}"));
    assert_eq!(all, json!(wanted));
    let at = |group, name| Ask::get("/").param("uid", "set-1").param("group", group).param("name", name);
    let reply = at("Road & Rail", "car.png").of(&bed, icon).unwrap();
    assert_eq!((reply.header("content-type"), reply.bytes.as_slice()), ("image/png", picture("car").as_slice()));
    assert_eq!(at("Road & Rail", "fake.png").refused(&bed, icon), 404);
    assert_eq!(at("..", "car.png").refused(&bed, icon), 404);
}

#[test]
fn m10_a_picture_is_found_by_path_then_by_type() {
    let bed = Bed::new();
    posted(vehicles()).of(&bed, post).unwrap();
    let image = |query: &str| Ask::get(&format!("/?{query}")).of(&bed, icon_image).map(|r| r.bytes);
    assert_eq!(image("iconsetpath=set-1/Road+%26+Rail/bus.png&cotType=a-f-G-E-V").unwrap(), picture("bus"));
    assert_eq!(image("cotType=a-f-G-E-V").unwrap(), picture("car"));
    // The set's own for this side.
    assert_eq!(image("iconsetpath=set-1/x/y.png&cotType=a-f-A").unwrap(), picture("car"));
    assert!(
        image("iconsetpath=set-1/x/y.png&cotType=a-h-A").is_err()
            && image("cotType=a-f-A").is_err()
            && image("").is_err()
    );
    let url = |query: &str| Ask::get(&format!("/?cotType=a-f-G-E-V&{query}")).of(&bed, icon_url).unwrap().text();
    assert_eq!(url("relative=true"), "/Marti/api/icon/set-1/Road%20%26%20Rail/car.png");
    assert_eq!(url(""), "http://tak.example.org:8080/Marti/api/icon/set-1/Road%20%26%20Rail/car.png");
}

#[test]
fn m10_a_set_belongs_to_who_handed_it_in() {
    let bed = Bed::new();
    posted(vehicles()).of(&bed, post).unwrap();
    assert_eq!(posted(vehicles()).user("bravo", &["Blue"]).refused(&bed, post), 403);
    assert_eq!(posted(vehicles()).identity(|i| i.role = Role::ReadOnly).refused(&bed, post), 403);
    let gone = |user: &str| Ask::new("DELETE", "/").param("uid", "set-1").user(user, &["Blue"]);
    assert_eq!(gone("bravo").refused(&bed, delete), 403);
    assert_eq!(gone("bravo").admin().of(&bed, delete).unwrap().status, 200);
    assert_eq!(gone("alpha").refused(&bed, delete), 404);
    posted(vehicles()).of(&bed, post).unwrap();
    assert_eq!(gone("alpha").of(&bed, delete).unwrap().status, 200);
}

#[test]
fn m11_5_what_is_no_set_is_refused() {
    let bed = Bed::new();
    let with = |xml: &str| zip(&[("iconset.xml", xml.as_bytes().to_vec()), ("a/b.png", picture("b"))]);
    let good = r#"<iconset name="n" uid="u"/>"#;
    let wrong = [
        b"no zip".to_vec(),
        zip(&[("a/b.png", picture("b"))]),
        zip(&[("iconset.xml", good.as_bytes().to_vec())]),
        zip(&[("iconset.xml", good.as_bytes().to_vec()), ("../b.png", picture("b"))]),
        with("<iconset name='n'/>"),
        with("<iconset name='n' uid='a/b'/>"),
        with("<!DOCTYPE iconset><iconset name='n' uid='u'/>"),
        with("<other name='n' uid='u'/>"),
    ];
    for bytes in wrong {
        assert_eq!(posted(bytes).refused(&bed, post), 400);
    }
    assert_eq!(posted(with(good)).of(&bed, post).unwrap().status, 200);
}
