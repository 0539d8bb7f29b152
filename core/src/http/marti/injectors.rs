//! Injectors (marti-http.md 10): elements the server adds to the details of every event of a uid. Administrators only:
//! they change what everybody sees of somebody. A change is stored first, then the router has it (`route::inject`).
use axum::http::Method;
use serde_json::{Map, Value, json};

use super::envelope;
use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    route::inject::fits,
    store::devices::injector::{self, Injector},
};

const BODY: u64 = 64 << 10;
/// Longest uid and element, in bytes.
const UID: usize = 256;
const ELEMENT: usize = 4_096;

/// Its routes.
pub fn routes(book: &mut Book) {
    if !book.config().marti.injectors {
        return;
    }
    let (path, json) = ("/Marti/api/injectors/cot/uid", "application/json");
    book.on(Method::GET, path, Listeners::TAK, Auth::RoleAdmin, list).about("All injectors").answers(200, json);
    book.on(Method::GET, "/Marti/api/injectors/cot/uid/{uid}", Listeners::TAK, Auth::RoleAdmin, of_uid)
        .about("Injectors of a uid")
        .answers(200, json);
    book.on(Method::POST, path, Listeners::TAK, Auth::RoleAdmin, add)
        .about("Adds an element, without its angle brackets, to every event of a uid")
        .takes(json, BODY)
        .answers(200, json)
        .answers(400, json);
    book.on(Method::DELETE, path, Listeners::TAK, Auth::RoleAdmin, remove)
        .about("Removes an injector")
        .query("uid", "string", true)
        .query("toInject", "string", true)
        .answers(200, json)
        .answers(404, json);
}

fn rows(native: &Native, all: &[Injector]) -> Answer {
    let rows: Vec<_> = all.iter().map(|(uid, element)| json!({"uid": uid, "toInject": element})).collect();
    envelope(native, "InjectorConfig", Value::Array(rows))
}

fn list(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    Ok(rows(native, &injector::list(&native.db, None)?))
}

fn of_uid(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    Ok(rows(native, &injector::list(&native.db, Some(call.params.get("uid").unwrap_or_default()))?))
}

fn add(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let bytes = call.body.bytes(BODY).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    let said: Map<String, Value> = serde_json::from_slice(&bytes)
        .map_err(|e| HandlerError::bad_request(format!("not an object with uid and toInject: {e}")))?;
    let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let one = (text("uid"), text("toInject"));
    if one.0.is_empty() || one.0.len() > UID || one.0.contains(['<', '>', '\'', '"']) {
        return Err(HandlerError::bad_request(format!("uid: 1 to {UID} bytes without < > ' \"")));
    }
    if one.1.len() > ELEMENT || !fits(&one.1) {
        return Err(HandlerError::bad_request("toInject: an element without its angle brackets, like tag a=\"1\""));
    }
    if !injector::add(&native.db, &one)? {
        return Err(HandlerError::bad_request(format!("there are {} injectors already", injector::MOST)));
    }
    told(native)?;
    Ok(rows(native, &[one]))
}

fn remove(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let text = |name| call.query.get_any_case(name).unwrap_or_default().trim().to_owned();
    let one = (text("uid"), text("toInject"));
    if !injector::remove(&native.db, &one)? {
        return Err(HandlerError::not_found("there is no such injector"));
    }
    told(native)?;
    Ok(rows(native, &[one]))
}

/// The router has what the database has.
fn told(native: &Native) -> Result<(), HandlerError> {
    native.router.injectors.set(injector::by_uid(&native.db)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::marti::bed::{Ask, Bed};

    fn added(uid: &str, element: &str) -> Ask {
        Ask::new("POST", "/").body(json!({"uid": uid, "toInject": element}).to_string())
    }

    #[test]
    fn m10_injectors_are_added_listed_and_removed() {
        let bed = Bed::new();
        let reply = added("U1", "tag a=\"1\"").of(&bed, add).unwrap().json();
        let row = json!({"uid": "U1", "toInject": "tag a=\"1\""});
        assert_eq!((&reply["type"], &reply["data"]), (&json!("InjectorConfig"), &json!([row])));
        added("U2", "other").of(&bed, add).unwrap();
        let data = |ask: Ask, endpoint| ask.of(&bed, endpoint).unwrap().json()["data"].clone();
        assert_eq!(data(Ask::get("/"), list).as_array().unwrap().len(), 2);
        assert_eq!(data(Ask::get("/").param("uid", "U1"), of_uid), json!([row]));
        assert_eq!(data(Ask::get("/").param("uid", "U9"), of_uid), json!([]));
        let gone = "/?uid=U1&toInject=tag%20a%3D%221%22";
        assert_eq!(data(Ask::new("DELETE", gone), remove), json!([row]));
        assert_eq!(Ask::new("DELETE", gone).refused(&bed, remove), 404);
    }

    #[test]
    fn m10_what_is_no_element_is_refused() {
        let bed = Bed::new();
        for (uid, element) in
            [("", "a"), ("u<", "a"), ("u\"", "a"), ("u", ""), ("u", "a><b"), ("u", "a b"), ("u", "marti")]
        {
            assert_eq!(added(uid, element).refused(&bed, add), 400, "{uid} {element}");
        }
        assert_eq!(Ask::new("POST", "/").body("[]").refused(&bed, add), 400);
    }
}
