//! One thread that does to plugins what nobody else may do while they are being called: it trips them, restarts them
//! after 5 s, 30 s and 5 min, and says when a worker is stuck.
use std::{
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use fts_plugin_api::{
    abi::stop,
    message::{Level, Status},
};
use parking_lot::{Condvar, Mutex};

use super::{Plugin, Plugins, STUCK, State};
use crate::http::route::Owner;

/// Pauses before each restart by itself; after the last it waits for an administrator.
const PAUSES: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(300)];
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// After so long without trouble the pauses begin anew.
const CALM_MS: i64 = 600_000;

/// What was asked for.
#[derive(Default)]
pub struct Wishes {
    trips: Mutex<Vec<(Arc<Plugin>, String)>>,
    wake: Condvar,
}

impl Wishes {
    /// This plugin is to be tripped.
    pub fn trip(&self, plugin: &Arc<Plugin>, why: String) {
        let mut trips = self.trips.lock();
        if !trips.iter().any(|(p, _)| p.name == plugin.name) {
            trips.push((plugin.clone(), why));
        }
        self.wake.notify_all();
    }

    fn take(&self, until: Instant) -> Vec<(Arc<Plugin>, String)> {
        let mut trips = self.trips.lock();
        if trips.is_empty() {
            self.wake.wait_until(&mut trips, until);
        }
        std::mem::take(&mut *trips)
    }
}

/// Begins; ends with the host.
pub fn begin(plugins: &Arc<Plugins>) {
    let weak = Arc::downgrade(plugins);
    let thread = std::thread::Builder::new().name("fts-plugins".into()).spawn(move || run(&weak));
    if let Err(error) = thread {
        tracing::error!(event = "plugin.warning", %error, "no thread to look after plugins: none is restarted by itself");
    }
}

fn run(plugins: &Weak<Plugins>) {
    let mut restarts: Vec<(Instant, Arc<Plugin>)> = Vec::new();
    loop {
        let Some(plugins) = plugins.upgrade() else { return };
        if plugins.ending.load(Relaxed) {
            return;
        }
        let next = restarts.iter().map(|(at, _)| *at).min();
        let look = Instant::now() + LOOK;
        for (plugin, why) in plugins.wishes.take(next.map_or(look, |at| at.min(look))) {
            if let Some(pause) = plugins.tripped(&plugin, &why) {
                restarts.push((Instant::now() + pause, plugin));
            }
        }
        let now = Instant::now();
        for (_, plugin) in restarts.extract_if(.., |(at, _)| *at <= now) {
            if plugin.state() == State::Tripped && !plugins.ending.load(Relaxed) {
                plugins.again(&plugin);
            }
        }
        plugins.look();
    }
}

impl Plugins {
    /// Takes it down; the pause until it starts again.
    fn tripped(self: &Arc<Self>, plugin: &Arc<Plugin>, why: &str) -> Option<Duration> {
        let _one = self.changes.lock();
        if plugin.state() != State::Running {
            return None;
        }
        if crate::observe::clock::now_ms() - plugin.standing().since > CALM_MS {
            plugin.restarts.store(0, Relaxed);
        }
        let pause = PAUSES.get(plugin.restarts.fetch_add(1, Relaxed) as usize).copied();
        let then = match pause {
            Some(pause) => format!("it is restarted in {} s", pause.as_secs()),
            None => format!("start it with `fts plugin enable {}`", plugin.name),
        };
        let report = format!("{why}; {then}");
        // Who sees that it has failed finds its routes and its status saying so.
        self.mux.trip(&Owner::Plugin(plugin.name.clone()), &report);
        plugin.set_status(Status { level: Level::Error, text: why.to_owned() });
        plugin.set_state(State::Tripped, report);
        self.seats.set(&plugin.name, std::iter::empty());
        self.halt(plugin, stop::FAILED);
        self.refresh();
        pause
    }

    fn again(self: &Arc<Self>, plugin: &Arc<Plugin>) {
        let _one = self.changes.lock();
        if let Err(why) = self.begin_or_clear(plugin, false) {
            tracing::error!(event = "plugin.restart_failed", plugin = %plugin.name, "{why}");
        }
    }

    /// Says when a worker is stuck, and when it is not any more.
    fn look(&self) {
        for plugin in self.all() {
            let (items, ..) = plugin.queue.depth();
            metrics::gauge!("fts_plugin_queue_items", "plugin" => plugin.name.to_string()).set(items as f64);
            metrics::counter!("fts_plugin_calls_total", "plugin" => plugin.name.to_string())
                .absolute(plugin.calls_so_far());
            let stuck = plugin.busy.lock().clone().filter(|b| b.since.elapsed() > STUCK);
            let said = plugin.stuck.load(Relaxed);
            match stuck {
                Some(busy) => {
                    let text = format!("stuck in {} for {} s", busy.handler, busy.since.elapsed().as_secs());
                    if !said {
                        tracing::error!(event = "plugin.stuck", plugin = %plugin.name, "{text}");
                    }
                    plugin.stuck.store(true, Relaxed);
                    *plugin.stuck_in.lock() = Some(text);
                }
                None if said => {
                    plugin.stuck.store(false, Relaxed);
                    *plugin.stuck_in.lock() = None;
                    tracing::info!(event = "plugin.unstuck", plugin = %plugin.name, "its worker goes on");
                }
                None => {}
            }
        }
    }
}
