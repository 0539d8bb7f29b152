//! Stored files and plugins (plugins.md 1.2, 1.3): the store as a service, who may veto, who is told, offers to whom sees
//! the file, bodies that are stored without being copied through the plugin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::plugin_bed;
use crate::sync_bed;
use crate::sync_groups::user;

use fts_tests::{Client, Server, Web, fence, join_all};
use plugin_bed::{Asks, probe};
use serde_json::{Value, json};
use sync_bed::{contents, package, search, send_package, sha256};

fn file(server: &Server, what: Value) -> Value {
    server.probe(json!({"do": "file", "file": what}))
}

fn refused(server: &Server, what: Value) -> String {
    server.refused(json!({"do": "file", "file": what})).1
}

#[test]
fn a_plugin_stores_finds_describes_and_deletes() {
    let server = probe("").start();
    let web = Web::plain(&server, "marti_http");
    let info =
        |name: &str| json!({"uid": "list", "name": name, "groups": ["__ANON__"], "keywords": ["k"], "tool": "ExCheck"});
    let one = file(&server, json!({"put": {"info": info("one.xml"), "text": "<one/>"}}));
    let two = file(&server, json!({"put-file": {"info": info("two.xml"), "path": "two.xml", "text": "<two/>"}}));
    assert_eq!((one["sha256"].as_str(), one["submitter"].as_str()), (Some(&*sha256(b"<one/>")), Some("probe")));
    assert_eq!(two["content_type"], "text/xml");
    for (uid, limit, found) in [("list", json!(null), &two), ("list", one["time"].clone(), &one)] {
        let newest = file(&server, json!({"version": {"uid": uid, "not_later": limit}}));
        // Both may have been stored within one millisecond: then the later one is newest.
        assert!(newest["id"] == found["id"] || one["time"] == two["time"], "{newest}");
    }
    assert_eq!(file(&server, json!({"read": one["sha256"]})), "<one/>");
    assert_eq!(file(&server, json!({"search": ["k", "ExCheck", "list"]})).as_array().unwrap().len(), 2);
    assert_eq!(search(&web, "tool=ExCheck").len(), 2);
    let path = format!("/Marti/sync/content?hash={}", one["sha256"].as_str().unwrap());
    assert_eq!(web.get(&path).expect(200).body, b"<one/>");
    let hidden = json!({"describe": {"id": one["id"], "name": "renamed.xml", "groups": ["Red"]}});
    file(&server, hidden);
    web.get(&path).expect(404);
    assert_eq!(file(&server, json!({"get": one["sha256"]}))["name"], "renamed.xml");
    let url = file(&server, json!({"url": [one["sha256"], 0]}));
    assert!(url.as_str().unwrap().ends_with(&path));
    for bad in ["../../fts.db", "/etc/passwd", "none.xml"] {
        let said = refused(&server, json!({"put-file": {"info": info("x"), "path": bad, "text": null}}));
        assert!(!said.contains("root:"), "{said}");
    }
    file(&server, json!({"delete-versions": ["list", two["sha256"]]}));
    assert_eq!(contents(&server).len(), 1);
    file(&server, json!({"delete-versions": ["list", null]}));
    refused(&server, json!({"delete": one["sha256"]}));
    assert!(contents(&server).is_empty());
    // Notices come by the plugin's queue, behind the answer.
    let told = || ["added", "changed", "removed"].map(|topic| server.diary(&format!("resource.{topic}")).len());
    server.eventually("the last is told", || told()[2] >= 2);
    assert_eq!(told(), [2, 1, 2]);
}

