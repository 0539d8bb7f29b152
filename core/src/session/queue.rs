//! [`Queue`]: what waits in one [`super::outbound::Outbound`], under its lock: order, bytes by class, conflation by uid
//! over the soft mark, shedding over the state mark. Nothing here wakes anybody.
//!
//! Events of one bundle (a mission's notice and the position behind it) lie side by side from the push to the write. What
//! must not happen: one of them is replaced, dropped or written without the others, or in another order.
use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use fts_plugin_api::cot::Class;
use smallvec::SmallVec;

use super::{
    outbound::{Item, Lent, Lost, Marks},
    round::Round,
    wrote::Wrote,
};
use crate::wire::Event;

/// What every delivery looks at comes first (see [`crate::directory::Client`]).
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Queue {
    /// The writer waits for a wake-up.
    pub idle: bool,
    /// Somebody writes to its socket, and whether the writer asked for it meanwhile.
    pub borrowed: bool,
    pub wanted: bool,
    pub closed: bool,
    /// The writer's socket while it sleeps.
    pub lent: Option<Lent>,
    pub left: Option<Box<Round>>,
    /// Everything up to this place of the presence order comes with the replay (RULE-37).
    pub replay_to: u64,
    pub control: VecDeque<Item>,
    pub items: VecDeque<Item>,
    pub bytes: usize,
    pub state_bytes: usize,
    /// Number of the first item in `items` since the queue began: index entries stay valid while items leave.
    pub first: u64,
    /// uid hash -> number of the newest replaceable item of that uid; present only over the soft mark.
    pub index: Option<HashMap<u64, u64, Hashed>>,
    /// Not before this time are the ages looked at again: old reliable events may stay in front.
    pub age_again: u32,
    pub wrote: Wrote,
    pub coalesced: u64,
    pub dropped_state: u64,
}

/// Keys of the index are hashes already.
pub(super) type Hashed = BuildHasherDefault<AsIs>;

#[derive(Debug, Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.0 = self.0.rotate_left(8) ^ u64::from(*b));
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Events that are kept or replaced together: nearly always one.
pub(super) type Bundle = SmallVec<[Arc<Event>; 2]>;

/// How many of the first events belong together.
pub(super) fn together(events: &[Arc<Event>]) -> usize {
    match events.first().map_or(0, |event| event.head.bundle) {
        0 => 1.min(events.len()),
        bundle => events.iter().take_while(|event| event.head.bundle == bundle).count(),
    }
}

impl Queue {
    /// Nobody gets its own back (RULE-52, 58); what the newcomer's replay brings is not sent twice (RULE-37).
    pub fn gets(&self, event: &Event, own: u64) -> bool {
        event.head.conn != own && !(1..=self.replay_to).contains(&event.presence())
    }

    pub fn take(&mut self, out: &mut Vec<Item>, max_items: usize, max_bytes: usize) {
        if !self.control.is_empty() {
            out.extend(self.control.drain(..));
        }
        let (mut bytes, mut bundle) = (0, 0);
        loop {
            let whole = |next: &Item| bundle == 0 || next.event.head.bundle != bundle;
            if (out.len() >= max_items || bytes >= max_bytes) && self.items.front().is_none_or(whole) {
                break;
            }
            let Some(item) = self.items.pop_front() else { break };
            self.first += 1;
            bytes += item.event.len();
            bundle = item.event.head.bundle;
            self.forget(&item.event);
            out.push(item);
        }
        if self.items.is_empty() {
            self.index = None;
            // A queue that once held a storm gives its memory back.
            if self.items.capacity() > 64 {
                self.items = VecDeque::new();
            }
        }
    }

    pub fn append(&mut self, event: Arc<Event>, at: u32) {
        self.bytes += event.len();
        if event.head.class == Class::State {
            self.state_bytes += event.len();
        }
        self.items.push_back(Item { event, at, switch: false });
    }

    pub fn forget(&mut self, event: &Event) {
        self.bytes -= event.len();
        if event.head.class == Class::State {
            self.state_bytes -= event.len();
        }
    }

