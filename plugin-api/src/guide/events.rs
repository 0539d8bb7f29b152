//! Events: reading, changing, making and sending them.
//!
//! # Reading
//!
//! [`Event`](crate::sdk::Event) is borrowed for the length of a call; [`to_cot`](crate::sdk::Event::to_cot) keeps it.
//! Nothing is parsed twice: the server has found out where attributes and elements are.
//!
//! ```
//! use fts_plugin_api::cot::{Attr, Cot, PointAttr};
//! let text = r#"<event version="2.0" uid="U1" type="a-f-G" time="2025-01-01T00:00:00Z" start="2025-01-01T00:00:00Z"
//!   stale="2025-01-01T00:05:00Z" how="m-g"><point lat="52.5" lon="13.4" hae="0" ce="9" le="9"/>
//!   <detail><contact callsign="Eagle"/><__group name="Red" role="HQ"/></detail></event>"#;
//! let event = Cot::parse(text)?;
//! assert_eq!((event.uid().as_ref(), event.kind()), ("U1", "a-f-G"));
//! assert_eq!(event.point(PointAttr::Lat), Some(52.5));
//! assert_eq!(event.time(Attr::Stale), Some(1_735_689_900_000));
//! assert_eq!(event.detail("contact").unwrap().attr("callsign").unwrap(), "Eagle");
//! # Ok::<(), fts_plugin_api::cot::Fault>(())
//! ```
//!
//! Times are ms UTC, coordinates degrees, heights metres.
//!
//! # Changing
//!
//! Only an intercept changes an event in passing: `Verdict::Replace(event.edit().set(..).append(..).remove(..).into_text())`. What you
//! do not name stays byte for byte.
//!
//! # Making and sending
//!
//! [`host.cot().build(type)`](crate::sdk::Sender::build) begins an event with time = now, a fresh uid and 20 s of life;
//! [`send`](crate::sdk::Sender::send) routes it and never waits for a receiver.
//!
//! ```
//! # use fts_plugin_api::{sdk::*, testkit::{Client, MockHost}};
//! # struct P;
//! # impl Plugin for P {
//! #     type Config = NoConfig;
//! #     fn start(_: NoConfig, _: &mut Registrar<'_>, host: Host) -> Result<Self> {
//! let marker = host.cot().build("a-u-G").uid("marker-1").point(52.5, 13.4, 0.0, 10.0, 10.0).stale_after(600_000);
//! let marker = marker.child("contact", &[("callsign", "Meeting point")], "");
//! let marker = marker.build().map_err(|e| Error::new(e.to_string()))?;
//! host.cot().send(&marker, Send::groups(["Blue"]).but_uid("ALICE").archived())?;
//! #         Ok(P)
//! #     }
//! # }
//! # let host = MockHost::builder().start::<P>()?;
//! # assert_eq!(host.sent().len(), 1);
//! # Ok::<(), Error>(())
//! ```
//!
//! [`Send`](crate::sdk::Send) says whom it is for: `all()`, `groups(..)`, `conn(..)`, `uid(..)`, `callsign(..)`, an audience
//! ([`Audience::target`](crate::sdk::Audience::target)) or `Target::Addressed`, as its own `<marti>` says. `within(groups)`
//! narrows it to receivers that share a group. `Target::Several` is all of its targets together, each receiver once; a held
//! event for several destinations is released to `Target::audiences([..])`. **Without groups it reaches every group**: when you answer an event, take
//! `route.source.groups`.
//!
//! A plugin that answers events which it causes itself ends after eight steps (`plugin_loop`). `send` never waits; it is
//! [`Busy`](crate::sdk::Code::Busy) over 20 000 events a second, and earlier where most receivers cannot keep up: what must not
//! be dropped (chat, alerts, markers: everything that is no position) waits for them in memory, and a receiver with over
//! 8 MiB of it is disconnected (`stream.limits.queue_reliable_bytes`). From a quarter of that on your reliable events may be
//! 1 000 KiB a second, from half 100, from three quarters 10, and the text of the error names the receiver. Send later, or
//! less; what was not sent is yours to keep. Receivers that take nothing at all count for nothing: they are closed.
//!
//! # A chat
//!
//! ATAK, iTAK and WinTAK show a chat only with all of this around its text. `me` is a uid of the plugin's own: the chat
//! appears as a conversation with it.
//!
//! ```
//! # use fts_plugin_api::{cot::Builder, testkit::{Client, MockHost}};
//! use fts_plugin_api::{cot::{Cot, Fault, escape_attr, escape_text, format_time}, sdk::*};
//!
//! fn chat(host: &Host, me: &str, callsign: &str, to: &str, text: &str) -> Result<Cot, Fault> {
//!     let message = host.uuid();
//!     let group = format!(r#"<chatgrp id="{0}" uid0="{0}" uid1="{1}"/>"#, escape_attr(me), escape_attr(to));
//!     let about = [
//!         ("id", me),
//!         ("messageId", &message),
//!         ("senderCallsign", callsign),
//!         ("chatroom", callsign),
//!         ("parent", "RootContactGroup"),
//!         ("groupOwner", "false"),
//!     ];
//!     let remarks = [("source", &*format!("BAO.F.ATAK.{me}")), ("to", to), ("time", &format_time(host.now()))];
//!     let chat = host.cot().build("b-t-f").uid(format!("GeoChat.{me}.{to}.{message}")).stale_after(86_400_000);
//!     chat.child("__chat", &about, &group)
//!         .child("link", &[("uid", me), ("type", "a-f-G-U-C-I"), ("relation", "p-p")], "")
//!         .child("remarks", &remarks, &escape_text(text))
//!         .build()
//! }
//! # struct Weather;
//! # impl Plugin for Weather {
//! #     type Config = NoConfig;
//! #     fn start(_: NoConfig, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
//!
//! // In `start`: whoever sends such a marker is answered, and nobody else.
//! reg.observe(Observer::reliable("b-m-p-w-x"), move |event, route| {
//!     let text = format!("{}: sunny", event.uid());
//!     let chat = chat(&host, "weather", "Weather", &route.source.uid, &text).map_err(|e| Error::new(e.to_string()))?;
//!     host.cot().send(&chat, Send::conn(route.source.conn))
//! });
//! #         Ok(Weather)
//! #     }
//! # }
//! # let host = MockHost::builder().start::<Weather>()?;
//! # let alice = host.connect(Client::new("A&B", "Alice"));
//! # host.deliver(Builder::new("b-m-p-w-x", host.now()).uid("W<1").to_text(), alice);
//! # let got = host.received(alice);
//! # assert_eq!(got[0].detail("remarks").unwrap().inner_text(), "W<1: sunny");
//! # assert_eq!(got[0].detail("__chat").unwrap().child("chatgrp").unwrap().attr("uid1").unwrap(), "A&B");
//! # Ok::<(), Error>(())
//! ```
//!
//! `child` escapes attributes; what it is given as content is XML already, so text goes through
//! [`escape_text`](crate::cot::escape_text).
//!
//! # Newcomers
//!
//! [`host.history().show(uid, event, groups)`](crate::sdk::History::show) shows an event to everybody who connects, until
//! [`hide`](crate::sdk::History::hide).
//!
//! # Audiences
//!
//! A named set of receivers. A member by uid joins whenever that client connects; add one *before* you read what it will be
//! shown, or it misses what comes in between.
//!
//! # Destinations
//!
//! `<dest mission="demo"/>` in an event can be yours (capability `bind-dest`): bind the name to an audience.
//!
//! - [`Mode::Deliver`](crate::sdk::Mode::Deliver): the server delivers to the audience; you may observe.
//! - [`Mode::Hold`](crate::sdk::Mode::Hold): the event waits for you. Store it, then release it, with notices that arrive
//!   before it. A held event that you neither release nor discard goes nowhere.
//!
//! A name is compared exactly, or with [`any_case`](crate::sdk::Binding::any_case) without case. When a held event cannot be
//! stored now (`Busy`, `Full`), give it back with [`later`](crate::sdk::Held::later), and those behind it: all come again
//! after a pause, in their order.
//!
//! ```
//! # use fts_plugin_api::{cot::Builder, params, sdk::*, testkit::{Client, MockHost}};
//! # struct Board;
//! # impl Plugin for Board {
//! #     type Config = NoConfig;
//! const CAPABILITIES: &'static [&'static str] = &["bind-dest"];
//! #     fn start(_: NoConfig, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
//! // In `start`:
//! host.sql().migrate(&[(1, "CREATE TABLE board(journal INTEGER UNIQUE, text TEXT)")])?;
//! let members = host.clients().audience("members")?;
//! members.add([Member::uid("ALICE"), Member::uid("BOB")])?;
//! host.bind_dest(&Binding::new("board", "lobby", &members, Mode::Hold).writers(&members))?;
//! reg.held(move |held| {
//!     // It may come again after a crash: the same number, stored once.
//!     let row = params![held.journal_id(), held.event.text()];
//!     host.sql().exec("INSERT OR IGNORE INTO board VALUES (?1, ?2)", row)?;
//!     held.release(&[], members.target())
//! });
//! #         Ok(Board)
//! #     }
//! # }
//! # let host = MockHost::builder().start::<Board>()?;
//! # let alice = host.connect(Client::new("ALICE", "Alice"));
//! # let bob = host.connect(Client::new("BOB", "Bob"));
//! # let note = Builder::new("b-x", host.now()).detail_xml(r#"<marti><dest board="lobby"/></marti>"#);
//! # host.deliver(note.to_text(), alice);
//! # assert_eq!((host.received(bob).len(), host.query("SELECT * FROM board")?.rows.len()), (1, 1));
//! # Ok::<(), Error>(())
//! ```
//!
//! In a bound destination membership decides; groups are not looked at.
