//! The emergency calls of the FTS REST API (b.3; rest-api.md 8.9), and the same as `/v2/emergency/*` actions.
//!
//! Order of a POST: read and check every field, make the alert in the caller's groups, answer its uid. Numbers may come
//! as numeric text, unknown keys are ignored (rest-api.md 4.1). What must not happen: a caller sees or raises alerts in
//! groups it is not in, or an event goes out with the wrong type as in FTS.
use fts_plugin_api::{
    cot::format_time,
    sdk::{Error, HttpError, Identity, Request, Response, Result},
};
use serde_json::{Value, json};

use crate::{
    alert::{Alert, remarks},
    desk::Desk,
    kind::{Kind, REMARK_911, TYPE_911},
    policy::{Caller, is_admin, or_anon},
    refusal::Refusal,
    wire,
};

/// Longest uid, bytes (RULE-20).
const LONGEST_UID: usize = 1024;

/// May this caller see it?
pub fn sees(identity: &Identity, alert: &Alert) -> bool {
    is_admin(identity) || alert.shares(&or_anon(&identity.groups_out))
}

/// GET /ManageEmergency/getEmergency.
pub fn list(desk: &Desk, request: &Request) -> Response {
    Response::json(&json!({ "json_list": listed(desk, |alert| sees(request.identity(), alert)) }))
}

fn listed(desk: &Desk, shown: impl Fn(&Alert) -> bool) -> Vec<Value> {
    let row = |alert: &Alert| {
        json!({
            "lat": alert.lat, "lon": alert.lon, "type": alert.kind, "name": alert.name, "uid": alert.uid,
            "cotType": alert.cot_type, "callsign": alert.callsign, "startTime": format_time(alert.first),
            "originUid": alert.origin, "remarks": remarks(alert), "groups": alert.groups,
        })
    };
    desk.table.active().iter().filter(|alert| shown(alert)).map(|alert| row(alert)).collect()
}

/// POST /ManageEmergency/postEmergency.
///
/// # Errors
/// 400 names the field; 403, 409, 503 as [`Refusal`].
pub fn post(desk: &Desk, request: &mut Request) -> Result<Response, HttpError> {
    let body: Value = request.json()?;
    let caller = Caller::of_identity(request.identity());
    Ok(Response::json(&json!({ "message": raise(desk, &body, &caller)?.uid })))
}

/// DELETE /ManageEmergency/deleteEmergency; `?force=true` tells clients to forget a uid that is not known here.
///
/// # Errors
/// 400 without uid, 403 against the policy, 404 when there is no such alert.
pub fn delete(desk: &Desk, request: &mut Request) -> Result<Response, HttpError> {
    let body: Value = request.json()?;
    let uid = required(&body, "uid")?;
    let caller = Caller::of_identity(request.identity());
    match desk.cancel(&uid, &caller) {
        Err(unknown @ Refusal::Unknown(_)) => {
            if request.query("force") == Some("true") {
                let event = wire::cancel_unknown(&uid, desk.host.now())?;
                desk.send(event, fts_plugin_api::sdk::Send::groups(&caller.groups).archived());
            }
            Err(unknown.into())
        }
        done => Ok(Response::json(&json!({ "message": done?.uid }))),
    }
}

/// `emergency/GetAllEmergencies`.
///
/// # Errors
/// None.
pub fn action_list(desk: &Desk, _: &Value) -> Result<Value> {
    Ok(json!({ "json_list": listed(desk, |_| true) }))
}

/// `emergency/EmergencyAlert`: the fields of a POST; without `emergencyType` a 911 alert, as the action's name says.
///
/// # Errors
/// As [`post`].
pub fn action_alert(desk: &Desk, arguments: &Value) -> Result<Value> {
    let mut body = arguments.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.entry("emergencyType").or_insert_with(|| json!("911 Alert"));
    }
    let raised = raise(desk, &body, &Caller::server("administrator")).map_err(action_error)?;
    Ok(json!({ "message": raised.uid }))
}

/// `emergency/EmergencyCancelled`: `uid`.
///
/// # Errors
/// As [`delete`].
pub fn action_cancel(desk: &Desk, arguments: &Value) -> Result<Value> {
    let uid = required(arguments, "uid").map_err(|e| action_error(e.into()))?;
    let cancelled = desk.cancel(&uid, &Caller::server("administrator"))?;
    Ok(json!({ "message": cancelled.uid }))
}

/// Why a field or a body is refused.
#[derive(Debug)]
enum Refused {
    Field(String),
    Other(Refusal),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Other(refusal)
    }
}

impl From<Field> for Refused {
    fn from(Field(text): Field) -> Self {
        Self::Field(text)
    }
}

impl From<Refused> for HttpError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Field(text) => HttpError::bad_request(text),
            Refused::Other(refusal) => refusal.into(),
        }
    }
}

/// A field that is wrong, as a sentence.
#[derive(Debug, PartialEq)]
struct Field(String);

