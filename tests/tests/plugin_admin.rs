//! `/admin/plugins…` on a running server (operations.md 6.3, acceptance 24b): who may, what it says, tables changed at run
//! time, and what two clients notice when a plugin is disabled, reloaded and started again under them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::{Builder, Client, Http, Server, chat, fence, join_all};
use serde_json::{Value, json};

fn server() -> Builder {
    Server::build().set("plugins.enabled", "[\"ping\", \"emergency\"]")
}

fn config(server: &Server, method: &str, name: &str, table: &Value) -> Http {
    let body = if table.is_null() { String::new() } else { table.to_string() };
    server.admin(method, &format!("/admin/plugins/{name}/config"), &body)
}

fn info(server: &Server, name: &str) -> Value {
    server.admin("GET", &format!("/admin/plugins/{name}"), "").json()
}

fn change(server: &Server, name: &str, change: &str) -> Http {
    server.admin("POST", &format!("/admin/plugins/{name}/{change}"), "")
}

/// Asks the ping plugin over a chat.
fn is_answered(client: &mut Client, others: &mut [&mut Client], n: &str) -> bool {
    let text = chat((&client.uid.clone(), "X"), "All Chat Rooms", "All Chat Rooms", "RootContactGroup", n, "");
    client.send(&text.replace(&format!("text of {n}"), "ping"));
    others.iter_mut().for_each(|other| drop(other.expect(&format!("GeoChat.{}.All Chat Rooms.{n}", client.uid))));
    // The answer comes after a while: something that follows it shows whether it came.
    server_has_answered(client)
}

fn server_has_answered(client: &mut Client) -> bool {
    let got = client.next_within(std::time::Duration::from_secs(5));
    got.is_ok_and(|event| event.detail("remarks").is_some_and(|r| r.text().contains("pong")))
}

#[test]
fn op24b_only_through_the_local_socket() {
    let server = server().start();
    let listener = server.address("admin");
    for (method, path) in [
        ("GET", "/admin/plugins"),
        ("GET", "/admin/plugins/ping"),
        ("GET", "/admin/plugin-order"),
        ("POST", "/admin/plugins/ping/disable"),
        ("PUT", "/admin/plugins/emergency/config"),
        ("DELETE", "/admin/plugins/emergency/config"),
    ] {
        let refused = Http::send(listener, method, path);
        assert_eq!(refused.status, 401, "{method} {path}: {}", refused.body);
        assert!(refused.json()["message"].as_str().unwrap().contains("run/fts.sock"), "{}", refused.body);
    }
    let list = server.admin("GET", "/admin/plugins", "");
    assert_eq!(list.status, 200);
    let list = list.json();
    let states: Vec<_> = list.as_array().unwrap().iter().map(|p| (p["name"].clone(), p["state"].clone())).collect();
    assert_eq!(states, [(json!("emergency"), json!("running")), (json!("ping"), json!("running"))]);
}

#[test]
fn one_plugin_says_everything_about_itself() {
    let server = server().start();
    let plugin = info(&server, "emergency");
    let routes: Vec<String> =
        plugin["routes"].as_array().unwrap().iter().map(|r| format!("{} {}", r["method"], r["pattern"])).collect();
    assert!(routes.contains(&"\"GET\" \"/ManageEmergency/getEmergency\"".to_owned()), "{routes:?}");
    let handlers = plugin["handlers"].as_array().unwrap();
    assert!(handlers.iter().any(|h| h["name"].as_str().unwrap().starts_with("intercept b-a-*")), "{handlers:?}");
    assert!(handlers.iter().all(|h| ["calls", "panics", "p50_ms", "p99_ms"].iter().all(|k| h[k].is_number())));
    assert_eq!(plugin["config"]["repeat"], "10s");
    assert_eq!(plugin["override"], json!({}));
    assert_eq!(plugin["sha256"].as_str().unwrap().len(), if fts_tests::bundled() { 0 } else { 64 });
    assert_eq!(plugin["built"]["api"], "1.0");
    assert_eq!(plugin["queue"], json!({"items": 0, "bytes": 0, "dropped": 0}));
    assert_eq!(plugin["resident_generations"], 0);
    let order = server.admin("GET", "/admin/plugin-order", "").json();
    assert_eq!((&order[0]["plugin"], &order[0]["band"]), (&json!("emergency"), &json!("rewrite")));
    assert_eq!(server.admin("GET", "/admin/status", "").json()["plugins"][1]["name"], "ping");
}

