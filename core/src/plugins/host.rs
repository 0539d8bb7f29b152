//! [`PluginHost`]: what a plugin's generation calls. Every call is caught if it panics, refused when the generation is
//! over, and limited by what the thread is doing.
use std::sync::Arc;

use fts_plugin_api::{
    abi::{
        CallerBox, Failure, Host, HttpBox, InterceptBox, ObserveBox, RErr, ROk, RResult, RSlice, RStr, RVec, failure,
    },
    message::{self, CallerSpec, InterceptSpec, ObserveSpec, Panic, RouteSpec, op},
    shim,
};

use super::{
    Generation, Plugins, bridge,
    charge::Tag,
    generation::{Handler, Registered},
    guard,
    services::{self, cot},
    stats::Stats,
};
use crate::{app::background, observe::clock, route::hooks::Wanted};

/// See the file's head.
#[derive(Clone)]
pub struct PluginHost {
    behind: Option<(Arc<Plugins>, Arc<Generation>)>,
}

/// Operations that are memory only and so allowed in an intercept.
const IN_INTERCEPT: &[&str] = &[
    op::HELLO,
    op::CLIENTS,
    op::SERVER,
    op::FIND,
    op::METRIC,
    op::STATUS,
    op::AUDIENCE_CREATE,
    op::AUDIENCE_ADD,
    op::AUDIENCE_REMOVE,
    op::AUDIENCE_DELETE,
    op::AUDIENCE_MEMBERS,
    op::PANICKED,
];

/// Operations that work while a transaction is open.
const IN_TRANSACTION: &[&str] =
    &[op::SQL_EXEC, op::SQL_QUERY, op::SQL_COMMIT, op::SQL_ROLLBACK, op::METRIC, op::SERVER, op::PANICKED];

fn refuse<T>(code: u32, message: impl Into<String>) -> Result<T, Failure> {
    Err(shim::failure(code, message))
}

impl PluginHost {
    /// None = of nobody: everything answers `Gone`.
    pub fn new(behind: Option<(Arc<Plugins>, Arc<Generation>)>) -> Self {
        Self { behind }
    }

    fn with<T>(
        &self,
        what: &str,
        f: impl FnOnce(&Arc<Plugins>, &Arc<Generation>) -> Result<T, Failure>,
    ) -> RResult<T, Failure> {
        let done = match &self.behind {
            Some((plugins, generation)) if generation.alive() => {
                shim::guard(&format_args!("host {what}"), || f(plugins, generation)).unwrap_or_else(|panic: Panic| {
                    tracing::error!(event = "plugin.host_panic", plugin = %generation.name(), place = panic.place, "{}: {}", panic.handler, panic.message);
                    refuse(failure::OTHER, "the server made a mistake; its log says more")
                })
            }
            _ => refuse(failure::GONE, "this generation of the plugin is over"),
        };
        match done {
            Ok(done) => ROk(done),
            Err(failure) => RErr(failure),
        }
    }

    fn register(
        &self,
        what: &str,
        f: impl FnOnce(&Arc<Plugins>, &Arc<Generation>, &mut Registered) -> Result<(), Failure>,
    ) -> RResult<(), Failure> {
        self.with(what, |plugins, generation| {
            if !generation.starting() {
                return refuse(failure::INVALID, format!("{what}: handlers are registered while start runs"));
            }
            f(plugins, generation, &mut generation.registered.lock())
        })
    }
}

fn read<T: serde::de::DeserializeOwned>(bytes: RSlice<'_, u8>) -> Result<T, Failure> {
    message::unpack(bytes.as_slice()).map_err(|e| shim::failure(failure::INVALID, e.to_string()))
}

impl Host for PluginHost {
    fn call(&self, operation: RStr<'_>, args: RSlice<'_, u8>) -> RResult<RVec<u8>, Failure> {
        let name = operation.as_str();
        background::breathe();
        self.with(name, |plugins, generation| {
            let doing = guard::doing();
            if doing.intercept && !IN_INTERCEPT.contains(&name) {
                return refuse(
                    failure::IN_INTERCEPT,
                    format!("{name} does not work in an intercept: only memory does"),
                );
            }
            if doing.transaction && !IN_TRANSACTION.contains(&name) {
                return refuse(
                    failure::IN_TRANSACTION,
                    format!("{name} does not work inside tx: only the transaction does"),
                );
            }
            services::call(plugins, generation, name, args.as_slice()).map(RVec::from)
        })
    }

