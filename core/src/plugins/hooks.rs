//! What the router asks and tells plugins: the table of intercepts and observers, and the objects in it.
//!
//! The table is made anew whenever a generation starts or ends. An intercept of a tripped plugin is left out, but in the
//! band Guard: there it stays and drops everything it would have seen (decision 94).
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use fts_plugin_api::{
    abi::{self, EventView, Failure, RVec, TD_Opaque, failure, verdict},
    cot::Cot,
    message::{self, Band, InterceptSpec, Judged, Listen, Panic, action},
    shim,
};

use super::{
    Plugin, Plugins, State,
    generation::{Generation, InterceptHandler},
    guard::{self, Doing},
    services::cot,
    source,
    vigil::{HANG, Watched, coarse},
};
use crate::route::{
    Source,
    hooks::{Intercept, Interceptor, Judgement, Observe, Observer, ObserverOf, Say, Seen, Table, Wanted},
};

/// An overrun: more than this of the thread's time in one call.
const OVERRUN: Duration = Duration::from_millis(5);
/// After a call that took long by the clock so many calls are measured by the thread's own time.
const SUSPECT: u32 = 200;

/// One call in so many is timed; a look at the clock costs as much as a short call.
const TIMED: u64 = 64;

/// One intercept of a running plugin.
struct Hook {
    plugins: Arc<Plugins>,
    generation: Arc<Generation>,
    handler: Arc<InterceptHandler>,
    watched: Arc<Watched>,
    suspect: AtomicU32,
    /// One thread serves everybody: what it is about to do is handed to another before it is lent to a plugin.
    alone: bool,
}

struct SourceView<'a>(&'a Plugins, &'a Source<'a>);

impl abi::Source for SourceView<'_> {
    fn conn(&self) -> u64 {
        self.1.conn()
    }
    fn describe(&self) -> RVec<u8> {
        message::pack(&source::describe(self.0, self.1)).into()
    }
}

impl Intercept for Hook {
    fn intercept(&self, cot: &Cot, source: &Source<'_>) -> Judgement {
        if self.watched.is_shut() {
            return self.without();
        }
        if self.alone {
            return tokio::task::block_in_place(|| self.ask(cot, source));
        }
        self.ask(cot, source)
    }
}

impl Hook {
    fn ask(&self, cot: &Cot, source: &Source<'_>) -> Judgement {
        let hop = source.plugin().map_or(0, |from| from.hop);
        // Plugins send on threads of their own.
        let Some(call) = self.watched.enter(source.plugin().is_none()) else { return self.without() };
        let entered = guard::enter(self.handler.tag, Doing { hop, intercept: true, ..guard::doing() });
        let suspect = self.suspect.load(Relaxed) > 0;
        let cpu = suspect.then(thread_time);
        let timed = self.handler.stats.begin(TIMED).then(Instant::now);
        let began = coarse();
        let view = SourceView(&self.plugins, source);
        let view = abi::Source_TO::from_ptr(abi::RRef::new(&view), TD_Opaque);
        let verdict = self.handler.object.intercept(EventView::new(cot.text(), cot.spans()), &view);
        let took = coarse().saturating_sub(began);
        drop(call);
        drop(entered);
        if let Some(began) = timed {
            self.handler.stats.time(began.elapsed());
        }
        if took > OVERRUN || suspect {
            self.measure(took, cpu);
        }
        if verdict.action == verdict::PASS {
            return Judgement::default();
        }
        self.judge(&verdict, hop)
    }

    /// What is said without asking: nothing, but a guard is then closed.
    fn without(&self) -> Judgement {
        let guard = self.handler.spec.band == Band::Guard;
        Judgement { say: if guard { Say::Drop("guard_down".into()) } else { Say::Pass }, also: Vec::new() }
    }

