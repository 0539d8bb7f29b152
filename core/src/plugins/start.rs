//! From a name to a running generation, one step each: library, check, start, end. Called by `lifecycle` under its lock.
use std::{
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc},
    time::{Duration, Instant},
};

use fts_plugin_api::{
    abi::{Failure, HandleBox, Info, failure},
    message::{Hello, Manifest, Phase},
    shim,
};

use super::{
    Generation, Plugin, Plugins,
    charge::Tag,
    file::{self, Terms},
    find, guard, hooks, linked, load,
    plugin::Library,
    queue::Item,
    worker::Worker,
};
use crate::{config::Profile, http::route::Owner};

/// A start may take so long.
const START: Duration = Duration::from_secs(60);
/// A stop may take so long.
pub const STOP: Duration = Duration::from_secs(3);
/// The worker of a plugin that is tripped may take so long: it may be what trips it.
const FAILED: Duration = Duration::from_millis(500);
/// What is in flight in HTTP may take so long at a reload.
const DRAIN: Duration = Duration::from_secs(5);

impl Plugins {
    /// The library of a plugin: linked in, or found, copied, checked and loaded.
    ///
    /// # Errors
    /// One line.
    pub(super) fn library(&self, plugin: &Plugin) -> Result<Library, String> {
        if let Some(linked) = linked::linked().into_iter().find(|l| *l.name == *plugin.name) {
            let (info, module) = (linked.info, (linked.module)());
            return Ok(Library { file: None, sha256: String::new(), info, module, warnings: Vec::new(), size: 0 });
        }
        let config = self.config.load();
        let found = find::find(&plugin.name, &find::places(&config.plugins)).map_err(|e| e.to_string())?;
        self.load(plugin, &found.path)
    }

    fn load(&self, plugin: &Plugin, path: &Path) -> Result<Library, String> {
        let config = self.config.load();
        let run = config.server.data_dir.join("run");
        let pin = plugin.table.lock().host.sha256.clone();
        let terms = Terms {
            run: &run,
            generation: self.loads.fetch_add(1, Relaxed) + 1,
            pin: pin.as_deref(),
            secure: config.server.profile == Profile::Secure,
        };
        let taken = file::take(path, &plugin.name, &terms).map_err(|e| e.to_string())?;
        for warning in &taken.found.warnings {
            tracing::warn!(event = "plugin.warning", plugin = %plugin.name, file = %path.display(), "{warning}");
        }
        let symbol = format!("fts_plugin_{}", plugin.name.replace('-', "_"));
        let module = load::load(&taken.path, &symbol).map_err(|error| {
            if let load::LoadError::Layout { text, .. } = &error {
                let file = config.server.data_dir.join(format!("run/plugins/{}.layout.txt", plugin.name));
                if std::fs::write(&file, text).is_ok() {
                    return format!("{}: {error}; everything in {}", plugin.name, file.display());
                }
            }
            format!("{}: {error}", plugin.name)
        })?;
        // The image from before stays in memory for ever.
        if let Some(before) = plugin.library.lock().as_ref().filter(|l| l.file.is_some()) {
            plugin.resident.lock().push(before.size);
        }
        Ok(Library {
            file: Some(path.to_owned()),
            sha256: taken.found.sha256.clone(),
            info: taken.found.info,
            module,
            warnings: taken.found.warnings.clone(),
            size: std::fs::metadata(&taken.path).map_or(0, |m| m.len()),
        })
    }

    fn hello(&self, plugin: &Plugin, phase: Phase, dynamic: bool, saved: Option<Vec<u8>>) -> Hello {
        let own = plugin.table.lock().own.clone();
        Hello {
            phase,
            name: plugin.name.to_string(),
            config: serde_json::Value::Object(own).to_string(),
            saved: saved.map(Into::into),
            dynamic,
            server: self.server(),
        }
    }

    /// Has the plugin declare itself and check its configuration; nothing of it runs afterwards.
    ///
    /// # Errors
    /// One line, with file and line of a wrong key.
    pub(super) fn check(self: &Arc<Self>, plugin: &Arc<Plugin>, library: &Library) -> Result<Manifest, String> {
        self.declared(plugin, library).map_err(|f| self.said(plugin, &f))
    }

    /// Loads a plugin and has it declare itself, for `fts plugin check`.
    ///
    /// # Errors
    /// Why it would not run, one line.
    pub fn examine(self: &Arc<Self>, name: &str) -> Result<Manifest, String> {
        let _one = self.changes.lock();
        self.prepare(&self.seat(name))
    }

