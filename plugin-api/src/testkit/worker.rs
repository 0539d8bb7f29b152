//! The plugin's worker: observed and held events, client and link events, topics, one after the other, on the test's
//! thread. An event whose handler panics is given once more, then it is set aside (plugins.md 4).
use std::{collections::VecDeque, sync::Arc};

use serde::Serialize;
use serde_bytes::ByteBuf;

use super::{
    MockHost,
    context::{self, Context},
    state::{Observer, Shared},
};
use crate::{
    abi::{self, EventView, Failure, RResult, RVec, TD_Opaque},
    cot::Cot,
    message::{self, Arrived, CallerKind, ClientEvent, LinkEvent, RouteInfo, SendHow, Taken, Target},
};

/// A worker that has done so many things in one go will not come to rest.
const MOST: usize = 100_000;

/// One thing to do.
pub(super) enum Job {
    Observe(Box<Seen>),
    Held { id: u64, again: bool },
    Client(Box<ClientEvent>),
    Link(LinkEvent),
    Topic { topic: String, bytes: Vec<u8> },
    Arrived(Arrived),
}

/// An event an observer is shown.
#[derive(Clone)]
pub(super) struct Seen {
    pub observer: Arc<Observer>,
    pub cot: Cot,
    pub route: RouteInfo,
    /// 0 = it is not there.
    pub journal: u64,
    /// It panicked before.
    pub again: bool,
}

/// A batch of one.
struct Batch {
    cot: Cot,
    route: RouteInfo,
    journal: u64,
}

impl abi::Observed for Batch {
    fn len(&self) -> usize {
        1
    }

    fn event(&self, _: usize) -> EventView<'_> {
        EventView::new(self.cot.text(), self.cot.spans())
    }

    fn journal_id(&self, _: usize) -> u64 {
        self.journal
    }

    fn route(&self, _: usize) -> RVec<u8> {
        message::pack(&self.route).into()
    }

    fn begin(&self, _: usize) -> bool {
        context::set(Context { intercept: false, hop: self.route.source.hop, handling: true });
        true
    }
}

impl MockHost {
    /// Lets the worker do what is left, for example what a thread of the plugin has caused. Every call of the mock that
    /// brings something in does this by itself.
    pub fn settle(&self) {
        for _ in 0..MOST {
            let job = {
                let mut state = self.shared.lock();
                if state.tripped {
                    // What it would have been given is lost with it.
                    drop(std::mem::take::<VecDeque<Job>>(&mut state.queue));
                    return;
                }
                state.queue.pop_front()
            };
            let Some(job) = job else { return };
            self.shared.work(job);
        }
        self.shared.log.add(tracing::Level::ERROR, "testkit", format!("{MOST} jobs and no end: the plugin loops"));
    }
}

impl Shared {
    fn work(&self, job: Job) {
        match job {
            Job::Observe(seen) => self.show(*seen),
            Job::Held { id, again } => self.work_held(id, again),
            Job::Client(event) => self.work_client(&event),
            Job::Link(event) => self.tell("links", &event, |kind| *kind == CallerKind::Links),
            Job::Arrived(arrived) => self.tell("arrived", &arrived, |kind| *kind == CallerKind::Arrived),
            Job::Topic { topic, bytes } => {
                let args = ByteBuf::from(bytes);
                self.tell("topic", &args, |kind| *kind == CallerKind::Subscribe(topic.clone()));
            }
        }
    }

    fn show(&self, seen: Seen) {
        let Seen { observer, cot, route, journal, again } = seen.clone();
        let route = RouteInfo { replayed: again || route.replayed, ..route };
        match self.observe(&observer, Batch { cot, route, journal }) {
            Ok(()) => {}
            Err(panic) if again => self.lock().poisoned.push((seen.cot, panic)),
            Err(_) => self.lock().queue.push_front(Job::Observe(Box::new(Seen { again: true, ..seen }))),
        }
    }

    fn work_held(&self, id: u64, again: bool) {
        let (handler, batch) = {
            let mut state = self.lock();
            // None comes before those that were put off.
            if !state.put_off.is_empty() {
                state.put_off.insert(id);
                return;
            }
            let Some(held) = state.held.get(&id) else { return };
            let route = RouteInfo { replayed: again || held.route.replayed, ..held.route.clone() };
            let handler = state.handlers.observers.iter().find(|o| o.spec.held).cloned();
            (handler, Batch { cot: held.cot.clone(), route, journal: id })
        };
        let Some(handler) = handler else {
            let text = format!("event {id} is held, and Registrar::held was not called: it goes nowhere");
            self.log.add(tracing::Level::ERROR, "testkit", text);
            self.lock().held.remove(&id);
            return;
        };
        let Err(panic) = self.observe(&handler, batch) else { return };
        let mut state = self.lock();
        if !again {
            return state.queue.push_front(Job::Held { id, again: true });
        }
        if let Some(held) = state.held.remove(&id) {
            state.poisoned.push((held.cot, panic));
        }
    }

    fn observe(&self, observer: &Observer, batch: Batch) -> Result<(), message::Panic> {
        let batch = abi::Observed_TO::from_ptr(abi::RRef::new(&batch), TD_Opaque);
        let taken = self.call(Context::default(), || observer.handler.observe(&batch));
        let taken = match taken {
            RResult::ROk(taken) => message::unpack::<Taken>(taken.as_slice()).unwrap_or_default(),
            RResult::RErr(failure) => {
                self.failed("observer", &failure);
                Taken::default()
            }
        };
        match taken.poisoned.into_iter().next() {
            None => Ok(()),
            Some(poisoned) => {
                self.panicked(poisoned.panic.clone());
                Err(poisoned.panic)
            }
        }
    }

    fn work_client(&self, event: &ClientEvent) {
        let conn = event.client().map_or(0, |c| c.conn);
        for answer in self.ask(event, |kind| *kind == CallerKind::Clients) {
            let texts: Vec<ByteBuf> = match answer.map(|a| message::unpack(&a)) {
                Ok(Ok(texts)) => texts,
                Ok(Err(error)) => return self.log.add(tracing::Level::ERROR, "testkit", error.to_string()),
                Err(failure) => return self.failed("clients", &failure),
            };
            // Others have no answer that is sent.
            if !matches!(event, ClientEvent::Ready(_) | ClientEvent::Identified(_)) {
                continue;
            }
            for text in texts {
                if let Err(failure) = self.send(&text, SendHow::from(Target::Conns(vec![conn])), 1) {
                    self.failed("an event returned for a client", &failure);
                }
            }
        }
    }

    /// Calls every caller of this kind; failures are noted.
    fn tell<T: Serialize>(&self, handler: &str, args: &T, kind: impl Fn(&CallerKind) -> bool) {
        for answer in self.ask(args, kind) {
            if let Err(failure) = answer {
                self.failed(handler, &failure);
            }
        }
    }

    /// Calls every caller of this kind, in the order they were registered.
    pub fn ask<T: Serialize>(&self, args: &T, kind: impl Fn(&CallerKind) -> bool) -> Vec<Result<Vec<u8>, Failure>> {
        let callers: Vec<_> = self.lock().handlers.callers.iter().filter(|c| kind(&c.kind)).cloned().collect();
        let args = message::pack(args);
        let call = |c: Arc<super::state::Caller>| match self
            .call(Context::default(), || c.handler.call(args.as_slice().into()))
        {
            RResult::ROk(answer) => Ok(answer.into_vec()),
            RResult::RErr(failure) => Err(failure),
        };
        callers.into_iter().map(call).collect()
    }
}
