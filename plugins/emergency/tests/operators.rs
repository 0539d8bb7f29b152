//! REST, actions, history and the service, as operators and other plugins meet them.
mod scene;

use fts_plugin_api::{
    sdk::{
        Auth, Identity, Scope,
        alerts::{Alert, Alerts, Ask},
    },
    testkit::{Client, MockHost},
};
use fts_plugin_emergency::Emergency;
use scene::*;
use serde_json::{Value, json};

/// A token that may write, of a user in this group.
fn token(group: &str) -> Identity {
    let groups = vec![group.to_owned()];
    let scopes = vec![Scope::Read, Scope::Write];
    Identity {
        user: format!("{group}-desk"),
        groups_in: groups.clone(),
        groups_out: groups,
        scopes,
        ..Identity::default()
    }
}

#[test]
fn callers_raise_see_and_cancel_in_their_own_groups() {
    let host = host(&json!({}));
    let (b, c) = (host.connect(b()), host.connect(Client::new("C", "CHARLIE").groups(["blue"])));
    let fields =
        json!({"name": " CHARLIE ", "emergencyType": "911 alert", "latitude": "60.5", "longitude": 24, "extra": 1});
    let call = host.http("POST", "/ManageEmergency/postEmergency").identity(token("blue"));
    let uid = body(&call.body(fields.to_string()).send())["message"].as_str().unwrap().to_owned();
    assert!(texts(&host, b).is_empty());
    let event = &host.received(c)[0];
    assert_eq!((event.kind(), event.detail("link").unwrap().attr("uid").unwrap().as_ref()), ("b-a-o-tbl", "C"));
    assert_eq!(event.detail("remarks").unwrap().inner_text(), "CALL 911 NOW");

    let list = |group: &str| {
        let list = body(&host.http("GET", "/ManageEmergency/getEmergency").identity(token(group)).send());
        let history = body(&host.http("GET", "/api/alerts").identity(token(group)).send());
        (list["json_list"].as_array().unwrap().len(), history["total"].clone())
    };
    assert_eq!((list("blue"), list("red")), ((1, json!(1)), (0, json!(0))));
    let delete = |group: &str| {
        let call = host.http("DELETE", "/ManageEmergency/deleteEmergency").identity(token(group));
        call.body(json!({ "uid": uid }).to_string()).send().status
    };
    assert_eq!((delete("red"), delete("blue"), delete("blue")), (403, 200, 404));
}

#[test]
fn remarks_are_kept_and_a_uid_may_be_given() {
    let host = MockHost::builder().groups(["red"]).now(NOW).start::<Emergency>().unwrap();
    let b = host.connect(b());
    let fields = json!({"name": "Web", "emergencyType": "911 Alert", "remarks": "2 < 3", "uid": "mine"});
    let post = || host.http("POST", "/ManageEmergency/postEmergency").body(fields.to_string());
    assert_eq!(body(&post().send()), json!({"message": "mine"}));
    assert_eq!(host.received(b)[0].detail("remarks").unwrap().inner_text(), "2 < 3");
    assert_eq!((&listed(&host)[0]["remarks"], listed(&host)[0]["lat"].is_f64()), (&json!("2 < 3"), true));
    assert_eq!(post().identity(token("red")).send().status, 409, "somebody else's uid");
    assert_eq!(post().send().status, 200, "one's own");
    assert_eq!(host.http("POST", "/ManageEmergency/postEmergency").body("{").send().status, 400);
}

