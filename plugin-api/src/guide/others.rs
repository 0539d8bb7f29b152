//! Other plugins, and other machines.
//!
//! # Calling another plugin
//!
//! [`host.call(plugin, method, bytes)`](crate::sdk::Host::call) calls what that plugin registered with
//! [`reg.service`](crate::sdk::Registrar::service). A typed [`Service`](crate::sdk::Service) has a name, a question and an
//! answer type that both plugins compile; the ones that ship with the server are in [`crate::sdk`], for example
//! [`alerts`](crate::sdk::alerts).
//!
//! ```
//! # use fts_plugin_api::{sdk::{*, alerts::{Alert, Alerts, Answer, Ask}}, testkit::MockHost};
//! # struct Demo;
//! # impl Plugin for Demo {
//! #     type Config = NoConfig;
//! // Emergency is started first; without it this plugin does not start.
//! const REQUIRES: &'static [&'static str] = &["emergency"];
//! #     fn start(_: NoConfig, _: &mut Registrar<'_>, host: Host) -> Result<Self> {
//! // In `start`:
//! let alerts = host.require::<Alerts>()?;
//! // Whenever it is needed:
//! let active = alerts.ask(&Ask::List)?.alerts;
//! #         assert_eq!(active.len(), 1);
//! #         Ok(Demo)
//! #     }
//! # }
//! # let alert = Alert::default();
//! # MockHost::builder().provide::<Alerts>(move |_| Ok(Answer { alerts: vec![alert.clone()] })).start::<Demo>()?;
//! # Ok::<(), Error>(())
//! ```
//!
//! A proxy always reaches the running generation. It is `Unavailable` while the other plugin is down: handle that. Name a
//! plugin in `USES` instead when you can do without it. Hold no lock while you call.
//!
//! # Topics
//!
//! [`host.publish(topic, bytes)`](crate::sdk::Host::publish) tells every plugin that called
//! [`reg.subscribe(topic, …)`](crate::sdk::Registrar::subscribe).
//!
//! # Links
//!
//! [`host.links()`](crate::sdk::Links) dials (capability `net`) or listens (`listen`), plain or with TLS. The server owns
//! sockets, TLS and certificates; frames and their end arrive in [`reg.links`](crate::sdk::Registrar::links). `write` never
//! blocks: it is `Full` when the peer does not read, and `Writable` follows. Do not bring a TLS library of your own.
//!
//! # Threads
//!
//! [`host.spawn(name, …)`](crate::sdk::Host::spawn) makes a thread whose panics are reported. Tell it to end in
//! [`Plugin::stop`](crate::sdk::Plugin::stop): it is joined right after. A `Host` that is kept longer answers `Gone`.
