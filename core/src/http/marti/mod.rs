//! The TAK API (marti-http.md): one file per resource, each with its `routes`. Who may use a route stands beside it.
#[cfg(test)]
pub mod bed;
pub mod certadmin;
pub mod cot;
pub mod enrollment;
pub mod errorlog;
pub mod groups;
pub mod iconsets;
pub mod injectors;
pub mod locate;
pub mod oauth;
pub mod people;
pub mod profiles;
pub mod properties;
pub mod security;
pub mod status;
pub mod subscriptions;
pub mod sync;
pub mod tls;
pub mod users;
pub mod video;

use serde_json::{Value, json};

use super::{
    answer::Answer,
    native::{Book, Native},
};

/// The answer most of the API has around its data (marti-http.md 2.1).
pub fn envelope(native: &Native, kind: &str, data: Value) -> Answer {
    Answer::json(&json!({"version": "3", "type": kind, "data": data, "nodeId": native.config().server.node_id}))
}

/// Writes all of them down.
pub fn routes(book: &mut Book) {
    certadmin::routes(book);
    cot::routes(book);
    enrollment::routes(book);
    errorlog::routes(book);
    groups::routes(book);
    iconsets::routes(book);
    injectors::routes(book);
    locate::routes(book);
    oauth::routes(book);
    people::routes(book);
    profiles::routes(book);
    properties::routes(book);
    security::routes(book);
    status::routes(book);
    subscriptions::routes(book);
    sync::routes(book);
    tls::routes(book);
    users::routes(book);
    video::routes(book);
}
