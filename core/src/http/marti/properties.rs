//! Properties, values by uid and key that plug-ins leave with the server, and sequences, numbers that are given out once
//! (marti-http.md 10). They have no owner and no groups, as in TAK Server: whoever the listener lets in reads them, users
//! who may write change them. Sizes and numbers are bounded.
use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::envelope;
use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::{Auth, Role},
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    store::devices::property,
};

/// Longest uid and key, in bytes; longest value.
const NAME: usize = 256;
const VALUE: usize = 64 << 10;
const BODY: u64 = 1 << 20;

/// Its routes.
pub fn routes(book: &mut Book) {
    if !book.config().marti.properties {
        return;
    }
    let json = "application/json";
    book.on(Method::GET, "/Marti/api/properties/uids", Listeners::TAK, Auth::User, uids)
        .about("Uids that have properties")
        .answers(200, json);
    book.on(Method::GET, "/Marti/api/properties/{uid}/all", Listeners::TAK, Auth::User, all)
        .about("Properties of a uid")
        .answers(200, json)
        .answers(404, json);
    book.on(Method::GET, "/Marti/api/properties/{uid}/{key}", Listeners::TAK, Auth::User, one)
        .about("One property")
        .answers(200, json)
        .answers(404, json);
    book.on(Method::PUT, "/Marti/api/properties/{uid}", Listeners::TAK, Auth::User, put)
        .about("Sets properties of a uid: an object of keys and values")
        .takes(json, BODY)
        .answers(200, "")
        .answers(400, json)
        .answers(507, json);
    for (path, endpoint) in [
        ("/Marti/api/properties/{uid}/all", clear as crate::http::native::Endpoint),
        ("/Marti/api/properties/{uid}/{key}", delete),
    ] {
        book.on(Method::DELETE, path, Listeners::TAK, Auth::User, endpoint)
            .about("Removes properties")
            .answers(200, "")
            .answers(400, json)
            .answers(404, json);
    }
    book.on(Method::GET, "/Marti/api/sync/sequence/{key}", Listeners::TAK, Auth::User, next)
        .about("The next number of a sequence")
        .answers(200, json)
        .answers(400, json)
        .answers(507, json);
}

fn name<'a>(call: &'a Call, param: &str) -> Result<&'a str, HandlerError> {
    let name = call.params.get(param).unwrap_or_default();
    if name.is_empty() || name.len() > NAME {
        return Err(HandlerError::bad_request(format!("{param}: 1 to {NAME} bytes")));
    }
    Ok(name)
}

fn writer(call: &Call) -> Result<(), HandlerError> {
    match call.identity.role {
        Role::ReadOnly => Err(HandlerError::forbidden("your account may only read")),
        _ => Ok(()),
    }
}

fn missing() -> HandlerError {
    HandlerError::not_found("there is no such property")
}

fn full() -> HandlerError {
    HandlerError::new(StatusCode::INSUFFICIENT_STORAGE, "there are too many of them already")
}

fn uids(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    Ok(envelope(native, "Collection", json!(property::uids(&native.db)?)))
}

fn all(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let found = property::all(&native.db, name(&call, "uid")?)?;
    if found.is_empty() {
        return Err(missing());
    }
    let map: Map<_, _> = found.into_iter().map(|(key, value)| (key, Value::String(value))).collect();
    Ok(envelope(native, "Map", Value::Object(map)))
}

fn one(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let value = property::get(&native.db, name(&call, "uid")?, name(&call, "key")?)?.ok_or_else(missing)?;
    Ok(envelope(native, "String", json!(value)))
}

fn put(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    writer(&call)?;
    let uid = name(&call, "uid")?;
    let bytes = call.body.bytes(BODY).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    let said: Map<String, Value> = serde_json::from_slice(&bytes)
        .map_err(|e| HandlerError::bad_request(format!("not a JSON object of keys and values: {e}")))?;
    let mut values = Vec::new();
    for (key, value) in said {
        let value = match value {
            Value::String(text) => text,
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return Err(HandlerError::bad_request(format!("{key:?}: the value is no text"))),
        };
        if key.is_empty() || key.len() > NAME || value.len() > VALUE {
            return Err(HandlerError::bad_request(format!("keys have 1 to {NAME} bytes, values at most {VALUE}")));
        }
        values.push((key, value));
    }
    match property::set(&native.db, uid, &values)? {
        true => Ok(Answer::empty(StatusCode::OK)),
        false => Err(full()),
    }
}

fn clear(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    removed(native, &call, None)
}

fn delete(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    removed(native, &call, Some(name(&call, "key")?))
}

fn removed(native: &Native, call: &Call, key: Option<&str>) -> Result<Answer, HandlerError> {
    writer(call)?;
    match property::remove(&native.db, name(call, "uid")?, key)? {
        0 => Err(missing()),
        _ => Ok(Answer::empty(StatusCode::OK)),
    }
}

fn next(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    writer(&call)?;
    let number = property::next(&native.db, name(&call, "key")?)?.ok_or_else(full)?;
    Ok(envelope(native, "Long", json!(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::marti::bed::{Ask, Bed};

    fn ask(method: &str, uid: &str, key: &str) -> Ask {
        Ask::new(method, "/").param("uid", uid).param("key", key)
    }

    #[test]
    fn m10_values_are_set_read_and_removed() {
        let bed = Bed::new();
        assert_eq!(ask("PUT", "U1", "").body(r#"{"a":"1","b":2}"#).of(&bed, put).unwrap().status, 200);
        let data = |reply: crate::http::marti::bed::Reply| reply.json()["data"].clone();
        assert_eq!(data(ask("GET", "U1", "").of(&bed, all).unwrap()), json!({"a": "1", "b": "2"}));
        assert_eq!(data(ask("GET", "U1", "b").of(&bed, one).unwrap()), json!("2"));
        assert_eq!(data(Ask::get("/").of(&bed, uids).unwrap()), json!(["U1"]));
        assert_eq!(ask("DELETE", "U1", "b").of(&bed, delete).unwrap().status, 200);
        assert_eq!(ask("GET", "U1", "b").refused(&bed, one), 404);
        assert_eq!(ask("DELETE", "U1", "").of(&bed, clear).unwrap().status, 200);
        assert_eq!(ask("GET", "U1", "").refused(&bed, all), 404);
    }

    #[test]
    fn m10_what_is_wrong_is_refused() {
        let bed = Bed::new();
        for body in ["", "[]", r#"{"a":null}"#, r#"{"":"1"}"#] {
            assert_eq!(ask("PUT", "U1", "").body(body).refused(&bed, put), 400, "{body}");
        }
        let long = json!({"a": "x".repeat(VALUE + 1)}).to_string();
        assert_eq!(ask("PUT", "U1", "").body(long).refused(&bed, put), 400);
        assert_eq!(ask("PUT", &"u".repeat(NAME + 1), "").body("{}").refused(&bed, put), 400);
        let reader = |ask: Ask| ask.user("r", &["Blue"]).identity(|i| i.role = Role::ReadOnly);
        assert_eq!(reader(ask("PUT", "U1", "").body("{}")).refused(&bed, put), 403);
        assert_eq!(reader(ask("DELETE", "U1", "a")).refused(&bed, delete), 403);
    }

    #[test]
    fn m10_a_sequence_counts() {
        let bed = Bed::new();
        let next = || ask("GET", "", "k").of(&bed, next).unwrap().json()["data"].clone();
        assert_eq!([next(), next()], [json!(1), json!(2)]);
    }
}
