//! What calls your code, and on which thread.
//!
//! | Handler | Runs on | May wait? |
//! |---|---|---|
//! | [intercept](#intercept-before-routing) | the sender's task | no |
//! | [observer](#observe-after-routing), held, timer, client and link events, topics | the plugin's worker, one after the other | a little |
//! | route, action, socket event, provider | a pool, several at once | yes |
//! | service | the thread of the plugin that calls | a little |
//!
//! Handlers of the worker never run at the same time, so they may be `FnMut` and share data without waiting for each other.
//! Handlers of the pool are `Fn + Sync`.
//!
//! # Filters
//!
//! `"b-t-f"` is exactly this type, `"b-t-f*"` every type that begins so, `"*"` everything. A list is `["b-t-f", "b-a-*"]`;
//! [`details`](crate::sdk::details) picks events by an element in their `<detail>`, and
//! `types(["b-a-*"]).or(details(["emergency"]))` either. Other events never reach the plugin and cost nothing.
//!
//! # Intercept: before routing
//!
//! Sees an event before the server decides whom it is for, and returns a [`Verdict`](crate::sdk::Verdict): pass, drop,
//! replace, retarget or consume. It holds up its sender, so be quick (50 µs) and do not wait: SQL, sending, files and
//! other plugins answer [`InIntercept`](crate::sdk::Code::InIntercept) there. Capability `intercept`.
//!
//! **Never wait for anything in it**, not for a lock that is held long either: it stands on a thread that serves everybody.
//! The server keeps one such thread free (of several), so a call that blocks stops nobody for longer than a quarter of a
//! second; after 100 ms your intercepts are not asked any more until it is back (a `Guard` then drops its events), after
//! 1 s the plugin is tripped. Where the server has one thread only (`server.worker_threads`, one core), everybody waits with it.
//! What [`cx.source()`](crate::sdk::Cx::source) tells: connection, user and its role, groups, listener, plugin and link.
//!
//! An intercept that is needed only now and then is registered with a key
//! ([`intercept_keyed`](crate::sdk::Registrar::intercept_keyed)) and [`nothing()`](crate::sdk::nothing) to listen to;
//! [`host.listen_to(key, filter)`](crate::sdk::Host::listen_to) changes that while the plugin runs.
//!
//! Intercepts run in the order of their [`Band`](crate::sdk::Band): `Guard` (may it pass?), `Rewrite`, `Address`, `Tap`;
//! within a band, higher priority first. When a `Guard` panics its events are dropped; the others are skipped.
//!
//! ```
//! # use fts_plugin_api::{cot::Builder, sdk::*, testkit::{Client, MockHost}};
//! # struct Quiet;
//! # impl Plugin for Quiet {
//! #     type Config = NoConfig;
//! const CAPABILITIES: &'static [&'static str] = &["intercept"];
//! #     fn start(_: NoConfig, reg: &mut Registrar<'_>, _host: Host) -> Result<Self> {
//! // In `start`:
//! reg.intercept("b-a-o-*", Band::Guard, |event, cx| {
//!     if cx.source().user == "intern" {
//!         return Verdict::Drop("interns raise no alerts");
//!     }
//!     match event.detail("remarks") {
//!         Some(_) => Verdict::Pass,
//!         None => Verdict::Replace(event.edit().append("<remarks>no remarks</remarks>").into_text()),
//!     }
//! });
//! #         Ok(Quiet)
//! #     }
//! # }
//! # let host = MockHost::builder().start::<Quiet>()?;
//! # let alice = host.connect(Client::new("ALICE", "Alice"));
//! # let intern = host.connect(Client::new("I", "Intern").user("intern"));
//! # let alert = Builder::new("b-a-o-tbl", host.now()).to_text();
//! # assert_eq!(host.deliver(&alert, intern).dropped(), Some("interns raise no alerts"));
//! # assert!(host.deliver(&alert, alice).event.unwrap().detail("remarks").is_some());
//! # Ok::<(), Error>(())
//! ```
//!
//! # Observe: after routing
//!
//! Sees an event after it was routed. `route` says where it came from and whom it was for.
//!
//! - [`Observer::latest`](crate::sdk::Observer::latest): only the newest event of a uid matters. Right for positions.
//! - [`Observer::reliable`](crate::sdk::Observer::reliable): no chat, marker or other event that is sent once is lost, not
//!   even when the server crashes. Then it comes **again**, with `route.replayed`. Store `route.journal_id()` in a `UNIQUE`
//!   column with what you store, and the repeat does no harm.
//!
//! A handler may return nothing, or a `Result` whose error is logged. An event whose handler panics is given once more and
//! then set aside in `plugin-data/<name>/poison/`.
//!
//! Neither intercepts nor observers see what the plugin itself has sent, unless the filter says
//! [`own`](crate::sdk::Filter::own): `Observer::reliable(types(["b-t-f"]).own())`.
//!
//! # Timers
//!
//! `reg.every(Duration::from_secs(30), move || …)` and `reg.at(ms_utc, move || …)`. At most one tick waits; what a slow
//! worker missed is not made up for.
//!
//! # Clients
//!
//! ```
//! # use fts_plugin_api::{cot::escape_text, sdk::*, testkit::{Client, MockHost}};
//! # struct Welcome;
//! # impl Plugin for Welcome {
//! #     type Config = NoConfig;
//! #     fn start(_: NoConfig, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
//! reg.clients(move |event| match event {
//!     // Sent to this client alone.
//!     ClientEvent::Ready(client) => {
//!         // What goes between tags is XML: text is escaped, or a callsign like "A & B" makes it no event.
//!         let text = format!("Welcome, {}", escape_text(&client.callsign));
//!         host.cot().build("b-t-f").child("remarks", &[], &text).build().into_iter().collect()
//!     }
//!     _ => Vec::new(),
//! });
//! #         Ok(Welcome)
//! #     }
//! # }
//! # let host = MockHost::builder().start::<Welcome>()?;
//! # let alice = host.connect(Client::new("ALICE", "A & B"));
//! # assert_eq!(host.received(alice)[0].detail("remarks").unwrap().inner_text(), "Welcome, A & B");
//! # Ok::<(), Error>(())
//! ```
//!
//! The order for one client: `Connected`, `Identified`, `Ready`, then its own events, `Gone`. A client is identified by the
//! first event of its own whose `<contact>` has a callsign and an endpoint (or with `<takv>` beside it); before that, uid and
//! callsign are empty. `conn` is always there.
//!
//! # Held events
//!
//! See [destinations](super::events#destinations).
//!
//! # Actions, socket events, providers
//!
//! `reg.action("demo", "GetThings", Scope::Read, |json| Ok(json))` answers `/v2/demo/GetThings` of the FTS REST API,
//! `reg.socket_event` a Socket.IO event. The server asks `reg.history_source` for events you keep yourself,
//! `reg.before_delete` before a stored file goes, `reg.health` for `/readyz`, `reg.import` with rows of an FTS installation
//! (`fts mission import`; see [`Registrar::import`](crate::sdk::Registrar::import) for the report).
