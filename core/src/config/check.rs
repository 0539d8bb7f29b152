//! Rules between keys: what each value for itself cannot know.
use std::{collections::BTreeMap, time::Duration};

use super::{Auth, ClientCert, Config, CotListener, ListenerKind, Origin, build::Build};

/// Adds an error for every rule that is broken.
pub(super) fn rules(config: &Config, build: &mut Build<'_>) {
    let origin = |build: &Build<'_>, key: &str| build.values.get(key).map_or(Origin::Default, |(_, o)| o.clone());
    let mut fail = |key: &str, message: &str| {
        let at = origin(build, key);
        build.rule(key, &at, message);
    };
    let limits = &config.stream.limits;
    if !(65_536..=8_388_608).contains(&limits.max_event_bytes) {
        fail("stream.limits.max_event_bytes", "must be between 65536 and 8388608");
    }
    if too_short(limits.idle_timeout) {
        fail("stream.limits.idle_timeout", "0 or at least 200s: a quiet client may be silent for 180 s");
    }
    if limits.handshakes_active == 0 || limits.handshakes_pending == 0 {
        fail("stream.limits.handshakes_active", "handshakes_active and handshakes_pending must be at least 1");
    }
    if limits.queue_soft_items == 0 || limits.queue_soft_bytes == 0 {
        fail("stream.limits.queue_soft_items", "the soft marks must be at least 1");
    }
    if let Err(message) = crate::observe::log::parse(&config.log.level) {
        fail("log.level", &message);
    }
    if let Err(error) = regex::Regex::new(&config.auth.username_regex) {
        fail("auth.username_regex", &format!("no regular expression: {error}"));
    }
    if config.auth.token_ttl < Duration::from_secs(1) {
        fail("auth.token_ttl", "must be at least 1s");
    }
    let prefix = &config.cot.flow_tag_prefix;
    let first = prefix.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first || !prefix.chars().all(is_name) {
        fail(
            "cot.flow_tag_prefix",
            "must begin with a letter and hold only letters, digits, - _ and . (it becomes the name of an XML attribute)",
        );
    }
    if !config.server.node_id.chars().all(is_name) {
        fail("server.node_id", "only letters, digits, - _ and . (it becomes part of the name of an XML attribute)");
    }
    if let Some((key, message)) = crate::identity::ca::name::wrong(config) {
        fail(key, &message);
    }
    let mut names = BTreeMap::new();
    let mut ports: BTreeMap<(bool, u16), &str> = BTreeMap::new();
    let admin = &config.listeners.admin;
    if admin.enabled && admin.port != 0 {
        ports.insert((false, admin.port), "admin");
    }
    for listener in config.listeners.http() {
        let mut fail = |key: &str, message: &str| {
            let key = format!("listeners.{}.{key}", listener.name);
            let at = origin(build, &key);
            build.rule(&key, &at, message);
        };
        if listener.enabled
            && listener.port != 0
            && let Some(other) = ports.insert((false, listener.port), &listener.name)
        {
            fail("port", &format!("port {} is used by listener {other}, too", listener.port));
        }
        let known = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        if !listener.public_url.is_empty() && !known(&listener.public_url) {
            fail("public_url", "must begin with http:// or https://");
        }
        if listener.default_groups.iter().any(|g| g == crate::directory::CANARY || g.is_empty()) {
            fail("default_groups", "a group is reserved or has no name");
        }
    }
    if config.tls.web.is_none() && build.values.get("tls.web_cert").is_some_and(|(v, _)| v.as_str() != Some("")) {
        fail_pair(build);
    }
    for (number, listener) in config.listeners.cot().enumerate() {
        // The first two stand in tables of their own, the others in an array of tables.
        let extra = number.checked_sub(2);
        let table = extra.map_or_else(|| format!("listeners.{}", listener.name), |_| "listeners.extra".to_owned());
        let mut fail = |key: &str, message: &str| {
            let key = format!("{table}.{key}");
            let at = match extra {
                Some(number) => origin(build, &table).of_table(number),
                None => origin(build, &key),
            };
            build.rule(&key, &at, message);
        };
        if let Some((key, message)) = wrong(listener) {
            fail(key, &format!("listener {}: {message}", listener.name));
        }
        let reserved = ["", "admin", "canary", "marti_http", "marti_https", "enrollment", "rest"]
            .contains(&listener.name.as_str());
        if reserved || names.insert(listener.name.clone(), ()).is_some() {
            fail("name", &format!("the name {:?} is taken, reserved or empty", listener.name));
        }
        let udp = matches!(listener.kind, ListenerKind::CotUdp | ListenerKind::CotMulticast);
        if listener.enabled
            && listener.port != 0
            && let Some(other) = ports.insert((udp, listener.port), &listener.name)
        {
            fail("port", &format!("port {} is used by listener {other}, too", listener.port));
        }
    }
}

fn fail_pair(build: &mut Build<'_>) {
    let at = build.values.get("tls.web_cert").map_or(Origin::Default, |(_, o)| o.clone());
    build.rule("tls.web_cert", &at, "tls.web_key must be given, too");
}

fn too_short(idle: Duration) -> bool {
    !idle.is_zero() && idle < Duration::from_secs(200)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn wrong(listener: &CotListener) -> Option<(&'static str, &'static str)> {
    if listener.auth != Auth::None && matches!(listener.kind, ListenerKind::CotUdp | ListenerKind::CotMulticast) {
        return Some(("auth", "only \"none\": a datagram carries no password"));
    }
    if too_short(listener.idle_timeout) {
        return Some(("idle_timeout", "0 or at least 200s"));
    }
    if listener.max_event_bytes != 0 && !(65_536..=8_388_608).contains(&listener.max_event_bytes) {
        return Some(("max_event_bytes", "0 or between 65536 and 8388608"));
    }
    if listener.default_groups.iter().any(|g| g == crate::directory::CANARY || g.is_empty()) {
        return Some(("default_groups", "a group is reserved or has no name"));
    }
    if listener.kind == ListenerKind::CotMulticast
        && !listener.group.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_multicast())
    {
        return Some(("group", "a multicast listener needs a multicast address"));
    }
    if listener.kind != ListenerKind::CotMulticast && listener.output {
        return Some(("output", "only multicast listeners send"));
    }
    if listener.kind != ListenerKind::CotTls && listener.client_cert != ClientCert::None {
        return Some(("client_cert", "only TLS listeners ask for certificates"));
    }
    None
}
