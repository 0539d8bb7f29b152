//! Held events, the mission plugin's way: the event is stored with its journal id, then a notice goes to the members and
//! the event right behind it. A repeat (crash, reload) finds its row and is released again.
//!
//! An event may say itself what is to happen to it: `<held do="panic|discard|forget|fail|later"/>` in its detail.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use fts_plugin_api::{params, sdk::*};
use serde_json::{Value, json};

use crate::{Probe, fuse, store};

/// How long held events took from receipt to release, ms, and which audience is behind which destination.
#[derive(Default)]
pub struct Figures {
    took: Mutex<HashMap<String, Vec<u32>>>,
    audiences: RwLock<HashMap<(String, String), String>>,
}

impl Figures {
    fn note(&self, dest: &str, ms: i64) {
        let ms = u32::try_from(ms).unwrap_or(0);
        self.took.lock().unwrap_or_else(PoisonError::into_inner).entry(dest.to_owned()).or_default().push(ms);
    }

    /// A binding changed.
    pub fn forget(&self) {
        self.audiences.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// By destination: how many, and quantiles in ms.
    pub fn told(&self) -> Value {
        let mut all = self.took.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |(dest, took): (&String, &mut Vec<u32>)| {
            took.sort_unstable();
            let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
            (dest.clone(), json!({"n": took.len(), "p50": at(0.5), "p99": at(0.99), "max": at(1.0)}))
        };
        Value::Object(all.iter_mut().filter(|(_, took)| !took.is_empty()).map(one).collect())
    }
}

/// Registers the handler.
pub fn register(reg: &mut Registrar<'_>, probe: &Arc<Probe>) {
    let probe = probe.clone();
    reg.held_batch(move |all| handle(&probe, all));
}

/// One transaction for all of them, then each is let go.
fn handle(probe: &Probe, all: Vec<Held<'_>>) -> Result<()> {
    let mut stored = Vec::new();
    let (mut failed, mut late) = (Ok(()), probe.config.late);
    for held in all {
        late |= held.event.detail("held").and_then(|h| h.attr("do")).as_deref() == Some("later") && !held.replayed();
        if late {
            // And those behind it, or they come before it.
            let (uid, id) = (held.event.uid().into_owned(), held.journal_id());
            probe.diary.note("late", json!({"uid": uid, "id": id, "replayed": held.replayed()}));
            failed = failed.and(held.later());
            continue;
        }
        match look(probe, held) {
            Ok(Some(held)) => stored.push(held),
            Ok(None) => {}
            Err(error) => failed = Err(error),
        }
    }
    probe.pause.at("commit");
    if !probe.config.unstored && !stored.is_empty() {
        probe.host.sql().tx(|t| {
            for held in &stored {
                let (uid, dests) = (held.event.uid().into_owned(), json!(held.route.dests).to_string());
                let row = params![held.journal_id(), uid, dests, held.replayed()];
                t.exec("INSERT OR IGNORE INTO event VALUES(?1, ?2, ?3, ?4)", row)?;
            }
            Ok(())
        })?;
    }
    probe.pause.at("release");
    stored.into_iter().try_for_each(|held| let_go(probe, held))?;
    failed
}

/// None = it was dealt with as it asked for.
fn look<'h>(probe: &Probe, held: Held<'h>) -> Result<Option<Held<'h>>> {
    let (uid, id) = (held.event.uid().into_owned(), held.journal_id());
    let dests = held.route.dests.clone();
    probe.diary.note(
        "held",
        json!({"uid": uid, "id": id, "replayed": held.replayed(), "dests": dests, "from": held.route.source}),
    );
    probe.fuses.burn("held");
    match held.event.detail("held").and_then(|h| h.attr("do")).as_deref() {
        Some("panic") => fuse::blow("held"),
        Some("discard") => held.discard().map(|()| None),
        Some("forget") => Ok(None),
        Some("fail") => Err(Error::new("told to fail")),
        _ => Ok(Some(held)),
    }
}

fn let_go(probe: &Probe, held: Held<'_>) -> Result<()> {
    let (host, uid) = (&probe.host, held.event.uid().into_owned());
    let dests = held.route.dests.clone();
    let mut before = Vec::new();
    let mut targets = Vec::new();
    for (kind, name) in &dests {
        let members = audience(probe, kind, name)?;
        if !probe.config.silent {
            let notice =
                host.cot().build("t-x-m-c").uid(format!("notice-{uid}")).child("mission", &[("name", name)], "");
            let notice = notice.build().map_err(|e| Error::new(e.to_string()))?;
            before.push((notice, Send::to(Target::Audience(members.clone()))));
        }
        targets.push(members);
    }
    let received = held.route.received;
    match targets.as_slice() {
        [one] => held.release(&before, Target::Audience(one.clone()))?,
        // Who is in two of them gets it once.
        several => held.release(&before, Target::audiences(several))?,
    }
    for (_, name) in &dests {
        probe.hold.note(name, host.now() - received);
    }
    Ok(())
}

fn audience(probe: &Probe, kind: &str, name: &str) -> Result<String> {
    let key = (kind.to_owned(), name.to_owned());
    if let Some(known) = probe.hold.audiences.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(known.clone());
    }
    let found = store::members_of(&probe.host, kind, name)?;
    probe.hold.audiences.write().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
    Ok(found)
}
