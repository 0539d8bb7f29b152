//! What probes and collectors see (operations.md 6.2, 6.3; acceptance lines 12 and 14): `/livez`, `/readyz` with the
//! canary, `/metrics` as Prometheus text, 401 for everything under `/admin/`. The canary is in the checks and nowhere
//! else. No label and no log line names what must stay secret.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::collections::{BTreeMap, BTreeSet};

use fts_tests::{Client, Http, Pki, Server, event, marker, sa, stranger};

/// Samples by name and labels; fails where the text is not Prometheus text 0.0.4.
fn parse(body: &str) -> BTreeMap<String, f64> {
    let name_ok = |n: &str| !n.is_empty() && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let (mut types, mut samples) = (BTreeMap::new(), BTreeMap::new());
    assert!(body.ends_with('\n'));
    for line in body.lines().filter(|l| !l.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram", "summary"].contains(&kind), "{line}");
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "typed twice: {line}");
            continue;
        }
        if line.starts_with('#') {
            assert!(line.starts_with("# HELP "), "{line}");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        assert!(name_ok(name), "{line}");
        let labels = labels.strip_suffix('}').unwrap();
        for label in labels.split("\",").filter(|l| !l.is_empty()) {
            let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(name_ok(name) && !value.trim_end_matches('"').contains('"'), "{line}");
        }
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s)).unwrap_or(name);
        assert!(types.contains_key(name) || types.get(family).is_some_and(|k| k == "histogram"), "no type: {line}");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
    }
    samples
}

fn names(samples: &BTreeMap<String, f64>) -> BTreeSet<&str> {
    samples.keys().map(|s| s.split('{').next().unwrap()).collect()
}

#[test]
fn livez_says_ok_and_readyz_names_what_it_looked_at() {
    let server = Server::build().tls().listener("side", "cot_udp", "").set("canary.interval", "\"50ms\"").start();
    let live = server.get("/livez");
    assert_eq!((live.status, &*live.body), (200, "ok"));
    let ready = server.get("/readyz");
    assert_eq!(ready.status, 200);
    let ready = ready.json();
    assert_eq!(ready["status"], "ok");
    for check in ["cot_tcp", "cot_tls", "side", "admin", "canary"] {
        assert_eq!(ready["checks"][check], "ok", "{check}: {ready}");
    }
    for check in ["cert.ca", "cert.server"] {
        let said = ready["checks"][check].as_str().unwrap();
        let days = said.strip_prefix("ok ").and_then(|d| d.strip_suffix('d')).unwrap_or_else(|| panic!("{ready}"));
        assert!(days.parse::<u32>().unwrap() > 300, "{said}");
    }
    assert_eq!(server.get("/healthz").json()["status"], "ok");
    for (method, path, status) in
        [("GET", "/nothing", 404), ("POST", "/livez", 405), ("DELETE", "/metrics", 405), ("GET", "/admin", 404)]
    {
        let answer = Http::send(server.address("admin"), method, path);
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.json()["message"].is_string());
    }
    let off = Server::build().set("canary.interval", "\"0s\"").start();
    assert!(off.get("/readyz").json()["checks"]["canary"].is_null());
}

