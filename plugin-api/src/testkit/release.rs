//! Held events leave the plugin's hands: released, after the notices that go with them, or discarded. Once each. One that
//! could not be stored is given again when a second has passed, and no other before it.
use super::{
    deliver::admit,
    record::Sent,
    state::{Held, Shared, State},
    worker::Job,
};
use crate::{
    abi::{Failure, failure},
    cot::Cot,
    message::{Release, SendHow},
    shim,
};

/// How long an event is put off, ms.
const PAUSE: i64 = 1_000;

impl Shared {
    pub fn release(&self, release: Release) -> Result<(), Failure> {
        let now = self.now();
        let Release { id, before, target } = release;
        let admitted = before.into_iter().map(|b| admit(&b.text, now).map(|cot| (cot, b.how)));
        let before: Vec<_> =
            admitted.collect::<Result<_, String>>().map_err(|why| shim::failure(failure::INVALID, why))?;
        let mut state = self.lock();
        let held = state.held.get(&id).ok_or_else(|| not_held(id))?;
        // All receivers are known before anybody gets anything.
        let mut notices = Vec::new();
        for (cot, how) in before {
            let receivers: Vec<u64> = state.reach(&cot, &how, 0)?.receivers.into_iter().collect();
            notices.push((cot, how, receivers));
        }
        let how = SendHow::from(target);
        let found = state.reach(&held.cot, &how, 0)?.receivers;
        let receivers: Vec<u64> = found.into_iter().filter(|conn| !held.done.contains(conn)).collect();
        let Some(Held { cot, route, .. }) = state.held.remove(&id) else { return Err(not_held(id)) };
        let hop = route.source.hop;
        for (notice, how, receivers) in notices {
            state.give(notice, how, receivers, id, hop.saturating_add(1));
        }
        state.give(cot, how, receivers, id, hop);
        Ok(())
    }

    pub fn later(&self, id: u64) -> Result<(), Failure> {
        let now = self.now();
        let mut state = self.lock();
        state.held.get_mut(&id).ok_or_else(|| not_held(id))?.route.replayed = true;
        if state.put_off.is_empty() {
            state.put_off_until = now.saturating_add(PAUSE);
        }
        state.put_off.insert(id);
        Ok(())
    }

    pub fn discard(&self, id: u64) -> Result<(), Failure> {
        self.lock().held.remove(&id).map(drop).ok_or_else(|| not_held(id))
    }
}

impl State {
    /// After a crash: what is still held comes first, marked.
    pub fn give_again(&mut self) {
        self.queue.clear();
        self.put_off.clear();
        self.held.values_mut().for_each(|h| h.route.replayed = true);
        self.queue.extend(self.held.keys().map(|id| Job::Held { id: *id, again: false }));
    }

    /// What was put off until now.
    pub fn give_put_off(&mut self) {
        let again = std::mem::take(&mut self.put_off).into_iter().map(|id| Job::Held { id, again: false });
        self.queue.extend(again);
    }

    fn give(&mut self, event: Cot, how: SendHow, receivers: Vec<u64>, released: u64, hop: u8) {
        for conn in &receivers {
            self.received.entry(*conn).or_default().push(event.clone());
        }
        self.sent.push(Sent { event, how, receivers, released: Some(released), hop, dropped: None });
    }
}

fn not_held(id: u64) -> Failure {
    shim::failure(failure::NOT_FOUND, format!("event {id} is not held: it was released or discarded before"))
}
