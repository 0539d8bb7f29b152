//! Enterprise Sync endpoint by endpoint, with the acceptance lines of marti-http.md 15 that need no socket. The same over
//! the wire is in tests/tests/sync_*.rs.
use serde_json::Value;

use super::{content, delete, manager, metadata, package, search, upload};
use crate::{
    files::Hash,
    http::{
        marti::bed::{Ask, Bed, Reply},
        native::Endpoint,
    },
};

const ZIP: &[u8] = b"PK-not-really-a-zip";

fn zip_hash() -> String {
    Hash::of(ZIP).to_string()
}

fn ask(bed: &Bed, ask: Ask, endpoint: Endpoint) -> Reply {
    ask.of(bed, endpoint).unwrap()
}

fn send(bed: &Bed, query: &str) -> Reply {
    let target = format!("/Marti/sync/missionupload?{query}");
    let form = Ask::new("POST", &target).part("assetfile", "mp.zip", "application/x-zip-compressed").body(ZIP);
    ask(bed, form.header("content-type", "multipart/form-data; boundary=x"), package::send)
}

fn found(bed: &Bed, query: &str) -> Vec<Value> {
    let reply = ask(bed, Ask::get(&format!("/Marti/sync/search?{query}")), search::legacy);
    assert_eq!(reply.header("content-type"), "text/json");
    let json = reply.json();
    let rows = json["results"].as_array().unwrap().clone();
    assert_eq!(json["resultCount"].as_u64(), Some(rows.len() as u64));
    rows
}

fn content_of(bed: &Bed, query: &str) -> Reply {
    ask(bed, Ask::get(&format!("/Marti/sync/content?{query}")), content::content)
}

#[test]
fn m15_12_to_15_a_package_from_asking_to_private() {
    let bed = Bed::with(&[]);
    let hash = zip_hash();
    let query = format!("/Marti/sync/missionquery?hash={hash}");
    assert_eq!(Ask::get(&query).refused(&bed, package::ask), 404);
    assert_eq!(Ask::get("/Marti/sync/missionquery?hash=%20").refused(&bed, package::ask), 400);
    let url = format!("http://tak.example.org:8080/Marti/sync/content?hash={hash}");
    let sent = send(&bed, &format!("hash={hash}&filename=mp.zip&creatorUid=U1"));
    assert_eq!((sent.status, sent.header("content-type"), sent.text()), (200, "text/plain", url.clone()));
    assert_eq!(ask(&bed, Ask::get(&query), package::ask).text(), url);
    let set = |tool: &str| {
        let put = Ask::new("PUT", "/").param("hash", &hash.to_uppercase()).param("field", "tool").body(tool.to_owned());
        assert_eq!(ask(&bed, put, metadata::set).text(), "Okay");
    };
    set("\"private\"\n");
    assert!(found(&bed, "keywords=missionpackage&tool=public").is_empty());
    set("public");
    let rows = found(&bed, "KEYWORDS=missionpackage&tool=public&whatever=1");
    let row = &rows[0];
    assert_eq!((row["UID"].as_str(), row["Hash"].as_str()), (Some(&*hash), Some(&*hash)));
    assert_eq!((row["Name"].as_str(), row["Size"].as_str()), (Some("mp.zip"), Some("19")));
    assert!(row["PrimaryKey"].as_str().unwrap().bytes().all(|b| b.is_ascii_digit()));
    assert_eq!((row["SubmissionUser"].as_str(), row["CreatorUid"].as_str()), (Some("anonymous"), Some("U1")));
}

