//! What b.5 says beyond the acceptance lines: named receivers, groups, replacing, guesses, ages, limits, a busy host.
mod scene;

use fts_plugin_api::{
    cot::Attr,
    sdk::{Code, Role, Target},
    testkit::Client,
    tracing::Level,
};
use scene::*;
use serde_json::json;

fn to(dest: &str) -> String {
    START.replace("</detail>", &format!("<marti><dest {dest}/></marti></detail>"))
}

#[test]
fn named_receivers_stay_the_receivers_of_repeats_and_newcomers() {
    let host = host(&json!({"radius_km": 1.0}));
    let (a, b) = (host.connect(a()), host.connect(b().at(0.0, 0.0)));
    let c = host.connect(Client::new("C", "CHARLIE").groups(["red"]));
    host.deliver(to("callsign=\"BRAVO\""), a);
    host.tick(seconds(20));
    assert_eq!((kinds(&host, b).len(), kinds(&host, c).len()), (3, 0), "whatever the radius");
    let sent = host.sent();
    assert_eq!((&sent[0].how.target, sent[0].how.groups.as_deref()), (&Target::Addressed, Some(&["red".into()][..])));
    let again = host.connect(Client::new("B2", "BRAVO").groups(["red"]));
    let other = host.connect(Client::new("D", "DELTA").groups(["red"]));
    assert_eq!((texts(&host, again).len(), texts(&host, other).len()), (1, 0));
    assert!(!texts(&host, again)[0].contains("<marti>"));
    host.forget();
    host.deliver(CANCEL, a);
    assert_eq!(kinds(&host, b), ["b-a-o-can"]);
}

#[test]
fn a_cancel_reaches_every_group_of_the_alert() {
    let host = host(&json!({}));
    let a = host.connect(Client::new("ANDROID-11aa", "LIMA1").groups(["red", "blue"]));
    let (b, c) = (host.connect(b()), host.connect(Client::new("C", "CHARLIE").groups(["blue"])));
    host.deliver(START, a);
    host.forget();
    assert_eq!(host.deliver(CANCEL, b).dropped(), None);
    assert_eq!((texts(&host, a), texts(&host, c), texts(&host, b)), (vec![CANCEL.into()], vec![CANCEL.into()], vec![]));
}

#[test]
fn a_stranger_neither_cancels_nor_takes_over() {
    let host = host(&json!({}));
    let (a, b) = (host.connect(a()), host.connect(b()));
    let mallory = host.connect(Client::new("M", "MALLORY").groups(["blue"]));
    host.deliver(START, a);
    assert_eq!(host.deliver(CANCEL, mallory).dropped(), Some("emergency_cancel_refused"));
    host.deliver(START.replace("60.17", "0.0"), mallory);
    host.forget();
    host.tick(seconds(10));
    assert_eq!(texts(&host, b), [repeated(NOW + 10_000)], "as it was");
}

#[test]
fn an_administrator_cancels_whatever_the_policy_says_and_nobody_else_does() {
    for policy in ["originator", "admin"] {
        let host = host(&json!({"cancel_policy": policy}));
        let a = host.connect(a());
        let boss = host.connect(Client::new("C", "BOSS").groups(["red"]).user("boss").role(Role::Admin));
        let user = host.connect(Client::new("U", "USER").groups(["red"]).user("user"));
        host.deliver(START, a);
        assert_eq!(host.deliver(CANCEL, user).dropped(), Some("emergency_cancel_refused"), "{policy}");
        assert_eq!(host.deliver(CANCEL, boss).dropped(), None, "{policy}");
        assert!(listed(&host).is_empty());
    }
}

#[test]
fn another_type_replaces_and_a_newer_position_refreshes() {
    let host = host(&json!({}));
    let (a, b) = (host.connect(a()), host.connect(b()));
    host.deliver(START, a);
    host.tick(seconds(1));
    host.deliver(START.replace("60.17", "61.5"), a);
    assert_eq!((listed(&host).len(), &listed(&host)[0]["lat"]), (1, &json!(61.5)));
    assert_eq!(listed(&host)[0]["startTime"], "2026-02-01T10:00:01.000Z", "it began when it began");
    host.tick(seconds(1));
    let other = START.replace("b-a-o-tbl", "b-a-o-opn").replace("911 Alert", "In Contact");
    host.deliver(&other, a);
    assert_eq!(texts(&host, b).last(), Some(&other), "no 911 remark for others");
    assert_eq!((&listed(&host)[0]["type"], listed(&host).len()), (&json!("In Contact"), 1));
    let all = body(&host.http("GET", &format!("/api/alerts?uid={UID}")).send());
    assert_eq!((&all["total"], &all["items"][1]["cancelledBy"]), (&json!(2), &json!("replaced by b-a-o-opn")));
}

