//! [`Roster`]: who can be reached, as one immutable snapshot: clients in slots, a bitset per group, and the reach of a
//! set of groups (computed once per set and snapshot).
//!
//! A routing pass works on one snapshot. A slot is given out again only in a later snapshot than the one that cleared
//! it, and a departed client's queue refuses, so a newcomer never gets what was meant for its predecessor. Whoever
//! combines a snapshot with another set of slots must load the snapshot first.

use std::sync::Arc;

use parking_lot::RwLock;

use super::{Bits, Client};

const CHUNK: usize = 64;

type Chunk = [Option<Arc<Client>>; CHUNK];

/// One snapshot.
#[derive(Default)]
pub struct Roster {
    chunks: Vec<Arc<Chunk>>,
    /// Members (receiving side) of each group, by group bit.
    members: Vec<Arc<Bits>>,
    /// Reach per set of sending groups; filled on demand.
    reach: RwLock<Vec<(Bits, Arc<Bits>)>>,
    count: usize,
}

impl Roster {
    /// The client in a slot.
    pub fn client(&self, slot: u32) -> Option<&Arc<Client>> {
        self.chunks.get(slot as usize / CHUNK)?.get(slot as usize % CHUNK)?.as_ref()
    }

    /// All clients, by slot.
    pub fn clients(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.chunks.iter().flat_map(|c| c.iter().flatten())
    }

    /// How many clients there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True when nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Slots that a sender with these groups reaches (its own included).
    pub fn reach(&self, send: &Bits) -> Arc<Bits> {
        if let Some((_, bits)) = self.reach.read().iter().find(|(set, _)| set == send) {
            return bits.clone();
        }
        let mut all = Bits::default();
        for group in send.iter() {
            if let Some(members) = self.members.get(group as usize) {
                all.add(members);
            }
        }
        let all = Arc::new(all);
        self.reach.write().push((send.clone(), all.clone()));
        all
    }

    /// A snapshot with this client in its slot.
    pub fn with(&self, client: &Arc<Client>) -> Self {
        let mut next = self.changed(client.slot, Some(client.clone()));
        next.count = self.count + 1;
        for group in client.groups().receive.iter() {
            next.member(group, |bits| bits.insert(client.slot));
        }
        next
    }

    /// A snapshot without this client.
    pub fn without(&self, client: &Client) -> Self {
        let mut next = self.changed(client.slot, None);
        next.count = self.count.saturating_sub(1);
        for bits in &mut next.members {
            if bits.contains(client.slot) {
                Arc::make_mut(bits).remove(client.slot);
            }
        }
        next
    }

    /// The same, to be changed with [`Self::replace`] before anybody sees it.
    pub(super) fn copy(&self) -> Self {
        let (chunks, members) = (self.chunks.clone(), self.members.clone());
        Self { chunks, members, reach: RwLock::default(), count: self.count }
    }

    /// A client that is in it has other groups.
    pub(super) fn replace(&mut self, client: &Client) {
        for bits in &mut self.members {
            if bits.contains(client.slot) {
                Arc::make_mut(bits).remove(client.slot);
            }
        }
        for group in client.groups().receive.iter() {
            self.member(group, |bits| bits.insert(client.slot));
        }
    }

    fn changed(&self, slot: u32, who: Option<Arc<Client>>) -> Self {
        let mut chunks = self.chunks.clone();
        let at = slot as usize / CHUNK;
        while chunks.len() <= at {
            chunks.push(Arc::new([const { None }; CHUNK]));
        }
        let mut chunk = Chunk::clone(&chunks[at]);
        chunk[slot as usize % CHUNK] = who;
        chunks[at] = Arc::new(chunk);
        Self { chunks, members: self.members.clone(), reach: RwLock::default(), count: self.count }
    }

    fn member(&mut self, group: u32, edit: impl FnOnce(&mut Bits)) {
        while self.members.len() <= group as usize {
            self.members.push(Arc::default());
        }
        edit(Arc::make_mut(&mut self.members[group as usize]));
    }
}
