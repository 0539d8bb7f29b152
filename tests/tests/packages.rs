//! Client packages: `fts client add`, `fts package`, `fts enroll` as an operator uses them, and what is in the files,
//! looked at with openssl and with a connection of a client that has nothing but the package.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Output};

use fts_tests::{Client, Package, Server, Web, fence, pkcs12};
use rustls::ALL_VERSIONS;
use serde_json::Value;

fn server() -> Server {
    Server::build().secure().start()
}

fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// `fts client add NAME …` for a host on this machine; it must be content.
fn add(server: &Server, name: &str, more: &[&str]) -> (String, PathBuf) {
    let dir = server.dir().join("phones");
    let mut args = vec!["client", "add", name, "--out", dir.to_str().unwrap()];
    args.extend(more);
    if !more.contains(&"--host") {
        args.extend(["--host", "127.0.0.1"]);
    }
    let out = server.cli(&args);
    assert!(out.status.success(), "{}", said(&out));
    (said(&out), dir)
}

/// A client that has nothing but the package.
fn connect(server: &Server, package: &Package, name: &str) -> Client {
    let config = package.pki(name).client(&package.ca(), ALL_VERSIONS);
    Client::tls(server, "cot_tls", config).unwrap().greeted()
}

#[test]
fn client_add_makes_everything_in_one_step_and_proves_it() {
    let server = server();
    let (said, dir) = add(&server, "alice", &["--client", "all"]);
    assert!(said.contains("user alice made") && said.contains("checked by connecting with it"), "{said}");
    for client in ["atak", "wintak", "itak", "enroll"] {
        let path = dir.join(format!("alice-{client}.zip"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{client}");
        let out = server.cli(&["doctor", path.to_str().unwrap()]);
        assert!(out.status.success(), "{client}: {}", self::said(&out));
    }
    let kept = server.data_dir().join("packages/alice.zip");
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(&kept).unwrap(), fs::read(dir.join("alice-atak.zip")).unwrap());
    let listed = server.cli_json(&["package", "list"]);
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["alice", "alice+enroll", "alice+itak", "alice+wintak"]);
    let users = server.cli_json(&["user", "list"]).to_string();
    assert!(users.contains("\"alice\""), "{users}");
}

#[test]
fn id12_15_layouts_of_packages_as_they_are_made() {
    let server = server();
    let (_, dir) = add(&server, "alice", &["--client", "all"]);
    let open = |client: &str| Package::open(&dir.join(format!("alice-{client}.zip")));
    let wintak = open("wintak");
    assert_eq!(wintak.outer, ["80b828699e074a239066d454a76284eb/alice.zip", "MANIFEST/manifest.xml"]);
    assert!(wintak.files.contains_key("5c2bfcae3d98c9f4d262172df99ebac5/truststore.p12"));
    assert_eq!(open("itak").outer, ["alice.p12", "config.pref", "truststore.p12"]);
    assert_eq!(open("enroll").outer, ["MANIFEST/manifest.xml", "certs/server.pref", "certs/truststore.p12"]);
    let atak = open("atak");
    let port = server.address("cot_tls").port();
    assert_eq!(atak.pref("connectString0").unwrap(), format!("127.0.0.1:{port}:ssl"));
    let https = server.address("marti_https").port().to_string();
    assert_eq!(atak.pref("apiSecureServerPort"), Some(https), "another port than 8443 is told");
}

#[test]
fn id12_14_openssl_opens_every_store_and_no_truststore_holds_a_key() {
    let server = server();
    let (_, dir) = add(&server, "alice", &["--client", "all"]);
    let mut stores = 0;
    for client in ["atak", "wintak", "itak", "enroll"] {
        for store in Package::open(&dir.join(format!("alice-{client}.zip"))).stores() {
            let text = pkcs12(&store, &["-nodes"]).unwrap_or_else(|e| panic!("{client} {}: {e}", store.display()));
            let keys = text.matches("PRIVATE KEY-----").count() / 2;
            assert_eq!(keys, usize::from(!store.ends_with("truststore.p12")), "{client} {}", store.display());
            assert!(text.contains("BEGIN CERTIFICATE"), "{client} {}", store.display());
            stores += 1;
        }
    }
    assert_eq!(stores, 7);
}

