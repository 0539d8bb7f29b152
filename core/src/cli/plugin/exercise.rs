//! Every handler of a running plugin called with harmless and with broken input, as the host would call it, but straight:
//! three panics do not trip the plugin, and each answer is known.
//!
//! Input is broken only in ways a client can break it. What must not happen: a handler is left out because nobody here
//! knows its kind; then it is called with nothing.
use std::sync::Arc;

use fts_plugin_api::{
    abi::{self, EventView, Failure, RResult, RVec, TD_Opaque, failure, verdict},
    message::{
        self, Arrived, CallerKind, ClientEvent, ClientInfo, Deletion, LinkEvent, MayRead, Panic, RouteInfo, SourceInfo,
        Taken, pack,
    },
};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

use super::{faults, headless::Headless, samples};
use crate::plugins::{
    Plugin,
    guard::{self, Doing},
};

mod http;

/// Calls of one handler.
pub struct Row {
    handler: String,
    calls: u32,
    refused: u32,
    panics: usize,
}

impl Row {
    /// As JSON.
    pub fn json(&self) -> Value {
        json!({"handler": self.handler, "calls": self.calls, "refused": self.refused, "panics": self.panics})
    }
}

/// What goes over all handlers.
pub struct Exercise<'a> {
    host: &'a Headless,
    plugin: Arc<Plugin>,
    doing: &'a mut dyn FnMut(&str),
    rows: Vec<Row>,
}

/// Calls them all.
///
/// # Errors
/// The plugin does not run.
pub fn all(host: &Headless, name: &str, doing: &mut dyn FnMut(&str)) -> Result<Vec<Row>, String> {
    let plugin = host.plugins.get(name).ok_or("it is not there")?;
    let generation = plugin.generation.load_full().ok_or("it does not run")?;
    let registered = generation.handlers.load_full().ok_or("it has no handlers")?;
    let mut exercise = Exercise { host, plugin, doing, rows: Vec::new() };
    for h in &registered.intercepts {
        exercise.row(
            h.tag.handler,
            samples::of(&h.spec.types, &h.spec.details),
            |sample| &sample.label,
            |e, sample| {
                let _entered = guard::enter(h.tag, Doing { intercept: true, ..Doing::default() });
                let source = abi::Source_TO::from_ptr(abi::RRef::new(&Alice), TD_Opaque);
                let said = h.object.intercept(EventView::new(sample.cot.text(), sample.cot.spans()), &source);
                if said.action == verdict::PANICKED {
                    e.panicked(&message::unpack(&said.data).unwrap_or_default());
                }
                true
            },
        );
    }
    for h in &registered.observers {
        exercise.row(
            h.tag.handler,
            samples::of(&h.spec.types, &h.spec.details),
            |sample| &sample.label,
            |e, sample| {
                let _entered = guard::enter(h.tag, Doing::default());
                let dests = if h.spec.held { e.bound() } else { Vec::new() };
                let one = One { text: sample.cot.text(), dests };
                match h.object.observe(&abi::Observed_TO::from_ptr(abi::RRef::new(&one), TD_Opaque)) {
                    RResult::ROk(taken) => {
                        let taken: Taken = message::unpack(&taken).unwrap_or_default();
                        taken.poisoned.iter().for_each(|p| e.panicked(&p.panic));
                        true
                    }
                    RResult::RErr(failure) => e.failed(h.tag.handler, &failure),
                }
            },
        );
    }
    for h in &registered.callers {
        exercise.row(
            h.tag.handler,
            inputs(&h.spec),
            |(label, _)| label,
            |e, (_, args)| {
                let _entered = guard::enter(h.tag, Doing::default());
                match h.object.call(args.as_slice().into()) {
                    RResult::ROk(_) => true,
                    RResult::RErr(failure) => e.failed(h.tag.handler, &failure),
                }
            },
        );
    }
    http::all(&mut exercise);
    Ok(exercise.rows)
}

impl Exercise<'_> {
    /// One handler with all of its inputs. `call` says whether it took the input.
    fn row<T>(
        &mut self,
        handler: &str,
        inputs: Vec<T>,
        label: impl Fn(&T) -> &String,
        mut call: impl FnMut(&mut Self, &T) -> bool,
    ) {
        let mut row = Row { handler: handler.to_owned(), calls: 0, refused: 0, panics: faults::count() };
        for input in &inputs {
            let label = label(input);
            (self.doing)(&format!("{handler} with {label}"));
            faults::trying(label);
            row.refused += u32::from(!call(self, input));
            row.calls += 1;
            // Three within a minute would take it down before everything was tried.
            self.plugin.forgive();
        }
        row.panics = faults::count() - row.panics;
        self.rows.push(row);
    }

    fn panicked(&self, panic: &Panic) {
        self.plugin.panicked(panic);
    }

    fn failed(&self, handler: &str, failed: &Failure) -> bool {
        if failed.code == failure::PANICKED {
            let (message, place) = (failed.message.to_string(), failed.place.to_string());
            let said = message.split_once(" panicked: ").map_or(message.as_str(), |(_, said)| said).to_owned();
            self.panicked(&Panic { handler: handler.to_owned(), message: said, place });
        }
        false
    }

    /// A destination as the plugin bound one, or as one might be.
    fn bound(&self) -> Vec<(String, String)> {
        let kind = self.plugin.bindings.kinds().into_iter().next();
        vec![(kind.unwrap_or_else(|| "mission".into()), "test".into())]
    }
}

