//! TAK Server's repeater API (b.4; marti-http.md 9), for administrators: what repeats, how often, and no longer.
//!
//! The period set here holds until the server stops; the configuration is what an operator wrote and stays so. Answers
//! are in TAK Server's envelope, version `1.0.0`.
use fts_plugin_api::{
    cot::format_time,
    sdk::{HttpError, Request, Response, Result},
    tracing,
};
use serde_json::{Value, json};

use crate::{alert::Alert, desk::Desk, kind::Kind, policy::Caller, refusal::Refusal};

/// A day, ms: a longer period is no repeat.
const LONGEST_PERIOD: i64 = 86_400_000;

fn envelope(desk: &Desk, kind: &str, data: impl Into<Value>) -> Response {
    let data: Value = data.into();
    let node = &desk.host.server().node_id;
    Response::json(&json!({ "version": "1.0.0", "type": kind, "data": data, "nodeId": node }))
}

/// GET /Marti/api/repeater/list.
pub fn list(desk: &Desk) -> Response {
    let rows: Vec<_> = desk.table.active().iter().map(|alert| row(alert)).collect();
    envelope(desk, "java.lang.String", rows)
}

fn row(alert: &Alert) -> Value {
    let named = Kind::of(&alert.cot_type).filter(|k| k.cot_type != "b-a-o-c");
    json!({
        "uid": alert.uid, "repeatType": named.map_or(alert.kind.as_str(), |k| k.repeat), "cotType": alert.cot_type,
        "dateTimeActivated": format_time(alert.first), "xml": alert.text, "callsign": alert.callsign,
    })
}

/// GET /Marti/api/repeater/period, ms.
pub fn period(desk: &Desk) -> Response {
    envelope(desk, "java.lang.Integer", desk.period())
}

/// POST /Marti/api/repeater/period: an integer, ms; 0 stops repeats.
///
/// The timer was set by the configuration, so nothing repeats more often than that looks.
///
/// # Errors
/// 400 when it is none, or out of range.
pub fn set_period(desk: &Desk, request: &mut Request) -> Result<Response, HttpError> {
    let body = request.bytes(64)?;
    let ms = read_period(&body, desk.config.tick())?;
    desk.set_period(ms);
    let by = Caller::of_identity(request.identity()).name;
    tracing::warn!(ms, %by, "emergencies repeat at another period until the server stops");
    Ok(Response::empty(200))
}

fn read_period(body: &[u8], shortest: i64) -> Result<i64, HttpError> {
    let number = std::str::from_utf8(body).ok().and_then(|t| t.trim().trim_matches('"').parse().ok());
    number.filter(|ms| *ms == 0 || (shortest..=LONGEST_PERIOD).contains(ms)).ok_or_else(|| {
        HttpError::bad_request(format!("the body must be 0 or a number of ms from {shortest} to {LONGEST_PERIOD}"))
    })
}

/// GET or DELETE /Marti/api/repeater/remove/{uid}: was there one? Then clients get a cancel.
///
/// # Errors
/// The host.
pub fn remove(desk: &Desk, request: &Request) -> Result<Response, HttpError> {
    let caller = Caller { admin: true, ..Caller::of_identity(request.identity()) };
    let removed = match desk.cancel(request.param("uid"), &caller) {
        Ok(_) => true,
        Err(Refusal::Unknown(_)) => false,
        Err(other) => return Err(other.into()),
    };
    Ok(envelope(desk, "java.lang.Boolean", removed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{START_A, alert_a};

    #[test]
    fn a_row_is_that_of_tak_server() {
        assert_eq!(
            row(&alert_a(&["red"], 1_769_940_000_000)),
            json!({
                "uid": "ANDROID-11aa-9-1-1", "repeatType": "911", "cotType": "b-a-o-tbl",
                "dateTimeActivated": "2026-02-01T10:00:00.000Z", "xml": START_A, "callsign": "LIMA1"
            })
        );
        let custom = Alert { cot_type: "b-a-o-c".into(), kind: "Snake bite".into(), ..Alert::default() };
        assert_eq!(row(&custom)["repeatType"], "Snake bite");
    }

    #[test]
    fn periods_are_whole_ms() {
        for (body, ms) in [("3000", 3_000), (" 0 ", 0), ("\"5000\"", 5_000)] {
            assert_eq!(read_period(body.as_bytes(), 1_000).unwrap(), ms);
        }
        for wrong in ["", "x", "-1", "999", "86400001", "1.5"] {
            assert_eq!(read_period(wrong.as_bytes(), 1_000).unwrap_err().status(), 400, "{wrong:?}");
        }
    }
}
