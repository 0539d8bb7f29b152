//! [`Tally`]: what every receiver got from every sender: nothing lost, nothing twice, in order, no echo.
//!
//! Per (receiver, sender, kind) only the newest sequence number is kept. A jump ahead is a gap, the same number again
//! a duplicate, an older one late. What is lost is counted at the end from what was sent, so an event that came late
//! is not lost, and one that was never followed by another is.

use super::event::{Mark, POSITION};

/// See the file's head.
#[derive(Clone, Debug)]
pub struct Tally {
    receivers: usize,
    senders: usize,
    /// Sender number of the first.
    first: usize,
    newest: [Vec<u32>; 2],
    /// Events that came, per kind (positions, reliable ones), duplicates and echoes not counted.
    pub received: [u64; 2],
    /// Times a number was left out.
    pub gaps: [u64; 2],
    /// The same number again.
    pub duplicates: u64,
    /// An older number after a newer one.
    pub late: u64,
    /// Events that came back to their sender.
    pub echoes: u64,
    /// Events of senders that take no part.
    pub strangers: u64,
}

/// Index of a kind.
pub fn kind(kind: u8) -> usize {
    usize::from(kind != POSITION)
}

impl Tally {
    /// For so many clients, of which the first `senders` are counted as senders.
    pub fn new(receivers: usize, senders: usize, first: usize) -> Self {
        let newest = || vec![0; receivers * senders];
        Self {
            receivers,
            senders,
            first,
            newest: [newest(), newest()],
            received: [0; 2],
            gaps: [0; 2],
            duplicates: 0,
            late: 0,
            echoes: 0,
            strangers: 0,
        }
    }

    /// An event arrived. False = its sender is not one of ours.
    #[inline]
    pub fn note(&mut self, receiver: usize, mark: &Mark) -> bool {
        let sender = (mark.sender as usize).wrapping_sub(self.first);
        if sender >= self.senders {
            self.strangers += 1;
            return false;
        }
        if sender == receiver {
            self.echoes += 1;
            return true;
        }
        let kind = kind(mark.kind);
        let Some(newest) = self.newest[kind].get_mut(receiver * self.senders + sender) else { return false };
        if mark.seq == *newest + 1 {
            *newest = mark.seq;
            self.received[kind] += 1;
        } else {
            self.odd(receiver, sender, mark.seq, kind);
        }
        true
    }

    #[cold]
    fn odd(&mut self, receiver: usize, sender: usize, seq: u32, kind: usize) {
        let newest = &mut self.newest[kind][receiver * self.senders + sender];
        if seq > *newest {
            self.gaps[kind] += 1;
            *newest = seq;
            self.received[kind] += 1;
        } else if seq == *newest {
            self.duplicates += 1;
        } else {
            self.late += 1;
        }
    }

    /// All that came, both kinds.
    pub fn all(&self) -> u64 {
        self.received[0] + self.received[1]
    }

    /// Receivers' view of one sender and kind: (receiver, newest number) of those that lag behind `sent`.
    pub fn behind(&self, sender: usize, kind: usize, sent: u32) -> impl Iterator<Item = (usize, u32)> {
        (0..self.receivers)
            .filter(move |receiver| *receiver != sender)
            .map(move |receiver| (receiver, self.newest[kind][receiver * self.senders + sender]))
            .filter(move |(_, newest)| *newest < sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_duplicates_late_ones_and_echoes_are_told_apart() {
        let mut tally = Tally::new(3, 3, 10);
        for (sender, seq) in [(11, 1), (11, 2), (11, 4), (11, 4), (11, 3), (10, 1), (12, 1), (9, 1)] {
            tally.note(0, &Mark { sender, seq, sent_us: 0, kind: POSITION });
        }
        assert_eq!(tally.received, [4, 0]);
        assert_eq!((tally.gaps[0], tally.duplicates, tally.late), (1, 1, 1));
        assert_eq!((tally.echoes, tally.strangers), (1, 1));
        assert_eq!(tally.behind(1, 0, 4).collect::<Vec<_>>(), [(2, 0)]);
    }
}