#[test]
fn a_plugin_keeps_a_file_until_it_lets_go() {
    let server = probe("").start();
    let web = Web::plain(&server, "marti_http");
    let bytes = package("u-k", "K");
    let hash = sha256(&bytes);
    send_package(&web, "k.zip", "", &bytes).expect(200);
    send_package(&web, "other.zip", "", &bytes).expect(200);
    file(&server, json!({"keep": [hash, "it is in a mission"]}));
    let key = search(&web, "name=other")[0]["PrimaryKey"].as_str().unwrap().to_owned();
    web.delete(&format!("/Marti/sync/delete?PrimaryKey={key}")).expect(200);
    let kept = web.delete(&format!("/Marti/sync/delete?hash={hash}")).expect(409);
    assert!(kept.text().contains("probe: it is in a mission"), "{}", kept.text());
    // Expired it is not there, but it stays until the plugin lets go.
    web.put(&format!("/Marti/api/sync/metadata/{hash}/expiration?expiration=1"), "", b"").expect(200);
    web.get(&format!("/Marti/sync/content?hash={hash}")).expect(404);
    let swept = server.cli_json(&["files", "sweep"]);
    assert_eq!((swept["expired"].as_i64(), swept["kept"].as_i64(), contents(&server).len()), (Some(0), Some(1), 1));
    for (fault, text) in [("panic", "it failed to answer"), ("slow", "it did not answer in time")] {
        let info = json!({"name": "f", "groups": ["__ANON__"]});
        let stored = server.admin(
            "POST",
            "/admin/files",
            &json!({"path": server.dir().join("test.toml"), "name": fault}).to_string(),
        );
        let hash = stored.json()["hash"].as_str().unwrap().to_owned();
        file(&server, json!({"keep": [hash, fault]}));
        let answer = server.admin("DELETE", &format!("/admin/files/{hash}"), "");
        assert!(answer.status == 409 && answer.body.contains(text), "{info} {}", answer.body);
        file(&server, json!({"keep": [hash, ""]}));
        assert_eq!(server.admin("DELETE", &format!("/admin/files/{hash}"), "").status, 204);
    }
    file(&server, json!({"keep": [hash, ""]}));
    assert_eq!(server.cli_json(&["files", "sweep"])["expired"], 1);
    assert!(contents(&server).is_empty());
    // Who deletes is not asked itself.
    let own = file(&server, json!({"put": {"info": {"name": "own"}, "text": "own"}}));
    file(&server, json!({"keep": [own["sha256"], "mine"]}));
    file(&server, json!({"delete": own["sha256"]}));
}

#[test]
fn a_plugin_says_who_may_have_a_file_beside_its_groups_and_learns_why_one_goes() {
    let server = probe("").secure().start();
    let [ruby, bella] = ["ruby", "bella"].map(|name| user(&server, name, &["Red"], "user"));
    let info = json!({"name": "plan.pdf", "groups": ["Blue"]});
    let stored = file(&server, json!({"put": {"info": info, "text": "plan"}}));
    let hash = stored["sha256"].as_str().unwrap().to_owned();
    let path = format!("/Marti/sync/content?hash={hash}");
    ruby.get(&path).expect(404);
    file(&server, json!({"lend": ["ruby", hash]}));
    assert_eq!(ruby.get(&path).expect(200).body, b"plan");
    bella.get(&path).expect(404);
    assert!(search(&ruby, "").is_empty(), "to have it is not to find it");
    ruby.delete(&format!("/Marti/sync/delete?hash={hash}")).expect(404);
    user(&server, "ada", &["Blue"], "admin").delete(&format!("/Marti/sync/delete?hash={hash}")).expect(200);
    let asked = server.diary("deletion");
    assert_eq!((asked.len(), asked[0]["uid"].as_str(), asked[0]["cause"].as_str()), (1, Some(&*hash), Some("Deleted")));
}

#[test]
fn an_offer_reaches_who_sees_the_file() {
    let server = probe("").listener("red", "cot_tcp", "default_groups = [\"Red\"]").start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let mut red = Client::join_to(&server, "red", "R", "ROT");
    let put =
        |groups: Value| file(&server, json!({"put": {"info": {"name": "plan.pdf", "groups": groups}, "text": "plan"}}));
    let stored = put(json!(["__ANON__"]));
    file(&server, json!({"share": [stored["sha256"], {"Uids": ["A", "R"]}]}));
    let (offer, _) = alice.until(|e| e.kind() == "b-f-t-r");
    assert_eq!(offer.detail("fileshare").unwrap().attr("sha256"), stored["sha256"].as_str().unwrap());
    fence(&mut alice, &mut [&mut bob]);
    let mut other = Client::join_to(&server, "red", "S", "ROSA");
    red.until(|e| e.uid() == "S");
    fence(&mut other, &mut [&mut red]);
}

#[test]
fn a_body_is_stored_without_passing_through_the_plugin() {
    let server = probe("").start();
    let web = Web::plain(&server, "marti_http");
    for len in [10, 3_000_000] {
        let body = vec![b'b'; len];
        let reply = web.post("/api/plugins/probe/store", "application/octet-stream", &body).expect(200).json();
        assert_eq!((reply["sha256"].as_str(), reply["len"].as_u64()), (Some(&*sha256(&body)), Some(len as u64)));
        let url = reply["url"].as_str().unwrap();
        assert_eq!(url, format!("http://{}/Marti/sync/content?hash={}", web.at, sha256(&body)));
    }
    assert_eq!(contents(&server).len(), 2);
}
