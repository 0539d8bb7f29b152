//! What the admin routes ask, answered from the running parts.
use std::{
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::sync::{broadcast, mpsc};

use super::{Server, report};
use crate::{
    config::{Config, changes, load},
    http::admin::{Control, Readiness, Reloaded},
    identity::{CertError, keeper::CA_WARNING},
    import, net,
    observe::log,
    plugins::{Change, overrides, shown},
    route::{Policy, TapEvent, why},
};

impl Server {
    /// Certificates and CRL as they are on disk now, for handshakes from now on. Where they lie is the running
    /// configuration's; `fresh` says what renewal needs.
    fn renew_certificates(&self, fresh: &Config) -> Result<(), CertError> {
        if self.authority.load().is_none() {
            return Ok(());
        }
        let mut config = (*self.config()).clone();
        config.packages = fresh.packages.clone();
        let acceptors = self.acceptors.get().into_iter().flatten();
        let shaking: Vec<_> = acceptors.filter_map(|a| a.handshakes.as_ref()).collect();
        let made = shaking.iter().map(|h| net::tls::server_config(&self.authority, &config, h.port()));
        let made = made.collect::<Result<Vec<_>, _>>()?;
        self.native.certificates.reload(&config)?;
        shaking.iter().zip(made).for_each(|(handshakes, tls)| handshakes.renew(tls));
        Ok(())
    }
}

impl Control for Server {
    fn status(&self) -> Value {
        report::status(self)
    }

    fn config(&self) -> Value {
        let loaded = self.loaded.lock();
        let named = |plugin: &str| {
            let plugin = self.plugins.get().and_then(|p| p.get(plugin));
            plugin.and_then(|p| Some(p.manifest.lock().as_ref()?.secrets.clone())).unwrap_or_default()
        };
        let entries = shown::all(&loaded, named).into_iter();
        let set = |key: &str| self.native.settings.override_of(key);
        let entry = |(key, s): (String, shown::Shown)| match set(&key) {
            Some(value) => (key, json!({"value": value, "origin": overrides::ORIGIN})),
            None => (key, json!({"value": s.value, "origin": s.origin})),
        };
        Value::Object(entries.map(entry).collect())
    }

    fn clients(&self, gone: bool) -> Vec<Value> {
        report::clients(&self.router, gone)
    }

    fn kick(&self, who: &str, ban: Option<Duration>) -> usize {
        self.sessions.kick(who, ban)
    }

    fn send(&self, who: &str, text: &str) -> usize {
        self.sessions.send_text(who, text)
    }

    fn why(&self, query: &why::Query) -> Vec<why::WhyEvent> {
        self.router.why.answer(&self.router.directory, query)
    }

    fn tail(&self) -> mpsc::Receiver<TapEvent> {
        self.router.tap.watch()
    }

    fn reload(&self) -> Result<Reloaded, String> {
        let fresh = load(&self.sources).map_err(|error| {
            tracing::error!(event = "config.rejected", %error, "the running configuration stays");
            metrics::counter!("fts_config_reload_total", "result" => "rejected").increment(1);
            error.to_string()
        })?;
        self.renew_certificates(&fresh.config).map_err(|error| {
            tracing::error!(event = "config.rejected", %error, "the running configuration stays");
            metrics::counter!("fts_config_reload_total", "result" => "rejected").increment(1);
            error.to_string()
        })?;
        let mut loaded = self.loaded.lock();
        let changes = changes(&loaded.values, &fresh.values);
        let mut next = (*self.config()).clone();
        next.cot = fresh.config.cot.clone();
        next.auth = fresh.config.auth.clone();
        next.enrollment = fresh.config.enrollment.clone();
        next.groups = fresh.config.groups.clone();
        next.stream = fresh.config.stream.clone();
        next.packages = fresh.config.packages.clone();
        next.retention = fresh.config.retention.clone();
        next.shutdown = fresh.config.shutdown.clone();
        next.plugins.tables = fresh.config.plugins.tables.clone();
        if next.log.level != fresh.config.log.level {
            self.logs.set_level(&fresh.config.log.level)?;
            next.log.level = fresh.config.log.level.clone();
        }
        *loaded = fresh;
        drop(loaded);
        let next = Arc::new(next);
        self.limits.store(Arc::new(next.stream.limits.clone()));
        self.running.store(next.clone());
        self.router.set_policy(Policy::new(next.clone()));
        if changes.live.iter().any(|key| key.starts_with("auth.") || key.starts_with("groups.")) {
            self.sessions.groups_changed();
        }
        let refused = match self.plugins.get().filter(|_| !changes.plugins.is_empty()) {
            Some(plugins) => plugins.configure(next),
            None => Vec::new(),
        };
        metrics::counter!("fts_config_reload_total", "result" => "ok").increment(1);
        tracing::info!(
            event = "config.reloaded",
            live = changes.live.join(" "),
            restart_required = changes.restart_required.join(" "),
            "configuration reloaded"
        );
        Ok(Reloaded { restart_required: changes.restart_required, refused })
    }

    fn plugins(&self) -> Vec<Value> {
        self.plugins.get().map(|p| p.list()).unwrap_or_default()
    }

    fn plugin(&self, name: &str) -> Option<Value> {
        self.plugins.get()?.info(name)
    }

    fn plugin_order(&self) -> Vec<Value> {
        self.plugins.get().map(|p| p.order()).unwrap_or_default()
    }

    fn plugin_change(&self, name: &str, change: &str) -> Result<String, String> {
        let change = match change {
            "enable" => Change::Enable,
            "disable" => Change::Disable,
            "reload" => Change::Reload,
            "restart" => Change::Restart,
            other => return Err(format!("{other:?}: enable, disable, reload or restart")),
        };
        let plugins = self.plugins.get().ok_or("the plugin host does not run yet")?;
        plugins.change(name, change)
    }

    fn plugin_configure(&self, name: &str, table: Map<String, Value>) -> Result<String, String> {
        let plugins = self.plugins.get().ok_or("the plugin host does not run yet")?;
        plugins.override_table(name, &table)
    }

    fn import(&self, from: &Path, groups: &[String]) -> Result<Value, String> {
        let Some(_one) = self.importing.try_lock() else { return Err("an import is running already".into()) };
        let plugins = self.plugins.get().ok_or("the plugin host does not run yet")?;
        let report = import::run(&self.native.files, plugins, from, groups).map_err(|why| why.to_string())?;
        serde_json::to_value(report).map_err(|e| e.to_string())
    }

    fn drain(&self, on: bool) {
        self.sessions.drain(on);
    }

    fn stop(&self) {
        self.stop_asked.cancel();
    }

    fn probe(&self) {
        self.native.probe.look();
    }

    fn readiness(&self) -> Readiness {
        let mut readiness = Readiness { status: "ok", ..Readiness::default() };
        for listener in &self.listeners {
            readiness.checks.insert(listener.name.clone(), "ok".into());
        }
        for (name, wrong) in self.plugins.get().map(|p| p.health()).unwrap_or_default() {
            if wrong.is_some() {
                readiness.status = "degraded";
            }
            readiness.checks.insert(name, wrong.unwrap_or_else(|| "ok".into()));
        }
        if let Some(failing) = self.router.journal.get().and_then(|j| j.health().failing) {
            readiness.status = "degraded";
            readiness.checks.insert("journal".into(), failing.to_string());
        }
        if let Some(trouble) = self.native.history.trouble() {
            readiness.status = "degraded";
            readiness.checks.insert("history".into(), trouble);
        }
        let db = self.native.probe.check();
        if db.is_err() {
            readiness.status = "failed";
        }
        readiness.checks.insert("db".into(), db.err().unwrap_or_else(|| "ok".into()));
        let canary = self.canary.check(self.config().canary.interval);
        if let Err(problem) = &canary {
            readiness.status = "failed";
            readiness.checks.insert("canary".into(), problem.clone());
        } else if !self.config().canary.interval.is_zero() {
            readiness.checks.insert("canary".into(), "ok".into());
        }
        if let Some(authority) = self.authority.load().as_ref() {
            let (ca, server) = authority.days_left();
            let web = report::web_certificate(&self.config()).map(|seconds| seconds.div_euclid(86_400));
            let words = |days: i64, few| if days < few { format!("only {days}d left") } else { format!("ok {days}d") };
            readiness.checks.insert("cert.ca".into(), words(ca, CA_WARNING));
            readiness.checks.insert("cert.server".into(), words(server, 14));
            readiness.checks.extend(web.map(|days| ("cert.web".into(), words(days, 14))));
            if ca.min(server).min(web.unwrap_or(i64::MAX)) < 14 && readiness.status == "ok" {
                readiness.status = "degraded";
            }
        }
        if self.sessions.draining() || self.stop_accepting.is_cancelled() {
            readiness.status = "draining";
        } else if !self.ready.load(Relaxed) {
            readiness.status = "starting";
        }
        readiness
    }

    fn gauges(&self) -> bool {
        report::gauges(self);
        self.config().metrics.enabled
    }

    fn log_level(&self) -> String {
        self.logs.level()
    }

    fn set_log_level(&self, filter: &str) -> Result<(), String> {
        self.logs.set_level(filter)
    }

    fn log_lines(&self, since: i64) -> Vec<log::Line> {
        self.logs.recent(since)
    }

    fn log_follow(&self) -> broadcast::Receiver<log::Line> {
        self.logs.follow()
    }
}