    fn send(&self, text: RSlice<'_, u8>, how: RSlice<'_, u8>) -> RResult<(), Failure> {
        self.with("send", |plugins, generation| {
            let doing = guard::doing();
            if doing.intercept {
                return refuse(failure::IN_INTERCEPT, "send does not work in an intercept: use cx.also");
            }
            if doing.transaction {
                return refuse(failure::IN_TRANSACTION, "send does not work inside tx: send after it");
            }
            cot::send(plugins, generation, text.as_slice(), &read(how)?)
        })
    }

    fn log(&self, level: u32, target: RStr<'_>, message: RStr<'_>) {
        let Some((_, generation)) = &self.behind else { return };
        let (plugin, target, message) = (generation.name(), target.as_str(), message.as_str());
        // A log line must not end anything.
        let _ = shim::guard(&"host log", || match level {
            1 => tracing::error!(event = "plugin.log", %plugin, from = target, "{message}"),
            2 => tracing::warn!(event = "plugin.log", %plugin, from = target, "{message}"),
            3 => tracing::info!(event = "plugin.log", %plugin, from = target, "{message}"),
            4 => tracing::debug!(event = "plugin.log", %plugin, from = target, "{message}"),
            _ => tracing::trace!(event = "plugin.log", %plugin, from = target, "{message}"),
        });
    }

    fn level(&self) -> u32 {
        use tracing::level_filters::LevelFilter;
        match LevelFilter::current() {
            LevelFilter::OFF => 0,
            LevelFilter::ERROR => 1,
            LevelFilter::WARN => 2,
            LevelFilter::INFO => 3,
            LevelFilter::DEBUG => 4,
            _ => 5,
        }
    }

    fn now(&self) -> i64 {
        clock::now_ms()
    }

    fn intercept(&self, what: RSlice<'_, u8>, object: InterceptBox) -> RResult<(), Failure> {
        self.register("intercept", |_, generation, registered| {
            services::need(generation, "intercept")?;
            let spec: InterceptSpec = read(what)?;
            let wanted = Wanted::new(&spec.types, &spec.details);
            if !spec.key.is_empty() && registered.intercepts.iter().any(|i| i.spec.key == spec.key) {
                return refuse(failure::INVALID, format!("two intercepts have the key {:?}", spec.key));
            }
            let said = if spec.key.is_empty() { wanted.said() } else { spec.key.clone() };
            let tag = Tag::of(generation.name(), &format!("intercept {said}"));
            registered.intercepts.push(Arc::new(Handler { spec, wanted, object, stats: Stats::default(), tag }));
            Ok(())
        })
    }

    fn observe(&self, what: RSlice<'_, u8>, object: ObserveBox) -> RResult<(), Failure> {
        self.register("observe", |_, generation, registered| {
            let spec: ObserveSpec = read(what)?;
            let wanted = Wanted::new(&spec.types, &spec.details);
            let name = if spec.held { "held".to_owned() } else { format!("observe {}", wanted.said()) };
            let tag = Tag::of(generation.name(), &name);
            registered.observers.push(Arc::new(Handler { spec, wanted, object, stats: Stats::default(), tag }));
            Ok(())
        })
    }

    fn route(&self, what: RSlice<'_, u8>, object: HttpBox) -> RResult<(), Failure> {
        self.register("route", |plugins, generation, _| {
            let spec: RouteSpec = read(what)?;
            let route = bridge::route(plugins, generation, &spec, object)?;
            let mut routes = generation.routes.lock();
            let Some(staged) = routes.as_mut() else { return Ok(()) };
            staged.add(route).map_err(|e| shim::failure(failure::INVALID, e.to_string()))
        })
    }

    fn caller(&self, what: RSlice<'_, u8>, object: CallerBox) -> RResult<(), Failure> {
        self.register("caller", |plugins, generation, registered| {
            let CallerSpec { kind } = read(what)?;
            services::may_call(plugins, generation, &kind)?;
            let tag = Tag::of(generation.name(), &services::caller_name(&kind));
            let wanted = Wanted::default();
            registered.callers.push(Arc::new(Handler { spec: kind, wanted, object, stats: Stats::default(), tag }));
            Ok(())
        })
    }
}