#[test]
fn what_is_not_there_is_404_and_what_does_not_work_is_400_with_one_line() {
    let server = server().start();
    for (method, path, body) in [
        ("GET", "/admin/plugins/kml", ""),
        ("POST", "/admin/plugins/kml/disable", ""),
        ("POST", "/admin/plugins/kml/reload", ""),
        ("PUT", "/admin/plugins/kml/config", "{}"),
        ("DELETE", "/admin/plugins/kml/config", ""),
    ] {
        let gone = server.admin(method, path, body);
        assert_eq!(gone.status, 404, "{method} {path}: {}", gone.body);
        assert_eq!(gone.json()["message"], "there is no plugin kml; there are: emergency, ping");
    }
    let lost = change(&server, "no-such-one", "enable");
    assert_eq!(lost.status, 400, "{}", lost.body);
    assert!(lost.json()["message"].as_str().unwrap().contains("no libfts_plugin_no_such_one.so"), "{}", lost.body);
    // A name that was mistyped is not a plugin from then on.
    assert_eq!(server.admin("GET", "/admin/plugins", "").json().as_array().unwrap().len(), 2);
    assert_eq!(server.get("/readyz").json()["status"], "ok");
    assert_eq!(change(&server, "ping", "explode").status, 400);
    assert_eq!(change(&server, "Ping!", "enable").status, 400);
    assert_eq!(server.admin("GET", "/admin/plugins/ping/config", "").status, 405);
}

#[test]
fn enable_disable_and_reload_under_two_clients_that_chat() {
    let server = server().start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let (own, shared) = ("/Marti/api/repeater/period", "/ManageEmergency/getEmergency");
    let status = |path: &str| server.admin("GET", path, "").status;
    assert!(is_answered(&mut alice, &mut [&mut bob], "1"));
    assert_eq!((status(own), status(shared)), (200, 200));
    fence(&mut bob, &mut [&mut alice]);

    for name in ["ping", "emergency"] {
        let done = change(&server, name, "disable");
        assert_eq!((done.status, &done.json()["plugin"]["state"]), (200, &json!("stopped")), "{}", done.body);
    }
    assert_eq!(status(own), 404, "its routes vanish");
    assert_eq!(server.admin("GET", shared, "").json(), json!({"json_list": []}), "the core's fallback is back");
    alice.say("quiet", "b-t-f", "<remarks>ping</remarks>");
    bob.expect("quiet");
    fence(&mut bob, &mut [&mut alice]);
    assert_eq!(server.get("/readyz").json()["status"], "ok", "what was switched off is not broken");

    for name in ["ping", "emergency"] {
        assert_eq!(change(&server, name, "enable").status, 200);
    }
    assert_eq!((status(own), status(shared)), (200, 200), "they return");
    assert!(is_answered(&mut alice, &mut [&mut bob], "2"));

    let before = info(&server, "ping");
    for way in ["reload", "restart"] {
        let done = change(&server, "ping", way);
        assert_eq!(done.status, 200, "{}", done.body);
    }
    let after = info(&server, "ping");
    assert_eq!(after["generation"].as_u64().unwrap(), before["generation"].as_u64().unwrap() + 2);
    let resident = |plugin: &Value| plugin["resident_generations"].as_u64().unwrap();
    assert_eq!(resident(&after), resident(&before) + 1, "a restart loads nothing");
    assert!(after["resident_bytes"].as_u64().unwrap() > 0);
    assert!(is_answered(&mut bob, &mut [&mut alice], "3"));
    let clients = server.admin("GET", "/admin/clients?gone=true", "").json();
    assert!(clients.as_array().unwrap().iter().all(|c| c["gone"].is_null()), "nobody was cut: {clients}");
}

#[test]
fn a_table_set_at_run_time_is_checked_kept_over_a_restart_and_taken_back() {
    let build = || server().toml("[plugins.emergency]\nrepeat = \"7s\"\nhistory = \"1d\"");
    let mut server = build().start();
    let repeat = |server: &Server| info(server, "emergency")["config"]["repeat"].clone();
    assert_eq!(repeat(&server), "7s");

    let set = config(&server, "PUT", "emergency", &json!({"repeat": "3s"}));
    assert_eq!(set.status, 200, "{}", set.body);
    let plugin = &set.json()["plugin"];
    assert_eq!((&plugin["config"]["repeat"], &plugin["config"]["history"]), (&json!("3s"), &json!("1d")));
    assert_eq!(plugin["override"], json!({"repeat": "3s"}));
    assert_eq!(plugin["state"], "running");

    let merged = server.admin("GET", "/admin/config", "").json();
    assert_eq!(merged["plugins.emergency.repeat"], json!({"value": "\"3s\"", "origin": "runtime override"}));
    let shown = String::from_utf8(server.cli(&["config", "show", "--origin"]).stdout).unwrap();
    let line = shown.lines().find(|l| l.starts_with("plugins.emergency.repeat")).unwrap();
    assert!(line.contains("\"3s\"") && line.ends_with("# runtime override"), "{line}");

    assert!(server.stop().success());
    let mut server = build().again(&server).start();
    assert_eq!(repeat(&server), "3s", "kept over a restart");
    // A reload of the configuration and of the plugin keep it, too.
    assert_eq!(server.admin("POST", "/admin/reload", "").status, 200);
    assert_eq!(change(&server, "emergency", "reload").status, 200);
    assert_eq!(repeat(&server), "3s");

    let gone = config(&server, "DELETE", "emergency", &Value::Null);
    assert_eq!((gone.status, &gone.json()["plugin"]["config"]["repeat"]), (200, &json!("7s")), "{}", gone.body);

    assert_eq!(config(&server, "PUT", "emergency", &json!({"repeat": "4s"})).status, 200);
    assert!(server.stop().success());
    let server = build().again(&server).arg("--reset-plugin").arg("emergency").start();
    assert_eq!(repeat(&server), "7s", "it takes the TOML again");
}

