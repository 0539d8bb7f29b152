//! The probe: every part of the plugin contract, driven from outside. Tests tell it what to bind, hold, send and break
//! through `POST /api/plugins/probe/do` (`ask`), and read what its handlers saw from its `diary`.
//!
//! Audiences, bindings and shown events live in its database and are declared again at each start, as the mission plugin
//! does it; the key `forget` keeps it from that. Held events go the mission plugin's way: store, notice, event
//! (`hold`), with a place to stop in before each step (`pause`). Handlers panic when their `fuse` is set. What must
//! not happen: behaviour that a real plugin could not have.
mod ask;
mod diary;
mod files;
mod flood;
mod fuse;
mod hold;
mod identity;
mod judge;
mod keeps;
mod pages;
mod pause;
mod store;
mod watch;
mod wires;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use fts_plugin_api::{export_plugin, sdk::*};
use serde::{Deserialize, Serialize};

/// `[plugins.probe]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The held handler stops before this step from the start on: `commit` or `release`.
    hang_before: String,
    /// Held events are released without a notice before them.
    silent: bool,
    /// Held events are not stored: what the way through the host costs alone.
    unstored: bool,
    /// Every held event is put off.
    late: bool,
    /// An intercept with the key `listener`, which is asked about nothing at first.
    listens: bool,
    /// A timer; 0 = none.
    every: Period,
    /// `start` fails with this text.
    fail_start: String,
    /// Takes over `GET /Marti/api/citrap`.
    citrap: bool,
    /// How links behave, by name.
    profiles: BTreeMap<String, Profile>,
    /// Nobody is shown this one.
    secret: String,
}

/// What all handlers share.
struct Probe {
    host: Host,
    config: Config,
    diary: diary::Diary,
    pause: pause::Pause,
    fuses: fuse::Fuses,
    hold: hold::Figures,
    wires: wires::Wires,
    keeps: keeps::Keeps,
    vetoes: files::Vetoes,
    readers: files::Readers,
    /// Newcomers are greeted.
    greets: AtomicBool,
    /// Threads of its own end.
    over: AtomicBool,
}

/// See the file's head.
struct Plug(Arc<Probe>);

impl Plugin for Plug {
    type Config = Config;
    const CAPABILITIES: &'static [&'static str] = &[
        "intercept",
        "bind-dest",
        "provide",
        "remote-contacts",
        "routes",
        "listen",
        "net",
        "kick",
        "certs.issue",
        "tokens",
    ];
    const SECRETS: &'static [&'static str] = &["secret"];
    const ABOUT: &'static str = "does what tests tell it";

    fn check(config: &Config) -> Result<()> {
        match config.hang_before.as_str() {
            "" | "commit" | "release" => Ok(()),
            other => Err(Error::config("hang_before", format!("{other:?} is no step: commit or release"))),
        }
    }

    fn start(config: Config, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
        if !config.fail_start.is_empty() {
            return Err(Error::new(config.fail_start));
        }
        let pause = pause::Pause::before(&config.hang_before);
        let probe = Arc::new(Probe {
            host,
            config,
            diary: diary::Diary::default(),
            pause,
            fuses: fuse::Fuses::default(),
            hold: hold::Figures::default(),
            wires: wires::Wires::default(),
            keeps: keeps::Keeps::default(),
            vetoes: files::Vetoes::default(),
            readers: files::Readers::default(),
            greets: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        store::open(&probe)?;
        if let Some(saved) = probe.host.saved() {
            probe.diary.note("saved", serde_json::json!(String::from_utf8_lossy(saved)));
        }
        hold::register(reg, &probe);
        judge::register(reg, &probe);
        watch::register(reg, &probe);
        keeps::register(reg, &probe);
        files::register(reg, &probe);
        wires::register(reg, &probe);
        pages::register(reg, &probe);
        ask::register(reg, &probe);
        Ok(Plug(probe))
    }

    fn stop(&mut self, _: StopReason) {
        self.0.over.store(true, Relaxed);
        self.0.pause.stop();
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(format!("{} notes", self.0.diary.len()).into_bytes())
    }
}

export_plugin!(Plug);
