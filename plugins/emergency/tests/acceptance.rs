//! Acceptance lines 8 to 15 of kml-emergency-reports.md, one test each, on the mock host: its clock stands still unless
//! a test moves it, so every time in an event is exact.
mod scene;

use fts_plugin_api::{
    cot::{Attr, Cot, PointAttr},
    sdk::{Role, Scope},
    testkit::{Client, MockHost},
};
use fts_plugin_emergency::Emergency;
use scene::*;
use serde_json::{Value, json};

/// Line 8: A sends b.1 start; B (same group) gets it within 1 s with `link` intact and remark `CALL 911 NOW`; C (other group)
/// nothing; A no echo.
#[test]
fn acceptance_8_a_start_reaches_the_groups_with_the_remark() {
    let host = host(&json!({}));
    let (a, b) = (host.connect(a()), host.connect(b()));
    let c = host.connect(Client::new("C", "CHARLIE").groups(["blue"]));
    host.deliver(START, a);
    assert_eq!(texts(&host, b), [START.replace("</detail>", REMARK)], "nothing but the remark is changed");
    let link = host.received(b)[0].detail("link").unwrap().xml().to_owned();
    assert_eq!(link, r#"<link uid="ANDROID-11aa" type="a-f-G-U-C" relation="p-p"/>"#);
    assert!(texts(&host, c).is_empty() && texts(&host, a).is_empty());
    let warned = host.log().into_iter().find(|l| l.message.contains("emergency started")).unwrap();
    assert_eq!(warned.level, fts_plugin_api::tracing::Level::WARN);
    for part in [UID, "LIMA1", "60.17", "24.94"] {
        assert!(warned.message.contains(part), "{part} in {}", warned.message);
    }
    host.tick(seconds(60));
    assert!(texts(&host, c).is_empty() && texts(&host, a).is_empty(), "neither do repeats");
    assert_eq!(host.metrics()["fts_emergency_active"], 1.0);
    assert_eq!(host.metrics()["fts_emergency_started_total"], 1.0);
}

/// Line 9: D connects later: gets it, `stale` in the future; also after a server restart.
#[test]
fn acceptance_9_newcomers_get_it_also_after_a_restart() {
    let host = host(&json!({}));
    let a = host.connect(a());
    host.deliver(START, a);
    host.tick(seconds(3));
    let d = host.connect(Client::new("D", "DELTA").groups(["red"]));
    assert_eq!(texts(&host, d), [repeated(NOW + 3_000)]);
    assert_eq!(host.received(d)[0].time(Attr::Stale), Some(NOW + 18_000));
    let c = host.connect(Client::new("C", "CHARLIE").groups(["blue"]));
    assert!(texts(&host, c).is_empty());

    for conn in [a, d] {
        host.disconnect(conn, "shutdown");
    }
    host.stop().unwrap();
    host.jump_to(NOW + 3_600_000);
    host.start_again().unwrap();
    let e = host.connect(Client::new("E", "ECHO").groups(["red"]));
    assert_eq!(texts(&host, e), [repeated(NOW + 3_600_000)]);
    host.tick(seconds(10));
    assert!(texts(&host, e).len() > 1, "and it repeats again");
    assert_eq!(host.metrics()["fts_emergency_active"], 1.0);
}

/// Line 10: `repeat = "2s"`: B sees ≥ 3 repeats in 7 s with growing `time`; A disconnects: repeats go on; cancel: all stop, D
/// and B get `b-a-o-can`.
#[test]
fn acceptance_10_it_repeats_until_it_is_cancelled() {
    let host = host(&json!({"repeat": "2s"}));
    let (a_conn, b) = (host.connect(a()), host.connect(b()));
    host.deliver(START, a_conn);
    host.forget();
    host.tick(seconds(7));
    let expected: Vec<_> = [2, 4, 6].map(|s| repeated(NOW + s * 1_000)).into();
    assert_eq!(texts(&host, b), expected, "start and everything else stay, time and stale grow");
    assert!(host.sent().iter().all(|s| !s.how.archive && s.how.federated), "not archived, not federated");

    host.disconnect(a_conn, "eof");
    host.forget();
    host.tick(seconds(10));
    assert_eq!(kinds(&host, b), ["b-a-o-tbl"; 5]);

    let d = host.connect(Client::new("D", "DELTA").groups(["red"]));
    let again = host.connect(a());
    assert!(texts(&host, again).is_empty(), "the sender is not shown its own");
    host.forget();
    host.deliver(CANCEL, again);
    assert_eq!(texts(&host, b), [CANCEL]);
    assert_eq!(texts(&host, d), [CANCEL]);
    host.tick(seconds(60));
    assert_eq!((texts(&host, b).len(), texts(&host, d).len()), (1, 1), "silence");
    assert!(listed(&host).is_empty());
    let metrics = host.metrics();
    assert_eq!(metrics["fts_emergency_repeats_total"], 8.0);
    assert_eq!((metrics["fts_emergency_active"], metrics["fts_emergency_cancelled_total"]), (0.0, 1.0));
}

/// Line 11: POST postEmergency → 200 message = uid; B's event: type `b-a-o-opn`, has link, contact `Web-Alert`; getEmergency
/// lists it; deleteEmergency → 200 message = uid, B gets cancel with lat 60; list empty. `"emergencyType":"Foo"` → 400.
#[test]
fn acceptance_11_rest_raises_lists_and_cancels() {
    let host = MockHost::builder().groups(["red"]).now(NOW).start::<Emergency>().unwrap();
    let b = host.connect(b());
    let post = |body: &Value| host.http("POST", "/ManageEmergency/postEmergency").body(body.to_string()).send();
    let raised = body(&post(&json!({"name": "Web", "emergencyType": "In Contact", "latitude": 60, "longitude": 24})));
    let uid = raised["message"].as_str().unwrap().to_owned();
    assert_eq!(raised, json!({"message": uid}));
    let start = format!(
        r#"<event version="2.0" uid="{uid}" type="b-a-o-opn" how="h-e" time="2026-02-01T10:00:01.000Z" start="2026-02-01T10:00:01.000Z" stale="2026-02-01T10:01:01.000Z"><point lat="60.0" lon="24.0" hae="9999999.0" ce="9999999.0" le="9999999.0"/><detail><link uid="00000000-0000-4000-8000-000000000001" type="a-f-G-U-C" relation="p-p"/><contact callsign="Web-Alert"/><emergency type="In Contact">Web</emergency></detail></event>"#
    );
    assert_eq!(texts(&host, b), [start], "once, and nothing empty in it");
    assert_eq!(
        listed(&host),
        [json!({
            "lat": 60.0, "lon": 24.0, "type": "In Contact", "name": "Web", "uid": uid, "cotType": "b-a-o-opn",
            "callsign": "Web", "startTime": "2026-02-01T10:00:01.000Z", "remarks": "", "groups": ["red"],
            "originUid": "00000000-0000-4000-8000-000000000001",
        })]
    );

    host.forget();
    let delete = |query: &str, uid: &str| {
        let call = host.http("DELETE", &format!("/ManageEmergency/deleteEmergency{query}"));
        call.body(json!({ "uid": uid }).to_string()).send()
    };
    assert_eq!(body(&delete("", &uid)), json!({"message": uid}));
    let cancel = format!(
        r#"<event version="2.0" uid="{uid}" type="b-a-o-can" how="h-e" time="2026-02-01T10:00:01.000Z" start="2026-02-01T10:00:01.000Z" stale="2026-02-01T10:00:11.000Z"><point lat="60.0" lon="24.0" hae="9999999.0" ce="9999999.0" le="9999999.0"/><detail><emergency cancel="true">Web</emergency></detail></event>"#
    );
    assert_eq!(texts(&host, b), [cancel]);
    assert!(listed(&host).is_empty());

    assert_eq!(post(&json!({"name": "Web", "emergencyType": "Foo"})).status, 400);
    for wrong in [
        json!({"emergencyType": "In Contact"}),
        json!({"name": "Web"}),
        json!({"name": "Web", "emergencyType": "In Contact", "latitude": null}),
        json!({"name": "Web", "emergencyType": "In Contact", "latitude": 91}),
        json!({"name": "Web", "emergencyType": "In Contact", "address": "Main Street 1"}),
    ] {
        assert_eq!(post(&wrong).status, 400, "{wrong}");
    }
    host.forget();
    assert_eq!((delete("", "nobody").status, texts(&host, b).len()), (404, 0));
    assert_eq!(delete("?force=true", "nobody").status, 404);
    assert_eq!((kinds(&host, b), host.received(b)[0].uid()), (vec!["b-a-o-can".to_owned()], "nobody".into()));
    let nobody = host.http("GET", "/ManageEmergency/getEmergency").anonymous().send();
    assert_eq!(nobody.status, 401);
}

/// Line 12: radius 5 km: client at 3 km gets it, at 20 km not, without position gets it; the cancel reaches all three.
#[test]
fn acceptance_12_the_radius_limits_starts_and_repeats_not_cancels() {
    let host = host(&json!({"radius_km": 5.0}));
    let a = host.connect(a().at(60.17, 24.94));
    let at = |uid: &str, lat: f64| host.connect(Client::new(uid, uid).groups(["red"]).at(lat, 24.94));
    let (near, far) = (at("NEAR", 60.197), at("FAR", 60.35));
    let blank = host.connect(b());
    host.deliver(START, a);
    let counts = || [near, far, blank, a].map(|conn| texts(&host, conn).len());
    assert_eq!(counts(), [1, 0, 1, 0]);
    assert!(texts(&host, near)[0].contains("CALL 911 NOW"), "the remark is there with a radius, too");
    host.tick(seconds(10));
    assert_eq!(counts(), [2, 0, 2, 0]);
    let late = at("LATE", 60.35);
    assert!(texts(&host, late).is_empty(), "nor is a newcomer that is far away shown it");
    host.forget();
    host.deliver(CANCEL, a);
    assert_eq!(counts(), [1, 1, 1, 0]);
}

/// Line 13: policy originator: B's cancel of A's alert not relayed, still repeating; A's is.
#[test]
fn acceptance_13_only_the_originator_cancels() {
    let host = host(&json!({"cancel_policy": "originator"}));
    let (a, b) = (host.connect(a()), host.connect(b()));
    let d = host.connect(Client::new("D", "DELTA").groups(["red"]));
    host.deliver(START, a);
    host.forget();
    assert_eq!(host.deliver(CANCEL, b).dropped(), Some("emergency_cancel_refused"));
    assert!(texts(&host, d).is_empty());
    assert_eq!(host.metrics()["fts_emergency_refused_total"], 1.0);
    assert!(host.log().iter().any(|l| l.message.contains("refused") && l.message.contains("BRAVO")));
    host.tick(seconds(10));
    assert_eq!(kinds(&host, d), ["b-a-o-tbl"]);
    // Over REST the policy holds as well: a user who did not raise it is refused, an administrator is not.
    let delete = || host.http("DELETE", "/ManageEmergency/deleteEmergency").body(json!({ "uid": UID }).to_string());
    let mut carl = fts_plugin_api::sdk::Identity { user: "carl".into(), role: Role::User, ..Default::default() };
    carl.scopes = vec![Scope::Write];
    carl.groups_in = vec!["red".into()];
    assert_eq!(delete().identity(carl).send().status, 403);
    host.forget();
    assert_eq!(host.deliver(CANCEL, a).dropped(), None);
    assert_eq!(texts(&host, d), [CANCEL]);
    host.tick(seconds(60));
    assert_eq!(texts(&host, d).len(), 1);
    host.deliver(START, a);
    assert_eq!(delete().send().status, 200);
}

/// Line 14: Cancel for unknown uid is relayed. 100 alerts at once: all stored, list complete; two parallel cancels leave an
/// empty store.
#[test]
fn acceptance_14_unknown_cancels_and_many_at_once() {
    let host = host(&json!({}));
    let (a, b) = (host.connect(a()), host.connect(b()));
    host.deliver(CANCEL, a);
    assert_eq!(texts(&host, b), [CANCEL]);

    let named = |text: &str, n: usize| text.replace("ANDROID-11aa-9-1-1", &format!("U{n}-9-1-1"));
    for n in 0..100 {
        host.deliver(named(START, n), a);
    }
    assert_eq!(listed(&host).len(), 100);
    let stored = |active: &str| body(&host.http("GET", &format!("/api/alerts?active={active}&per_page=500")).send());
    assert_eq!(stored("true")["total"], 100);
    let uids: std::collections::BTreeSet<_> = listed(&host).iter().map(|a| a["uid"].to_string()).collect();
    assert_eq!(uids.len(), 100);
    std::thread::scope(|threads| {
        for conn in [a, b] {
            let host = &host;
            threads.spawn(move || (0..100).for_each(|n| drop(host.deliver(named(CANCEL, n), conn))));
        }
    });
    host.settle();
    assert!(listed(&host).is_empty());
    assert_eq!((stored("true")["total"].clone(), stored("false")["total"].clone()), (json!(0), json!(100)));
    assert_eq!(host.metrics()["fts_emergency_cancelled_total"], 100.0, "each once");
}

/// Line 15: repeater/list shows uid, repeatType `911`-style name and xml; remove → data true and a cancel within one period;
/// again → false.
#[test]
fn acceptance_15_the_repeater_api() {
    let host = host(&json!({"repeat": "3s"}));
    let (a, b) = (host.connect(a()), host.connect(b()));
    host.deliver(START, a);
    let node = "00000000-0000-4000-8000-000000000001";
    assert_eq!(
        body(&host.http("GET", "/Marti/api/repeater/list").send()),
        json!({
            "version": "1.0.0", "type": "java.lang.String", "nodeId": node,
            "data": [{
                "uid": UID, "repeatType": "911", "cotType": "b-a-o-tbl", "dateTimeActivated": "2026-02-01T10:00:01.000Z",
                "xml": START.replace("</detail>", REMARK), "callsign": "LIMA1",
            }],
        })
    );
    let period = || body(&host.http("GET", "/Marti/api/repeater/period").send())["data"].clone();
    assert_eq!(period(), 3_000);
    let set = host.http("POST", "/Marti/api/repeater/period").body("5000").send();
    assert_eq!((set.status, set.body.len(), period()), (200, 0, json!(5_000)));
    host.forget();
    host.tick(seconds(15));
    assert_eq!(texts(&host, b).len(), 3);

    host.forget();
    let remove = || body(&host.http("GET", &format!("/Marti/api/repeater/remove/{UID}")).send());
    assert_eq!(remove(), json!({"version": "1.0.0", "type": "java.lang.Boolean", "data": true, "nodeId": node}));
    host.tick(seconds(5));
    let got: Vec<Cot> = host.received(b);
    assert_eq!((got.len(), got[0].kind(), got[0].uid().as_ref()), (1, "b-a-o-can", UID));
    assert_eq!(got[0].point(PointAttr::Lat), Some(60.17));
    assert_eq!(got[0].detail("emergency").unwrap().xml(), r#"<emergency cancel="true">LIMA1</emergency>"#);
    assert_eq!(remove()["data"], false);
    assert_eq!(host.http("GET", "/Marti/api/repeater/list").user("carl", Role::User).send().status, 403);
}
