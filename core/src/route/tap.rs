//! [`Tap`]: live copies of routed events for `fts tail-cot`. Costs one atomic load while nobody watches; watchers that
//! do not keep up lose copies, never the clients.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use fts_plugin_api::cot::Millis;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::turn::{Ready, Staged};

/// One copy.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct TapEvent {
    pub at_ms: Millis,
    pub from_uid: String,
    pub listener: String,
    pub dest: String,
    pub uid: String,
    pub kind: String,
    pub xml: String,
}

/// See the file's head.
#[derive(Default)]
pub struct Tap {
    watchers: Mutex<Vec<mpsc::Sender<TapEvent>>>,
    count: AtomicUsize,
}

/// Copies a watcher may be behind.
const BEHIND: usize = 1_024;

impl Tap {
    /// Starts watching.
    pub fn watch(&self) -> mpsc::Receiver<TapEvent> {
        let (to, from) = mpsc::channel(BEHIND);
        let mut watchers = self.watchers.lock();
        watchers.push(to);
        self.count.store(watchers.len(), Relaxed);
        from
    }

    pub(super) fn show(&self, staged: &Staged, ready: &Ready, dest: &str) {
        if self.count.load(Relaxed) == 0 {
            return;
        }
        let source = ready.source();
        let client = source.client();
        if client.is_some_and(|c| c.internal()) {
            return;
        }
        let copy = TapEvent {
            at_ms: ready.now,
            from_uid: client.map(|c| c.who().uid.to_string()).unwrap_or_default(),
            listener: client.map_or_else(|| source.name().to_owned(), |c| c.listener.name.clone()),
            dest: dest.to_owned(),
            uid: staged.cot.uid().into_owned(),
            kind: staged.cot.kind().to_owned(),
            xml: String::from_utf8_lossy(staged.cot.text()).into_owned(),
        };
        let mut watchers = self.watchers.lock();
        watchers.retain(|w| !matches!(w.try_send(copy.clone()), Err(mpsc::error::TrySendError::Closed(_))));
        self.count.store(watchers.len(), Relaxed);
    }
}
