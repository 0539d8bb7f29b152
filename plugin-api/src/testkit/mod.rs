//! [`MockHost`]: a host in the test's own process, behind the same interface objects as the server's (feature `testkit`).
//!
//! A plugin runs in it through the same shims as in production, so a panic is caught and reported the same way. What
//! differs: everything happens on the test's thread, in a fixed order. A call like [`MockHost::deliver`] runs the
//! intercepts, delivers, and then does the work of the plugin's worker until nothing is left; time moves only with
//! [`MockHost::tick`]. What must not happen: a lock of the mock is held while the plugin is called; an operation that
//! is not modelled answers anything but `Unsupported`.
//!
//! Not modelled: rate limits ([`MockHost::fail_next`] makes any operation fail), coalescing (an observer is never
//! behind), addressing of chats by their content, presence of other clients, compression and ranges of HTTP answers.
//!
//! ```
//! use fts_plugin_api::{cot::Builder, sdk::*, testkit::{Client, MockHost}};
//!
//! struct Echo;
//! impl Plugin for Echo {
//!     type Config = NoConfig;
//!     fn start(_: NoConfig, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
//!         reg.observe(Observer::reliable("b-t-f"), move |event, route| {
//!             host.cot().send(&event.to_cot(), Send::conn(route.source.conn))
//!         });
//!         Ok(Echo)
//!     }
//! }
//!
//! let host = MockHost::builder().name("echo").start::<Echo>().unwrap();
//! let alice = host.connect(Client::new("ALICE", "Alice"));
//! let chat = Builder::new("b-t-f", host.now()).uid("m1").build().unwrap();
//! host.deliver(chat.text(), alice);
//! assert_eq!(host.received(alice)[0].uid(), "m1");
//! ```
mod answer;
mod audience;
mod builder;
mod client;
mod clock;
mod context;
mod database;
mod deliver;
mod files;
mod history;
mod host;
mod http;
mod identity;
mod judge;
mod life;
mod links;
mod log;
mod object;
mod path;
mod provider;
mod reach;
mod record;
mod register;
mod release;
mod schema;
mod sha256;
mod state;
mod worker;

pub use builder::Builder;
pub use client::Client;
pub use deliver::{Fate, Outcome};
pub use host::MockHost;
pub use http::{Answer, Call};
pub use links::Peer;
pub use log::Line;
pub use record::Sent;

#[cfg(test)]
mod service_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wait_tests;
