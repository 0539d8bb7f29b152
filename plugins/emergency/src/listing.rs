//! `GET /api/alerts`: alerts that are active and those that were, newest first, by pages (b.5, 9).
//!
//! Times are ISO UTC. `since` and `until` are about when an alert was raised. What must not happen: a wrong filter is
//! ignored and the caller takes everything for what it asked for.
use fts_plugin_api::{
    cot::{format_time, parse_time},
    sdk::{HttpError, Request, Response, Result},
};
use serde_json::{Value, json};

use crate::{
    alert::Alert,
    desk::Desk,
    policy::{is_admin, or_anon},
    store::{self, Query},
};

/// Rows of a page when the caller does not say, and at most.
const PAGE: i64 = 50;
const LONGEST_PAGE: i64 = 500;

/// The answer.
///
/// # Errors
/// 400 names the parameter; 500 the database.
pub fn list(desk: &Desk, request: &Request) -> Result<Response, HttpError> {
    let asked = |name: &str| request.query(name).map(str::to_owned);
    let (page, mut query) = query(asked)?;
    if !is_admin(request.identity()) {
        query.groups = Some(or_anon(&request.identity().groups_out));
    }
    // What an intercept has just heard is listed, too.
    desk.flush()?;
    let (total, alerts) = store::list(&desk.host, &query)?;
    let items: Vec<_> = alerts.iter().map(item).collect();
    Ok(Response::json(&json!({ "total": total, "page": page, "per_page": query.limit, "items": items })))
}

fn item(alert: &Alert) -> Value {
    let over = alert.cancelled > 0;
    json!({
        "uid": alert.uid, "cotType": alert.cot_type, "type": alert.kind, "callsign": alert.callsign, "name": alert.name,
        "originUid": alert.origin, "senderUid": alert.sender.uid, "lat": alert.lat, "lon": alert.lon, "hae": alert.hae,
        "startTime": format_time(alert.first), "lastTime": format_time(alert.last), "active": !over,
        "cancelTime": over.then(|| format_time(alert.cancelled)),
        "cancelledBy": over.then_some(&alert.cancelled_by), "groups": alert.groups,
    })
}

/// The page, and what to ask the table for.
fn query(asked: impl Fn(&str) -> Option<String>) -> Result<(i64, Query), HttpError> {
    let asked = |name: &str| asked(name).filter(|text| !text.is_empty());
    let number = |name: &str, otherwise: i64, most: i64| match asked(name) {
        None => Ok(otherwise),
        Some(text) => text.parse().ok().filter(|n| (1..=most).contains(n)).ok_or_else(|| {
            HttpError::bad_request(format!("{name} must be a whole number from 1 to {most}, not {text:?}"))
        }),
    };
    let time = |name: &str| match asked(name) {
        None => Ok(None),
        Some(text) => parse_time(&text).map(|(ms, _)| Some(ms)).ok_or_else(|| {
            HttpError::bad_request(format!("{name} must be a time like 2026-01-31T10:00:00Z, not {text:?}"))
        }),
    };
    let active = match asked("active").as_deref() {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(text) => return Err(HttpError::bad_request(format!("active must be true or false, not {text:?}"))),
    };
    let (page, limit) = (number("page", 1, i64::from(u32::MAX))?, number("per_page", PAGE, LONGEST_PAGE)?);
    let (since, until) = (time("since")?, time("until")?);
    Ok((page, Query { uid: asked("uid"), active, since, until, groups: None, offset: (page - 1) * limit, limit }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::alert_a;

    fn of(parameters: &[(&str, &str)]) -> Result<(i64, Query), HttpError> {
        query(|name| parameters.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn parameters_become_a_query() {
        let (page, all) = of(&[]).unwrap();
        assert_eq!((page, all.offset, all.limit, all.active), (1, 0, 50, None));
        let (page, some) = of(&[
            ("uid", "u"),
            ("active", "false"),
            ("since", "2026-02-01T10:00:00Z"),
            ("until", "2026-02-01T11:00:00.000Z"),
            ("page", "3"),
            ("per_page", "20"),
        ])
        .unwrap();
        assert_eq!((page, some.offset, some.limit, some.active), (3, 40, 20, Some(false)));
        assert_eq!((some.since, some.until), (Some(1_769_940_000_000), Some(1_769_943_600_000)));
        assert_eq!(some.uid.as_deref(), Some("u"));
    }

    #[test]
    fn wrong_parameters_are_refused() {
        for wrong in [("active", "yes"), ("since", "yesterday"), ("page", "0"), ("per_page", "501"), ("page", "x")] {
            assert_eq!(of(&[wrong]).unwrap_err().status(), 400, "{wrong:?}");
        }
        assert!(of(&[("active", ""), ("since", "")]).is_ok(), "empty is absent");
    }

    #[test]
    fn an_item_says_when_and_who() {
        let mut alert = alert_a(&["red"], 1_769_940_000_000);
        let active = item(&alert);
        assert_eq!(active["cancelTime"], Value::Null);
        assert_eq!(active["startTime"], "2026-02-01T10:00:00.000Z");
        (alert.cancelled, alert.cancelled_by) = (1_769_940_005_000, "B".into());
        let over = item(&alert);
        assert_eq!((&over["active"], &over["cancelTime"]), (&json!(false), &json!("2026-02-01T10:00:05.000Z")));
        assert_eq!(over["cancelledBy"], "B");
    }
}
