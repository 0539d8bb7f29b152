//! [`Waiting`]: what is staged and not delivered yet, in two lanes.
//!
//! What comes in is delivered whole with the next pass. What plugins send comes in piles, each event for many: its lane
//! gives a pass a piece at a time, so what others send does not wait for the pile. Within a lane the order of arrival is
//! kept; between the two there is none, because a plugin's events were on their way through it for a while. What must not
//! happen: a piece ends between an event and the notices of its bundle.
use super::turn::Ready;

/// Events of the plugins' lane per pass, notices among them, but for what ends a bundle.
const PIECE: usize = 32;

/// See the file's head.
#[derive(Default)]
pub(super) struct Waiting {
    pub incoming: Lane,
    pub of_plugins: Lane,
}

/// Staged events in order, and how large they are together.
#[derive(Default)]
pub(super) struct Lane {
    ready: Vec<Ready>,
    bytes: usize,
}

impl Waiting {
    /// Nothing at all?
    pub fn is_empty(&self) -> bool {
        self.incoming.ready.is_empty() && self.of_plugins.ready.is_empty()
    }

    /// Bytes in both.
    pub fn bytes(&self) -> usize {
        self.incoming.bytes + self.of_plugins.bytes
    }

    /// Events in both.
    pub fn len(&self) -> usize {
        let lanes = [&self.incoming, &self.of_plugins];
        lanes.iter().flat_map(|lane| &lane.ready).map(|ready| ready.events.len()).sum()
    }
}

impl Lane {
    /// Behind what is there.
    pub fn add(&mut self, ready: Vec<Ready>, bytes: usize) {
        self.ready.extend(ready);
        self.bytes += bytes;
    }

    /// Everything.
    pub fn all(&mut self) -> Vec<Ready> {
        std::mem::take(self).ready
    }

    /// What one pass delivers of a pile.
    pub fn piece(&mut self) -> Vec<Ready> {
        let mut events = 0;
        let last = self.ready.iter().position(|ready| {
            events += ready.events.len();
            events >= PIECE && ready.ends_bundle()
        });
        match last {
            None => self.all(),
            Some(last) => {
                let rest = self.ready.split_off(last + 1);
                let piece = std::mem::replace(&mut self.ready, rest);
                // What is left has its share of the bytes, and nothing has none.
                self.bytes = self.bytes * self.ready.len() / (self.ready.len() + piece.len());
                piece
            }
        }
    }
}