/// The sender.
struct Alice;

fn alice() -> SourceInfo {
    SourceInfo {
        conn: 1,
        uid: "SAMPLE".into(),
        callsign: "ALICE".into(),
        groups: vec!["__ANON__".into()],
        listener: "cot_tcp".into(),
        ..SourceInfo::default()
    }
}

impl abi::Source for Alice {
    fn conn(&self) -> u64 {
        1
    }
    fn describe(&self) -> RVec<u8> {
        pack(&alice()).into()
    }
}

/// A batch of one.
struct One<'a> {
    text: &'a [u8],
    dests: Vec<(String, String)>,
}

impl abi::Observed for One<'_> {
    fn len(&self) -> usize {
        1
    }
    fn event(&self, _: usize) -> EventView<'_> {
        EventView::unscanned(self.text)
    }
    fn journal_id(&self, _: usize) -> u64 {
        0
    }
    fn route(&self, _: usize) -> RVec<u8> {
        let received = crate::observe::clock::now_ms();
        pack(&RouteInfo { source: alice(), dests: self.dests.clone(), received, ..RouteInfo::default() }).into()
    }
    fn begin(&self, _: usize) -> bool {
        true
    }
}

/// What a handler of this kind is called with; the first is harmless.
fn inputs(kind: &CallerKind) -> Vec<(String, Vec<u8>)> {
    let whole = ClientInfo {
        conn: 1,
        uid: "SAMPLE".into(),
        callsign: "ALICE".into(),
        listener: "cot_tcp".into(),
        peer: "127.0.0.1:4242".into(),
        ..ClientInfo::default()
    };
    let named = |label: &str, args: Vec<u8>| (label.to_owned(), args);
    let texts = |texts: &[&str]| texts.iter().map(|t| named(t, pack(t))).collect::<Vec<_>>();
    match kind {
        CallerKind::Every(_) | CallerKind::At(_) | CallerKind::Health => vec![named("nothing", pack(&()))],
        CallerKind::Clients => {
            let of = |label: &str, c: &ClientInfo| {
                let gone = ClientEvent::Gone { client: c.clone(), reason: "eof".into() };
                let all = [
                    ("Connected", ClientEvent::Connected(c.clone())),
                    ("Identified", ClientEvent::Identified(c.clone())),
                    ("Groups", ClientEvent::Groups(c.clone())),
                    ("Ready", ClientEvent::Ready(c.clone())),
                    ("Gone", gone),
                ];
                all.map(|(what, event)| named(&format!("{what} of {label}"), pack(&event)))
            };
            [of("a client", &whole), of("a client of which nothing is known", &ClientInfo::default())].concat()
        }
        CallerKind::Action { .. } | CallerKind::SocketEvent(_) => {
            texts(&["{}", "null", "[1,\"x\",null]", "\"garbage\"", "{\"uid\":7,\"id\":null}", "{no JSON"])
        }
        CallerKind::Service => vec![
            named("a method nobody knows", pack(&("fts-plugin-test", ByteBuf::new()))),
            named("garbage", pack(&("", ByteBuf::from(vec![0xff; 64])))),
        ],
        CallerKind::Subscribe(_) => {
            vec![named("nothing", pack(&ByteBuf::new())), named("garbage", pack(&ByteBuf::from(vec![0xff; 64])))]
        }
        CallerKind::HistorySource => vec![
            named("a uid", pack(&("SAMPLE", 0i64, crate::observe::clock::now_ms()))),
            named("times the wrong way round", pack(&("", i64::MAX, i64::MIN))),
        ],
        CallerKind::BeforeDelete => {
            texts(&["0000000000000000000000000000000000000000000000000000000000000000", "", "é"])
        }
        CallerKind::Deletion => vec![
            named("a file", pack(&Deletion { sha256: "0".repeat(64), ..Deletion::default() })),
            named("what a later server may send", pack(&json!({"sha256": "é", "cause": "Cosmic"}))),
        ],
        CallerKind::MayRead => vec![
            named("somebody", pack(&MayRead { sha256: "0".repeat(64), user: "alice".into(), ..MayRead::default() })),
            named("nobody", pack(&MayRead::default())),
        ],
        CallerKind::Import => vec![
            named("no rows", pack(&("fts-plugin-test", "[]"))),
            named("rows of nothing", pack(&("", "[null,{},7]"))),
            named("no JSON", pack(&("x", "{"))),
        ],
        CallerKind::Links => vec![
            named(
                "the end of a link it does not know",
                pack(&LinkEvent::Closed { link: u64::MAX, how: "reset".into(), why: String::new() }),
            ),
            named(
                "a frame of one",
                pack(&LinkEvent::Frame { link: u64::MAX, number: 1, bytes: ByteBuf::from(vec![0xff; 64]) }),
            ),
            named("what a later server may send", pack(&LinkEvent::Other)),
        ],
        CallerKind::Arrived => vec![named("what it does not wait for", pack(&Arrived { number: 0, stored: true }))],
        CallerKind::Provide(_) => vec![
            named("an empty question", pack(&json!({}))),
            named("a question that is a text", pack(&"fts-plugin-test")),
            named("garbage", vec![0xc1, 0xff, 0x00]),
        ],
    }
}