#[test]
fn m15_16_and_17_content_from_an_offset_in_upper_case_and_at_the_old_address() {
    let bed = Bed::with(&[]);
    send(&bed, "filename=a b%22.zip");
    let hash = zip_hash();
    let whole = content_of(&bed, &format!("hash={}", hash.to_uppercase()));
    assert_eq!((whole.status, whole.bytes.as_slice()), (200, ZIP));
    assert_eq!(whole.header("content-type"), "application/x-zip-compressed");
    assert_eq!(whole.header("content-disposition"), "attachment; filename=\"a b.zip\"; filename*=UTF-8''a%20b.zip");
    assert_eq!((whole.header("x-content-type-options"), whole.header("api-version")), ("nosniff", "3"));
    assert!(whole.header("last-modified").ends_with(" GMT"));
    for (query, status, bytes) in [
        ("offset=10", 200, &ZIP[10..]),
        ("offset=0", 200, ZIP),
        ("OFFSET=19", 200, &[]),
        ("offset=4000", 200, &[]),
        ("offset=x", 200, ZIP),
        ("offset=-1", 200, ZIP),
        ("length=4", 206, &ZIP[..4]),
        ("length=400", 200, ZIP),
        ("offset=10&length=4", 206, &ZIP[10..14]),
        ("offset=10&length=9", 200, &ZIP[10..]),
        ("receiver=ALPHA&feedName=x", 200, ZIP),
    ] {
        let part = content_of(&bed, &format!("hash={hash}&{query}"));
        assert_eq!((part.status, part.bytes.as_slice()), (status, bytes), "{query}");
    }
    assert_eq!(content_of(&bed, &format!("hash={hash}&offset=10&length=4")).header("content-range"), "bytes 10-13/19");
    assert_eq!(content_of(&bed, &format!("uid={hash}")).bytes, ZIP);
    assert_eq!(ask(&bed, Ask::get("/").param("hash", &hash), content::by_path).bytes, ZIP);
    assert_eq!(Ask::get("/Marti/sync/content").refused(&bed, content::content), 400);
    assert_eq!(Ask::get("/").param("hash", "nothing").refused(&bed, content::by_path), 404);
    let meta = ask(&bed, Ask::get("/").param("hash", &hash), metadata::get);
    assert_eq!(meta.json()["UID"], hash.as_str());
}

#[test]
fn m15_20_a_wrong_hash_is_computed_or_refused() {
    for (reject, set) in [(false, "files.reject_hash_mismatch=false"), (true, "files.reject_hash_mismatch=true")] {
        let bed = Bed::with(&[set]);
        let wrong = Hash::of(b"other").to_string();
        let target = format!("/Marti/sync/missionupload?hash={wrong}&filename=a.zip");
        let form = Ask::new("POST", &target).part("assetfile", "a.zip", "application/zip").body(ZIP);
        match form.of(&bed, package::send) {
            Ok(reply) => assert!(!reject && reply.text().ends_with(&zip_hash())),
            Err(error) => assert!(reject && error.status == 400 && error.message == "hash mismatch"),
        }
        assert_eq!(found(&bed, "").len(), usize::from(!reject));
        assert_eq!(bed.native.files.check(true).unwrap().contents, usize::from(!reject));
    }
}

#[test]
fn m15_21_a_hostile_hash_is_only_a_name_nothing_has() {
    let bed = Bed::with(&[]);
    for hash in ["../../etc/passwd", "..%2F..%2Fetc%2Fpasswd", "%00", "/etc/passwd", "%27%20OR%201=1--", "%22"] {
        let query = |path: &str| format!("{path}?hash={hash}");
        assert_eq!(Ask::get(&query("/Marti/sync/missionquery")).refused(&bed, package::ask), 404, "{hash}");
        assert_eq!(Ask::get(&query("/Marti/sync/content")).refused(&bed, content::content), 404, "{hash}");
        let put = Ask::new("PUT", "/").param("hash", "../../etc/passwd").param("field", "tool").body("public");
        assert_eq!(put.refused(&bed, metadata::set), 404);
        assert!(send(&bed, &format!("hash={hash}&filename=a.zip")).text().ends_with(&zip_hash()), "{hash}");
    }
}

