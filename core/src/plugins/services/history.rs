//! Newest and stored events, tracks, what newcomers are shown by plugins; and plugins asked for the events they keep.
//!
//! A plugin that is asked answers within two seconds, on a thread of its own, or is left out: its worker may be busy, and
//! whoever asks has a client waiting.
use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use fts_plugin_api::{
    abi::{Failure, RErr, ROk, failure},
    message::{
        self, Await, CallerKind, EventQuery, HistoryAsk, Latest, Panic, Replay, StoredEvent, TrackPoint, TrackQuery,
    },
    shim,
};
use serde_bytes::ByteBuf;

use super::{
    super::{Generation, Plugin, Plugins, State, generation::CallHandler, guard, queue::Item, shelf_key},
    invalid, refuse,
};
use crate::{
    directory::Bits,
    store::{
        error::StoreError,
        history::{
            Arrival, History, Reach,
            query::{Area, Search, Window},
            sources::{MOST, Sources},
        },
    },
};

/// How long sources are waited for, all together.
const PATIENCE: Duration = Duration::from_secs(2);

/// Events one plugin may wait for at the same time.
const AWAITED: usize = 512;

fn stored(error: &StoreError) -> Failure {
    shim::failure(failure::OTHER, error.to_string())
}

fn history(plugins: &Plugins) -> Option<&Arc<History>> {
    plugins.router.history.get()
}

/// The newest event of each uid there is one of: who is there, what is on the map, what is stored.
pub fn latest(plugins: &Plugins, uids: &[String]) -> Result<Vec<Latest>, Failure> {
    let directory = &plugins.router.directory;
    let mut found = Vec::with_capacity(uids.len());
    for uid in uids {
        if let Some(latest) = directory.presence.get(uid).or_else(|| directory.items.get(uid)) {
            found.push(Latest {
                uid: uid.clone(),
                text: ByteBuf::from(latest.event.xml().to_vec()),
                received: latest.event.head.received,
                groups: directory.groups.names(&latest.send),
            });
        } else if let Some(history) = history(plugins) {
            let event = history.latest(uid, &Reach::everything()).map_err(|e| stored(&e))?;
            found.extend(event.map(|e| Latest { uid: e.uid, text: e.text, received: e.received, groups: e.groups }));
        }
    }
    Ok(found)
}

/// Tells the plugin's worker when the next event of a uid is stored, or that the limit is over.
pub fn notify(plugins: &Plugins, generation: &Arc<Generation>, ask: Await) -> Result<(), Failure> {
    let Some(history) = history(plugins) else {
        return refuse(failure::UNAVAILABLE, "this server stores no events");
    };
    let mut tickets = generation.tickets.lock();
    if tickets.len() >= AWAITED {
        return refuse(failure::BUSY, format!("{AWAITED} events are waited for already"));
    }
    let (plugin, of, number) = (Arc::downgrade(&generation.plugin), generation.number, ask.number);
    let tell = move |arrival| {
        if let Some(plugin) = plugin.upgrade() {
            plugin.queue.push(Item::Arrived(of, number, arrival == Arrival::Stored));
        }
    };
    let ticket = history.notify(&ask.uid, Duration::from_millis(ask.limit), tell);
    let ticket = ticket.map_err(|e| shim::failure(failure::BUSY, e.to_string()))?;
    // The worker takes it out again, and waits for this lock.
    tickets.insert(number, ticket);
    Ok(())
}

/// Stored events, newest first.
pub fn query(plugins: &Plugins, generation: &Generation, ask: EventQuery) -> Result<Vec<StoredEvent>, Failure> {
    let Some(history) = history(plugins) else { return Ok(Vec::new()) };
    let window = Window { from: ask.from.unwrap_or(Window::ALL.from), to: ask.to.unwrap_or(Window::ALL.to) };
    let most = if ask.limit == 0 { MOST } else { MOST.min(ask.limit as usize) };
    // What was addressed to somebody is nobody's unless it is asked for.
    let user = if ask.addressed { None } else { Some(String::new()) };
    let reach = Reach { groups: ask.groups, user };
    let elsewhere = match &ask.uid {
        Some(uid) => history.kept_elsewhere(uid, window, &reach, Some(generation.name())),
        None => Vec::new(),
    };
    let area = ask.bbox.map(|[left, bottom, right, top]| Area { left, bottom, right, top });
    let search = Search { uid: ask.uid, window, area, types: ask.types, chat: false, listed: !ask.addressed, reach };
    let mut pages = history.search(search);
    let mut all = elsewhere;
    loop {
        let page = pages.page().map_err(|e| stored(&e))?;
        if page.is_empty() || all.len() >= most {
            break;
        }
        all.extend(page);
    }
    all.sort_by_key(|e| std::cmp::Reverse(e.received));
    all.truncate(most);
    Ok(all)
}

/// Points of tracks, by time.
pub fn tracks(plugins: &Plugins, ask: &TrackQuery) -> Result<Vec<TrackPoint>, Failure> {
    history(plugins).map_or_else(|| Ok(Vec::new()), |h| h.tracks(ask).map_err(|e| stored(&e)))
}

