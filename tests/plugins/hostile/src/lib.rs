//! A plugin that does everything wrong a plugin can do; `mode` in its table says what. It behaves until it is triggered:
//! by an event of type `b-x-h`, a request to `/api/plugins/hostile/do`, or by what the mode is about (start, stop …).
//!
//! `lib` registers, `raw` keeps the host's object and goes past the SDK, `harm` is what happens when it is triggered.
//! An innocent intercept and observer for `*` see to it that everybody's events pass through here. What it counted is
//! at `/api/plugins/hostile/said`.
#![allow(unsafe_code, clippy::panic, clippy::unwrap_used)] // That is what it is for.
mod harm;
mod raw;

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use fts_plugin_api::sdk::*;
use serde::{Deserialize, Serialize};

pub use raw::module;

/// `[plugins.hostile]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Config {
    /// What to do wrong.
    mode: String,
    /// Slow modes take so long.
    slow_ms: u64,
    /// Blocking modes block until this file is there.
    until: String,
    /// Another route to register (GET).
    route: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { mode: "none".into(), slow_ms: 0, until: String::new(), route: String::new() }
    }
}

/// Events seen by the innocent handlers, and sends that were taken, refused as too many, refused otherwise.
static SEEN: AtomicU64 = AtomicU64::new(0);
static SENT: AtomicU64 = AtomicU64::new(0);
static BUSY: AtomicU64 = AtomicU64::new(0);
static FLOODS: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// The plugin.
pub struct Hostile {
    config: Config,
}

const BANDS: [(&str, Band); 4] =
    [("guard", Band::Guard), ("rewrite", Band::Rewrite), ("address", Band::Address), ("tap", Band::Tap)];
/// What triggers it.
const TRIGGER: &str = "b-x-h";

impl Plugin for Hostile {
    type Config = Config;
    const CAPABILITIES: &'static [&'static str] = &["intercept", "bind-dest", "listen", "routes"];
    const ABOUT: &'static str = "does everything wrong";

    fn start(config: Config, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
        if config.mode == "panic-start" {
            panic!("in start");
        }
        harm::block(&config, "block-start");
        reg.intercept_at("*", Band::Tap, -1, |_, _| {
            SEEN.fetch_add(1, Relaxed);
            Verdict::Pass
        });
        reg.observe(Observer::latest("*"), |_, _| {
            SEEN.fetch_add(1, Relaxed);
        });
        for (name, band) in BANDS {
            if let Some(harm) = config.mode.strip_suffix(&format!("-{name}")) {
                let (harm, config) = (harm.to_owned(), config.clone());
                reg.intercept(TRIGGER, band, move |event, cx| harm::intercept(&harm, &config, event, cx));
            }
        }
        let (of, own) = (host.clone(), config.clone());
        reg.observe(Observer::reliable(TRIGGER), move |_, _| harm::observe(&own, &of));
        routes(&config, reg, &host);
        callers(&config, reg, &host)?;
        if config.mode == "raw-handlers" {
            raw::register_nonsense();
        }
        if config.mode == "leak" {
            harm::leak(&host)?;
        }
        if config.mode == "open-tx-thread" {
            harm::open_and_wait(&host)?;
        }
        Ok(Self { config })
    }

    fn stop(&mut self, _: StopReason) {
        harm::block(&self.config, "block-stop");
        if self.config.mode == "panic-stop" {
            panic!("in stop");
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        if self.config.mode == "panic-save" {
            panic!("in save");
        }
        (self.config.mode == "huge-save").then(|| vec![7; 64 << 20])
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if self.config.mode == "panic-drop" {
            panic!("in drop");
        }
    }
}

fn routes(config: &Config, reg: &mut Registrar<'_>, host: &Host) {
    const OWN: &str = "/api/plugins/hostile";
    let open = |reg: &mut Registrar<'_>, path: &str| {
        reg.route(GET, path, Listeners::ADMIN, Auth::Open, |_| Ok("ok"));
    };
    open(reg, &format!("{OWN}/ok"));
    if config.mode == "double-route" {
        open(reg, &format!("{OWN}/ok"));
    }
    if !config.route.is_empty() {
        reg.route(GET, &config.route, Listeners::ADMIN, Auth::User, |_| Ok("mine"));
    }
    reg.route(GET, &format!("{OWN}/said"), Listeners::ADMIN, Auth::Open, |_| {
        let n = |of: &AtomicU64| of.load(Relaxed);
        let (seen, sent, busy) = (n(&SEEN), n(&SENT), n(&BUSY));
        Ok(format!("seen {seen} sent {sent} busy {busy} refused {} floods {}", n(&REFUSED), n(&FLOODS)))
    });
    let (of, own) = (host.clone(), config.clone());
    reg.route(GET, &format!("{OWN}/do"), Listeners::ADMIN, Auth::Open, move |_| harm::answer(&own, &of));
    let of = host.clone();
    reg.route(GET, &format!("{OWN}/write"), Listeners::ADMIN, Auth::Open, move |_| {
        of.sql().exec("CREATE TABLE IF NOT EXISTS t(n)", &[])?;
        Ok(of.sql().exec("INSERT INTO t VALUES (1)", &[])?.to_string())
    });
}

fn callers(config: &Config, reg: &mut Registrar<'_>, host: &Host) -> Result<()> {
    let panics = |mode: &str| config.mode == format!("panic-{mode}");
    if panics("timer") {
        reg.every(Duration::from_millis(50), || -> () { panic!("in a timer") });
    }
    let (mode, now) = (config.mode.clone(), host.now());
    reg.clients(move |event| match event {
        ClientEvent::Identified(_) if mode == "panic-clients" => panic!("in clients"),
        ClientEvent::Ready(_) if mode == "malformed-ready" => harm::not_quite_events(now),
        _ => Vec::new(),
    });
    let fails = panics("service");
    reg.service(move |method, _| match method {
        _ if fails => panic!("in a service"),
        "hello" => Ok(b"hello".to_vec()),
        _ => Err(Error::not_found(method.to_owned())),
    });
    if panics("action") {
        reg.action("hostile", "Do", Scope::Admin, |_| panic!("in an action"));
    }
    let fails = panics("link");
    reg.links(move |event| {
        if fails && matches!(event, LinkEvent::Frame { .. }) {
            panic!("in a link");
        }
    });
    if fails {
        let listener = host.links().listen("127.0.0.1", 0, Profile::default())?;
        std::fs::write(host.dir()?.join("link"), &listener.address)?;
    }
    let fails = panics("held");
    reg.held(move |held| -> Result<()> {
        if fails {
            panic!("in held");
        }
        held.discard()
    });
    let everybody = host.clients().audience("everybody")?;
    host.bind_dest(&Binding::new("hostile", "box", &everybody, Mode::Hold))
}