#[test]
fn two_clients_with_nothing_but_their_packages_see_each_other() {
    let server = server();
    let packages = ["alice", "bob"].map(|name| {
        let (_, dir) = add(&server, name, &[]);
        Package::open(&dir.join(format!("{name}-atak.zip")))
    });
    let mut alice = connect(&server, &packages[0], "alice").identify("ANDROID-A", "ALICE");
    alice.sync();
    let mut bob = connect(&server, &packages[1], "bob").identify("ANDROID-B", "BOB");
    alice.expect("ANDROID-B");
    bob.expect("ANDROID-A");
    bob.say("marker-1", "b-m-p-s-m", "");
    alice.expect("marker-1");
    assert_eq!(server.client("ALICE")["user"], "alice");
    // And over HTTP, with the same certificate.
    let web =
        Web::with(server.address("marti_https"), packages[0].pki("alice").client(&packages[0].ca(), ALL_VERSIONS));
    assert_eq!(web.get("/Marti/api/version/config").json()["type"], "ServerConfig");
}

#[test]
fn groups_of_a_new_client_are_in_force() {
    let server = server();
    for group in ["red", "blue"] {
        assert!(server.cli(&["group", "add", group]).status.success());
    }
    let (_, dir) = add(&server, "alice", &["--group", "red"]);
    add(&server, "bob", &["--group", "red:out"]);
    add(&server, "carol", &["--group", "blue"]);
    let open = |name: &str| Package::open(&dir.join(format!("{name}-atak.zip")));
    let mut carol = connect(&server, &open("carol"), "carol").identify("C", "CAROL");
    let mut bob = connect(&server, &open("bob"), "bob").identify("B", "BOB");
    bob.sync();
    let mut alice = connect(&server, &open("alice"), "alice").identify("A", "ALICE");
    bob.expect("A");
    bob.say("from-bob", "b-m-p-s-m", "");
    bob.sync();
    // Bob only receives: nobody got his.
    let mut dave = {
        add(&server, "dave", &["--group", "red"]);
        connect(&server, &open("dave"), "dave").identify("D", "DAVE")
    };
    alice.expect("D");
    dave.expect("A");
    fence(&mut dave, &mut [&mut alice]);
    carol.sync();
    let out = server.cli(&["client", "add", "erin", "--group", "green", "--host", "127.0.0.1"]);
    assert!(!out.status.success() && said(&out).contains("fts group add green"), "{}", said(&out));
    let users = server.cli_json(&["user", "list"]).to_string();
    assert!(!users.contains("erin"), "nothing was made: {users}");
}

#[test]
fn a_host_that_is_not_in_the_certificate_is_put_there_for_good() {
    let server = Server::build()
        .secure()
        .set("listeners.cot_tls.bind", "\"127.0.0.2\"")
        .set("listeners.marti_https.bind", "\"127.0.0.2\"")
        .start();
    let (said, _) = add(&server, "alice", &["--host", "127.0.0.2"]);
    assert!(said.contains("127.0.0.2 was put into the server's certificate"), "{said}");
    assert!(said.contains("checked by connecting"), "{said}");
    let (again, dir) = add(&server, "bob", &["--host", "127.0.0.2"]);
    assert!(!again.contains("was put into"), "{again}");
    let pem = fs::read(server.data_dir().join("certs/server.pem")).unwrap();
    let mut old = server;
    old.stop();
    let server = Server::build()
        .secure()
        .set("listeners.cot_tls.bind", "\"127.0.0.2\"")
        .set("listeners.marti_https.bind", "\"127.0.0.2\"")
        .again(&old)
        .start();
    assert_eq!(fs::read(server.data_dir().join("certs/server.pem")).unwrap(), pem, "a restart changes nothing");
    let out = server.cli(&["doctor", "--offline", dir.join("bob-atak.zip").to_str().unwrap()]);
    assert!(out.status.success() && self::said(&out).contains("127.0.0.2 stands in"), "{}", self::said(&out));
}