#[test]
fn a_table_that_does_not_do_changes_nothing() {
    let server = server().env("FTS_PLUGINS__EMERGENCY__STALE", "20s").start();
    assert_eq!(config(&server, "PUT", "emergency", &json!({"max_active": 5})).status, 200);
    let generation = info(&server, "emergency")["generation"].clone();
    for (table, says) in [
        (json!({"max_activ": 5}), "max_activ: unknown key"),
        (json!({"max_active": "five"}), "max_active: expected"),
        (json!({"max_active": 0}), "max_active: must be at least 1"),
        (json!({"required": true}), "required is a key of the server"),
        (json!({"sha256": "00", "repeat": "1s"}), "sha256 is a key of the server"),
        (json!({"stale": "30s"}), "stale is set by env:FTS_PLUGINS__EMERGENCY__STALE"),
        (json!([1]), "must be JSON"),
    ] {
        let refused = config(&server, "PUT", "emergency", &table);
        assert_eq!(refused.status, 400, "{table}: {}", refused.body);
        let said = refused.json()["message"].as_str().unwrap().to_owned();
        assert!(said.contains(says) && !said.contains('\n'), "{table}: {said}");
    }
    let plugin = info(&server, "emergency");
    assert_eq!((&plugin["override"], &plugin["generation"]), (&json!({"max_active": 5}), &generation));
    // One that is stopped stays stopped and starts with it.
    assert_eq!(change(&server, "emergency", "disable").status, 200);
    let set = config(&server, "PUT", "emergency", &json!({"max_active": 6}));
    assert_eq!((set.status, &set.json()["plugin"]["state"]), (200, &json!("stopped")), "{}", set.body);
    assert_eq!(change(&server, "emergency", "enable").status, 200);
    assert_eq!(info(&server, "emergency")["config"]["max_active"], 6);
}

#[test]
fn a_plugin_its_table_keeps_out_starts_when_the_table_is_set_right() {
    let server = server().toml("[plugins.emergency]\nmax_active = 0").start();
    let plugin = info(&server, "emergency");
    assert_eq!(plugin["state"], "refused");
    assert!(plugin["report"].as_str().unwrap().contains("test.toml:2"), "{}", plugin["report"]);
    assert_eq!(server.get("/readyz").json()["status"], "degraded");
    let set = config(&server, "PUT", "emergency", &json!({"max_active": 9}));
    assert_eq!((set.status, &set.json()["plugin"]["state"]), (200, &json!("running")), "{}", set.body);
    // Without it the file's table counts again, which the plugin refuses: it stays as it is.
    let gone = config(&server, "DELETE", "emergency", &Value::Null);
    assert_eq!(gone.status, 400, "{}", gone.body);
    assert_eq!(info(&server, "emergency")["state"], "running");
}

#[test]
fn a_stored_table_that_cannot_be_used_is_named_and_reset() {
    let mut first = server().start();
    let file = first.data_dir().join("plugin-data/emergency/override.json");
    assert_eq!(config(&first, "PUT", "emergency", &json!({"max_active": 5})).status, 200);
    assert!(first.stop().success());
    std::fs::write(&file, "{\"max_active\": 0}").unwrap();
    let mut second = server().again(&first).start();
    let report = info(&second, "emergency")["report"].as_str().unwrap().to_owned();
    assert!(report.contains("runtime override") && report.contains("--reset-plugin emergency"), "{report}");
    assert!(second.stop().success());
    std::fs::write(&file, "nonsense").unwrap();
    let third = server().again(&second).start();
    let report = info(&third, "emergency")["report"].as_str().unwrap().to_owned();
    assert!(report.contains("override.json") && report.contains("--reset-plugin emergency"), "{report}");
    assert_eq!(config(&third, "DELETE", "emergency", &Value::Null).status, 200);
    assert_eq!(info(&third, "emergency")["state"], "running");
}
