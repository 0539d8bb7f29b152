//! Routes: answers to HTTP requests.
//!
//! Say method, path, where and for whom. The server has checked who calls, and received the whole body, before your handler
//! runs; it does HEAD, ranges, compression and error bodies afterwards.
//!
//! ```
//! # use fts_plugin_api::{sdk::*, testkit::MockHost};
//! # use serde::{Deserialize, Serialize};
//! # struct Demo;
//! #[derive(Deserialize, Serialize)]
//! struct Note {
//!     text: String,
//! }
//! # impl Plugin for Demo {
//! #     type Config = NoConfig;
//! #     fn start(_: NoConfig, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
//! // In `start`:
//! let h = host.clone();
//! reg.route(PUT, "/api/plugins/demo/notes/{id}", Listeners::ADMIN | Listeners::REST, Auth::Scope(Scope::Write), move |req| {
//!     let note: Note = req.json()?;
//!     h.kv().set(req.param("id"), note.text)?;
//!     Ok(Response::empty(204))
//! });
//! reg.route(GET, "/api/plugins/demo/notes/{id}", Listeners::ADMIN, Auth::Login, move |req| {
//!     let text = host.kv().get(req.param("id"))?.ok_or_else(|| HttpError::not_found("there is no such note"))?;
//!     Ok(Response::json(&Note { text: String::from_utf8_lossy(&text).into_owned() }))
//! });
//! #         Ok(Demo)
//! #     }
//! # }
//! # let host = MockHost::builder().name("demo").start::<Demo>()?;
//! # let put = host.http("PUT", "/api/plugins/demo/notes/1").json(&serde_json::json!({"text": "hi"}));
//! # assert_eq!(put.send().status, 204);
//! # assert_eq!(host.http("GET", "/api/plugins/demo/notes/1").send().text(), r#"{"text":"hi"}"#);
//! # assert_eq!(host.http("GET", "/api/plugins/demo/notes/2").send().status, 404);
//! # assert_eq!(host.http("GET", "/api/plugins/demo/notes/1").anonymous().send().status, 401);
//! # Ok::<(), Error>(())
//! ```
//!
//! - **Path**: `{name}` is one segment, `{name*}` the rest. A literal wins over a parameter. Below
//!   `/api/plugins/<your name>/` every path is yours; others need the capability `routes`.
//! - **Where**: [`Listeners`](crate::sdk::Listeners), added with `|`. `ADMIN` includes the local socket.
//! - **For whom**: [`Auth`](crate::sdk::Auth). `User` includes the anonymous caller of a listener that lets people in
//!   without a name; `Login` is a user with a name. [`req.identity()`](crate::sdk::Request::identity) tells who it is and in
//!   which groups: whatever you show, check the groups.
//! - **Body**: [`bytes(limit)`](crate::sdk::Request::bytes), [`json()`](crate::sdk::Request::json),
//!   [`read(..)`](crate::sdk::Request::read) piece by piece, or [`spooled()`](crate::sdk::Request::spooled): its hash and
//!   the file it lies in while the handler runs.
//! - **Answer**: text, [`Response::json`](crate::sdk::Response::json), a file of your folder, or
//!   [`Response::pieces`](crate::sdk::Response::pieces) for what is too long for memory. An
//!   [`HttpError`](crate::sdk::HttpError) becomes an error in the form of the listener; `?` turns an error of the host into
//!   a fitting status.
//!
//! A handler has 30 s until its first byte, and 16 run at once. Do not wait for your own worker there. Pieces are taken at
//! your speed and wait for a slow reader on the server's disk (8 GiB per plugin, never more than is left free), so nobody
//! holds your cursor open; answers of more than 1 MiB are made four at a time, so that short ones find a place. A file is
//! read as it is sent and needs neither.