#[test]
fn many_clients_come_from_a_csv_file() {
    let server = server();
    assert!(server.cli(&["group", "add", "red"]).status.success());
    let csv = server.dir().join("team.csv");
    fs::write(&csv, "name,groups,client\nanna,red,atak\nberta,red:in;red:out,itak\ncarla,,wintak\n").unwrap();
    let dir = server.dir().join("team");
    let args = ["client", "add", "--csv", csv.to_str().unwrap(), "--host", "127.0.0.1", "--out", dir.to_str().unwrap()];
    let out = server.cli(&args);
    assert!(out.status.success() && said(&out).contains("3 of 3 clients are ready"), "{}", said(&out));
    let report = server.cli_json(&args);
    let ready: Vec<_> = report.as_array().unwrap().iter().map(|r| (r["user"].clone(), r["ok"].clone())).collect();
    assert_eq!(ready, ["anna", "berta", "carla"].map(|n| (Value::from(n), Value::Bool(true))));
    assert_eq!(report[0]["created"], false, "they were there from the first time");
    for file in ["anna-atak.zip", "berta-itak.zip", "carla-wintak.zip"] {
        Package::open(&dir.join(file));
    }
    fs::write(&csv, "name\ndora\nno/slash\n").unwrap();
    let out = server.cli(&args);
    assert!(out.status.code() == Some(2) && said(&out).contains("line 3"), "{}", said(&out));
    assert!(
        !server.cli_json(&["user", "list"]).to_string().contains("dora"),
        "nothing is made of a file with a mistake"
    );
}

#[test]
fn without_a_server_the_same_is_made_and_good_when_it_starts() {
    let mut first = server();
    let (tls, https) = (first.address("cot_tls").port(), first.address("marti_https").port());
    first.stop();
    let dir = first.dir().join("phones");
    let ports = [format!("listeners.cot_tls.port={tls}"), format!("listeners.marti_https.port={https}")];
    let mut args = vec!["client", "add", "alice", "--host", "127.0.0.1", "--out", dir.to_str().unwrap()];
    args.extend(ports.iter().flat_map(|set| ["--set", set.as_str()]));
    let out = first.cli(&args);
    assert!(out.status.success() && said(&out).contains("The server does not run"), "{}", said(&out));
    let path = dir.join("alice-atak.zip");
    let down = first.cli(&["doctor", path.to_str().unwrap()]);
    assert!(!down.status.success() && said(&down).contains("FAIL  reach"), "{}", said(&down));
    let server = Server::build()
        .secure()
        .set("listeners.cot_tls.port", &tls.to_string())
        .set("listeners.marti_https.port", &https.to_string())
        .again(&first)
        .start();
    let out = server.cli(&["doctor", path.to_str().unwrap()]);
    assert!(out.status.success(), "{}", said(&out));
}

#[test]
fn a_package_is_made_for_users_that_are_there_and_for_no_strange_names() {
    let server = server();
    let make = |name: &str, more: &[&str]| {
        let mut args = vec!["package", "create", name, "--host", "127.0.0.1"];
        args.extend(more);
        server.cli(&args)
    };
    let out = make("nobody", &[]);
    assert!(!out.status.success() && said(&out).contains("fts client add nobody"), "{}", said(&out));
    add(&server, "alice", &[]);
    let file = server.dir().join("a/b/mine.zip");
    let out = make("alice", &["--client", "itak", "--out", file.to_str().unwrap()]);
    assert!(out.status.success() && said(&out).trim() == file.to_str().unwrap(), "{}", said(&out));
    assert_eq!(Package::open(&file).outer.len(), 3);
    for name in ["../up", "a b", ""] {
        assert!(!make(name, &[]).status.success(), "{name:?}");
    }
    let out = server.cli(&["package", "create", "alice", "--host", "::1"]);
    assert!(!out.status.success() && said(&out).contains("host:port:ssl"), "{}", said(&out));
}

#[test]
fn with_the_user_its_packages_go() {
    let server = server();
    add(&server, "alice", &["--client", "all"]);
    add(&server, "alice2", &[]);
    assert!(server.cli(&["user", "delete", "alice"]).status.success());
    let left = server.cli_json(&["package", "list"]);
    let names: Vec<_> = left.as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["alice2"]);
}

#[test]
fn with_one_time_a_package_is_handed_out_once() {
    let server = Server::build().secure().set("packages.one_time", "true").start();
    let (_, dir) = add(&server, "alice", &[]);
    assert!(dir.join("alice-atak.zip").exists());
    assert_eq!(server.cli_json(&["package", "list"]), serde_json::json!([]));
}

