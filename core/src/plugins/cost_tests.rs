//! What plugins cost the router, measured by hand:
//! `cargo test --release -p fts --lib plugin_cost -- --ignored --nocapture`.
//!
//! Interleaved rounds, medians with their spread: machines are shared.
use std::{sync::Arc, time::Instant};

use fts_plugin_api::{
    abi::{Intercept_TO, Observe_TO, TD_Opaque},
    cot::Cot,
    message::{Band, Delivery, Hello, InterceptSpec, Manifest, ObserveSpec, Phase, ServerInfo},
    sdk::{Event, Route, Source as SdkSource},
    shim::{InterceptFn, ObserveFn},
};

use super::{
    Generation, Parts, Plugin, Plugins, State,
    charge::Tag,
    generation::{Handler, Registered},
    hooks,
    services::links::Links,
    stats::Stats,
};
use crate::{
    config::{PluginTable, Sources, load},
    directory::Directory,
    http::{
        calls::{CallLimits, CallSettings},
        mux::{Mux, MuxSettings},
    },
    route::{Router, Source, hooks::Wanted},
};

pub(super) const POSITION: &str = "<event version=\"2.0\" uid=\"ANDROID-1\" type=\"a-f-G-U-C\" how=\"m-g\" time=\"2026-02-01T10:00:00.000Z\" start=\"2026-02-01T10:00:00.000Z\" stale=\"2026-02-01T10:05:00.000Z\"><point lat=\"60.17\" lon=\"24.94\" hae=\"12.0\" ce=\"9.0\" le=\"9999999.0\"/><detail><contact callsign=\"A1\" endpoint=\"*:-1:stcp\"/><__group name=\"Cyan\" role=\"Team Member\"/><takv device=\"x\" platform=\"ATAK\" os=\"33\" version=\"5\"/><track speed=\"1.0\" course=\"2.0\"/><status battery=\"87\"/><precisionlocation geopointsrc=\"GPS\" altsrc=\"GPS\"/></detail></event>";

pub(super) fn host(runtime: &tokio::runtime::Runtime) -> (Arc<Plugins>, Arc<Router>) {
    let sources = Sources { data_dir: Some("/nonexistent".into()), ..Sources::default() };
    let config = Arc::new(load(&sources).unwrap().config);
    let router = Arc::new(Router::new(Arc::new(Directory::default()), config.clone()));
    let parts = Parts {
        router: router.clone(),
        mux: Mux::new(MuxSettings::new(std::env::temp_dir())),
        links: Links::new(runtime.handle().clone(), Arc::new(|| None)),
        runtime: runtime.handle().clone(),
        place_of: Box::new(|_| None),
        about: Box::new(ServerInfo::default),
        quarantine: false,
    };
    (Plugins::new(parts, config), router)
}

pub(super) fn generation(plugins: &Arc<Plugins>, registered: Registered) -> Arc<Plugin> {
    let plugin = Plugin::new("cost", PluginTable::default(), CallLimits::new(CallSettings::default()));
    let hello = Hello {
        phase: Phase::Run,
        name: "cost".into(),
        config: "{}".into(),
        saved: None,
        dynamic: false,
        server: ServerInfo::default(),
    };
    let generation = Generation::new(plugin.clone(), 1, hello, None);
    let _ = generation.manifest.set(Manifest::default());
    generation.fix(registered);
    *plugin.watching.lock() = hooks::watching(&generation);
    plugin.generation.store(Some(generation));
    plugin.set_state(State::Running, "");
    plugins.by_name.write().insert(plugin.name.clone(), plugin.clone());
    plugin
}

fn median(mut all: Vec<f64>) -> (f64, f64, f64) {
    all.sort_by(f64::total_cmp);
    (all[all.len() / 2], all[all.len() / 10], all[all.len() * 9 / 10])
}

const ROUND: u32 = 20_000;

fn timed(mut f: impl FnMut()) -> f64 {
    let began = Instant::now();
    (0..ROUND).for_each(|_| f());
    began.elapsed().as_nanos() as f64 / f64::from(ROUND)
}

#[test]
#[ignore = "a measurement: prints, asserts nothing"]
fn plugin_cost() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (plugins, router) = host(&runtime);
    let spec = InterceptSpec {
        types: vec!["a-*".into()],
        details: Vec::new(),
        band: Band::Tap,
        priority: 0,
        own: false,
        key: String::new(),
    };
    let pass =
        || Intercept_TO::from_value(InterceptFn::new("pass", |_: &Event<'_>, _: &SdkSource<'_>| None), TD_Opaque);
    let watch = ObserveSpec {
        types: vec!["a-*".into()],
        details: Vec::new(),
        delivery: Delivery::Latest,
        own: false,
        coalesce: true,
        held: false,
    };
    let seen = ObserveFn::new("seen", |_: &Event<'_>, _: &Route<'_>| Ok(()));
    let registered = Registered {
        intercepts: vec![Arc::new(Handler {
            wanted: Wanted::new(&spec.types, &spec.details),
            spec,
            object: pass(),
            stats: Stats::default(),
            tag: Tag::of("cost", "intercept"),
        })],
        observers: vec![Arc::new(Handler {
            wanted: Wanted::new(&watch.types, &watch.details),
            spec: watch,
            object: Observe_TO::from_value(seen, TD_Opaque),
            stats: Stats::default(),
            tag: Tag::of("cost", "observe"),
        })],
        callers: Vec::new(),
    };
    let plugin = generation(&plugins, registered);
    let cot = Cot::parse(POSITION.as_bytes().to_vec()).unwrap();
    let send = router.directory.groups.all();
    let source = Source::Server { send: &send, except: 0 };
    let table = hooks::table(&plugins);
    let alone = pass();
    let mut rounds: [Vec<f64>; 4] = Default::default();
    for _ in 0..40 {
        // The call itself: across the boundary with the same views, nothing around it.
        rounds[0].push(timed(|| drop(std::hint::black_box(hooks::bare(&alone, &plugins, &cot, &source)))));
        rounds[1].push(timed(|| {
            let hook = &table.interceptors()[0];
            drop(std::hint::black_box(hook.hook.intercept(&cot, &source)));
        }));
        rounds[2].push(timed(|| {
            std::hint::black_box(crate::route::hooks::Table::default().wants_nothing(&cot));
        }));
        rounds[3].push(timed(|| {
            router.observe_for_measure(&table, &cot, &source);
        }));
        plugin.queue.clear();
    }
    let names = ["intercept: the call", "intercept: with guard, clock, figures", "no hooks", "observer: router's side"];
    for (name, all) in names.iter().zip(rounds) {
        let (middle, low, high) = median(all);
        println!("{name}: {middle:.0} ns (10 %..90 %: {low:.0}..{high:.0})");
    }
}
