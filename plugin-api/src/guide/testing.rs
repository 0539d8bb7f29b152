//! Tests with `testkit::MockHost` (feature `testkit`).
//!
//! The mock stands for the server: it starts your plugin through the same code, routes events by the same rules, keeps a
//! real SQLite database, and writes down what happens. Everything runs on the test's thread, in a fixed order; when a call
//! returns, the plugin's worker has done all it had to do.
//!
//! ```toml
//! [dev-dependencies]
//! fts-plugin-api = { path = "../fts-plugin-api", version = "~1.0", features = ["testkit"] }
//! ```
//!
//! ```
//! use std::time::Duration;
//!
//! use fts_plugin_api::{cot::Builder, sdk::*, testkit::{Client, MockHost}};
//! # struct Demo;
//! # impl Plugin for Demo {
//! #     type Config = NoConfig;
//! #     fn start(_: NoConfig, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
//! #         let h = host.clone();
//! #         reg.every(Duration::from_secs(10), move || h.cot().send(&h.cot().build("t-x").build().unwrap(), Send::all()));
//! #         let h = host.clone();
//! #         reg.observe(Observer::reliable("b-t-f"), move |_, _| h.count("chats", &[], 1));
//! #         reg.route(GET, "/api/plugins/demo/state", Listeners::ADMIN, Auth::Admin, |_| Ok("fine"));
//! #         Ok(Demo)
//! #     }
//! # }
//!
//! // In your own test: .load(fts_plugin_demo::module(), "demo")
//! let host = MockHost::builder().groups(["Blue"]).name("demo").start::<Demo>()?;
//! let alice = host.connect(Client::new("ALICE", "Alice").at(52.5, 13.4));
//! let bob = host.connect(Client::new("BOB", "Bob").groups(["Red"]));
//!
//! let outcome = host.deliver(Builder::new("b-t-f", host.now()).to_text(), alice);
//! assert!(outcome.receivers.is_empty(), "Bob is in another group");
//! assert_eq!(host.metrics()["fts_demo_chats"], 1.0);
//!
//! host.tick(Duration::from_secs(25));
//! assert_eq!((host.sent().len(), host.received(bob).len()), (2, 2));
//!
//! assert_eq!(host.http("GET", "/api/plugins/demo/state").send().text(), "fine");
//! assert_eq!(host.http("GET", "/api/plugins/demo/state").user("bob", Role::User).send().status, 403);
//!
//! host.reload()?;
//! assert!(host.panics().is_empty());
//! # Ok::<(), Error>(())
//! ```
//!
//! What else there is: `move_to`, `disconnect`, `set_groups`; `fail_next(operation, code, text)` to see what your plugin
//! does when the database is full or the rate is reached; `start_again` for what follows a crash; `query` to look into the
//! database (the rows as they are: `host.query("SELECT uid FROM note")?.rows.len()`); `log`, `status`, `held`, `poisoned`; `provide` and `plugin` of the builder to play other plugins; `links` to
//! play the far end of a link; `wait_for` for what a thread of yours does. The mock grants the capabilities your plugin
//! declares and refuses what it did not declare; `grant` plays a stricter operator.
//!
//! What the mock does not do is in the documentation of `testkit`.
