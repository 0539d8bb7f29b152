//! What `fts plugin list|info|order` and `/admin/plugins` show.
use std::sync::atomic::Ordering::Relaxed;

use fts_plugin_api::{
    abi::Info,
    message::{CallerKind, Manifest},
};
use serde_json::{Value, json};

use super::{CAPABILITIES, Plugin, Plugins, State, generation::Handler, hooks, overrides, plugin::Library, secret};
use crate::http::route::Owner;

impl Plugins {
    /// Every plugin, in short.
    pub fn list(&self) -> Vec<Value> {
        self.all().iter().map(|p| short(p)).collect()
    }

    /// One plugin, whole.
    pub fn info(&self, name: &str) -> Option<Value> {
        let plugin = self.get(name)?;
        let mut info = short(&plugin);
        let library = plugin.library.lock().clone();
        let resident = plugin.resident.lock().clone();
        let manifest = plugin.manifest.lock().clone().unwrap_or_default();
        let more = json!({
            "about": manifest.about,
            "requires": manifest.requires,
            "uses": manifest.uses,
            "capabilities": manifest.capabilities,
            "unknown_capabilities": manifest.capabilities.iter().filter(|c| !CAPABILITIES.contains(&c.as_str())).collect::<Vec<_>>(),
            "config": shown(&plugin, &manifest),
            "override": masked(self.overridden(name), &manifest),
            "file": library.as_ref().map(|l| l.file.as_ref().map_or(Value::from("linked in"), |f| json!(f))),
            "sha256": library.as_ref().map(|l| l.sha256.clone()),
            "warnings": library.as_ref().map(|l| l.warnings.clone()).unwrap_or_default(),
            "built": library.as_ref().map(built),
            "routes": self.mux.list(Some(&Owner::Plugin(plugin.name.clone()))),
            "handlers": handlers(&plugin),
            "audiences": plugin.audiences.list().into_iter().map(|(name, members, connected)| json!({"name": name, "members": members, "connected": connected})).collect::<Vec<_>>(),
            "destinations": plugin.bindings.list().into_iter().map(|(kind, names)| json!({"kind": kind, "names": names})).collect::<Vec<_>>(),
            "contacts": plugin.contacts.lock().len(),
            "held": plugin.generation.load().as_ref().map_or(0, |g| g.hands.len()),
            "undelivered": plugin.undelivered.load(Relaxed),
            "database_bytes": plugin.open_database().map(|d| d.size()),
            "resident_generations": resident.len(),
            "resident_bytes": resident.iter().sum::<u64>(),
        });
        if let (Some(info), Value::Object(more)) = (info.as_object_mut(), more) {
            info.extend(more);
        }
        Some(info)
    }

    /// Intercepts in the order they are asked.
    pub fn order(&self) -> Vec<Value> {
        let line = |p: hooks::Placed| {
            json!({
                "band": format!("{:?}", p.spec.band).to_lowercase(),
                "priority": p.spec.priority,
                "plugin": &*p.plugin,
                "types": p.spec.types,
                "details": p.spec.details,
                "closed": p.closed,
            })
        };
        hooks::order(self).into_iter().map(line).collect()
    }

    /// For `/readyz`: name and how it fares; a failure is degraded, not down.
    pub fn health(&self) -> Vec<(String, Option<String>)> {
        let wrong = |p: &Plugin| match p.state() {
            State::Running => {
                let stuck = p.stuck_in.lock().clone();
                stuck.or_else(|| {
                    let status = p.status();
                    (status.level == fts_plugin_api::message::Level::Error).then_some(status.text)
                })
            }
            State::Stopped => None,
            state => Some(format!("{}: {}", state.name(), p.standing().report)),
        };
        self.all().iter().map(|p| (format!("plugin.{}", p.name), wrong(p))).collect()
    }
}

fn short(plugin: &Plugin) -> Value {
    let standing = plugin.standing();
    let status = plugin.status();
    let (items, bytes, dropped) = plugin.queue.depth();
    let version = plugin.library.lock().as_ref().map(|l| Info::text(&l.info.version));
    json!({
        "name": &*plugin.name,
        "state": standing.state,
        "report": standing.report,
        "since_ms": standing.since,
        "version": version,
        "generation": plugin.generation.load().as_ref().map(|g| g.number),
        "status": {"level": format!("{:?}", status.level).to_lowercase(), "text": status.text},
        "stuck": plugin.stuck_in.lock().clone(),
        "queue": {"items": items, "bytes": bytes, "dropped": dropped},
        "panics": plugin.panics.load(Relaxed),
    })
}

fn built(library: &Library) -> Value {
    let info = &library.info;
    json!({
        "api": format!("{}.{}", info.api_major, info.api_minor),
        "sdk": Info::text(&info.sdk),
        "rustc": Info::text(&info.rustc),
        "target": Info::text(&info.target),
        "debug": info.debug == 1,
    })
}

/// Its table with defaults filled in; secrets are not shown.
fn shown(plugin: &Plugin, manifest: &Manifest) -> Value {
    let mut table: overrides::Table = serde_json::from_str(&manifest.defaults).unwrap_or_default();
    overrides::lay(&mut table, &plugin.table.lock().own, "", &|_| false);
    masked(table, manifest)
}

fn masked(table: overrides::Table, manifest: &Manifest) -> Value {
    let mut table = Value::Object(table);
    secret::mask(&mut table, &manifest.secrets);
    table
}

fn handlers(plugin: &Plugin) -> Vec<Value> {
    let generation = plugin.generation.load_full();
    let Some(registered) = generation.and_then(|g| g.handlers.load_full()) else { return Vec::new() };
    let intercepts = registered.intercepts.iter().map(|h| line(h));
    let observers = registered.observers.iter().map(|h| line(h));
    // The SDK registers its own for `History::notify` in every plugin; it is of interest once it was called.
    let shown = registered.callers.iter().filter(|h| h.spec != CallerKind::Arrived || h.stats.calls() > 0);
    intercepts.chain(observers).chain(shown.map(|h| line(h))).collect()
}

fn line<S, H>(handler: &Handler<S, H>) -> Value {
    json!({
        "name": handler.tag.handler,
        "calls": handler.stats.calls(),
        "panics": handler.stats.panics(),
        "p50_ms": handler.stats.quantile_ms(0.5),
        "p99_ms": handler.stats.quantile_ms(0.99),
    })
}