    /// The same as [`Plugins::check`], with the plugin's own words.
    pub(super) fn declared(self: &Arc<Self>, plugin: &Arc<Plugin>, library: &Library) -> Result<Manifest, Failure> {
        let hello = self.hello(plugin, Phase::Check, library.file.is_some(), None);
        let generation = Generation::new(plugin.clone(), 0, hello, None);
        let handle = self.call_start(library, &generation)?;
        let ended = end(&generation.plugin, handle, fts_plugin_api::abi::stop::SHUTDOWN);
        generation.revoke();
        ended?;
        let manifest = generation.manifest.get().cloned();
        manifest.ok_or_else(|| shim::failure(failure::OTHER, "it did not say what it is"))
    }

    /// A failure as one line.
    fn said(&self, plugin: &Plugin, failed: &Failure) -> String {
        Self::said_of(&plugin.name, failed, self.place(&plugin.name, &failed.place))
    }

    /// The same, with the place of a wrong key.
    pub(super) fn said_of(name: &str, failed: &Failure, place: Option<String>) -> String {
        match failed.code {
            failure::CONFIG => {
                let place = place.map(|p| format!(" ({p})")).unwrap_or_default();
                let key = if failed.place.is_empty() { String::new() } else { format!(" {}", failed.place) };
                let text = plain(&failed.message);
                format!("{name}: [plugins.{name}]{key}: {text}{place}")
            }
            failure::PANICKED => format!("{name}: {} ({})", failed.message, failed.place),
            failure::TOO_OLD => format!("{name}: needs a newer server: its plugin API has more than this one offers"),
            _ => format!("{name}: {}", failed.message),
        }
    }

    /// Calls `start` on a thread of its own: one that does not come back must not hold up the server.
    fn call_start(self: &Arc<Self>, library: &Library, generation: &Arc<Generation>) -> Result<HandleBox, Failure> {
        let (module, plugins, of) = (library.module, self.clone(), generation.clone());
        on_thread(&generation.plugin.name, "start", START, move || {
            let _entered = guard::enter(Tag::of(of.name(), "start"), guard::Doing::default());
            load::start(module, &plugins, &of)
        })?
    }

    /// Starts a generation and puts it in charge: routes, hooks, worker.
    ///
    /// # Errors
    /// One line; nothing of it is left.
    pub(super) fn launch(
        self: &Arc<Self>,
        plugin: &Arc<Plugin>,
        library: &Library,
        saved: Option<Vec<u8>>,
    ) -> Result<(), String> {
        let hello = self.hello(plugin, Phase::Run, library.file.is_some(), saved);
        let staged = self.mux.stage(Owner::Plugin(plugin.name.clone()));
        let generation = Generation::new(plugin.clone(), plugin.next_number(), hello, Some(staged));
        let handle = match self.call_start(library, &generation) {
            Ok(handle) => handle,
            Err(failed) => {
                generation.revoke();
                drop(std::mem::take(&mut *generation.registered.lock()));
                if let Some(links) = generation.links.get() {
                    links.close_all();
                }
                return Err(self.said(plugin, &failed));
            }
        };
        let staged = generation.routes.lock().take();
        if let Some(Err(error)) = staged.map(|s| s.commit()) {
            let _ = end(plugin, handle, fts_plugin_api::abi::stop::FAILED);
            generation.revoke();
            return Err(format!("{}: {error}", plugin.name));
        }
        *generation.handle.lock() = Some(handle);
        let registered = std::mem::take(&mut *generation.registered.lock());
        let services = registered.callers.iter().filter_map(|c| match &c.spec {
            fts_plugin_api::message::CallerKind::Provide(name) => Some(name.clone()),
            _ => None,
        });
        self.seats.set(&plugin.name, services.collect::<Vec<_>>().into_iter());
        *plugin.guards.lock() = generation.guards(&registered);
        generation.fix(registered);
        *plugin.watching.lock() = hooks::watching(&generation);
        let wants = !generation.callers(|k| *k == fts_plugin_api::message::CallerKind::Clients).is_empty();
        plugin.wants_clients.store(wants, Relaxed);
        super::contacts::keep_declared(self, &generation);
        generation.keep_declared(self);
        plugin.generation.store(Some(generation.clone()));
        *plugin.library.lock() = Some(library.clone());
        self.mux.unpark(&Owner::Plugin(plugin.name.clone()));
        self.spawn_worker(&generation);
        Ok(())
    }

    fn spawn_worker(self: &Arc<Self>, generation: &Arc<Generation>) {
        // Whoever was in a handler belongs to a generation that is over.
        *generation.plugin.busy.lock() = None;
        let worker = Worker::new(self.clone(), generation.clone(), generation.plugin.queue.open());
        let thread = std::thread::Builder::new().name(format!("fts-{}", generation.name())).spawn(move || worker.run());
        match thread {
            Ok(thread) => *generation.plugin.worker.lock() = Some(thread),
            Err(error) => self.trip(&generation.plugin, format!("no thread for its worker: {error}")),
        }
    }