    /// The clock also runs while somebody else has the processor; only the thread's own time counts.
    fn measure(&self, took: Duration, cpu: Option<Duration>) {
        // It was tripped meanwhile, and another generation may run.
        if !self.generation.alive() {
            return;
        }
        if took > HANG {
            let why = format!("{} held its sender up for {} ms", self.handler.tag.handler, took.as_millis());
            return self.plugins.trip(&self.generation.plugin, why);
        }
        match cpu {
            None => self.suspect.store(SUSPECT, Relaxed),
            Some(before) => {
                self.suspect.fetch_sub(1, Relaxed);
                let used = thread_time().saturating_sub(before);
                if used > OVERRUN && self.generation.plugin.overran(self.handler.tag.handler, used) {
                    let why = format!("{} used over 5 ms ten times within a minute", self.handler.tag.handler);
                    self.plugins.trip(&self.generation.plugin, why);
                }
            }
        }
    }

    fn judge(&self, verdict: &abi::Verdict, hop: u8) -> Judgement {
        if verdict.action == verdict::PANICKED {
            let panic: Panic = message::unpack(&verdict.data).unwrap_or_default();
            self.handler.stats.panicked();
            self.plugins.panicked(&self.generation.plugin, &panic);
            return self.without();
        }
        let judged: Judged = match message::unpack(&verdict.data) {
            Ok(judged) => judged,
            Err(error) => {
                tracing::warn!(event = "plugin.bad_event", plugin = %self.generation.name(), %error, "an intercept's verdict could not be read");
                return self.without();
            }
        };
        let also = judged
            .also
            .iter()
            .filter_map(|a| cot::outgoing(&self.plugins, &self.generation, &a.text, &a.how, hop + 1).ok())
            .collect();
        let say = match judged.action {
            action::DROP => Say::Drop(String::from_utf8_lossy(&judged.text).into_owned()),
            action::REPLACE => Say::Replace(Bytes::from(judged.text.into_vec())),
            action::CONSUME => Say::Consume,
            action::RETARGET => match judged.target.map(|how| cot::aim(&self.plugins, &self.generation, &how, hop)) {
                Some(Ok((from, aim))) => Say::Retarget(from, aim),
                // Where it should have gone is not known: nowhere else.
                _ => Say::Drop("bad_target".into()),
            },
            _ => Say::Pass,
        };
        Judgement { say, also }
    }
}

/// Only the call, for measuring.
#[cfg(test)]
pub fn bare(object: &abi::InterceptBox, plugins: &Plugins, cot: &Cot, source: &Source<'_>) -> abi::Verdict {
    let view = SourceView(plugins, source);
    let view = abi::Source_TO::from_ptr(abi::RRef::new(&view), TD_Opaque);
    object.intercept(EventView::new(cot.text(), cot.spans()), &view)
}

fn thread_time() -> Duration {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(at.tv_sec).unwrap_or(0), u32::try_from(at.tv_nsec).unwrap_or(0))
}

/// A guard whose plugin is down.
struct Closed;

impl Intercept for Closed {
    fn intercept(&self, _: &Cot, _: &Source<'_>) -> Judgement {
        Judgement { say: Say::Drop("guard_down".into()), also: Vec::new() }
    }
}

/// Puts events into a plugin's queue.
struct Queueing(Arc<Plugin>);

impl Observe for Queueing {
    fn observe(&self, seen: &Arc<Seen>, coalesce: bool) {
        let pushed = self.0.queue.event(seen, coalesce);
        if pushed.dropped > 0 {
            metrics::counter!("fts_plugin_dropped_total", "plugin" => self.0.name.to_string())
                .increment(pushed.dropped);
        }
    }
}

/// An intercept as `fts plugin order` lists it.
pub struct Placed {
    /// Its plugin.
    pub plugin: Arc<str>,
    /// What it registered.
    pub spec: InterceptSpec,
    /// Down: its events are dropped.
    pub closed: bool,
}

/// All intercepts in their order.
pub fn order(plugins: &Plugins) -> Vec<Placed> {
    gather(plugins).into_iter().map(|(placed, _)| placed).collect()
}

type Live = Option<(Arc<Generation>, Arc<InterceptHandler>)>;