#[test]
fn m15_22_nobody_hides_somebody_elses_public_package() {
    let bed = Bed::with(&[]);
    let alpha = Ask::new("POST", "/x?filename=a.zip").user("alpha", &["__ANON__"]).body(ZIP);
    assert!(ask(&bed, alpha, package::send).text().starts_with("https://tak.example.org:8443/"));
    let hide = |name: &str| {
        let put = Ask::new("PUT", "/").param("hash", &zip_hash()).param("field", "tool").body("private");
        assert_eq!(ask(&bed, put.user(name, &["__ANON__"]), metadata::set).status, 200);
        found(&bed, "tool=public").len()
    };
    assert_eq!((hide("bravo"), hide("alpha")), (1, 0));
    let private = |name: &str| {
        let ask = Ask::get("/x?tool=private").user(name, &["__ANON__"]);
        ask.of(&bed, search::legacy).unwrap().json()["resultCount"].as_u64()
    };
    assert_eq!((private("bravo"), private("alpha")), (Some(0), Some(1)));
    assert_eq!(found(&bed, &format!("uid={}", zip_hash())).len(), 1, "who knows it finds it");
}

#[test]
fn m15_27_to_30_uploads_of_all_kinds() {
    let bed = Bed::with(&[]);
    let raw = Ask::new("POST", "/x?name=a.jpg&keywords=x,y&creatorUid=U1").header("content-type", "image/jpeg");
    let reply = ask(&bed, raw.body("jpeg"), upload::upload);
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/json"));
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
        assert!(row.get(key).is_some(), "{key}");
    }
    assert_eq!((row["Keywords"].to_string(), row["MIMEType"].as_str()), (r#"["x","y"]"#.into(), Some("image/jpeg")));
    assert!(found(&bed, "keywords=missionpackage").is_empty());
    let itak = Ask::new("POST", "/x?name=pack&CreatorUid=I1").header("user-agent", "iTAK/2.8");
    let row = ask(&bed, itak.header("content-type", "application/x-zip-compressed").body(ZIP), upload::upload).json();
    assert_eq!((row["UID"].as_str(), row["Name"].as_str()), (Some(&*zip_hash()), Some("pack.zip")));
    assert_eq!(found(&bed, "keywords=missionpackage&tool=public").len(), 1);
    assert_eq!(Ask::new("POST", "/x?name=a").refused(&bed, upload::upload), 400);
    let form = Ask::new("POST", "/x").header("content-type", "multipart/form-data; boundary=x");
    assert_eq!(form.body("no file").refused(&bed, upload::upload), 400);
    let part = Ask::new("POST", "/x").part("resource", "../b.png", "").body("png");
    let row = ask(&bed, part.header("content-type", "multipart/form-data; boundary=x"), upload::upload).json();
    assert_eq!((row["Name"].as_str(), row["MIMEType"].as_str()), (Some("b.png"), Some("image/png")));
    let nameless = ask(&bed, Ask::new("POST", "/x").body("z"), upload::upload).json();
    assert_eq!(nameless["Name"], nameless["Hash"]);
    assert_eq!(nameless["MIMEType"], "application/octet-stream");
    let uid = ask(&bed, Ask::new("PUT", "/x?name=n&uid=u-9").body("n"), upload::content);
    assert_eq!((uid.status, uid.text()), (200, "u-9".into()));
}

#[test]
fn groups_bound_what_is_stored_and_seen() {
    let bed = Bed::with(&[]);
    let store = |query: &str, groups: &[&str]| {
        let ask = Ask::new("POST", &format!("/x?name=a&{query}")).user("alpha", groups).body("a");
        ask.of(&bed, upload::upload).map(|r| r.json()["UID"].as_str().unwrap().to_owned())
    };
    let sees = |uid: &str, groups: &[&str]| {
        Ask::get(&format!("/x?uid={uid}"))
            .user("bravo", groups)
            .of(&bed, content::content)
            .map_or_else(|e| e.status.as_u16(), |r| r.status)
    };
    let both = store("", &["Red", "Blue"]).unwrap();
    let red = store("groups=Red", &["Red", "Blue"]).unwrap();
    assert_eq!(store("Groups=Red&groups=Green", &["Red"]).unwrap_err().status, 403);
    assert_eq!((sees(&both, &["Blue"]), sees(&both, &["Green"])), (200, 404));
    assert_eq!((sees(&red, &["Red"]), sees(&red, &["Blue"])), (200, 404));
    let reader = |ask: Ask| ask.user("r", &["Red"]).identity(|i| i.role = crate::http::auth::Role::ReadOnly);
    assert_eq!(reader(Ask::new("POST", "/x?name=a").body("a")).refused(&bed, upload::upload), 403);
    assert_eq!(reader(Ask::new("DELETE", &format!("/x?hash={red}"))).refused(&bed, delete::delete), 403);
}

#[test]
fn deletion_is_for_who_stored_it_and_for_administrators() {
    let bed = Bed::with(&[]);
    let groups = &["__ANON__"][..];
    let store = |name: &str, text: &'static str| {
        let ask = Ask::new("POST", "/x?name=a").user(name, groups).body(text);
        ask.of(&bed, upload::upload).unwrap().json()
    };
    let (a, b) = (store("alpha", "a"), store("alpha", "b"));
    let target = |row: &Value| format!("/x?hash={}", row["Hash"].as_str().unwrap());
    assert_eq!(Ask::new("DELETE", &target(&a)).user("bravo", groups).refused(&bed, delete::delete), 403);
    assert_eq!(Ask::new("DELETE", &target(&a)).refused(&bed, delete::delete), 403);
    assert_eq!(Ask::get(&target(&a)).user("alpha", groups).of(&bed, delete::by_get).unwrap().status, 405);
    let gone = Ask::new("POST", &target(&a)).user("alpha", groups).of(&bed, delete::delete).unwrap();
    assert_eq!((gone.status, gone.text()), (200, "Deleted 1 resource(s).".into()));
    assert_eq!(Ask::new("DELETE", &target(&a)).user("alpha", groups).refused(&bed, delete::delete), 404);
    let key = format!("/x?PrimaryKey={}", b["PrimaryKey"].as_str().unwrap());
    assert_eq!(Ask::new("DELETE", &key).user("root", groups).admin().of(&bed, delete::delete).unwrap().status, 200);
    assert_eq!(Ask::new("DELETE", "/x").refused(&bed, delete::delete), 400);
    send(&bed, "filename=anonymous.zip");
    assert_eq!(ask(&bed, Ask::new("DELETE", &format!("/x?hash={}", zip_hash())), delete::delete).status, 200);
    let allowed = Bed::with(&["files.allow_get_delete=true"]);
    send(&allowed, "filename=anonymous.zip");
    assert_eq!(ask(&allowed, Ask::get(&format!("/x?hash={}", zip_hash())), delete::by_get).status, 200);
}

