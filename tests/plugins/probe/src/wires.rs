//! Links: what happens to them goes into the diary. One that is told to relay carries every chat (all of them, in order)
//! and every position (the newest of each uid) of the server, as a federation link does: what finds the link full waits
//! here, chat in a line, positions by uid.
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fts_plugin_api::sdk::*;
use serde_json::json;

use crate::Probe;

/// What waits for a relaying link.
#[derive(Default)]
struct Waiting {
    chats: VecDeque<Vec<u8>>,
    positions: BTreeMap<String, Vec<u8>>,
    full: bool,
}

/// See the file's head.
#[derive(Default)]
pub struct Wires {
    relays: Mutex<BTreeMap<u64, Waiting>>,
}

impl Wires {
    fn relays(&self) -> MutexGuard<'_, BTreeMap<u64, Waiting>> {
        self.relays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this link relays.
    pub fn relay(&self, link: u64) {
        self.relays().insert(link, Waiting::default());
    }

    /// Chats and positions that wait for links.
    pub fn waiting(&self) -> (usize, usize) {
        self.relays().values().fold((0, 0), |(c, p), w| (c + w.chats.len(), p + w.positions.len()))
    }
}

impl Waiting {
    /// Sends what the link takes.
    fn send(&mut self, link: &Link) -> Result<()> {
        while !self.full {
            let Some(next) = self.chats.front().or_else(|| self.positions.values().next()) else { return Ok(()) };
            match link.write(next.clone()) {
                Ok(()) if self.chats.pop_front().is_none() => drop(self.positions.pop_first()),
                Ok(()) => {}
                Err(error) if error.code() == Code::Full => self.full = true,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Registers the handlers.
pub fn register(reg: &mut Registrar<'_>, probe: &Arc<Probe>) {
    let of = probe.clone();
    reg.links(move |event| {
        of.fuses.burn("links");
        match &event {
            LinkEvent::Frame { link, number, bytes } => {
                of.diary.note("frame", json!({"link": link, "number": number, "text": String::from_utf8_lossy(bytes)}));
            }
            LinkEvent::Writable { link } => {
                of.diary.note("writable", json!(link));
                if let Some(waiting) = of.wires.relays().get_mut(link) {
                    waiting.full = false;
                    waiting.send(&of.host.links().get(*link))?;
                }
            }
            LinkEvent::Closed { link, how, why } => {
                of.diary.note("closed", json!({"link": link, "how": how, "why": why}));
                of.wires.relays().remove(link);
            }
            LinkEvent::Up { link, listener, peer, name, fingerprint, alpn, .. } => {
                let up = json!({"link": link, "listener": listener, "peer": peer, "name": name, "fingerprint": fingerprint, "alpn": alpn});
                of.diary.note("up", up);
            }
            LinkEvent::Secured { link, name, fingerprint, .. } => {
                of.diary.note("secured", json!({"link": link, "name": name, "fingerprint": fingerprint}));
            }
            other => of.diary.note("link", json!(format!("{other:?}"))),
        }
        Ok::<_, Error>(())
    });
    let of = probe.clone();
    reg.observe(Observer::reliable(types(["a-*", "b-t-f"])), move |event, _| {
        let mut relays = of.wires.relays();
        for (link, waiting) in relays.iter_mut() {
            let text = event.text().as_bytes().to_vec();
            if event.kind() == "b-t-f" {
                waiting.chats.push_back(text);
            } else {
                waiting.positions.insert(event.uid().into_owned(), text);
            }
            waiting.send(&of.host.links().get(*link))?;
        }
        Ok::<_, Error>(())
    });
}