fn gather(plugins: &Plugins) -> Vec<(Placed, Live)> {
    let mut all: Vec<(Placed, Live)> = Vec::new();
    for plugin in plugins.all() {
        let placed = |spec: &InterceptSpec, closed| Placed { plugin: plugin.name.clone(), spec: spec.clone(), closed };
        let running = matches!(plugin.state(), State::Running).then(|| plugin.generation.load_full()).flatten();
        match running {
            Some(generation) => {
                let handlers = generation.handlers.load_full();
                let intercepts = handlers.iter().flat_map(|r| &r.intercepts);
                all.extend(
                    intercepts.map(|h| (placed(&generation.spec_of(h), false), Some((generation.clone(), h.clone())))),
                );
            }
            None if plugin.state() != State::Stopped => {
                all.extend(plugin.guards.lock().iter().map(|spec| (placed(spec, true), None)));
            }
            None => {}
        }
    }
    all.sort_by(|(a, _), (b, _)| {
        let key = |p: &Placed| (p.spec.band, std::cmp::Reverse(p.spec.priority), p.plugin.clone());
        key(a).cmp(&key(b))
    });
    all
}

/// The router's table of this moment.
pub fn table(plugins: &Arc<Plugins>) -> Table {
    let asked = |placed: &Placed| !placed.spec.types.is_empty() || !placed.spec.details.is_empty();
    let intercepts = gather(plugins).into_iter().filter(|(placed, _)| asked(placed)).map(|(placed, live)| {
        let hook: Arc<dyn Intercept> = match live {
            Some((generation, handler)) => {
                let watched = plugins.vigil.watch(plugins, &generation, handler.tag.handler);
                let (suspect, alone) = (AtomicU32::new(0), plugins.has_one_thread());
                Arc::new(Hook { plugins: plugins.clone(), generation, handler, watched, suspect, alone })
            }
            None => Arc::new(Closed),
        };
        let wanted = Wanted::new(&placed.spec.types, &placed.spec.details);
        let handler = format!("intercept {}", wanted.said()).into();
        Interceptor { plugin: placed.plugin, wanted, handler, own: placed.spec.own, hook }
    });
    let observers = plugins.all().into_iter().filter_map(|plugin| {
        let handlers = plugin.watching.lock().clone();
        let takes = !matches!(plugin.state(), State::Stopped | State::Refused | State::Failed | State::Quarantined);
        (takes && !handlers.is_empty()).then(|| Observer {
            plugin: plugin.name.clone(),
            handlers,
            consumer: super::observe_consumer(&plugin.name),
            hook: Arc::new(Queueing(plugin)),
        })
    });
    Table::new(intercepts.collect(), observers.collect())
}

/// An intercept with a key listens to something else from now on.
///
/// # Errors
/// No intercept has the key.
pub fn listen(plugins: &Arc<Plugins>, generation: &Arc<Generation>, listen: Listen) -> Result<(), Failure> {
    if !generation.has_key(&listen.key) {
        let text = format!("no intercept has the key {:?}: register it with intercept_keyed", listen.key);
        return Err(shim::failure(failure::NOT_FOUND, text));
    }
    let before = generation.listening.lock().insert(listen.key.clone(), listen.clone());
    // Until it runs there is no table with it.
    let Some(registered) = generation.handlers.load_full() else { return Ok(()) };
    if before.as_ref() != Some(&listen) {
        *generation.plugin.guards.lock() = generation.guards(&registered);
        plugins.refresh();
    }
    Ok(())
}

/// What the observers of a generation want of the router.
pub fn watching(generation: &Generation) -> Vec<ObserverOf> {
    let handlers = generation.handlers.load_full();
    let observers = handlers.iter().flat_map(|r| &r.observers).filter(|o| !o.spec.held);
    let of = |o: &Arc<super::generation::ObserveHandler>| ObserverOf {
        wanted: o.wanted.clone(),
        own: o.spec.own,
        reliable: o.spec.delivery == message::Delivery::Reliable,
        every: !o.spec.coalesce,
    };
    observers.map(of).collect()
}