#[test]
fn the_canary_is_seen_by_nobody() {
    let server = Server::build().set("canary.interval", "\"20ms\"").set("log.level", "\"debug\"").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    let mut tail = server.cli_command(&["tail-cot"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    // Fifty rounds of it: readiness proves that it runs, a second of patience has passed several times.
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_secs(1) {
        assert_eq!(server.get("/readyz").json()["checks"]["canary"], "ok");
    }
    let status = server.cli_json(&["status"]);
    assert_eq!(status["clients"]["connected"], 1, "{status}");
    assert_eq!(status["clients"]["contacts"], 1, "{status}");
    assert_eq!(server.admin("GET", "/admin/clients?gone=true", "").json().as_array().unwrap().len(), 1);
    let metrics = server.get("/metrics").body;
    assert!(!metrics.contains("canary") && !metrics.contains("CANARY"), "{metrics}");
    assert_eq!(server.metric("fts_clients_connected", &[]), 1.0);
    let why = server.cli_json(&["why", "--from", "canary"]);
    assert_eq!(why, serde_json::json!([]));
    alice.sync();
    assert!(alice.next_within(std::time::Duration::ZERO).is_err(), "no client receives it");
    tail.kill().unwrap();
    let shown = tail.wait_with_output().unwrap().stdout;
    assert!(!String::from_utf8_lossy(&shown).contains("canary"));
    assert!(!server.logs().iter().any(|l| l["event"] == "client.connected" && l["listener"] == "canary"));
}

#[test]
fn the_canary_is_in_no_counter() {
    let server = Server::build().set("canary.interval", "\"20ms\"").start();
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_millis(300) {
        assert_eq!(server.get("/readyz").json()["checks"]["canary"], "ok");
    }
    assert_eq!(server.cli_json(&["status"])["events"]["routed"], 0);
    assert_eq!(server.metric("fts_cot_routed_total", &[]), 0.0);
    assert_eq!(server.metric("fts_cot_by_type_total", &[]), 0.0);
}

#[test]
fn the_canary_passes_every_filter_of_the_configuration() {
    let server = Server::build()
        .set("canary.interval", "\"20ms\"")
        .set("cot.require_identification", "true")
        .set("cot.rate.per_ip_events", "1")
        .set("cot.filters.drop", r#"[{detail=""}]"#)
        .start();
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_secs(1) {
        assert_eq!(server.get("/readyz").status, 200);
    }
    assert_eq!(server.metric("fts_cot_rejected_total", &[]), 0.0);
    assert!(!server.logs().iter().any(|l| l["event"] == "canary.lost"));
}

#[test]
fn op13_12_metrics_parse_and_every_name_is_there() {
    let server = Server::build().tls().start();
    let config = Pki::issue(&server, "ann").client(&server.data_dir().join("certs/ca.pem"), rustls::ALL_VERSIONS);
    let mut alice = Client::tls(&server, "cot_tls", config).unwrap().greeted().identify("A", "ALICE");
    let mut bob = Client::connect(&server).negotiate().identify("B", "BOB");
    alice.expect("B");
    bob.expect("A");
    alice.send(&marker("m"));
    bob.expect("m");
    drop(bob);
    assert_eq!(alice.next().kind(), "t-x-d-d");
    server.wait_log(|l| l["event"] == "client.disconnected");
    assert!(server.cli(&["reload"]).status.success());
    let answer = server.get("/metrics");
    assert!(answer.headers.contains("content-type: text/plain; version=0.0.4"), "{}", answer.headers);
    let samples = parse(&answer.body);
    let there = names(&samples);
    for name in [
        "fts_build_info",
        "fts_start_time_seconds",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_threads",
        "fts_service_up",
        "fts_clients_connected",
        "fts_client_connections_total",
        "fts_client_disconnects_total",
        "fts_tls_handshakes_total",
        "fts_tls_handshake_seconds_bucket",
        "fts_cot_received_total",
        "fts_cot_sent_total",
        "fts_cot_bytes_total",
        "fts_cot_rejected_total",
        "fts_cot_dropped_total",
        "fts_cot_routed_total",
        "fts_cot_by_type_total",
        "fts_cot_route_seconds_bucket",
        "fts_cot_delivery_seconds_bucket",
        "fts_client_queue_bytes_max",
        "fts_client_queue_overflow_total",
        "fts_certificate_expiry_seconds",
        "fts_config_reload_total",
        "fts_log_events_total",
    ] {
        assert!(there.contains(name), "{name} is missing in {there:?}");
    }
    for series in [
        r#"fts_clients_connected{listener="cot_tls",proto="xml"}"#,
        r#"fts_service_up{service="cot_tcp"}"#,
        r#"fts_client_disconnects_total{reason="eof"}"#,
        r#"fts_config_reload_total{result="ok"}"#,
    ] {
        assert_eq!(samples.get(series), Some(&1.0), "{series}");
    }
    assert_eq!(samples[r#"fts_clients_connected{listener="cot_tcp",proto="protobuf"}"#], 0.0);
    for reason in ["utf8", "xml", "oversize", "garbage", "schema", "doctype", "proto", "rate", "loop", "notice"] {
        assert_eq!(samples[&format!("fts_cot_rejected_total{{reason=\"{reason}\"}}")], 0.0, "{reason}");
    }
    for reason in ["state_overflow", "slow_consumer", "no_reach", "unbound_dest", "not_writer", "no_receiver", "filter"]
    {
        assert_eq!(samples[&format!("fts_cot_dropped_total{{reason=\"{reason}\"}}")], 0.0, "{reason}");
    }
    let days = samples[r#"fts_certificate_expiry_seconds{kind="server"}"#] / 86_400.0;
    assert!(days > 300.0, "{days}");
    histogram(&samples, "fts_cot_route_seconds");
}

/// Buckets only grow, and the last one is the count.
fn histogram(samples: &BTreeMap<String, f64>, name: &str) {
    let bound = |s: &str| match s.split_once("le=\"").unwrap().1.split_once('"').unwrap().0 {
        "+Inf" => f64::INFINITY,
        n => n.parse().unwrap(),
    };
    let prefix = format!("{name}_bucket{{");
    let mut buckets: Vec<_> =
        samples.iter().filter(|(s, _)| s.starts_with(&prefix)).map(|(s, n)| (bound(s), *n)).collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(buckets.len() > 5 && buckets.is_sorted_by(|a, b| a.1 <= b.1), "{buckets:?}");
    assert_eq!(buckets.last().unwrap().1, samples[&format!("{name}_count")]);
    assert!(samples[&format!("{name}_count")] > 0.0);
}

#[test]
fn op13_12_a_thousand_clients_make_no_more_series() {
    // Most on a one-way listener, so that not everybody is sent a thousand positions.
    let server = Server::build().listener("sensors", "cot_submit", "").start();
    let mut here: Vec<Client> =
        (0..100).map(|n| Client::join(&server, &format!("ANDROID-{n}"), &format!("CALL-{n}"))).collect();
    let sensors: Vec<Client> = (0..900)
        .map(|n| {
            let mut sensor = Client::to(server.address("sensors"), "sensor");
            sensor.send(&sa(&format!("SENSOR-{n}"), &format!("SIGN-{n}")));
            sensor
        })
        .collect();
    server.eventually("all thousand are identified", || server.cli_json(&["status"])["clients"]["identified"] == 1_000);
    here[0].send(&marker("m"));
    here[0].sync();
    let begun = std::time::Instant::now();
    let answer = server.get("/metrics");
    assert!(begun.elapsed() < std::time::Duration::from_millis(500), "{:?}", begun.elapsed());
    let samples = parse(&answer.body);
    assert!(samples.len() <= 500, "{} series", samples.len());
    assert_eq!(samples[r#"fts_clients_connected{listener="sensors",proto="xml"}"#], 900.0);
    for word in ["ANDROID", "CALL-", "SENSOR-", "SIGN-", "127.0.0.1"] {
        assert!(!answer.body.contains(word), "{word} stands in a label");
    }
    drop(sensors);
}

#[test]
fn metrics_can_be_switched_off() {
    let server = Server::build().set("metrics.enabled", "false").start();
    assert_eq!(server.get("/metrics").status, 404);
    assert_eq!(server.get("/livez").status, 200);
}

#[test]
fn administration_over_tcp_is_refused() {
    let server = Server::start();
    let admin = server.address("admin");
    for (method, path) in [
        ("GET", "/admin/status"),
        ("GET", "/admin/clients"),
        ("GET", "/admin/config"),
        ("GET", "/admin/why?event=x"),
        ("GET", "/admin/tail"),
        ("GET", "/admin/logs"),
        ("POST", "/admin/reload"),
        ("POST", "/admin/stop"),
        ("POST", "/admin/drain"),
        ("POST", "/admin/clients/A/kick"),
        ("PUT", "/admin/log"),
    ] {
        let answer = Http::send(admin, method, path);
        assert_eq!(answer.status, 401, "{method} {path}");
        assert!(answer.headers.contains("www-authenticate: bearer"), "{}", answer.headers);
        assert!(answer.json()["message"].as_str().unwrap().contains("run/fts.sock"));
    }
    assert_eq!(server.get("/livez").status, 200, "and nothing happened");
    assert_eq!(server.admin("GET", "/admin/status", "").status, 200);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(server.data_dir().join("run/fts.sock")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_log_level_changes_at_run_time() {
    let server = Server::start();
    assert_eq!(server.admin("GET", "/admin/log", "").json()["filter"], "info");
    let mut alice = Client::join(&server, "A", "ALICE");
    alice.send("<event/>");
    alice.sync();
    assert!(!server.logs().iter().any(|l| l["event"] == "cot.rejected"));
    let set = server.admin("PUT", "/admin/log", r#"{"filter":"info,fts::session=debug"}"#);
    assert_eq!((set.status, &set.json()["filter"]), (200, &"info,fts::session=debug".into()));
    alice.send("<event/>");
    let line = server.wait_log(|l| l["event"] == "cot.rejected");
    assert_eq!((&line["level"], &line["reason"]), (&"DEBUG".into(), &"schema".into()));
    let bad = server.admin("PUT", "/admin/log", r#"{"filter":"fts=loud"}"#);
    assert_eq!(bad.status, 400);
    assert_eq!(server.admin("GET", "/admin/log", "").json()["filter"], "info,fts::session=debug");
}

#[test]
fn op13_14_log_lines_have_known_names_and_no_secrets() {
    let names = include_str!("../../core/src/observe/names.rs");
    let server = Server::build().tls().set("log.level", "\"trace\"").set("packages.password", "\"P12-s3cret\"").start();
    let user = Pki::issue(&server, "ann");
    let ca = server.data_dir().join("certs/ca.pem");
    let config = user.client(&ca, rustls::ALL_VERSIONS);
    let mut alice = Client::tls(&server, "cot_tls", config).unwrap().greeted().identify("A", "ALICE");
    // Without a certificate: refused in the handshake or at the first read (TLS 1.3).
    assert!(
        Client::tls(&server, "cot_tls", stranger(&ca)).is_ok_and(|mut c| c.next_within(fts_tests::DEADLINE).is_err())
    );
    let mut bob = Client::join(&server, "B", "BOB");
    let carol = Client::join(&server, "C", "CAROL");
    alice.send(r#"<auth><cot username="alice" password="chat-s3cret" uid="A"/></auth>"#);
    alice.send(&event("x", "b-m-p-s-m", "<remarks>body-s3cret</remarks>"));
    alice.send("<event><broken");
    bob.send("<event/>");
    bob.sync();
    drop(carol);
    assert!(server.cli(&["reload"]).status.success());
    assert!(server.cli(&["clients", "kick", "A"]).status.success());
    server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "A");
    let key = std::fs::read_to_string(user.file("key")).unwrap();
    let own = std::fs::read_to_string(server.data_dir().join("certs/server.key")).unwrap();
    let key_line = |text: &str| text.lines().nth(1).unwrap().to_owned();
    let secrets = [
        "P12-s3cret".to_owned(),
        "chat-s3cret".into(),
        "body-s3cret".into(),
        "PRIVATE KEY".into(),
        key_line(&key),
        key_line(&own),
    ];
    for line in server.logs() {
        let text = line.to_string();
        for secret in &secrets {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        if line["target"].as_str().is_some_and(|t| t.starts_with("fts")) && line["event"].is_string() {
            assert!(names.contains(&format!("{}", line["event"])), "not in names.rs: {text}");
        }
        assert!(line.is_object() && line["ts"].is_string() && line["level"].is_string(), "{text}");
    }
    for shown in [
        server.cli(&["config", "show", "--set", "packages.password=\"P12-s3cret\""]).stdout,
        server.admin("GET", "/admin/config", "").body.into_bytes(),
    ] {
        assert!(!String::from_utf8_lossy(&shown).contains("P12-s3cret"));
    }
}

#[test]
fn events_are_counted_per_listener_and_form() {
    let server = Server::build().listener("red", "cot_tcp", "").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    let mut bob = Client::join_to(&server, "red", "B", "BOB").negotiate();
    alice.expect("B");
    bob.expect("A");
    bob.send(&fts_tests::marker("m"));
    alice.expect("m");
    alice.send(&fts_tests::marker("n"));
    bob.expect("n");
    let count = |name: &str, listener: &str, form: &str| {
        server.metric(name, &[&format!("listener=\"{listener}\""), &format!("format=\"{form}\"")])
    };
    assert_eq!(count("fts_cot_received_total", "red", "protobuf"), 1.0);
    assert_eq!(count("fts_cot_received_total", "cot_tcp", "protobuf"), 0.0);
    // The position, what syncing asked, the marker.
    assert_eq!(count("fts_cot_received_total", "cot_tcp", "xml"), 3.0);
    server.eventually("what was sent is counted", || count("fts_cot_sent_total", "red", "protobuf") == 1.0);
}

#[test]
fn bodies_are_logged_at_trace_and_only_with_raw_cot() {
    for raw in [true, false] {
        let server = Server::build().set("log.level", "\"trace\"").set("log.raw_cot", &raw.to_string()).start();
        let mut alice = Client::join(&server, "A", "ALICE");
        alice.send(&fts_tests::marker("body-of-mine"));
        alice.sync();
        server.wait_log(|l| l["event"] == "client.identified");
        let said = || server.logs().iter().any(|l| l["xml"].as_str().is_some_and(|x| x.contains("body-of-mine")));
        if raw {
            server.eventually("the body is in the log", said);
        } else {
            assert!(!said());
        }
    }
}
