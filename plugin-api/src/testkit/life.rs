//! Start, stop and reload, in the order of plugins.md 6: check, start; save, stop, start with what was saved.
//!
//! A token stands for one start. The plugin's side finds the mock through it in a table of the process, as it finds the
//! server in production. A generation that is over is refused every call.
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tempfile::TempDir;

use super::{MockHost, context::Context, object::Object, state::Shared};
use crate::{
    abi::{self, Failure, HandleBox, HostBox, HostModule, LibHeader, RResult, TD_Opaque, stop},
    message::Phase,
    sdk::{Error, Plugin, Result},
    shim,
};

/// Calls `PluginModule::start`.
pub(super) type Starter = Box<dyn Fn(&'static LibHeader, u64) -> RResult<HandleBox, Failure> + Send + Sync>;

static OBJECTS: Mutex<Option<HashMap<u64, Object>>> = Mutex::new(None);
static LAST_TOKEN: AtomicU64 = AtomicU64::new(0);
/// What `stop` may take, ms.
const STOP_MS: u64 = 5_000;

extern "C" fn connect(token: u64) -> HostBox {
    let mut objects = OBJECTS.lock().unwrap_or_else(PoisonError::into_inner);
    let object = objects.get_or_insert_default().remove(&token);
    // A token nobody gave away: a host that refuses everything.
    abi::Host_TO::from_ptr(abi::RArc::new(object.unwrap_or_else(Object::gone)), TD_Opaque)
}

fn header() -> &'static LibHeader {
    static HEADER: OnceLock<&'static LibHeader> = OnceLock::new();
    HEADER.get_or_init(|| abi::header_of(HostModule { connect }))
}

impl Shared {
    fn start(self: &Arc<Self>, starter: &Starter, phase: Phase) -> Result<HandleBox> {
        let generation = self.generation.fetch_add(1, Relaxed) + 1;
        self.live.store(generation, Relaxed);
        let token = LAST_TOKEN.fetch_add(1, Relaxed) + 1;
        let object = Object { shared: Some(self.clone()), generation, phase };
        OBJECTS.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().insert(token, object);
        match self.call(Context::default(), || starter(header(), token)) {
            RResult::ROk(handle) => Ok(handle),
            RResult::RErr(failure) => {
                self.live.store(0, Relaxed);
                // Closures of a start that failed half way are the plugin's code.
                let handlers = std::mem::take(&mut self.lock().handlers);
                self.call(Context::default(), || drop(handlers));
                Err(failure.into())
            }
        }
    }

    /// Checks, then starts.
    fn begin(self: &Arc<Self>, starter: &Starter) -> Result<HandleBox> {
        let checked = self.start(starter, Phase::Check)?;
        self.call(Context::default(), || drop(checked));
        let handle = self.start(starter, Phase::Run)?;
        self.started.store(self.now(), Relaxed);
        self.lock().undo_older(self.generation.load(Relaxed));
        Ok(handle)
    }

    /// Ends the running generation; what it registered goes with it.
    fn end(&self, handle: HandleBox, reason: u32) -> Result<()> {
        let stopped = self.call(Context::default(), || handle.stop(reason, STOP_MS));
        self.live.store(0, Relaxed);
        let handlers = {
            let mut state = self.lock();
            state.links.values_mut().for_each(|l| l.end());
            state.listeners.clear();
            state.awaited.clear();
            std::mem::take(&mut state.handlers)
        };
        self.call(Context::default(), || {
            drop(handlers);
            drop(handle);
        });
        match stopped {
            RResult::ROk(()) => Ok(()),
            RResult::RErr(failure) => {
                self.failed("stop", &failure);
                Err(failure.into())
            }
        }
    }
}

impl MockHost {
    pub(super) fn begin(shared: Shared, dir: TempDir, starter: Starter) -> Result<Self> {
        let shared = Arc::new(shared);
        let handle = shared.begin(&starter)?;
        let host = Self { shared, handle: Mutex::new(Some(handle)), starter: Mutex::new(starter), _dir: dir };
        host.settle();
        Ok(host)
    }

    /// Save, stop, start again with what was saved and the same database, folder, audiences and clients. What the new
    /// start does not make again is undone.
    ///
    /// # Errors
    /// What save, stop or start return. The plugin is stopped then (the server would start the old one again).
    pub fn reload(&self) -> Result<()> {
        self.settle();
        let starter = self.starter.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(old) = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Err(Error::new("the plugin is stopped: use start_again"));
        };
        let saved = self.shared.call(Context::default(), || old.save());
        match saved {
            // An empty answer is None: the shim cannot tell them apart.
            RResult::ROk(saved) => {
                self.shared.lock().saved = saved.split_first().map(|(_, bytes)| bytes.to_vec());
            }
            RResult::RErr(failure) => self.shared.failed("save", &failure),
        }
        self.shared.end(old, stop::RELOAD)?;
        self.rise(&starter)
    }

    /// The same with another version of the plugin.
    ///
    /// # Errors
    /// As [`MockHost::reload`].
    pub fn replace<P: Plugin>(&self) -> Result<()> {
        *self.starter.lock().unwrap_or_else(PoisonError::into_inner) =
            Box::new(|header, token| shim::start::<P>(header, token));
        self.reload()
    }

    /// Another configuration, then [`MockHost::reload`].
    ///
    /// # Errors
    /// As there.
    pub fn reconfigure(&self, table: impl serde::Serialize) -> Result<()> {
        self.shared.lock().config = serde_json::to_string(&table)?;
        self.reload()
    }

    /// Stops the plugin as an administrator does.
    ///
    /// # Errors
    /// A panic in its `stop`.
    pub fn stop(&self) -> Result<()> {
        self.settle();
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        handle.map_or(Ok(()), |handle| self.shared.end(handle, stop::DISABLE))
    }

    /// Starts a stopped or tripped plugin, without saved state, on the same database: what follows a crash. Held events
    /// that were not released come again, marked as replayed.
    ///
    /// # Errors
    /// What its start returns.
    pub fn start_again(&self) -> Result<()> {
        let starter = self.starter.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle {
            // Its failure is noted and must not keep it from starting again.
            let _ = self.shared.end(handle, stop::FAILED);
        }
        {
            let mut state = self.shared.lock();
            (state.saved, state.tripped) = (None, false);
            state.panics.iter_mut().for_each(|(at, _)| *at = i64::MIN / 2);
            state.give_again();
        }
        self.rise(&starter)
    }

    fn rise(&self, starter: &Starter) -> Result<()> {
        let handle = self.shared.begin(starter)?;
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
        self.settle();
        Ok(())
    }
}

impl Drop for MockHost {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            // Noted in the log; there is nobody left to tell.
            let _ = self.shared.end(handle, stop::SHUTDOWN);
        }
    }
}
