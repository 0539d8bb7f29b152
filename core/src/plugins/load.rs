//! dlopen and the handshake: from a private copy of a library to its checked module. The loader: one of the few files
//! that may be unsafe.
//!
//! Order: the file was read and checked before (`file`), so nothing of a stranger's library runs before its version is
//! known; dlopen NOW and LOCAL; abi_stable's header (a self test of the C interface) and the layout check of the
//! plugin's module. A library is never closed: destructors, threads and vtables of it may be anywhere.
#![allow(unsafe_code)]
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use fts_plugin_api::abi::{
    self, AbiHeaderRef, Failure, HandleBox, Host_TO, HostBox, HostModule, LibHeader, PluginModule_Ref, RArc, RErr, ROk,
    TD_Opaque,
};
use parking_lot::Mutex;

use super::{Generation, Plugins, host::PluginHost};

/// Why a library was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// What the dynamic linker says.
    #[error("cannot be loaded: {0}")]
    Link(String),
    /// Its header or layout does not fit; the long text goes to a file.
    #[error(
        "does not fit this server's plugin interface ({summary}) — rebuild it with the fts-plugin-api of this major version"
    )]
    Layout {
        /// One line.
        summary: String,
        /// Everything abi_stable said.
        text: String,
    },
}

/// Loads a library and checks its module. It stays loaded for the life of the process.
///
/// # Errors
/// [`LoadError`].
pub fn load(path: &Path, symbol: &str) -> Result<PluginModule_Ref, LoadError> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: constructors of the library run here. Its info symbol said it is a plugin for this major version, built to
    // unwind, for this machine; what else it does is the operator's trust (design/plugins.md 4).
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    let library = library.map_err(|e| LoadError::Link(e.to_string()))?;
    // SAFETY: `export_plugin!` puts a `LibHeader` behind this name, and an `AbiHeaderRef` is a pointer to its first part,
    // whose layout abi_stable never changes and checks in `upgrade`.
    let header = unsafe { library.get::<AbiHeaderRef>(symbol.as_bytes()).map(|s| *s) };
    let header = header.map_err(|e| LoadError::Link(e.to_string()));
    // Never closed, also when it does not fit.
    std::mem::forget(library);
    let header: &'static LibHeader = header?.upgrade().map_err(|e| layout(&e.to_string()))?;
    header.init_root_module::<PluginModule_Ref>().map_err(|e| layout(&e.to_string()))
}

fn layout(text: &str) -> LoadError {
    let telling = |line: &&str| line.contains("rror") || line.contains("expected") || line.contains("too many");
    let summary = text.lines().map(str::trim).find(telling).unwrap_or("layout mismatch").chars().take(160).collect();
    LoadError::Layout { summary, text: text.to_owned() }
}

/// Generations whose `start` runs, by token.
static STARTING: Mutex<Option<HashMap<u64, Behind>>> = Mutex::new(None);
type Behind = (Arc<Plugins>, Arc<Generation>);
static TOKENS: AtomicU64 = AtomicU64::new(0);

extern "C" fn connect(token: u64) -> HostBox {
    let found = STARTING.lock().as_ref().and_then(|all| all.get(&token).cloned());
    Host_TO::from_ptr(RArc::new(PluginHost::new(found)), TD_Opaque)
}

fn header() -> &'static LibHeader {
    static HEADER: OnceLock<&'static LibHeader> = OnceLock::new();
    HEADER.get_or_init(|| abi::header_of(HostModule { connect }))
}

/// Calls the plugin's `start` on this thread.
///
/// # Errors
/// What the plugin says.
pub fn start(
    module: PluginModule_Ref,
    plugins: &Arc<Plugins>,
    generation: &Arc<Generation>,
) -> Result<HandleBox, Failure> {
    let token = TOKENS.fetch_add(1, Relaxed) + 1;
    STARTING.lock().get_or_insert_default().insert(token, (plugins.clone(), generation.clone()));
    let started = (module.start())(header(), token);
    if let Some(all) = STARTING.lock().as_mut() {
        all.remove(&token);
    }
    match started {
        ROk(handle) => Ok(handle),
        RErr(failure) => Err(failure),
    }
}