#[test]
fn metadata_is_set_and_checked() {
    let bed = Bed::with(&[]);
    send(&bed, "filename=a.zip");
    let set = |field: &str, query: &str, body: &'static str| {
        let put = Ask::new("PUT", &format!("/x?{query}")).param("hash", &zip_hash()).param("field", field).body(body);
        put.of(&bed, metadata::set).map_or_else(|e| e.status.as_u16(), |r| r.status)
    };
    assert_eq!(set("keywords", "", r#"["b","a","b"]"#), 200);
    assert_eq!(found(&bed, "")[0]["Keywords"].to_string(), r#"["b","a","b"]"#);
    assert_eq!((set("keywords", "", "b"), set("other", "", "x"), set("tool", "", " ")), (400, 400, 400));
    assert_eq!((set("mimetype", "", "image/png"), set("mimetype", "", "x\r\ny")), (200, 400));
    assert_eq!(found(&bed, "mimetype=png").len(), 1);
    assert_eq!((set("expiration", "", ""), set("expiration", "expiration=soon", "")), (400, 400));
    assert_eq!(set("expiration", "expiration=-1", ""), 200);
    assert_eq!(set("expiration", "expiration=1", ""), 200);
    assert!(found(&bed, "").is_empty());
    assert_eq!(set("expiration", "expiration=-1", ""), 404, "what has ended is not there");
}

#[test]
fn m15_31_and_search_takes_everything_clients_send() {
    let bed = Bed::with(&[]);
    send(&bed, "filename=MP-ALPHA.zip&hash=&Groups=__ANON__&keyword=a&keyword=b");
    assert_eq!(found(&bed, &format!("uid={}", zip_hash())).len(), 1);
    assert_eq!(found(&bed, "tool=public&name=alpha")[0]["Keywords"].to_string(), r#"["a","b","missionpackage"]"#);
    for (query, n) in [
        ("keyword=missionpackage", 1),
        ("keywords=x,b", 1),
        ("keywords=x&keywords=b", 1),
        ("name=%5EMP-.*zip%24", 1),
        ("name=(", 0),
        ("hash=abc", 0),
        ("limit=1&page=1", 0),
        ("startTime=2020-01-01T00:00:00Z&endTime=2099-01-01T00:00:00.000Z", 1),
        ("endTime=2020-01-01T00:00:00Z", 0),
        ("bbox=0,0,1,1", 0),
        ("submissionUser=anonymous&primaryKey=1", 1),
    ] {
        assert_eq!(found(&bed, query).len(), n, "{query}");
    }
    for query in ["bbox=1", "circle=1,2", "bbox=0,0,1,1&circle=0,0,1", "startTime=yesterday", "minAltitude=high"] {
        assert_eq!(Ask::get(&format!("/x?{query}")).refused(&bed, search::legacy), 400, "{query}");
    }
    let modern = ask(&bed, Ask::get("/x?keyword=missionpackage"), search::modern);
    let json = modern.json();
    assert_eq!((modern.header("content-type"), json["type"].as_str()), ("application/json", Some("Resource")));
    assert_eq!((json["data"][0]["size"].as_u64(), json["data"][0]["groups"][0].as_str()), (Some(19), Some("__ANON__")));
}

#[test]
fn the_file_manager() {
    let bed = Bed::with(&["files.max_upload=\"250MB\""]);
    send(&bed, "filename=b.zip&creatorUid=U1");
    ask(&bed, Ask::new("POST", "/x?name=a.txt&tool=private").body("text"), upload::upload);
    bed.join("", "U1", "ALPHA", &["__ANON__"]);
    let rows = |query: &str, admin: bool| {
        let ask = Ask::get(&format!("/x?{query}"));
        let ask = if admin { ask.user("root", &["__ANON__"]).admin() } else { ask };
        ask.of(&bed, manager::rows).unwrap().json()
    };
    let json = rows("page=-1&limit=-1&sort=name&ascending=true", true);
    assert_eq!(json["type"], "Files");
    assert_eq!((json["data"][0]["Name"].as_str(), json["data"][1]["Creator"].as_str()), (Some("a.txt"), Some("ALPHA")));
    assert!(json["data"][0].as_object().unwrap().values().all(Value::is_string));
    assert_eq!(rows("sort=name&ascending=false&limit=1&page=0", true)["data"][0]["Name"], "b.zip");
    assert_eq!(rows("", false)["data"].as_array().unwrap().len(), 1);
    assert_eq!(rows("missionPackage=true", true)["data"].as_array().unwrap().len(), 1);
    assert_eq!(ask(&bed, Ask::get("/x"), manager::count).json()["data"], 1);
    let limit = || ask(&bed, Ask::get("/x"), manager::config).text();
    assert_eq!(limit(), r#"{"uploadSizeLimit":250}"#);
    let set = Ask::new("POST", "/x").body(r#"{"uploadSizeLimit":10}"#);
    assert_eq!((ask(&bed, set, manager::configure).status, limit()), (200, r#"{"uploadSizeLimit":10}"#.into()));
    assert_eq!(Ask::new("POST", "/x").body("{}").refused(&bed, manager::configure), 400);
    let root = |ask: Ask| ask.param("hash", &zip_hash()).user("root", &["__ANON__"]).admin();
    let set = root(Ask::new("PUT", "/x?user=charlie&keywords=a,b&expiration=-1"));
    assert_eq!(ask(&bed, set, manager::set).status, 200);
    let row = &found(&bed, "name=b.zip")[0];
    assert_eq!((row["SubmissionUser"].as_str(), row["Keywords"].to_string()), (Some("charlie"), r#"["a","b"]"#.into()));
    assert_eq!(ask(&bed, root(Ask::new("DELETE", "/x")), manager::delete).status, 200);
    assert_eq!(root(Ask::new("DELETE", "/x")).refused(&bed, manager::delete), 404);
}
