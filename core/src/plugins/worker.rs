//! A plugin's worker: one thread per generation, on which observers, held events, client and link events, topics and
//! timers run, in order.
//!
//! Events go over in batches of at most 256, fewer when they take long, so that timers and client events wait at most
//! 20 ms. Held events gather a little when they come fast: each batch costs a commit and a write to each member, and a
//! few milliseconds halve the whole server's work for them. What is taken is in the generation's [`Hands`](super::hands::Hands) until it is done with. An event whose handler
//! panics is given once more at once, or to the next generation; the second time it is set aside. What must not happen:
//! a reliable event is marked done before every handler had it, or by a worker whose generation is over.
use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use fts_plugin_api::{
    abi::{self, EventView, RResult, RVec, TD_Opaque},
    message::{self, CallerKind, ClientEvent, Panic, Taken},
};
use serde_bytes::ByteBuf;

use super::{
    OBSERVE, Plugins,
    generation::{CallHandler, Generation, ObserveHandler},
    guard::{self, Doing},
    hands::Hands,
    plugin::Busy,
    poison,
    queue::Item,
    replay,
    services::cot,
    source,
};
use crate::{app::background, observe::clock, route::hooks::Seen};

/// Most events at once.
const MOST: usize = 256;
/// What a batch may take.
const BATCH: Duration = Duration::from_millis(20);
/// After a batch of held events others gather for so many times what it took,
const REST: u32 = 3;
/// at most so long.
const REST_MOST: Duration = Duration::from_millis(4);

/// See the file's head.
pub struct Worker {
    plugins: Arc<Plugins>,
    generation: Arc<Generation>,
    timers: Vec<Timer>,
    /// Events per batch.
    batch: usize,
    /// Its number with the queue.
    epoch: u64,
    /// Until when held events gather.
    rest: Option<Instant>,
}

struct Timer {
    handler: Arc<CallHandler>,
    next: Option<Instant>,
    every: Option<Duration>,
}

impl Worker {
    /// For this generation.
    pub fn new(plugins: Arc<Plugins>, generation: Arc<Generation>, epoch: u64) -> Self {
        let now = Instant::now();
        let timers = generation.callers(|_| true).into_iter().filter_map(|handler| {
            let (first, every) = match handler.spec {
                CallerKind::Every(ms) => (Duration::from_millis(ms), Some(Duration::from_millis(ms.max(1)))),
                CallerKind::At(when) => {
                    (Duration::from_millis(u64::try_from(when - clock::now_ms()).unwrap_or(0)), None)
                }
                _ => return None,
            };
            Some(Timer { next: now.checked_add(first), every, handler })
        });
        let timers = timers.collect();
        Self { plugins, generation, timers, batch: MOST, epoch, rest: None }
    }

