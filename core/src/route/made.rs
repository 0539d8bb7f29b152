//! [`Made`]: events the server makes itself: goodbyes, welcome chat, chat failures, texts from the console. They take
//! the same queues as everything else; those addressed to one client pass no groups because the server speaks.

use std::sync::Arc;

use fts_plugin_api::cot::{Class, Cot};

use super::{Address, Batch, Reason, Router, Source, why::Decision};
use crate::{
    directory::{Bits, Client, Latest},
    observe::clock,
    wire::{Event, Head},
};

/// Text of one event made by the server.
#[derive(Clone, Debug)]
pub struct Made {
    text: Vec<u8>,
}

impl Made {
    /// An event that is never silently dropped.
    pub fn reliable(text: Vec<u8>) -> Self {
        Self { text }
    }

    /// As a control event: not numbered, so it is in no record.
    pub fn control(self) -> Arc<Event> {
        self.event(0)
    }

    fn event(self, id: u64) -> Arc<Event> {
        let head = Head {
            id,
            conn: 0,
            received: clock::now_ms(),
            class: Class::Reliable,
            replaceable: false,
            hop: 0,
            uid_hash: 0,
            bundle: 0,
        };
        Arc::new(Event::whole(head, self.text))
    }
}

impl Router {
    /// Queues an event for one client. One-way connections are sent nothing.
    pub fn send_to(&self, client: &Arc<Client>, made: Made) {
        if client.one_way() {
            return;
        }
        let event = made.event(self.next_id());
        let policy = self.policy();
        let mut lost = Vec::new();
        client.out.push(std::slice::from_ref(&event), client.conn, clock::tick(), &policy.marks, |event, why| {
            lost.push((event.head.id, why));
        });
        if !lost.is_empty() {
            self.lost(client, &lost, clock::now_ms());
        }
        if let Ok(cot) = Cot::parse(event.xml().to_vec()) {
            self.why.made(
                &event,
                &cot,
                Decision::Directed(format!("conn {}", client.conn)),
                std::slice::from_ref(client),
            );
        }
    }

    /// A control event for one client, ahead of everything queued (RULE-41). Not recorded anywhere.
    /// With `switch` the stream is protobuf behind it.
    pub fn send_control(&self, client: &Arc<Client>, text: Vec<u8>, switch: bool) {
        client.out.push_control(Made::reliable(text).control(), clock::tick(), switch);
    }

    /// Sends an event of the server into these groups; `except` is the connection it is about. The event is checked
    /// and tagged like any other.
    pub fn broadcast(&self, text: &[u8], send: &Bits, except: u64) {
        let Ok(spans) = fts_plugin_api::cot::scan(text) else { return };
        let mut batch = Batch::new(self, Source::Server { send, except }, text.len());
        if batch.admit(text, &spans).is_ok()
            && let Some(pending) = batch.finish().pending
        {
            // What the server makes itself is not worth waiting for (fanout.md 2.7).
            self.stage(pending.ready, pending.bytes);
        }
    }

    /// From now on newcomers in these groups are shown this event, under this key.
    ///
    /// # Errors
    /// It is no event.
    pub fn show(&self, key: &str, text: &[u8], send: Bits) -> Result<(), Reason> {
        let spans = fts_plugin_api::cot::scan(text).map_err(|_| Reason::Xml)?;
        let now = clock::now_ms();
        fts_plugin_api::cot::check(text, &spans, now, &mut fts_plugin_api::cot::Splices::new())
            .map_err(|_| Reason::Schema)?;
        let head = Head {
            id: self.next_id(),
            conn: 0,
            received: now,
            class: Class::Reliable,
            replaceable: false,
            hop: 0,
            uid_hash: 0,
            bundle: 0,
        };
        let event = Arc::new(Event::whole(head, text.to_vec()));
        let latest = Latest { uid: key.into(), event, conn: 0, send, time: now, expires: i64::MAX };
        self.directory.shown.put(latest);
        Ok(())
    }

    /// The address of everyone, for callers outside of routing.
    pub fn everyone() -> Address {
        Address::everyone()
    }
}