impl From<Field> for HttpError {
    fn from(Field(text): Field) -> Self {
        HttpError::bad_request(text)
    }
}

fn action_error(refused: Refused) -> Error {
    match refused {
        Refused::Field(text) => Error::new(text),
        Refused::Other(refusal) => refusal.into(),
    }
}

fn raise(desk: &Desk, body: &Value, caller: &Caller) -> Result<std::sync::Arc<Alert>, Refused> {
    let name = required(body, "name")?;
    let wanted = required(body, "emergencyType")?;
    let known = Kind::named(&wanted);
    let kind = known.ok_or_else(|| Field(format!("emergencyType {wanted:?} is not one of {}", Kind::names())))?;
    let (lat, lon) = (degrees(body, "latitude", 90.0)?, degrees(body, "longitude", 180.0)?);
    if optional(body, "address")?.is_some() && (lat.is_none() || lon.is_none()) {
        return Err(Field("address lookup is disabled: give latitude and longitude".into()).into());
    }
    let uid = optional(body, "uid")?.unwrap_or_else(|| desk.host.uuid());
    if uid.len() > LONGEST_UID || uid.chars().any(char::is_control) {
        return Err(Field(format!("uid has more than {LONGEST_UID} bytes or control characters")).into());
    }
    let mut remarks = optional(body, "remarks")?.unwrap_or_default();
    if remarks.is_empty() && kind.cot_type == TYPE_911 && desk.config.remark_911 {
        remarks = REMARK_911.to_owned();
    }
    let alert = Alert {
        uid,
        cot_type: kind.cot_type.to_owned(),
        kind: kind.text.to_owned(),
        callsign: name.clone(),
        origin: desk.origin_of(&name),
        name,
        sender: caller.sender.clone(),
        lat: lat.unwrap_or(0.0),
        lon: lon.unwrap_or(0.0),
        hae: wire::UNKNOWN,
        groups: caller.groups.clone(),
        ..Alert::default()
    };
    Ok(desk.raise(alert, &remarks)?)
}

fn required(body: &Value, key: &str) -> Result<String, Field> {
    optional(body, key)?.ok_or_else(|| Field(format!("{key} is missing")))
}

/// A text; None when it is absent, null or blank.
fn optional(body: &Value, key: &str) -> Result<Option<String>, Field> {
    let text = match body.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err(Field(format!("{key} must be a text"))),
    };
    Ok((!text.is_empty()).then_some(text))
}

/// Degrees within ±`most`; None when absent. FTS-UI sends null for a text it cannot read: refused (rest-api.md 4.5).
fn degrees(body: &Value, key: &str, most: f64) -> Result<Option<f64>, Field> {
    let number = match body.get(key) {
        None => return Ok(None),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    match number.filter(|n: &f64| n.abs() <= most) {
        Some(number) => Ok(Some(number)),
        None => Err(Field(format!("{key} must be a number from -{most} to {most}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::alert_a;
    use fts_plugin_api::sdk::{Role, Scope};

    #[test]
    fn numbers_come_as_numbers_or_text_and_null_is_neither() {
        let body = json!({"a": 60, "b": " 24.5 ", "c": null, "d": 91, "e": "north", "f": "NaN"});
        assert_eq!(degrees(&body, "a", 90.0), Ok(Some(60.0)));
        assert_eq!(degrees(&body, "b", 90.0), Ok(Some(24.5)));
        assert_eq!(degrees(&body, "none", 90.0), Ok(None));
        for key in ["c", "d", "e", "f"] {
            assert_eq!(degrees(&body, key, 90.0), Err(Field(format!("{key} must be a number from -90 to 90"))));
        }
    }

    #[test]
    fn texts_are_trimmed_and_blank_is_absent() {
        let body = json!({"a": " x ", "b": "  ", "c": null, "d": 7, "e": []});
        assert_eq!(optional(&body, "a"), Ok(Some("x".into())));
        assert_eq!((optional(&body, "b"), optional(&body, "c")), (Ok(None), Ok(None)));
        assert_eq!(optional(&body, "d"), Ok(Some("7".into())));
        assert_eq!(required(&body, "b"), Err(Field("b is missing".into())));
        assert!(optional(&body, "e").is_err());
        assert_eq!(required(&json!([]), "uid"), Err(Field("uid is missing".into())));
    }

    #[test]
    fn callers_see_alerts_of_their_groups() {
        let who = |groups: &[&str]| {
            let groups_out = groups.iter().map(|g| (*g).to_owned()).collect();
            Identity { user: "bob".into(), groups_out, scopes: vec![Scope::Read], ..Identity::default() }
        };
        assert!(sees(&who(&["red"]), &alert_a(&["red"], 1)));
        assert!(!sees(&who(&["blue"]), &alert_a(&["red"], 1)));
        assert!(sees(&who(&[]), &alert_a(&["__ANON__"], 1)));
        assert!(sees(&Identity { role: Role::Admin, ..Identity::default() }, &alert_a(&["red"], 1)));
    }
}
