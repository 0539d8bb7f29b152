//! Who sees which connections, what a row holds, and who changes what.
use serde_json::json;

use super::*;
use crate::http::marti::bed::{Ask, Bed};

fn bed() -> Bed {
    let bed = Bed::new();
    bed.join("bravo", "U2", "Bravo", &["Red"]);
    let alpha = bed.join("alpha", "U1", "alfa", &["Blue"]);
    alpha.set_stats(vec![("battery".into(), "87".into()), ("ip_address".into(), "10.0.0.5".into())]);
    bed
}

fn callsigns(bed: &Bed, ask: Ask) -> Vec<String> {
    let rows = ask.of(bed, list).unwrap().json()["data"].clone();
    rows.as_array().unwrap().iter().map(|r| r["callsign"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn m05_6_a_user_sees_whom_it_receives_from_and_an_administrator_everybody() {
    let bed = bed();
    assert_eq!(callsigns(&bed, Ask::get("/").user("x", &["Blue"])), ["alfa"]);
    assert!(callsigns(&bed, Ask::get("/").user("x", &["Green"])).is_empty());
    let admin = |target| callsigns(&bed, Ask::get(target).user("root", &[]).admin());
    assert_eq!(admin("/"), ["alfa", "Bravo"]);
    assert_eq!(admin("/?sortBy=UID&direction=DESCENDING"), ["Bravo", "alfa"]);
    assert_eq!(admin("/?page=2&limit=1"), ["Bravo"]);
    assert_eq!(admin("/?page=-1&limit=-1"), ["alfa", "Bravo"]);
    assert_eq!(Ask::get("/?sortBy=AGE").admin().refused(&bed, list), 400);
    assert_eq!(Ask::get("/?page=x").admin().refused(&bed, list), 400);
    let by = |uid, group| Ask::get("/").param("uid", uid).user("x", &[group]);
    assert_eq!(by("U1", "Blue").of(&bed, one).unwrap().json()["data"]["callsign"], "alfa");
    assert_eq!(by("U1", "Red").refused(&bed, one), 404);
    assert_eq!(by("U9", "Red").refused(&bed, one), 404);
}

#[test]
fn m05_6_a_row_has_all_members_with_their_types() {
    let bed = bed();
    let row = Ask::get("/").param("uid", "U1").user("x", &["Blue"]).of(&bed, one).unwrap().json()["data"].clone();
    let strings = [
        "callsign",
        "clientUid",
        "takClient",
        "takVersion",
        "username",
        "role",
        "team",
        "ipAddress",
        "port",
        "protocol",
        "subscriptionUid",
        "appFramerate",
        "battery",
        "batteryStatus",
        "batteryTemp",
        "deviceDataRx",
        "deviceDataTx",
        "heapCurrentSize",
        "heapFreeSize",
        "heapMaxSize",
        "deviceIPAddress",
        "storageAvailable",
        "storageTotal",
        "handlerType",
        "dn",
    ];
    for name in strings {
        assert!(row[name].is_string(), "{name}: {row}");
    }
    for name in ["lastReportMilliseconds", "pendingWrites", "numProcessed", "lastReportDiffMilliseconds"] {
        assert!(row[name].is_i64() || row[name].is_u64(), "{name}: {row}");
    }
    assert!(row["xpath"].is_null() && row["incognito"] == json!(false));
    assert_eq!(
        (&row["battery"], &row["deviceIPAddress"], &row["dn"]),
        (&json!("87"), &json!("10.0.0.5"), &json!("CN=alpha"))
    );
    let groups = row["groups"].as_array().unwrap();
    let sides: Vec<_> =
        groups.iter().map(|g| (g["name"].as_str().unwrap(), g["direction"].as_str().unwrap())).collect();
    assert_eq!(sides, [("Blue", "IN"), ("Blue", "OUT")]);
    let uid = row["subscriptionUid"].as_str().unwrap();
    assert_eq!(
        Ask::get("/").param("uid", uid).user("x", &["Blue"]).of(&bed, one).unwrap().json()["data"]["clientUid"],
        "U1"
    );
}

#[test]
fn m05_6_a_connection_is_changed_by_its_user_and_by_administrators() {
    let bed = bed();
    let client = bed.native.router.directory.index().uid("U1")[0].clone();
    let by = |name| Ask::new("POST", "/").param("uid", "U1").user(name, &["Blue"]);
    let on = || client.incognito.load(Relaxed);
    assert_eq!(by("alpha").of(&bed, toggle).unwrap().status, 200);
    assert!(on());
    assert_eq!(by("other").refused(&bed, toggle), 403);
    assert!(on());
    by("root").admin().of(&bed, toggle).unwrap();
    assert!(!on());
    assert_eq!(Ask::new("POST", "/").param("uid", "U2").user("alpha", &["Blue"]).refused(&bed, toggle), 404);
}

#[test]
fn m05_6_a_filter_is_set_and_cleared() {
    let bed = bed();
    let client = bed.native.router.directory.index().uid("U1")[0].clone();
    let put = |xml: &'static str| Ask::new("PUT", "/").param("uid", "U1").user("alpha", &["Blue"]).body(xml);
    let good = r#"<filter><geospatialFilter filterTAKClients="true"><boundingBox minLongitude="-76" minLatitude="45" maxLongitude="-75" maxLatitude="46"/></geospatialFilter></filter>"#;
    assert_eq!(put(good).of(&bed, set_filter).unwrap().status, 200);
    let boxes = vec![GeoBox { west: -76.0, south: 45.0, east: -75.0, north: 46.0 }];
    assert_eq!(*client.filter().unwrap(), GeoFilter { boxes, tak_clients: true });
    let bad = [
        "",
        "<filter/>",
        "<!DOCTYPE a><filter><geospatialFilter/></filter>",
        "<filter><geospatialFilter><boundingBox minLongitude='x'/></geospatialFilter></filter>",
    ];
    for xml in bad {
        assert_eq!(put(xml).refused(&bed, set_filter), 400, "{xml}");
    }
    assert!(client.filter().is_some());
    let other = Ask::new("DELETE", "/").param("uid", "U1").user("other", &["Blue"]);
    assert_eq!(other.refused(&bed, clear_filter), 403);
    assert_eq!(
        Ask::new("DELETE", "/").param("uid", "U1").user("alpha", &["Blue"]).of(&bed, clear_filter).unwrap().status,
        200
    );
    assert!(client.filter().is_none());
}
