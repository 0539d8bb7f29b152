//! [`Witness`]: one client's look at a mission: each event's notice comes before the event, once, in order.
//!
//! Every item's callsign says its sender and number ([`crate::texts::mission_item`]). A notice repeats it in `<details>`,
//! the event has it in `<contact>`, so a search for the callsign's begin finds both and what stands before tells them
//! apart. What must not happen: a find that a cut between two reads hides or doubles.

use std::collections::HashMap;

use memchr::memmem::Finder;

use crate::texts::SERIAL_BEGIN;

/// `SSSSS.NNNNNNNN` behind the begin.
const LEN: usize = 14;
/// The element in front of the callsign of an event; that of a notice is another.
const OF_EVENT: &[u8] = b"<contact";

/// See the file's head.
pub struct Witness {
    finder: Finder<'static>,
    /// What may still belong to a find.
    rest: Vec<u8>,
    /// Newest number by sender: of notices, of events.
    newest: HashMap<u32, [u32; 2]>,
    /// Notices seen.
    pub notices: u64,
    /// Events seen.
    pub events: u64,
    /// Events whose notice had not come.
    pub early: u64,
    /// Notices that were left out, doubled or late.
    pub odd: u64,
}

impl Default for Witness {
    fn default() -> Self {
        Self {
            finder: Finder::new(SERIAL_BEGIN).into_owned(),
            rest: Vec::new(),
            newest: HashMap::new(),
            notices: 0,
            events: 0,
            early: 0,
            odd: 0,
        }
    }
}

impl Witness {
    /// Looks at what was read.
    pub fn feed(&mut self, data: &[u8]) {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(data);
        let mut done = 0;
        let finder = self.finder.clone();
        for at in finder.find_iter(&all) {
            let from = at + SERIAL_BEGIN.len();
            let Some(number) = all.get(from..from + LEN) else { break };
            let of_event = all[..at].ends_with(OF_EVENT);
            done = from + LEN;
            if let Some((sender, seq)) = read(number) {
                self.note(sender, seq, of_event);
            }
        }
        // A begin that is cut, or one whose number is, comes again with what stands before it.
        let most = SERIAL_BEGIN.len() + LEN + OF_EVENT.len();
        self.rest = all.split_off(done.max(all.len().saturating_sub(most)));
    }

    fn note(&mut self, sender: u32, seq: u32, of_event: bool) {
        let [notice, event] = self.newest.entry(sender).or_default();
        if of_event {
            self.events += 1;
            self.early += u64::from(*notice < seq);
            *event = seq;
        } else {
            self.notices += 1;
            self.odd += u64::from(seq != *notice + 1);
            *notice = seq;
        }
    }
}

fn read(text: &[u8]) -> Option<(u32, u32)> {
    let (sender, seq) = std::str::from_utf8(text).ok()?.split_once('.')?;
    Some((sender.parse().ok()?, seq.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(parts: &[(&str, u32)]) -> Vec<u8> {
        let part =
            |(element, seq): &(&str, u32)| format!("<{element} type=\"x\"><{element}{SERIAL_BEGIN}00007.{seq:08}\"/>");
        parts.iter().map(part).collect::<String>().into_bytes()
    }

    #[test]
    fn notices_and_events_are_told_apart_however_the_stream_is_cut() {
        let fine: Vec<_> = (1..20).flat_map(|seq| [("details", seq), ("contact", seq)]).collect();
        let wrong = [("details", 1), ("contact", 1), ("contact", 2), ("details", 2), ("details", 2), ("details", 4)];
        for piece in [1, 2, 7, 31, 64, 5_000] {
            for (parts, expected) in [(&fine[..], (19, 19, 0, 0)), (&wrong[..], (4, 2, 1, 2))] {
                let mut witness = Witness::default();
                stream(parts).chunks(piece).for_each(|data| witness.feed(data));
                let found = (witness.notices, witness.events, witness.early, witness.odd);
                assert_eq!(found, expected, "pieces of {piece}");
            }
        }
    }
}