/// Adds points of tracks.
pub fn append(plugins: &Plugins, generation: &Generation, points: &[TrackPoint]) -> Result<usize, Failure> {
    let is_point = |p: &TrackPoint| {
        !p.uid.is_empty() && p.time > 0 && (-90.0..=90.0).contains(&p.lat) && (-180.0..=180.0).contains(&p.lon)
    };
    if let Some(bad) = points.iter().find(|p| !is_point(p)) {
        return invalid(format!(
            "this is no point of a track: uid {:?}, time {}, {} {}",
            bad.uid, bad.time, bad.lat, bad.lon
        ));
    }
    let history = history(plugins).ok_or_else(|| shim::failure(failure::UNAVAILABLE, "this server stores nothing"))?;
    history.append(points, generation.name()).map_err(|e| stored(&e))
}

/// Newcomers are shown it from now on.
pub fn show(plugins: &Arc<Plugins>, generation: &Arc<Generation>, replay: Replay) -> Result<(), Failure> {
    let names = &plugins.router.directory.groups;
    let send = match &replay.groups {
        Some(groups) => Bits::of(groups.iter().filter_map(|g| names.find(g))),
        None => names.all(),
    };
    let key = shelf_key(generation.name(), &replay.uid);
    match plugins.router.show(&key, &replay.text, send) {
        Ok(()) => {
            generation.declared.lock().insert(format!("shown {}", replay.uid));
            generation.plugin.shown.lock().insert(replay.uid);
            Ok(())
        }
        Err(reason) => invalid(format!("this is no event: {}", reason.name())),
    }
}

/// Not any more.
pub fn hide(plugins: &Arc<Plugins>, generation: &Generation, uid: String) -> Result<(), Failure> {
    generation.declared.lock().remove(&format!("shown {uid}"));
    generation.plugin.shown.lock().remove(&uid);
    plugins.router.directory.shown.remove(&shelf_key(generation.name(), &uid), None);
    Ok(())
}

/// A plugin that keeps events, and its handler.
type Source = (Arc<Plugin>, Arc<CallHandler>);

impl Plugins {
    fn history_sources(&self, but: Option<&str>) -> Vec<Source> {
        let running = self.all().into_iter().filter(|p| p.state() == State::Running && but != Some(&*p.name));
        let of = |plugin: Arc<Plugin>| {
            let generation = plugin.generation.load_full()?;
            let handler = generation.callers(|k| *k == CallerKind::HistorySource).into_iter().next()?;
            Some((plugin, handler))
        };
        running.filter_map(of).collect()
    }
}

/// One call of a source, on a thread that may be left behind.
fn ask(handler: &CallHandler, args: &[u8]) -> Result<Vec<StoredEvent>, Failure> {
    let doing = guard::doing();
    let entered = guard::enter(handler.tag, guard::Doing { depth: doing.depth + 1, ..doing });
    let began = Instant::now();
    let answer = handler.object.call(args.into());
    drop(entered);
    handler.stats.note(began.elapsed());
    match answer {
        ROk(bytes) => message::unpack(&bytes).map_err(|e| shim::failure(failure::INVALID, e.to_string())),
        RErr(failed) => Err(failed),
    }
}

impl Sources for Plugins {
    fn events(&self, wanted: &HistoryAsk, but: Option<&str>) -> Vec<StoredEvent> {
        let sources = self.history_sources(but);
        let (mut all, args) = (Vec::new(), Arc::<[u8]>::from(message::pack(wanted)));
        let until = Instant::now() + PATIENCE;
        let (answers, answered) = mpsc::channel();
        let mut waiting = Vec::new();
        for (plugin, handler) in sources {
            let (answers, args, of) = (answers.clone(), args.clone(), plugin.name.clone());
            let asked = handler.clone();
            let thread = std::thread::Builder::new().name(format!("ask-{of}"));
            // Who no longer waits does not hear it.
            match thread.spawn(move || drop(answers.send((of, ask(&asked, &args))))) {
                Ok(_) => waiting.push((plugin, handler)),
                Err(error) => {
                    tracing::warn!(event = "plugin.failed_call", plugin = %plugin.name, %error, "no thread to ask for its events")
                }
            }
        }
        while !waiting.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            let Ok((name, answer)) = answered.recv_timeout(left) else { break };
            let Some(at) = waiting.iter().position(|(p, _)| p.name == name) else { continue };
            let (plugin, handler) = waiting.swap_remove(at);
            match answer {
                Ok(events) => all.extend(events),
                Err(failed) => {
                    tracing::warn!(event = "plugin.failed_call", plugin = %name, error = %failed.message, "a history source failed");
                    if failed.code == failure::PANICKED {
                        handler.stats.panicked();
                        let (message, place) = (failed.message.to_string(), failed.place.to_string());
                        self.panicked(&plugin, &Panic { handler: handler.tag.handler.to_owned(), message, place });
                    }
                }
            }
        }
        for (plugin, _) in waiting {
            tracing::warn!(event = "plugin.slow", plugin = %plugin.name, "did not say in {} s what it keeps: its events are left out", PATIENCE.as_secs());
        }
        all
    }
}
