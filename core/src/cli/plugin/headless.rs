//! [`Headless`]: a plugin host of the real parts in a folder of its own, without listeners and clients: router, mux,
//! journal, links, plugins. It reads no configuration of this machine.
//!
//! Order: runtime, then the count of threads, then everything else; so what is there at the end and was not at the
//! beginning is the plugin's.
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use fts_plugin_api::message::ServerInfo;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{CAPABILITIES, Sources, load},
    directory::Directory,
    http::mux::{Mux, MuxSettings},
    identity::Authority,
    plugins::{
        Parts, Plugins,
        services::links::{Links, Own, OwnLookup},
    },
    route::Router,
    store::journal::{Journal, Limits},
};

/// What to host.
pub struct Setup<'a> {
    /// The bed: the file lies in `plugins` there.
    pub dir: &'a Path,
    /// The plugin.
    pub name: &'a str,
    /// Where others may lie.
    pub beside: &'a [PathBuf],
    /// Others that run, too.
    pub also: &'a [String],
    /// `key=value` on top of the defaults.
    pub set: &'a [String],
}

/// See the file's head.
pub struct Headless {
    /// Its host.
    pub plugins: Arc<Plugins>,
    /// Its routes.
    pub mux: Arc<Mux>,
    /// Its runtime.
    pub runtime: Runtime,
    journal: Arc<Journal>,
    stop: CancellationToken,
    threads: BTreeSet<u32>,
}

/// Threads of this process.
fn threads() -> BTreeSet<u32> {
    let all = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Idle threads of the pool go after this, so that they are not taken for the plugin's.
const KEEP: Duration = Duration::from_millis(100);
/// How long threads may take to go after the stop.
const GO: Duration = Duration::from_secs(5);

impl Headless {
    /// Makes the parts; no plugin is loaded yet.
    ///
    /// # Errors
    /// What cannot be made, one line.
    pub fn open(setup: &Setup<'_>) -> Result<Self, String> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).thread_keep_alive(KEEP).thread_name("host").enable_all().build();
        let runtime = runtime.map_err(|e| e.to_string())?;
        let threads = threads();
        let config = configuration(setup)?;
        let data = config.server.data_dir.clone();
        fs::create_dir_all(data.join("run/spool")).map_err(|e| format!("{}: {e}", data.display()))?;
        let authority = Authority::open(&config).map_err(|e| e.to_string())?;
        let own: OwnLookup = Arc::new({
            let config = config.clone();
            move || Some(Own::of(&authority, &config))
        });
        let inside = runtime.enter();
        let router = Arc::new(Router::new(Arc::new(Directory::default()), config.clone()));
        let mux = Mux::new(MuxSettings::new(data.join("run/spool")));
        let about = ServerInfo {
            node_id: "00000000-0000-4000-8000-000000000000".into(),
            name: "fts plugin test".into(),
            public_host: "localhost".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            listeners: Vec::new(),
        };
        let parts = Parts {
            router: router.clone(),
            mux: mux.clone(),
            links: Links::new(runtime.handle().clone(), own),
            runtime: runtime.handle().clone(),
            place_of: Box::new(|_| None),
            about: Box::new(move || about.clone()),
            quarantine: false,
        };
        let plugins = Plugins::new(parts, config);
        let journal = Journal::open(&data.join("journal"), Limits::default()).map_err(|e| e.to_string())?;
        let _ = router.journal.set(journal.clone());
        let _ = router.watch.set(plugins.clone());
        let stop = CancellationToken::new();
        runtime.spawn(router.turns(stop.clone()));
        drop(inside);
        Ok(Self { plugins, mux, runtime, journal, stop, threads })
    }

    /// Stops everything; threads that are left, by name.
    pub fn close(self) -> Vec<String> {
        self.plugins.stop_all();
        self.journal.close();
        self.stop.cancel();
        let until = Instant::now() + GO;
        loop {
            let left: Vec<u32> = threads().difference(&self.threads).copied().collect();
            if left.is_empty() || Instant::now() > until {
                let name = |id: &u32| fs::read_to_string(format!("/proc/self/task/{id}/comm")).ok();
                // One that has ended meanwhile has no name any more.
                return left.iter().filter_map(name).map(|n| n.trim().to_owned()).collect();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Nothing but defaults and these plugins, which are granted everything.
fn configuration(setup: &Setup<'_>) -> Result<Arc<crate::config::Config>, String> {
    let names: Vec<&str> = std::iter::once(setup.name).chain(setup.also.iter().map(String::as_str)).collect();
    let dirs = std::iter::once(setup.dir.join("plugins")).chain(setup.beside.iter().cloned());
    let dirs: Vec<Value> = dirs.map(|d| d.display().to_string().into()).collect();
    // A JSON text is a TOML text, too.
    let mut text =
        format!("[tls]\nkey_type = \"p256\"\n[plugins]\ndirs = {}\nenabled = {}\n", json!(dirs), json!(names));
    for name in names {
        text += &format!("[plugins.{name}]\nrequired = true\ncapabilities = {}\n", json!(CAPABILITIES));
    }
    let file = setup.dir.join("fts.toml");
    fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
    let sources = Sources {
        config: Some(file),
        data_dir: Some(setup.dir.join("data")),
        set: setup.set.to_vec(),
        cwd: setup.dir.to_owned(),
        ..Sources::default()
    };
    Ok(Arc::new(load(&sources).map_err(|e| e.to_string())?.config))
}
