//! HTTP: the doors (one for each listener), the mux with the routes of the core and the plugins behind them, and the
//! local control socket (whoever may open it administers the server).
//!
//! In the order a request meets them: `wire`, `door` (`cors`, `forwarded`, `identify`, `told`), then the mux: `listener`,
//! `table` (`pattern`, `route`), `auth`, `arrive` (`form`, `body`), `calls`, `call`, `run` (`pack`), `answer`, `spool`
//! (`space`), `outgoing` (`range`), `taken`, `refusal` (`style`); `serve` walks through the mux. The endpoints of the core are in
//! `marti` and `admin`; they get `native` and make URLs with `url`. `openapi` tells of all of it.
pub mod admin;
pub mod answer;
mod arrive;
pub mod auth;
#[cfg(test)]
mod bed;
pub mod body;
pub mod call;
pub mod calls;
mod cors;
pub mod door;
pub mod fallbacks;
mod form;
mod forwarded;
mod identify;
pub mod listener;
pub mod local;
pub mod marti;
pub mod mux;
pub mod native;
pub mod openapi;
mod outgoing;
mod pack;
pub mod pattern;
mod range;
mod refusal;
pub mod route;
mod run;
pub mod serve;
pub mod space;
mod spool;
mod style;
pub mod table;
pub mod taken;
mod told;
pub mod url;
mod wire;