#[test]
fn a_token_enrols_and_a_code_brings_it_to_the_phone() {
    let server = server();
    add(&server, "alice", &[]);
    let made = server.cli_json(&["enroll", "token", "alice", "--host", "127.0.0.1"]);
    let token = made["token"].as_str().unwrap();
    let link = format!("tak://com.atakmap.app/enroll?host=127.0.0.1&username=alice&token={token}");
    assert_eq!(made["atak_url"], link);
    let port = server.address("cot_tls").port();
    assert_eq!(made["itak_qr"], format!("FTS_127.0.0.1,127.0.0.1,{port},SSL"));
    let web = Web::tls(&server, "enrollment", None);
    assert_eq!(web.clone().basic("alice", "et_wrong").get("/Marti/api/tls/config").status, 401);
    let config = web.basic("alice", token).get("/Marti/api/tls/config");
    assert_eq!(config.status, 200);
    let (png, svg) = (server.dir().join("q/a.png"), server.dir().join("q/a.svg"));
    let files = ["--png", png.to_str().unwrap(), "--svg", svg.to_str().unwrap()];
    let out = server.cli(&[&["enroll", "qr", "alice", "--host", "127.0.0.1"][..], &files].concat());
    assert!(out.status.success() && said(&out).contains('█') && said(&out).contains("until"), "{}", said(&out));
    assert_eq!(&fs::read(&png).unwrap()[..8], b"\x89PNG\r\n\x1a\n");
    assert!(fs::read_to_string(&svg).unwrap().contains("<svg"));
    assert_eq!(fs::metadata(&png).unwrap().permissions().mode() & 0o777, 0o600);
    let listed = server.cli_json(&["enroll", "list"]);
    assert!(listed.as_array().unwrap().len() == 2 && !listed.to_string().contains(token), "{listed}");
    let id = listed[0]["id"].to_string();
    assert!(server.cli(&["enroll", "remove", &id]).status.success());
    assert_eq!(Web::tls(&server, "enrollment", None).basic("alice", token).get("/Marti/api/tls/config").status, 401);
    for line in server.logs() {
        assert!(!line.to_string().contains(token), "a token in the log: {line}");
    }
}

#[test]
fn over_rest_users_make_tokens_for_themselves_and_administrators_for_anybody() {
    let server = server();
    add(&server, "alice", &[]);
    add(&server, "bob", &[]);
    let token = |args: &[&str]| {
        let made = server.cli_json(&[&["user", "token"][..], args].concat());
        made["token"].as_str().unwrap().to_owned()
    };
    let rest = |token: &str| Web::plain(&server, "rest").bearer(token);
    let (alice, admin) =
        (rest(&token(&["alice", "--scope", "read", "--scope", "write"])), rest(&token(&["admin", "--scope", "admin"])));
    let post = |web: &Web, body: &str| web.post("/api/enrollment/tokens", "application/json", body.as_bytes());
    let own = post(&alice, "{}");
    assert_eq!((own.status, own.json()["username"].as_str()), (201, Some("alice")));
    assert_eq!(post(&alice, r#"{"username":"bob"}"#).status, 403);
    let his = post(&admin, r#"{"username":"bob","expires_in":60,"max_uses":2}"#);
    assert_eq!((his.status, his.json()["max_uses"].as_i64()), (201, Some(2)));
    assert_eq!(post(&admin, r#"{"username":"nobody"}"#).status, 404);
    for bad in ["{", r#"{"username":1}"#, r#"{"expires_in":0}"#, r#"{"max_uses":0}"#, r#"{"exp":"x"}"#, r#"{"exp":1}"#]
    {
        assert_eq!(post(&alice, bad).status, 400, "{bad}");
    }
    assert_eq!(Web::plain(&server, "rest").get("/api/enrollment/tokens").status, 401);
    let (mine, all) = (alice.get("/api/enrollment/tokens").json(), admin.get("/api/enrollment/tokens").json());
    assert_eq!((mine.as_array().unwrap().len(), all.as_array().unwrap().len()), (1, 2));
    let id = his.json()["id"].to_string();
    assert_eq!(alice.delete(&format!("/api/enrollment/tokens/{id}")).status, 404);
    assert_eq!(admin.delete(&format!("/api/enrollment/tokens/{id}")).status, 204);
    let qr = alice.get("/api/enrollment/qr?format=svg&token=et_x");
    assert_eq!((qr.status, qr.header("content-type")), (200, Some("image/svg+xml")));
    assert_eq!(alice.get("/api/enrollment/qr").header("content-type"), Some("image/png"));
    assert_eq!(alice.get("/api/enrollment/qr?user=bob").status, 403);
    assert_eq!(alice.get("/api/enrollment/qr?kind=x").status, 400);
    assert_eq!(alice.get("/api/enrollment/qr?kind=itak&host=a%2Fb").status, 400);
}