#[test]
fn the_history_says_what_was_and_ends() {
    let host = host(&json!({"history": "2h"}));
    let (a, b) = (host.connect(a()), host.connect(b()));
    for n in 0..3 {
        host.deliver(START.replace(UID, &format!("U{n}")), a);
        host.tick(seconds(60));
    }
    host.deliver(CANCEL.replace(UID, "U1"), b);
    let ask = |query: &str| body(&host.http("GET", &format!("/api/alerts{query}")).send());
    let uids = |query: &str| {
        let items = ask(query)["items"].as_array().unwrap().clone();
        items.iter().map(|i| i["uid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(uids(""), ["U2", "U1", "U0"]);
    assert_eq!(uids("?active=true"), ["U2", "U0"]);
    assert_eq!(uids("?since=2026-02-01T10:01:00Z&until=2026-02-01T10:01:30Z"), ["U1"]);
    assert_eq!(uids("?per_page=2&page=2"), ["U0"]);
    assert_eq!(
        ask("?active=false")["items"],
        json!([{
            "uid": "U1", "cotType": "b-a-o-tbl", "type": "911 Alert", "callsign": "LIMA1", "name": "LIMA1-Alert",
            "originUid": "ANDROID-11aa", "senderUid": "ANDROID-11aa", "lat": 60.17, "lon": 24.94, "hae": 12.0,
            "startTime": "2026-02-01T10:01:01.000Z", "lastTime": "2026-02-01T10:01:01.000Z", "active": false,
            "cancelTime": "2026-02-01T10:03:01.000Z", "cancelledBy": "BRAVO", "groups": ["red"],
        }])
    );
    assert_eq!(ask("?per_page=2")["per_page"], 2);
    assert_eq!(host.http("GET", "/api/alerts?since=never").send().status, 400);
    host.tick(seconds(3 * 3_600 + 60));
    assert_eq!(uids(""), ["U2", "U0"], "active ones stay, however old");
}

#[test]
fn a_device_may_call_for_help_twice() {
    let host = host(&json!({}));
    let a = host.connect(a());
    for _ in 0..2 {
        host.deliver(START, a);
        host.tick(seconds(5));
        host.deliver(CANCEL, a);
    }
    let all = body(&host.http("GET", &format!("/api/alerts?uid={UID}")).send());
    assert_eq!(all["total"], 2, "both are in the history");
}

#[test]
fn actions_do_what_the_rest_calls_do() {
    let host = MockHost::builder().now(NOW).start::<Emergency>().unwrap();
    let b = host.connect(Client::new("B", "BRAVO"));
    let act = |action: &str, args: Value| host.action("emergency", action, &args);
    let raised = act("EmergencyAlert", json!({"name": "Web", "latitude": 60, "longitude": 24})).unwrap();
    assert_eq!(kinds(&host, b), ["b-a-o-tbl"]);
    assert_eq!(act("GetAllEmergencies", json!({})).unwrap()["json_list"][0]["uid"], raised["message"]);
    assert_eq!(act("EmergencyCancelled", json!({"uid": raised["message"]})).unwrap(), raised);
    assert_eq!(kinds(&host, b).last().unwrap(), "b-a-o-can");
    assert!(act("EmergencyCancelled", json!({"uid": "x"})).unwrap_err().to_string().contains("no active alert"));
    assert!(act("EmergencyAlert", json!({})).unwrap_err().to_string().contains("name is missing"));
}

#[test]
fn other_plugins_list_raise_and_cancel() {
    let host = host(&json!({}));
    let (a, b) = (host.connect(a()), host.connect(b()));
    host.deliver(START, a);
    let list = || host.ask::<Alerts>(&Ask::List).unwrap().alerts;
    let wanted = Alert {
        uid: UID.into(),
        cot_type: "b-a-o-tbl".into(),
        kind: "911 Alert".into(),
        callsign: "LIMA1".into(),
        origin: "ANDROID-11aa".into(),
        lat: 60.17,
        lon: 24.94,
        hae: 12.0,
        first: NOW,
        last: NOW,
        groups: vec!["red".into()],
        ..Alert::default()
    };
    assert_eq!(list(), [wanted]);
    let asked =
        Alert { kind: "In Contact".into(), callsign: "BRAVO".into(), groups: vec!["red".into()], ..Alert::default() };
    let raised = host.ask::<Alerts>(&Ask::Start(asked)).unwrap().alerts;
    assert_eq!((raised[0].cot_type.as_str(), raised[0].origin.as_str(), list().len()), ("b-a-o-opn", "B", 2));
    assert!(host.ask::<Alerts>(&Ask::Start(Alert::default())).is_err());
    let cancel = |uid: &str| host.ask::<Alerts>(&Ask::Cancel { uid: uid.into(), by: "reports".into() }).unwrap().alerts;
    assert_eq!((cancel(UID)[0].cancelled_by.as_str(), cancel(UID).len()), ("reports", 0));
    assert_eq!(kinds(&host, b).last().unwrap(), "b-a-o-can");
}

#[test]
fn every_route_has_its_listeners_and_its_guard() {
    let host = host(&json!({}));
    let seen: Vec<_> = host.routes().iter().map(|r| format!("{} {} {:?}", r.method, r.pattern, r.auth)).collect();
    let (read, write) = (Auth::Scope(Scope::Read), Auth::Scope(Scope::Write));
    assert_eq!(
        seen,
        [
            format!("GET /ManageEmergency/getEmergency {read:?}"),
            format!("POST /ManageEmergency/postEmergency {write:?}"),
            format!("DELETE /ManageEmergency/deleteEmergency {write:?}"),
            format!("GET /api/alerts {read:?}"),
            "GET /Marti/api/repeater/list Admin".into(),
            "GET /Marti/api/repeater/period Admin".into(),
            "POST /Marti/api/repeater/period Admin".into(),
            "GET /Marti/api/repeater/remove/{uid} Admin".into(),
            "DELETE /Marti/api/repeater/remove/{uid} Admin".into(),
        ]
    );
    let named = |n: usize| format!("{:?}", host.routes()[n].listeners);
    assert_eq!((named(0), named(4)), ("[Rest, Admin]".into(), "[MartiHttp, MartiHttps, Admin]".into()));
    let wrong = MockHost::builder().config(json!({"repeat": "5ms"})).start::<Emergency>();
    assert!(wrong.err().unwrap().to_string().contains("at least 100ms"));
    assert!(MockHost::builder().config(json!({"radius": 5})).start::<Emergency>().is_err(), "unknown key");
}
