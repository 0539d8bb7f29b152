//! [`Wrote`]: which events went out last and when, for `fts why`. A ring per client: newest overwrites oldest.

/// (low half of the event's number, ms since the process began).
#[derive(Debug, Default)]
pub struct Wrote {
    ring: Vec<(u32, u32)>,
    next: usize,
}

/// How many written events a client remembers.
const WROTE: usize = 128;

impl Wrote {
    /// Notes one.
    pub fn note(&mut self, id: u64, at: u32) {
        if self.ring.len() < WROTE {
            self.ring.push((id as u32, at));
        } else {
            self.ring[self.next % WROTE] = (id as u32, at);
            self.next = (self.next + 1) % WROTE;
        }
    }

    /// When this event was written, if it is still remembered.
    pub fn find(&self, id: u64) -> Option<u32> {
        self.ring.iter().find(|(i, _)| *i == id as u32).map(|(_, at)| *at)
    }
}
