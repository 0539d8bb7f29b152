//! fts: a TAK server. This library is the whole server; `main.rs` hands over to [`cli`].
//!
//! Two walks through it are described in README.md: one CoT event (`net` -> `session` -> `wire` -> `route` -> `session`
//! -> `wire`) and one HTTP request (`net` -> `http`). Imports only point down: `app` sees everything, `route` sees
//! `directory` and `session`'s outbound handle, `wire` sees nothing of the server.
pub mod app;
pub mod archive;
pub mod cli;
pub mod config;
pub mod directory;
pub mod document;
pub mod files;
pub mod http;
pub mod identity;
pub mod import;
pub mod net;
pub mod observe;
pub mod plugins;
pub mod route;
pub mod session;
pub mod store;
pub mod wire;