#[test]
fn a_cancel_with_another_uid_ends_the_only_alert_of_its_sender() {
    let host = host(&json!({}));
    let (a, b) = (host.connect(a()), host.connect(b()));
    host.deliver(START, a);
    host.forget();
    let other = CANCEL.replace(UID, "358401234567-9-1-1");
    host.deliver(&other, a);
    let got = host.received(b);
    assert_eq!((got.len(), got[0].uid().as_ref(), got[1].uid().as_ref()), (2, "358401234567-9-1-1", UID));
    assert_eq!(got[1].kind(), "b-a-o-can");
    assert!(listed(&host).is_empty() && texts(&host, a).is_empty());
}

#[test]
fn what_is_silent_too_long_is_cancelled_by_the_server() {
    let host = host(&json!({"repeat": 0, "geofence_max_age": "60m", "max_age": "2h"}));
    let (a, b) = (host.connect(a()), host.connect(b()));
    host.deliver(START, a);
    let fence = START.replace(UID, "G").replace("b-a-o-tbl", "b-a-g").replace("911 Alert", "Geo-fence Breached");
    host.deliver(fence, a);
    host.forget();
    host.tick(seconds(3_599));
    assert!(texts(&host, b).is_empty(), "repeat = 0: nothing repeats");
    host.tick(seconds(1));
    let got = host.received(b);
    assert_eq!((got.len(), got[0].uid().as_ref(), got[0].kind()), (1, "G", "b-a-o-can"));
    assert_eq!(got[0].time(Attr::Time), Some(NOW + 3_600_000));
    assert_eq!(kinds(&host, a), ["b-a-o-can"], "its sender has to know as well");
    host.deliver(START, a);
    host.tick(seconds(7_199));
    assert_eq!(listed(&host).len(), 1, "its age counts from the last word of the sender");
    host.tick(seconds(1));
    assert!(listed(&host).is_empty());
    assert_eq!(host.metrics()["fts_emergency_expired_total"], 2.0);
    let over = body(&host.http("GET", "/api/alerts?active=false&uid=G").send());
    assert_eq!(over["items"][0]["cancelledBy"], "expired");
}

#[test]
fn beyond_the_limit_alerts_are_relayed_but_not_kept() {
    let host = host(&json!({"max_active": 1}));
    let (a, b) = (host.connect(a()), host.connect(b()));
    host.deliver(START, a);
    host.deliver(START.replace(UID, "second"), a);
    assert_eq!((kinds(&host, b).len(), listed(&host).len()), (2, 1));
    assert!(texts(&host, b)[1].contains("CALL 911 NOW"));
    assert!(host.log().iter().any(|l| l.level == Level::ERROR && l.message.contains("too many emergencies")));
}

#[test]
fn a_busy_host_gets_everything_later_and_in_order() {
    let host = host(&json!({}));
    let (a, b) = (host.connect(a()), host.connect(b()));
    for n in 0..3 {
        host.deliver(START.replace(UID, &format!("U{n}")), a);
    }
    host.forget();
    host.fail_next("cot.send", Code::Busy, "too fast");
    host.tick(seconds(10));
    assert!(texts(&host, b).is_empty(), "the first was refused, so the others wait, too");
    host.tick(seconds(1));
    let uids: Vec<_> = host.received(b).iter().map(|e| e.uid().into_owned()).collect();
    assert_eq!(uids, ["U0", "U1", "U2"]);

    host.forget();
    host.fail_next("cot.send", Code::Busy, "too fast");
    let remove = |uid: &str| body(&host.http("DELETE", &format!("/Marti/api/repeater/remove/{uid}")).send());
    assert_eq!(remove("U0")["data"], true);
    assert!(texts(&host, b).is_empty());
    assert_eq!(remove("U1")["data"], true);
    let uids: Vec<_> = host.received(b).iter().map(|e| e.uid().into_owned()).collect();
    assert_eq!(uids, ["U0", "U1"], "cancels are never lost");
}

#[test]
fn a_remark_of_ones_own_and_the_switch_are_respected() {
    let silent = host(&json!({"remark_911": false}));
    let (from, to) = (silent.connect(a()), silent.connect(b()));
    silent.deliver(START, from);
    assert_eq!(texts(&silent, to), [START]);
    let host = host(&json!({}));
    let (from, to) = (host.connect(a()), host.connect(b()));
    let hurt = START.replace("</detail>", "<remarks>leg broken</remarks></detail>");
    host.deliver(&hurt, from);
    assert_eq!(texts(&host, to), [hurt]);
}

#[test]
fn alerts_over_a_link_are_alerts_and_its_cancels_work() {
    let host = host(&json!({"cancel_policy": "originator"}));
    let b = host.connect(b());
    let mut source = fts_plugin_api::sdk::SourceInfo {
        kind: fts_plugin_api::sdk::SourceKind::Plugin,
        plugin: "federation".into(),
        link: "north".into(),
        groups: vec!["red".into()],
        ..Default::default()
    };
    host.deliver_from(START, source.clone());
    assert_eq!((texts(&host, b).len(), listed(&host).len()), (1, 1));
    source.link = "south".into();
    assert!(host.deliver_from(CANCEL, source.clone()).dropped().is_some());
    source.link = "north".into();
    assert_eq!(host.deliver_from(CANCEL, source).dropped(), None);
    assert!(listed(&host).is_empty());
}
