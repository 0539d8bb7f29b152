//! Plugin to plugin: services and topics.
//!
//! A call runs on the calling plugin's thread in the provider's running generation, under the provider's guard. One that
//! reloads is waited for; calls deeper than four are a circle. Nothing here waits for anybody's worker.
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use fts_plugin_api::{
    abi::{Failure, RErr, ROk, failure},
    message::{self, Bus, CallerKind, Panic, ServiceCall},
};
use parking_lot::Mutex;
use serde_bytes::ByteBuf;

use super::{
    super::{Generation, Plugin, Plugins, State, guard, queue::Item},
    refuse,
};

/// Who provides which typed service.
#[derive(Debug, Default)]
pub struct Seats(Mutex<HashMap<String, Arc<str>>>);

impl Seats {
    /// The plugin that provides it.
    pub fn provider(&self, service: &str) -> Option<Arc<str>> {
        self.0.lock().get(service).cloned()
    }

    /// What this plugin provides now, and nothing else.
    pub fn set(&self, plugin: &Arc<str>, services: impl Iterator<Item = String>) {
        let mut seats = self.0.lock();
        seats.retain(|_, owner| owner != plugin);
        services.for_each(|service| {
            seats.insert(service, plugin.clone());
        });
    }
}

/// How long a provider that reloads is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Deepest chain of calls.
const DEEPEST: u8 = 4;

/// Calls another plugin.
pub fn call(plugins: &Arc<Plugins>, generation: &Generation, call: ServiceCall) -> Result<ByteBuf, Failure> {
    let doing = guard::doing();
    if doing.depth >= DEEPEST {
        return refuse(failure::CYCLE, format!("plugins call each other more than {DEEPEST} deep"));
    }
    let typed = !call.service.is_empty();
    let name = if typed {
        match plugins.seats.provider(&call.service) {
            Some(name) => name.to_string(),
            None => return refuse(failure::UNAVAILABLE, format!("no plugin provides the service {:?}", call.service)),
        }
    } else {
        call.plugin.clone()
    };
    if name == **generation.name() {
        return refuse(failure::CYCLE, "a plugin does not call itself");
    }
    let Some(provider) = plugins.get(&name) else {
        return refuse(failure::UNAVAILABLE, format!("there is no plugin {name:?}"));
    };
    let running = running(&provider)?;
    let kind = if typed { CallerKind::Provide(call.service) } else { CallerKind::Service };
    let Some(handler) = running.callers(|k| *k == kind).into_iter().next() else {
        return refuse(failure::NOT_FOUND, format!("the plugin {name} offers no such service"));
    };
    // The message of a typed service is the argument itself.
    let args = if typed { call.args.into_vec() } else { message::pack(&(call.method, call.args)) };
    let entered = guard::enter(handler.tag, guard::Doing { depth: doing.depth + 1, ..doing });
    let began = Instant::now();
    let answer = handler.object.call(args.as_slice().into());
    drop(entered);
    handler.stats.note(began.elapsed());
    match answer {
        ROk(bytes) if typed => Ok(ByteBuf::from(Vec::from(bytes))),
        ROk(bytes) => {
            message::unpack(&bytes).map_err(|e| fts_plugin_api::shim::failure(failure::INVALID, e.to_string()))
        }
        RErr(failed) => {
            if failed.code == failure::PANICKED {
                handler.stats.panicked();
                let (message, place) = (failed.message.to_string(), failed.place.to_string());
                plugins.panicked(&provider, &Panic { handler: handler.tag.handler.to_owned(), message, place });
            }
            Err(failed)
        }
    }
}

fn running(provider: &Plugin) -> Result<Arc<Generation>, Failure> {
    let until = Instant::now() + PATIENCE;
    loop {
        match provider.state() {
            State::Running => {
                if let Some(generation) = provider.generation.load_full() {
                    return Ok(generation);
                }
            }
            State::Starting | State::Stopping | State::Loaded => {}
            state => {
                return refuse(failure::UNAVAILABLE, format!("the plugin {} is {}", provider.name, state.name()));
            }
        }
        if Instant::now() >= until {
            return refuse(failure::UNAVAILABLE, format!("the plugin {} is restarting", provider.name));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Is there anybody to publish it to?
pub fn is_followed(plugins: &Plugins, topic: &str) -> bool {
    plugins.all().iter().any(|p| subscribes(p, topic))
}

fn subscribes(plugin: &Plugin, topic: &str) -> bool {
    let wanted = |kind: &CallerKind| matches!(kind, CallerKind::Subscribe(wanted) if wanted == topic);
    plugin.state() == State::Running && plugin.generation.load().as_ref().is_some_and(|g| !g.callers(wanted).is_empty())
}

/// Puts it into the queue of whoever subscribed.
pub fn publish(plugins: &Plugins, bus: Bus) -> usize {
    let bytes = Arc::<[u8]>::from(bus.bytes.into_vec());
    let subscribed = plugins.all().into_iter().filter(|p| subscribes(p, &bus.topic));
    subscribed.map(|p| p.queue.push(Item::Bus(bus.topic.clone(), bytes.clone()))).count()
}
