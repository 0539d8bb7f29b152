//! Clients: list, kick, send; why an event reached whom; live copies. Local socket only.
use std::convert::Infallible;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, Shared, read};
use crate::route::why;

#[derive(Deserialize)]
pub(super) struct Listing {
    #[serde(default)]
    gone: bool,
}

pub(super) async fn list(State(control): State<Shared>, Query(wanted): Query<Listing>) -> Json<Vec<Value>> {
    Json(control.clients(wanted.gone))
}

pub(super) async fn one(State(control): State<Shared>, Path(who): Path<String>) -> Result<Json<Value>, Refusal> {
    let number: Option<u64> = who.parse().ok();
    let called = |c: &Value| {
        (number.is_some() && c["conn"].as_u64() == number) || c["uid"] == who.as_str() || c["callsign"] == who.as_str()
    };
    control.clients(true).into_iter().find(called).map(Json).ok_or_else(|| nobody(&who))
}

fn nobody(who: &str) -> Refusal {
    Refusal(
        StatusCode::NOT_FOUND,
        format!("no client is known by {who:?} (uid, callsign, certificate name or connection number)"),
    )
}

#[derive(Deserialize)]
pub(super) struct Kick {
    ban: Option<String>,
}

pub(super) async fn kick(
    State(control): State<Shared>,
    Path(who): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let ban = match read::<Kick>(&body)?.ban {
        Some(text) => Some(
            crate::config::duration(&text)
                .ok_or_else(|| Refusal(StatusCode::BAD_REQUEST, format!("ban {text:?}: a duration like \"10m\"")))?,
        ),
        None => None,
    };
    match control.kick(&who, ban) {
        0 if ban.is_none() => Err(nobody(&who)),
        n => Ok(Json(json!({"kicked": n}))),
    }
}

#[derive(Deserialize)]
pub(super) struct Text {
    text: String,
}

pub(super) async fn send(
    State(control): State<Shared>,
    Path(who): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    match control.send(&who, &read::<Text>(&body)?.text) {
        0 => Err(nobody(&who)),
        n => Ok(Json(json!({"sent": n}))),
    }
}

#[derive(Deserialize)]
pub(super) struct Why {
    event: Option<String>,
    from: Option<String>,
    to: Option<String>,
    last_ms: Option<i64>,
}

pub(super) async fn why(
    State(control): State<Shared>,
    Query(wanted): Query<Why>,
) -> Result<Json<Vec<why::WhyEvent>>, Refusal> {
    if wanted.event.is_none() && wanted.from.is_none() {
        return Err(Refusal(StatusCode::BAD_REQUEST, "give event, or from and to".into()));
    }
    Ok(Json(control.why(&why::Query {
        event: wanted.event,
        from: wanted.from,
        to: wanted.to,
        last_ms: wanted.last_ms,
    })))
}

#[derive(Deserialize)]
pub(super) struct Tail {
    r#type: Option<String>,
    uid: Option<String>,
}

/// One JSON object a line, as events are routed.
pub(super) async fn tail(State(control): State<Shared>, Query(wanted): Query<Tail>) -> Response {
    let fits = move |kind: &str, uid: &str| {
        let kind_fits = wanted
            .r#type
            .as_ref()
            .is_none_or(|t| t.strip_suffix('*').map_or(kind == t, |prefix| kind.starts_with(prefix)));
        kind_fits && wanted.uid.as_ref().is_none_or(|u| u == uid)
    };
    let live = stream::unfold((control.tail(), fits), |(mut from, fits)| async move {
        loop {
            let e = from.recv().await?;
            if fits(&e.kind, &e.uid) {
                let line = json!({"at_ms": e.at_ms, "from_uid": e.from_uid, "listener": e.listener, "dest": e.dest, "uid": e.uid, "type": e.kind, "xml": e.xml});
                return Some((Ok::<_, Infallible>(Bytes::from(format!("{line}\n"))), (from, fits)));
            }
        }
    });
    Body::from_stream(live).into_response()
}
