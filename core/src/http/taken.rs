//! [`Taken`]: what is done once the last byte of an answer was taken by its connection, for whoever has to know that a
//! download was finished (marti-http.md 6.7, mission.md 4.6).
//!
//! Order: a handler puts it into the file it answers; `outgoing` keeps it (`Ends`) where the body that is sent reaches
//! the end of that file; `told` counts the bytes and hands it to the connection's `Due` with the last of them; `wire`
//! calls it when it has written out everything.
//!
//! What must not happen: it is called for a HEAD, for a part that ends earlier, or for an answer that breaks off; an
//! answer nobody asks about pays more than one look.
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

/// See the file's head. It is called at most once for each answer, by the task of the connection: it must not block.
#[derive(Clone)]
pub struct Taken(Arc<dyn Fn() + Send + Sync>);

impl Taken {
    /// Then this is done.
    pub fn new(then: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(then))
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taken")
    }
}

/// In the extensions of a response whose body goes to the end of what was asked for: so many bytes, and what then.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    pub bytes: u64,
    pub then: Taken,
}

/// What one connection owes when it has written out what it holds.
#[derive(Default)]
pub(super) struct Due {
    /// Nothing but a look is needed where this is false. Both sides are the task of the connection.
    any: AtomicBool,
    then: Mutex<Vec<Taken>>,
}

impl Due {
    /// The last byte of an answer is on its way to the wire.
    pub fn add(&self, then: Taken) {
        self.then.lock().push(then);
        self.any.store(true, Relaxed);
    }

    /// Everything is written.
    pub fn written(&self) {
        if !self.any.load(Relaxed) {
            return;
        }
        self.any.store(false, Relaxed);
        let all = std::mem::take(&mut *self.then.lock());
        all.iter().for_each(|Taken(then)| then());
    }
}

#[cfg(test)]
#[path = "taken_tests.rs"]
mod file_tests;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn each_is_called_once_and_only_when_everything_is_written() {
        let (due, called) = (Due::default(), Arc::new(AtomicUsize::new(0)));
        let count = called.clone();
        let taken = Taken::new(move || {
            count.fetch_add(1, Relaxed);
        });
        due.written();
        due.add(taken.clone());
        due.add(taken.clone());
        assert_eq!(called.load(Relaxed), 0);
        due.written();
        due.written();
        assert_eq!(called.load(Relaxed), 2);
        due.add(taken);
        drop(due);
        assert_eq!(called.load(Relaxed), 2, "the connection broke");
    }
}
