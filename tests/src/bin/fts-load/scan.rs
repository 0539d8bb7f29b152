//! [`Scan`]: finds the marks in the bytes one client receives, however the reads cut them.
//!
//! After a mark the scanner jumps ahead by the least distance two marks can have, so most of an event is never looked
//! at: at millions of deliveries a second the copy out of the kernel is then all that is left. A mark that is cut by
//! the end of a read is kept and completed by the next one.

use memchr::memmem::Finder;

use super::event::{BEGIN, LEN, Mark};

/// Where one client's stream stands.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Bytes to jump over before the next search.
    skip: usize,
    /// The beginning of a possible mark at the end of the last read.
    held: [u8; LEN],
    holding: usize,
}

/// The search and the least distance from one mark's begin to the next.
#[derive(Clone, Debug)]
pub struct Search {
    finder: Finder<'static>,
    stride: usize,
}

impl Search {
    /// Events are at least `stride` bytes long.
    pub fn new(stride: usize) -> Self {
        Self { finder: Finder::new(BEGIN).into_owned(), stride: stride.max(LEN) }
    }
}

impl Default for Scan {
    fn default() -> Self {
        Self { skip: 0, held: [0; LEN], holding: 0 }
    }
}

impl Scan {
    /// Looks at what was read; `found` hears of every mark, in order.
    pub fn feed(&mut self, data: &[u8], search: &Search, mut found: impl FnMut(Mark)) {
        let mut at = if self.holding > 0 {
            match self.complete(data, search, &mut found) {
                Some(at) => at,
                None => return,
            }
        } else {
            std::mem::take(&mut self.skip)
        };
        while at < data.len() {
            let Some(begin) = search.finder.find(&data[at..]).map(|n| at + n) else {
                self.hold(&data[at.max(data.len().saturating_sub(BEGIN.len() - 1))..]);
                return;
            };
            let Some(whole) = data.get(begin..begin + LEN) else {
                self.hold(&data[begin..]);
                return;
            };
            if let Some(mark) = Mark::read(whole) {
                found(mark);
            }
            at = begin + search.stride;
        }
        self.skip = at - data.len();
    }

    /// Joins what was held with what came; None = still not enough.
    fn complete(&mut self, data: &[u8], search: &Search, found: &mut impl FnMut(Mark)) -> Option<usize> {
        let held = self.holding;
        let came = data.len().min(LEN);
        let mut joint = [0; 2 * LEN];
        joint[..held].copy_from_slice(&self.held[..held]);
        joint[held..held + came].copy_from_slice(&data[..came]);
        let joint = &joint[..held + came];
        self.holding = 0;
        match search.finder.find(joint).filter(|begin| *begin < held) {
            Some(begin) => match joint.get(begin..begin + LEN) {
                Some(whole) => {
                    if let Some(mark) = Mark::read(whole) {
                        found(mark);
                    }
                    Some(begin + search.stride - held)
                }
                None => {
                    self.hold(&joint[begin..]);
                    None
                }
            },
            // Nothing begins in what was held, unless too little came to know.
            None if came < BEGIN.len() => {
                self.hold(&joint[joint.len().saturating_sub(BEGIN.len() - 1)..]);
                None
            }
            None => Some(0),
        }
    }

    fn hold(&mut self, tail: &[u8]) {
        self.holding = tail.len();
        self.held[..tail.len()].copy_from_slice(tail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Stamp, texts};

    #[test]
    fn every_mark_is_found_once_however_the_stream_is_cut() {
        let mut stream = Vec::new();
        let (mut position, mut chat) = (texts::position(1, 900), texts::chat(2));
        let stamp = Stamp::now();
        for seq in 1..40 {
            stream.extend_from_slice(position.stamp(seq, 5, &stamp));
            stream.extend_from_slice(chat.stamp(seq, 5, &stamp));
        }
        for piece in [1, 2, 3, 7, 33, 34, 35, 64, 901, 5_000, stream.len()] {
            let (mut scan, search, mut marks) = (Scan::default(), Search::new(300), Vec::new());
            stream.chunks(piece).for_each(|data| scan.feed(data, &search, |mark| marks.push((mark.sender, mark.seq))));
            let sent: Vec<_> = (1..40).flat_map(|seq| [(1, seq), (2, seq)]).collect();
            assert_eq!(marks, sent, "pieces of {piece}");
        }
    }
}
