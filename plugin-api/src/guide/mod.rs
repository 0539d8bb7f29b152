//! The author's guide: from nothing to a working plugin in an afternoon.
//!
//! # What a plugin is
//!
//! A plugin is a library that fts loads when it starts: `libfts_plugin_<name>.so`. It sees CoT events, changes or stops
//! them, sends its own, answers HTTP requests and keeps data. It is written as plain, synchronous Rust against this crate;
//! it needs neither the sources of fts nor the same compiler. When it panics, the call fails and the server goes on.
//!
//! # The first one
//!
//! ```text
//! fts plugin new demo
//! cd demo
//! cargo test
//! ```
//!
//! This writes the plugin `demo` (a configuration key, an observer, a route, a test) and beside it `fts-plugin-api`, this
//! crate. The first build compiles SQLite for the tests, too, and takes a minute or two; later ones take seconds. From there
//! on you change `src/lib.rs`; [`shipping`] puts the result into a server that runs. A whole plugin looks so:
//!
//! ```
//! use fts_plugin_api::{cot::Builder, sdk::*};
//!
//! struct Ping;
//!
//! impl Plugin for Ping {
//!     type Config = NoConfig;
//!
//!     fn start(_: NoConfig, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
//!         reg.observe(Observer::reliable("b-t-f"), move |event, route| {
//!             if event.detail("remarks").is_some_and(|r| r.inner_text().trim() == "ping") {
//!                 let pong = host.cot().build("b-t-f").child("remarks", &[], "pong");
//!                 let pong = pong.build().map_err(|e| Error::new(e.to_string()))?;
//!                 host.cot().send(&pong, Send::conn(route.source.conn))?;
//!             }
//!             Ok::<(), Error>(())
//!         });
//!         Ok(Ping)
//!     }
//! }
//!
//! // In a plugin's own crate: export_plugin!(Ping);
//!
//! use fts_plugin_api::testkit::{Client, MockHost};
//! let host = MockHost::builder().name("ping").start::<Ping>()?;
//! let alice = host.connect(Client::new("ALICE", "Alice"));
//! host.deliver(Builder::new("b-t-f", host.now()).child("remarks", &[], "ping").to_text(), alice);
//! assert_eq!(host.received(alice)[0].detail("remarks").unwrap().inner_text(), "pong");
//! # Ok::<(), Error>(())
//! ```
//!
//! (A real client shows this pong only with more around it: [a chat](events#a-chat).)
//!
//! `start` gets three things: the configuration, the [`Registrar`](crate::sdk::Registrar) that takes handlers, and the
//! [`Host`](crate::sdk::Host), which offers everything else and works from any thread. Handlers can be registered only in
//! `start`. Whatever a plugin registers or makes is undone when it stops, so there is nothing to clean up.
//!
//! # Contents
//!
//! 1. [`handlers`] for what calls your code, and on which thread
//! 2. [`events`] for reading, changing, making and sending events
//! 3. [`config`] for your table in `fts.toml`
//! 4. [`data`] for SQL, keys and values, a folder
//! 5. [`http`] for routes
//! 6. [`others`] for other plugins, and links to other machines
//! 7. [`testing`] for `MockHost`
//! 8. [`shipping`] for build, install, allow, reload
//! 9. [`rules`] for what a plugin must not do, and what stays compatible
pub mod config;
pub mod data;
pub mod events;
pub mod handlers;
pub mod http;
pub mod others;
pub mod rules;
pub mod shipping;
pub mod testing;
