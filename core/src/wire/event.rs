//! [`Event`]: one event as it travels to its receivers. It keeps the XML form as a slice of the buffer its batch was
//! written into and makes the protobuf form at most once (RULE-34), whoever asks first.
//!
//! It is lean on purpose: a queue holds thousands of them. Whoever keeps one longer than its delivery takes
//! [`Event::compact`], so that a 900-byte position does not keep a whole batch alive (fanout.md 2.2).

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use fts_plugin_api::cot::{Class, Cot, Millis};

use super::proto;

/// What a queue needs to know about an event.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Number in order of arrival, for `fts why`.
    pub id: u64,
    /// The connection that never gets it (the one it came from); 0 = none.
    pub conn: u64,
    /// When the server took it in, ms UTC.
    pub received: Millis,
    /// State events are replaced by newer ones of the same uid when a queue is over its mark.
    pub class: Class,
    /// A newer event of the same uid may take this one's place over the mark although it is reliable (decision 102).
    pub replaceable: bool,
    /// How many plugins made one event from another to get here; 0 = no plugin sent it.
    pub hop: u8,
    /// Hash of the uid: the key of that replacement.
    pub uid_hash: u64,
    /// Events queued one behind the other with the same number are replaced, dropped and written together; 0 = alone.
    pub bundle: u32,
}

/// One event, shared by all queues it is in.
#[derive(Debug)]
pub struct Event {
    /// For queues.
    pub head: Head,
    buf: Bytes,
    start: u32,
    end: u32,
    presence: AtomicU64,
    proto: OnceLock<Option<Bytes>>,
    compact: OnceLock<Arc<Event>>,
}

/// Slack a buffer may have around an event and still count as its own.
const SLACK: usize = 256;

impl Event {
    /// An event whose XML form is `buf[start..end]`.
    pub fn new(head: Head, buf: Bytes, start: u32, end: u32) -> Self {
        Self { head, buf, start, end, presence: AtomicU64::new(0), proto: OnceLock::new(), compact: OnceLock::new() }
    }

    /// An event that has its buffer for itself.
    pub fn whole(head: Head, text: impl Into<Bytes>) -> Self {
        let buf = text.into();
        let end = buf.len() as u32;
        Self::new(head, buf, 0, end)
    }

    /// Its place in the presence order; 0 = not in presence. Newcomers skip what their replay brings (RULE-37).
    pub fn presence(&self) -> u64 {
        self.presence.load(Relaxed)
    }

    /// Set once, before the event is queued anywhere.
    pub fn set_presence(&self, place: u64) {
        self.presence.store(place, Relaxed);
    }

    /// The bytes XML clients get.
    pub fn xml(&self) -> &[u8] {
        self.buf.get(self.start as usize..self.end as usize).unwrap_or(&[])
    }

    /// Length of the XML form in bytes: what queues count.
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// True for an empty text (never made by the server).
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The buffer this event lies in and where, so that neighbours can leave as one slice.
    pub fn place(&self) -> (&Bytes, usize, usize) {
        (&self.buf, self.start as usize, self.end as usize)
    }

    /// The protobuf stream frame; None when the event does not fit into one (RULE-12).
    pub fn proto(&self) -> Option<&Bytes> {
        self.proto
            .get_or_init(|| {
                let cot = Cot::parse(self.buf.slice(self.start as usize..self.end as usize)).ok()?;
                proto::encode_stream(&cot).ok()
            })
            .as_ref()
    }

    /// Fills the protobuf form from what is at hand, before somebody has to scan the text again for it.
    pub fn set_proto(&self, frame: Option<Bytes>) {
        let _ = self.proto.set(frame);
    }

    /// The same with a form that may be there.
    pub fn set_proto_from(&self, frame: Option<&Bytes>) {
        if let Some(frame) = frame {
            self.set_proto(Some(frame.clone()));
        }
    }

    /// True when the protobuf form is there already.
    pub fn has_proto(&self) -> bool {
        self.proto.get().is_some()
    }

    /// This event in a buffer of its own, made once and shared.
    pub fn compact(self: &Arc<Self>) -> Arc<Self> {
        if self.buf.len() <= self.len() + SLACK {
            return self.clone();
        }
        self.compact
            .get_or_init(|| {
                let own = Self::whole(self.head, Bytes::copy_from_slice(self.xml()));
                if let Some(frame) = self.proto.get() {
                    own.set_proto(frame.clone());
                }
                Arc::new(own)
            })
            .clone()
    }
}
