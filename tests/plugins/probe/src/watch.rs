//! Observers, client events, timers, topics and services: each writes into the diary what it was given.
//!
//! Observers look at `<watch/>` (reliable) and `<glance/>` (latest); `<watch do="panic|fail"/>` says what happens. A
//! `<racket/>` is answered with a `<ball/>`, which the twin answers with a `<racket/>`.
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use fts_plugin_api::sdk::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Probe, fuse};

/// A service of the twin, as the probe knows it: names are the contract, types are everybody's own.
pub struct Words;

/// What can be asked.
#[derive(Serialize, Deserialize)]
pub enum Word {
    /// Says it backwards.
    Backwards(String),
}

impl Service for Words {
    const NAME: &'static str = "words";
    type Ask = Word;
    type Answer = String;
}

fn told(event: &Event<'_>, route: &Route<'_>) -> Value {
    json!({"uid": event.uid(), "type": event.kind(), "id": route.journal_id(), "route": **route})
}

/// Registers them.
pub fn register(reg: &mut Registrar<'_>, probe: &Arc<Probe>) {
    let of = probe.clone();
    reg.observe(Observer::reliable(details(["watch"])), move |event, route| {
        of.diary.note("reliable", told(event, route));
        of.fuses.burn("observe");
        match event.detail("watch").and_then(|w| w.attr("do")).as_deref() {
            Some("panic") => fuse::blow("observe"),
            Some("fail") => Err(Error::new("told to fail")),
            Some("wait") => {
                of.pause.at("watch");
                Ok(())
            }
            _ => Ok(()),
        }
    });
    let of = probe.clone();
    reg.observe(Observer::latest(details(["glance"])), move |event, route| of.diary.note("latest", told(event, route)));
    let of = probe.clone();
    reg.observe(Observer::latest(details(["racket"])), move |event, route| {
        of.diary.note("racket", told(event, route));
        let ball = of.host.cot().build("b-m-p-s-m").child("ball", &[], "").build();
        of.host.cot().send(&ball.map_err(|e| Error::new(e.to_string()))?, Send::all())
    });
    let of = probe.clone();
    reg.clients(move |event| {
        of.diary.note("client", json!(event));
        of.fuses.burn("clients");
        match event {
            ClientEvent::Ready(client) if of.greets.load(Relaxed) => {
                let hello = of.host.cot().build("b-m-p-s-m").uid(format!("hello-{}", client.uid));
                hello.build().into_iter().collect()
            }
            _ => Vec::new(),
        }
    });
    if probe.config.every.0 > Duration::ZERO {
        let of = probe.clone();
        reg.every(probe.config.every.0, move || {
            of.diary.note("every", Value::Null);
            of.fuses.burn("every");
        });
        let of = probe.clone();
        reg.at(probe.host.now() + 10, move || of.diary.note("at", Value::Null));
    }
    let of = probe.clone();
    reg.subscribe("probe.topic", move |bytes| {
        of.diary.note("topic", json!(String::from_utf8_lossy(bytes)));
        of.fuses.burn("topic");
    });
    let of = probe.clone();
    reg.service(move |method, args| {
        of.fuses.burn("service");
        match method {
            "echo" => Ok(args.to_vec()),
            "deeper" => of.host.call("twin", "deeper", args),
            other => Err(Error::not_found(format!("no method {other:?}"))),
        }
    });
}
