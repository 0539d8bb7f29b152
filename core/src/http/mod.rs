//! HTTP: the mux with the routes of the core and the plugins, the admin listener (probes and metrics for anybody who
//! reaches it) and the local control socket (whoever may open it is admin). The TAK API's listeners arrive with the
//! identity issue.
//!
//! Parts of the mux, in the order a request meets them: `listener`, `table` (`pattern`, `route`), `auth`, `body`, `calls`,
//! `call`, `run`, `answer`, `spool` (`space`), `outgoing` (`range`), `refusal`; `serve` walks through them.
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
pub mod listener;
pub mod local;
pub mod marti;
pub mod mux;
pub mod native;
pub mod openapi;
mod identify;
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
pub mod table;
mod style;
mod told;
pub mod url;
mod wire;