    /// Builds the uid index; older replaceable events of a uid give way at once, and everything kept is compact.
    pub fn go_slow(&mut self, lost: &mut impl FnMut(&Event, Lost)) {
        if self.index.is_some() {
            return;
        }
        self.index = Some(HashMap::with_capacity_and_hasher(self.items.len(), Hashed::default()));
        let mut waiting = std::mem::take(&mut self.items).into_iter().peekable();
        (self.bytes, self.state_bytes) = (0, 0);
        while let Some(item) = waiting.next() {
            let number = item.event.head.bundle;
            let mut bundle = Bundle::from_iter([item.event.compact()]);
            while number != 0
                && let Some(next) = waiting.next_if(|next| next.event.head.bundle == number)
            {
                bundle.push(next.event.compact());
            }
            self.replace_or_append(&bundle, item.at, lost);
        }
    }

    /// Takes in what belongs together: in place of what was there under its key, else behind everything.
    pub fn replace_or_append(&mut self, bundle: &[Arc<Event>], at: u32, lost: &mut impl FnMut(&Event, Lost)) {
        let Some(event) = bundle.first() else { return };
        let replaceable = event.head.class == Class::State || event.head.replaceable;
        let next = self.first + self.items.len() as u64;
        if replaceable && let Some(index) = &mut self.index {
            if index.len() > 2 * self.items.len() + 64 {
                index.retain(|_, n| *n >= self.first);
            }
            let older = index.insert(event.head.uid_hash, next).filter(|n| *n >= self.first);
            if let Some(number) = older
                && self.as_many((number - self.first) as usize, bundle.len())
            {
                // The newer one takes the older one's place in line (RULE-50) and its age.
                if let Some(index) = &mut self.index {
                    index.insert(event.head.uid_hash, number);
                }
                for (place, event) in ((number - self.first) as usize..).zip(bundle) {
                    self.replace(place, event, lost);
                }
                return;
            }
        }
        bundle.iter().for_each(|event| self.append(event.clone(), at));
    }

    /// Are so many here together? A member that sent it itself has a notice alone: what is not the same stays, and the
    /// newer one goes behind everything.
    fn as_many(&self, place: usize, many: usize) -> bool {
        let number = |place: usize| self.items.get(place).map(|item| item.event.head.bundle);
        match number(place) {
            None => false,
            Some(0) => many == 1,
            bundle => (place..).take_while(|place| number(*place) == bundle).count() == many,
        }
    }

    fn replace(&mut self, place: usize, event: &Arc<Event>, lost: &mut impl FnMut(&Event, Lost)) {
        let Some(item) = self.items.get_mut(place) else { return };
        let old = std::mem::replace(&mut item.event, event.clone());
        lost(&old, Lost::Conflated);
        self.coalesced += 1;
        self.forget(&old);
        self.bytes += event.len();
        if event.head.class == Class::State {
            self.state_bytes += event.len();
        }
    }

    /// Drops the oldest state events while there are too many bytes of them or they are too old.
    pub fn shed(&mut self, now: u32, marks: &Marks, lost: &mut impl FnMut(&Event, Lost)) {
        let too_old = |i: &Item| now.wrapping_sub(i.at) > marks.state_age.as_millis() as u32;
        let aged = now >= self.age_again && self.items.front().is_some_and(too_old);
        if self.state_bytes <= marks.state_bytes && !aged {
            return;
        }
        self.age_again = now + 1_000;
        // Down to seven eighths, so that the walk is paid once per eighth and not once per event.
        let target = marks.state_bytes - marks.state_bytes / 8;
        let mut kept = VecDeque::with_capacity(self.items.len());
        let mut state_left = self.state_bytes;
        let mut last = (0, false);
        for item in std::mem::take(&mut self.items) {
            let drop = match item.event.head.bundle {
                bundle if bundle != 0 && bundle == last.0 => last.1,
                _ => item.event.head.class == Class::State && (state_left > target || too_old(&item)),
            };
            last = (item.event.head.bundle, drop);
            if drop {
                state_left -= item.event.len();
                self.dropped_state += 1;
                lost(&item.event, Lost::Overflow);
            } else {
                kept.push_back(item);
            }
        }
        self.bytes -= self.state_bytes - state_left;
        self.state_bytes = state_left;
        self.items = kept;
        // Places have moved: number them anew.
        let first = self.first;
        let mut last = 0;
        let numbered = self.items.iter().enumerate().filter(|(_, item)| {
            let bundle = item.event.head.bundle;
            bundle == 0 || std::mem::replace(&mut last, bundle) != bundle
        });
        self.index = Some(
            numbered
                .filter(|(_, i)| i.event.head.class == Class::State || i.event.head.replaceable)
                .map(|(n, i)| (i.event.head.uid_hash, first + n as u64))
                .collect(),
        );
    }
}