    /// Ends the running generation. What it saved, when that is asked for.
    pub(super) fn halt(self: &Arc<Self>, plugin: &Arc<Plugin>, reason: u32) -> Option<Vec<u8>> {
        use fts_plugin_api::abi::stop;
        let generation = plugin.generation.swap(None)?;
        let owner = Owner::Plugin(plugin.name.clone());
        match reason {
            stop::FAILED => self.mux.trip(&owner, &plugin.standing().report),
            _ => self.mux.park(&owner),
        }
        self.refresh();
        plugin.queue.close();
        self.runtime.block_on(self.mux.drain(&owner, if reason == stop::FAILED { Duration::ZERO } else { DRAIN }));
        let worker = plugin.worker.lock().take();
        let joined = worker.is_none_or(|thread| join(thread, if reason == stop::FAILED { FAILED } else { STOP }));
        if !joined {
            let doing = plugin.busy.lock().clone().map_or_else(String::new, |b| format!(" in {}", b.handler));
            tracing::error!(event = "plugin.stuck", plugin = %plugin.name, "its worker does not end{doing}: a thread cannot be killed");
        }
        let handle = generation.handle.lock().take();
        let saved = handle
            .as_ref()
            .filter(|_| reason == stop::RELOAD)
            .and_then(|handle| {
                let _entered = guard::enter(Tag::of(&plugin.name, "save"), guard::Doing::default());
                let saved = handle.save().into_result();
                saved.inspect_err(|f| tracing::error!(event = "plugin.stop_failed", plugin = %plugin.name, place = %f.place, "nothing is saved: {}", f.message)).ok()
            })
            .and_then(|saved| saved.split_first().map(|(_, bytes)| bytes.to_vec()));
        if let Some(handle) = handle
            && let Err(failed) = end(plugin, handle, reason)
        {
            tracing::error!(event = "plugin.stop_failed", plugin = %plugin.name, place = %failed.place, "{}", failed.message);
        }
        generation.revoke();
        let left = generation.hands.close();
        if !left.is_empty() {
            plugin.queue.put_back(left.into_iter().map(Item::Event).collect());
        }
        if let Some(links) = generation.links.get() {
            links.close_all();
        }
        generation.cursors.lock().clear();
        generation.tickets.lock().clear();
        plugin.calls_before.fetch_add(Plugin::calls_of(&generation), Relaxed);
        // Handlers hold the host, and the host this generation: the circle ends here.
        drop(generation.handlers.swap(None));
        saved
    }
}

/// What serde says, in the words of operators: types of Rust are nothing to them.
fn plain(said: &str) -> String {
    let value = said.strip_prefix("invalid value: ");
    let wrong = said.strip_prefix("invalid type: ").or(value);
    let Some((found, expected)) = wrong.and_then(|s| s.rsplit_once(", expected ")) else { return said.to_owned() };
    let found = match found.split_once(' ') {
        Some(("string" | "integer" | "boolean", value)) => value.replace('`', ""),
        _ => match found {
            "sequence" => "a list".into(),
            "map" => "a table".into(),
            other => other.trim_start_matches("floating point ").replace('`', ""),
        },
    };
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" if value.is_some() && found.starts_with('-') => "integer, not negative",
        "u8" | "u16" | "u32" | "i8" | "i16" | "i32" if value.is_some() => "integer nearer to 0",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => "integer",
        "f32" | "f64" => "number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        other => other,
    };
    format!("expected {expected}, found {found}")
}

/// Ends a handle on a thread of its own.
fn end(plugin: &Plugin, handle: HandleBox, reason: u32) -> Result<(), Failure> {
    let name = plugin.name.clone();
    on_thread(&plugin.name, "stop", STOP + Duration::from_secs(1), move || {
        let _entered = guard::enter(Tag::of(&name, "stop"), guard::Doing::default());
        let stopped = handle.stop(reason, u64::try_from(STOP.as_millis()).unwrap_or(3_000)).into_result();
        drop(handle);
        stopped
    })?
}

/// Runs `f` on a thread and waits so long; one that takes longer is left to itself.
fn on_thread<T: Send + 'static>(
    plugin: &str,
    what: &str,
    limit: Duration,
    f: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let (to, from) = mpsc::channel();
    let thread = std::thread::Builder::new().name(format!("fts-{plugin}-{what}")).spawn(move || {
        let _ = to.send(f());
    });
    let failed = |text: String| shim::failure(failure::OTHER, text);
    thread.map_err(|e| failed(format!("no thread for {what}: {e}")))?;
    from.recv_timeout(limit).map_err(|_| failed(format!("{what} does not come back after {} s", limit.as_secs())))
}

fn join(thread: std::thread::JoinHandle<()>, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    while !thread.is_finished() {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    thread.join().is_ok()
}

/// What a library says about itself.
pub fn version(info: &Info) -> String {
    Info::text(&info.version)
}