    /// Until the queue is closed.
    pub fn run(mut self) {
        background::step_back(background::WORKER);
        let queue = self.generation.plugin.queue.clone();
        loop {
            self.tick();
            let until = self.timers.iter().filter_map(|t| t.next).min();
            if let Some(rest) = self.rest.take() {
                queue.rest(self.epoch, self.batch, until.map_or(rest, |timer| timer.min(rest)));
            }
            match queue.take(self.epoch, self.batch, until) {
                None => return,
                Some(items) => self.handle(items),
            }
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        for n in 0..self.timers.len() {
            if self.timers[n].next.is_none_or(|next| next > now) {
                continue;
            }
            let handler = self.timers[n].handler.clone();
            let _: Option<()> = self.call(&handler, 0, &());
            let timer = &mut self.timers[n];
            // At most one tick waits: what was missed is skipped.
            timer.next = timer.every.and_then(|every| Instant::now().checked_add(every));
        }
    }

    fn handle(&mut self, items: Vec<Item>) {
        let generation = self.generation.clone();
        let queue = &generation.plugin.queue;
        let items: Vec<_> = items.into_iter().filter_map(|item| self.whole(item)).collect();
        let journaled = items.iter().filter_map(|item| if let Item::Event(seen) = item { Some(seen) } else { None });
        if !generation.hands.take(journaled) {
            return queue.put_back(items);
        }
        let mut events: Vec<Arc<Seen>> = Vec::new();
        let mut items = items.into_iter();
        while generation.alive()
            && let Some(item) = items.next()
        {
            match item {
                Item::Event(seen) => events.push(seen),
                other => {
                    self.events(std::mem::take(&mut events));
                    self.other(other);
                }
            }
        }
        self.events(events);
        // Its end came in between: events went back out of the hands, the rest from here.
        queue.put_back(items.filter(|item| !matches!(item, Item::Event(_))).collect());
    }

    /// What was spilled is read back; None = it is lost.
    fn whole(&self, item: Item) -> Option<Item> {
        let Item::Spilled(spilled) = item else { return Some(item) };
        replay::read_back(&self.plugins, &self.generation.plugin, spilled).map(|seen| Item::Event(Arc::new(seen)))
    }

    fn other(&mut self, item: Item) {
        let generation = self.generation.clone();
        match item {
            Item::Client(event) => {
                for handler in generation.callers(|k| *k == CallerKind::Clients) {
                    let made: Option<Vec<ByteBuf>> = self.call(&handler, 0, &event);
                    if let (ClientEvent::Ready(client) | ClientEvent::Identified(client), Some(made)) = (&*event, made)
                    {
                        made.iter().for_each(|text| cot::send_to(&self.plugins, &generation, text, client.conn));
                    }
                }
            }
            Item::Bus(topic, bytes) => {
                let wanted = CallerKind::Subscribe(topic);
                for handler in generation.callers(|k| *k == wanted) {
                    let _: Option<()> = self.call(&handler, 0, &ByteBuf::from(bytes.to_vec()));
                }
            }
            Item::Link(of, event) if of == generation.number => {
                let frame = match &*event {
                    message::LinkEvent::Frame { link, .. } => Some(*link),
                    _ => None,
                };
                for handler in generation.callers(|k| *k == CallerKind::Links) {
                    self.link(&handler, &event);
                }
                if let (Some(link), Some(links)) = (frame, generation.links.get()) {
                    links.processed(super::services::links::LinkId(link), 1);
                }
            }
            Item::Arrived(of, number, stored) if of == generation.number => {
                generation.tickets.lock().remove(&number);
                for handler in generation.callers(|k| *k == CallerKind::Arrived) {
                    let _: Option<()> = self.call(&handler, 0, &message::Arrived { number, stored });
                }
            }
            // Links, and whoever waits, end with their generation.
            Item::Link(..) | Item::Arrived(..) | Item::Event(_) | Item::Spilled(_) => {}
        }
    }

    /// A frame that panics its handler comes once more; the second time it is set aside, and the link goes on.
    fn link(&self, handler: &CallHandler, event: &message::LinkEvent) {
        let panics = || self.ask::<_, ()>(handler, 0, event) == Err(abi::failure::PANICKED);
        if let message::LinkEvent::Frame { link, number, bytes } = event {
            if panics() && self.generation.alive() && panics() {
                let name = format!("link-{}-{link}-{number}.bin", self.generation.number);
                let why = "panicked its handler twice";
                poison::keep(&self.plugins, &self.generation.plugin, &name, bytes, handler.tag.handler, why);
            }
        } else {
            let _: Option<()> = self.call(handler, 0, event);
        }
    }

    /// One call of a handler that is no observer; None = it failed.
    fn call<A, B>(&self, handler: &CallHandler, hop: u8, args: &A) -> Option<B>
    where
        A: serde::Serialize,
        B: serde::de::DeserializeOwned,
    {
        self.ask(handler, hop, args).ok()
    }

    /// The same; the error is the failure's code.
    fn ask<A, B>(&self, handler: &CallHandler, hop: u8, args: &A) -> Result<B, u32>
    where
        A: serde::Serialize,
        B: serde::de::DeserializeOwned,
    {
        let args = message::pack(args);
        self.busy(Some(handler.tag.handler));
        let entered = guard::enter(handler.tag, Doing { hop, ..Doing::default() });
        let began = Instant::now();
        let answer = handler.object.call(args.as_slice().into());
        drop(entered);
        handler.stats.note(began.elapsed());
        self.busy(None);
        match answer {
            RResult::ROk(answer) => message::unpack(&answer).map_err(|_| abi::failure::INVALID),
            RResult::RErr(failure) => {
                self.failed(handler.tag.handler, &failure, || handler.stats.panicked());
                Err(failure.code)
            }
        }
    }

    fn failed(&self, handler: &str, failure: &abi::Failure, count: impl FnOnce()) {
        let plugin = &self.generation.plugin;
        if failure.code == abi::failure::PANICKED {
            count();
            let panic = Panic {
                handler: handler.to_owned(),
                message: failure.message.to_string(),
                place: failure.place.to_string(),
            };
            self.plugins.panicked(plugin, &panic);
        } else {
            tracing::warn!(event = "plugin.failed_call", plugin = %plugin.name, handler, "{}", failure.message);
        }
    }

    fn busy(&self, handler: Option<&str>) {
        // One that outlived its generation says nothing about the plugin.
        if !self.generation.alive() {
            return;
        }
        let busy = handler.map(|h| Busy { handler: h.to_owned(), since: Instant::now() });
        *self.generation.plugin.busy.lock() = busy;
    }

    fn events(&mut self, events: Vec<Arc<Seen>>) {
        if events.len() > 1 && events.iter().any(|seen| seen.replayed) {
            return events.into_iter().for_each(|seen| self.events(vec![seen]));
        }
        let Some(first) = events.first() else { return };
        let again = first.replayed && first.journal != 0;
        let _noted = again.then(|| poison::InHand::note(&self.plugins, &self.generation.plugin, first.journal));
        let generation = self.generation.clone();
        let Some(registered) = generation.handlers.load_full() else { return };
        let began = Instant::now();
        let mut kept = HashSet::new();
        for handler in &registered.observers {
            if !generation.alive() {
                return;
            }
            let wanted: Vec<_> = events.iter().filter(|seen| wants(&generation, handler, seen)).cloned().collect();
            if !wanted.is_empty() {
                self.observe(handler, wanted, &mut kept, true);
            }
        }
        let took = began.elapsed();
        if events.iter().any(|seen| !seen.held.is_empty()) {
            self.rest = Some(Instant::now() + (took * REST).min(REST_MOST));
        }
        let per_event = took.div_f64(events.len() as f64);
        let fits = if per_event.is_zero() { MOST as u128 } else { BATCH.as_nanos() / per_event.as_nanos().max(1) };
        self.batch = usize::try_from(fits).unwrap_or(MOST).clamp(1, MOST);
        if !registered.observers.iter().any(|h| h.spec.held) {
            events.iter().filter(|s| !s.held.is_empty()).for_each(|s| self.nowhere(s));
        }
        // A held one is done when it is released or discarded.
        let done = events.iter().filter(|s| s.held.is_empty() && !kept.contains(&s.journal)).map(|s| s.journal);
        let done = generation.hands.observed(done);
        if !done.is_empty() {
            super::consumer(&self.plugins, &generation.plugin, OBSERVE).inspect(|c| c.done_many(&done));
        }
    }

    /// Nobody will release a held event.
    fn nowhere(&self, seen: &Seen) {
        if self.generation.hands.held(seen.journal).is_some() {
            self.generation.plugin.undelivered.fetch_add(1, Relaxed);
            super::goes_nowhere(&self.plugins, &self.generation.plugin, seen.journal);
        }
    }

    /// Gives events to one handler; those that made it panic come once more.
    fn observe(&self, handler: &Arc<ObserveHandler>, events: Vec<Arc<Seen>>, kept: &mut HashSet<u64>, again: bool) {
        let plugin = &self.generation.plugin;
        let n = events.len();
        self.busy(Some(handler.tag.handler));
        let entered = guard::enter(handler.tag, Doing::default());
        let began = Instant::now();
        let batch = Batch { plugins: &self.plugins, hands: &self.generation.hands, events: &events };
        let taken = handler.object.observe(&abi::Observed_TO::from_ptr(abi::RRef::new(&batch), TD_Opaque));
        drop(entered);
        let took = began.elapsed().div_f64(n as f64);
        (0..n).for_each(|_| handler.stats.note(took));
        self.busy(None);
        let taken: Taken = match taken {
            RResult::ROk(bytes) => message::unpack(&bytes).unwrap_or_default(),
            RResult::RErr(failure) => return self.failed(handler.tag.handler, &failure, || handler.stats.panicked()),
        };
        let mut more = Vec::new();
        for poisoned in taken.poisoned {
            let Some(seen) = events.get(poisoned.index) else { continue };
            handler.stats.panicked();
            if seen.journal == 0 {
                self.plugins.panicked(plugin, &poisoned.panic);
                continue;
            }
            let times = {
                let mut all = plugin.poisoned.lock();
                let times = all.entry(seen.journal).or_insert(0);
                *times += 1;
                *times
            };
            if times >= 2 {
                // It counted when it panicked first: one bad message is one fault, and is gone now.
                plugin.note_panic(&poisoned.panic);
                let Panic { handler, message, place } = &poisoned.panic;
                let why = format!("panicked its handler twice, at {place}: {message}");
                poison::set_aside(&self.plugins, plugin, seen, handler, &why);
                plugin.poisoned.lock().remove(&seen.journal);
                self.nowhere(seen);
            } else if self.plugins.panicked(plugin, &poisoned.panic) || !again {
                // The next generation is given it.
                kept.insert(seen.journal);
            } else {
                more.push(seen.clone());
            }
        }
        if !more.is_empty() {
            self.observe(handler, more, kept, false);
        }
    }
}

fn wants(generation: &Generation, handler: &ObserveHandler, seen: &Seen) -> bool {
    if handler.spec.held || !seen.held.is_empty() {
        return handler.spec.held && !seen.held.is_empty();
    }
    let own = seen.source.lend().plugin().is_some_and(|from| from.plugin == *generation.name());
    if own && !handler.spec.own {
        return false;
    }
    fts_plugin_api::cot::Cot::parse(seen.text.clone()).is_ok_and(|cot| handler.wanted.matches(&cot))
}

struct Batch<'a> {
    plugins: &'a Plugins,
    hands: &'a Hands,
    events: &'a [Arc<Seen>],
}

impl abi::Observed for Batch<'_> {
    fn len(&self) -> usize {
        self.events.len()
    }
    fn event(&self, index: usize) -> EventView<'_> {
        EventView::unscanned(self.events.get(index).map_or(&[], |e| &e.text[..]))
    }
    fn journal_id(&self, index: usize) -> u64 {
        self.events.get(index).map_or(0, |e| e.journal)
    }
    fn route(&self, index: usize) -> RVec<u8> {
        self.events.get(index).map(|e| message::pack(&source::route(self.plugins, e)).into()).unwrap_or_default()
    }
    fn begin(&self, index: usize) -> bool {
        let hop = |seen: &Arc<Seen>| seen.source.lend().plugin().map_or(0, |from| from.hop);
        let Some(seen) = self.events.get(index) else { return false };
        guard::set_hop(hop(seen));
        // A held one that was let go already is not handled again.
        seen.held.is_empty() || self.hands.holds(seen.journal)
    }
}
