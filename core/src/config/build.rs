//! Merged values become the typed [`Config`]: every key is asked for once, and what does not fit is an error that names
//! the key, where the value came from, what was expected and what was found. All errors are reported, not the first.
use std::{path::PathBuf, str::FromStr, time::Duration};

use toml_edit::Value;

use super::{keys::*, services::Video, *};

/// Reads values by key path; collects errors.
pub(super) struct Build<'a> {
    pub values: &'a Layer,
    pub errors: Vec<ConfigError>,
    pub data_dir: PathBuf,
}

impl Build<'_> {
    /// The whole configuration.
    pub fn config(&mut self) -> Config {
        Config {
            server: Server {
                data_dir: self.data_dir.clone(),
                name: self.text("server.name"),
                node_id: self.text("server.node_id"),
                public_host: self.text("server.public_host"),
                public_names: self.texts("server.public_names"),
                profile: self.word("server.profile"),
                worker_threads: self.count("server.worker_threads"),
                max_connections: self.count("server.max_connections"),
                max_connections_per_ip: self.count("server.max_connections_per_ip"),
            },
            compat: Compat {
                version_string: self.text("compat.version_string"),
                legacy_test_probe: self.flag("compat.legacy_test_probe"),
            },
            listeners: Listeners {
                cot_tcp: self.listener("cot_tcp", ListenerKind::CotTcp),
                cot_tls: self.listener("cot_tls", ListenerKind::CotTls),
                marti_http: self.http_listener("marti_http", false),
                marti_https: self.http_listener("marti_https", true),
                enrollment: self.http_listener("enrollment", true),
                rest: self.http_listener("rest", false),
                admin: AdminListener {
                    enabled: self.flag("listeners.admin.enabled"),
                    bind: self.text("listeners.admin.bind"),
                    port: self.count("listeners.admin.port"),
                },
                extra: self.extra(),
            },
            tls: self.tls(),
            auth: self.auth(),
            enrollment: self.enrollment(),
            groups: self.groups(),
            packages: Packages {
                password: self.text("packages.password"),
                p12_encryption: self.word("packages.p12_encryption"),
                dir: self.path("packages.dir"),
                one_time: self.flag("packages.one_time"),
            },
            marti: self.marti(),
            files: self.files(),
            video: Video { strip_credentials: self.flag("video.strip_credentials") },
            storage: self.storage(),
            retention: self.retention(),
            backup: self.backup(),
            cot: self.cot(),
            stream: Stream { limits: self.limits() },
            log: Log {
                level: self.text("log.level"),
                format: self.word("log.format"),
                dir: self.path("log.dir"),
                max_size: self.size("log.max_size"),
                max_files: self.count("log.max_files"),
                raw_cot: self.flag("log.raw_cot"),
            },
            metrics: Metrics { enabled: self.flag("metrics.enabled") },
            why: Why { events: self.count("why.events"), per_uid: self.count("why.per_uid") },
            canary: Canary { interval: self.duration("canary.interval") },
            shutdown: Shutdown {
                drain: self.duration("shutdown.drain"),
                flush: self.duration("shutdown.flush"),
                deadline: self.duration("shutdown.deadline"),
            },
            plugins: self.plugins(),
        }
    }

    fn listener(&mut self, name: &str, kind: ListenerKind) -> CotListener {
        let key = |k: &str| format!("listeners.{name}.{k}");
        CotListener {
            name: name.to_owned(),
            kind,
            enabled: self.flag(&key("enabled")),
            bind: self.text(&key("bind")),
            port: self.count(&key("port")),
            client_cert: if kind == ListenerKind::CotTls { self.word(&key("client_cert")) } else { ClientCert::None },
            auth: self.word(&key("auth")),
            default_groups: self.texts(&key("default_groups")),
            protobuf: self.word(&key("protobuf")),
            max_event_bytes: self.count(&key("max_event_bytes")),
            idle_timeout: self.duration(&key("idle_timeout")),
            proxy_protocol: self.flag(&key("proxy_protocol")),
            group: String::new(),
            output: false,
        }
    }

    /// `[[listeners.extra]]`: keys of a standing listener, with its defaults, and four of their own.
    fn extra(&mut self) -> Vec<CotListener> {
        const KEY: &str = "listeners.extra";
        let Some((Value::Array(list), origin)) = self.values.get(KEY) else { return Vec::new() };
        let origin = origin.clone();
        let table = |(number, item): (usize, &Value)| {
            let at = origin.of_table(number);
            let keys = item.as_inline_table().into_iter().flat_map(|t| t.iter());
            (keys.map(|(k, v)| (format!("{KEY}.{k}"), (v.clone(), at.clone()))).collect::<Layer>(), at)
        };
        let tables: Vec<_> = list.iter().enumerate().map(table).collect();
        tables.into_iter().map(|(table, at)| self.one_extra(table, &at)).collect()
    }

    fn one_extra(&mut self, table: Layer, origin: &Origin) -> CotListener {
        let mut values = Layer::new();
        for (path, value) in self.values.range("listeners.cot_tls.".to_owned().."listeners.cot_tls/".to_owned()) {
            values.insert(path.replace("cot_tls", "extra"), value.clone());
        }
        let own = |v: &str| (Value::from(v), Origin::Default);
        values.extend([
            ("listeners.extra.name".into(), own("")),
            ("listeners.extra.kind".into(), own("")),
            ("listeners.extra.group".into(), own("")),
            ("listeners.extra.output".into(), (Value::from(false), Origin::Default)),
        ]);
        values.remove("listeners.extra.port");
        values.insert("listeners.extra.enabled".into(), (Value::from(true), Origin::Default));
        for key in table.keys().filter(|k| *k != "listeners.extra.port" && !values.contains_key(*k)) {
            let port = "listeners.extra.port".to_owned();
            let hint = nearest(key, values.keys().chain([&port]));
            self.errors.push(ConfigError::Unknown { place: origin.to_string(), key: key.clone(), hint });
        }
        if !table.contains_key("listeners.extra.port") {
            self.rule("listeners.extra.port", origin, "every extra listener needs a port");
            values.insert("listeners.extra.port".into(), (Value::from(0), Origin::Default));
        }
        values.extend(table);
        let mut inner = Build { values: &values, errors: Vec::new(), data_dir: self.data_dir.clone() };
        let kind: ListenerKind = inner.word("listeners.extra.kind");
        let mut listener = inner.listener("extra", kind);
        listener.name = inner.text("listeners.extra.name");
        listener.group = inner.text("listeners.extra.group");
        listener.output = inner.flag("listeners.extra.output");
        self.errors.append(&mut inner.errors);
        listener
    }

    fn tls(&mut self) -> Tls {
        let subject = self.values.range("tls.subject.".to_owned().."tls.subject/".to_owned());
        let subject = subject
            .filter_map(|(k, (v, _))| Some((k.strip_prefix("tls.subject.")?.to_owned(), v.as_str()?.to_owned())))
            .collect();
        Tls {
            dir: self.path("tls.dir"),
            ca_cert: self.path("tls.ca_cert"),
            ca_key: self.path("tls.ca_key"),
            ca_name: self.text("tls.ca_name"),
            server_cert: self.path("tls.server_cert"),
            server_key: self.path("tls.server_key"),
            web: self.path_or_none("tls.web_cert").zip(self.path_or_none("tls.web_key")),
            crl: self.path("tls.crl"),
            key_type: self.word("tls.key_type"),
            min_version: self.word("tls.min_version"),
            renew_before: self.duration("tls.renew_before"),
            subject,
        }
    }

    fn cot(&mut self) -> CotKeys {
        CotKeys {
            welcome_message: self.text("cot.welcome_message"),
            replay_presence: self.flag("cot.replay_presence"),
            replay_at: self.word("cot.replay_at"),
            replay_map_items: self.flag("cot.replay_map_items"),
            require_identification: self.flag("cot.require_identification"),
            duplicate_uid: self.word("cot.duplicate_uid"),
            store_forward_chat: self.flag("cot.store_forward_chat"),
            keep_marti: self.flag("cot.keep_marti"),
            allow_client_notices: self.flag("cot.allow_client_notices"),
            ignore_stale: self.flag("cot.ignore_stale"),
            max_persist_ttl: self.duration("cot.max_persist_ttl"),
            oversize: self.word("cot.oversize"),
            rewrite_sender_url: self.flag("cot.rewrite_sender_url"),
            flow_tags: self.flag("cot.flow_tags"),
            flow_tag_prefix: self.text("cot.flow_tag_prefix"),
            dedupe: self.duration("cot.dedupe"),
            disable_broadcast_map_items: self.flag("cot.disable_broadcast_map_items"),
            filters: Filters { drop: self.drop_filters(), geo: self.geo() },
            rate: Rate {
                per_uid_read: self.duration("cot.rate.per_uid_read"),
                per_uid_delivery: self.duration("cot.rate.per_uid_delivery"),
                per_ip_events: self.count("cot.rate.per_ip_events"),
            },
        }
    }

    fn limits(&mut self) -> Limits {
        let key = |k: &str| format!("stream.limits.{k}");
        Limits {
            max_event_bytes: self.count(&key("max_event_bytes")),
            max_event_bytes_unidentified: self.count(&key("max_event_bytes_unidentified")),
            max_invalid_events: self.count(&key("max_invalid_events")),
            tls_handshake: self.duration(&key("tls_handshake")),
            auth_wait: self.duration(&key("auth_wait")),
            handshakes_pending: self.count(&key("handshakes_pending")),
            handshakes_active: self.count(&key("handshakes_active")),
            handshakes_per_ip: self.count(&key("handshakes_per_ip")),
            idle_timeout: self.duration(&key("idle_timeout")),
            keepalive_idle: self.duration(&key("keepalive_idle")),
            keepalive_interval: self.duration(&key("keepalive_interval")),
            queue_soft_items: self.count(&key("queue_soft_items")),
            queue_soft_bytes: self.size(&key("queue_soft_bytes")) as usize,
            queue_state_bytes: self.size(&key("queue_state_bytes")) as usize,
            queue_state_age: self.duration(&key("queue_state_age")),
            queue_reliable_bytes: self.size(&key("queue_reliable_bytes")) as usize,
            write_stall: self.duration(&key("write_stall")),
            write_coalesce: self.duration(&key("write_coalesce")),
            memory_budget: self.take(&key("memory_budget"), "a size or a share of memory like \"25%\"", |v| {
                number_or(v, units::share)
            }),
            read_events_per_s: self.count(&key("read_events_per_s")),
            read_bytes_per_s: self.size(&key("read_bytes_per_s")),
        }
    }

    fn drop_filters(&mut self) -> Vec<DropFilter> {
        self.take("cot.filters.drop", "a list like [{type=\"b-x\", detail=\"text\", threshold=\"30s\"}]", |value| {
            let filter = |item: &Value| {
                let table = item.as_inline_table()?;
                table.iter().all(|(k, _)| ["type", "detail", "threshold"].contains(&k)).then_some(())?;
                let text = |key: &str| table.get(key).map(|v| v.as_str().map(str::to_owned).ok_or(())).transpose().ok();
                let threshold = match text("threshold")? {
                    Some(t) => Some(units::duration(&t)?),
                    None => None,
                };
                Some(DropFilter { kind: text("type")?, detail: text("detail")?, threshold })
            };
            value.as_array()?.iter().map(filter).collect()
        })
    }

    fn geo(&mut self) -> Vec<GeoBox> {
        self.take("cot.filters.geo", "a list like [{west=-76.0, south=45.0, east=-75.0, north=46.0}]", |value| {
            let one = |item: &Value| {
                let table = item.as_inline_table().filter(|t| t.len() == 4)?;
                let degrees =
                    |key: &str| table.get(key).and_then(|v| v.as_float().or(v.as_integer().map(|n| n as f64)));
                Some(GeoBox {
                    west: degrees("west")?,
                    south: degrees("south")?,
                    east: degrees("east")?,
                    north: degrees("north")?,
                })
            };
            value.as_array()?.iter().map(one).collect()
        })
    }

    /// One value through a reader; `expected` is said when the reader refuses it.
    pub(super) fn take<T: Default>(&mut self, key: &str, expected: &str, read: impl FnOnce(&Value) -> Option<T>) -> T {
        let Some((value, origin)) = self.values.get(key) else { return T::default() };
        if let Some(found) = read(value) {
            return found;
        }
        let found = value.to_string().trim().to_owned();
        self.errors.push(ConfigError::Wrong {
            place: origin.to_string(),
            key: key.to_owned(),
            expected: expected.to_owned(),
            found,
        });
        T::default()
    }

    pub(super) fn text(&mut self, key: &str) -> String {
        self.take(key, "text in quotes", |v| v.as_str().map(str::to_owned))
    }

    /// A list of texts; from the environment also `a:b` and `a,b` (FTS).
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        self.take(key, "a list of texts like [\"a\", \"b\"]", |v| match v {
            Value::Array(list) => list.iter().map(|i| i.as_str().map(str::to_owned)).collect(),
            Value::String(text) => Some(
                text.value().split([':', ',']).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect(),
            ),
            _ => None,
        })
    }

    pub(super) fn flag(&mut self, key: &str) -> bool {
        self.take(key, "true or false", |v| v.as_bool().or_else(|| v.as_str().and_then(env::flag)))
    }

    pub(super) fn count<T: Default + TryFrom<i64>>(&mut self, key: &str) -> T {
        self.take(key, "a whole number, not negative", |v| {
            v.as_integer().filter(|n| *n >= 0).and_then(|n| T::try_from(n).ok())
        })
    }

    pub(super) fn size(&mut self, key: &str) -> u64 {
        self.take(key, "a size like \"256KiB\" or \"400MB\"", |v| number_or(v, units::size))
    }

    pub(super) fn duration(&mut self, key: &str) -> Duration {
        self.take(key, "a duration like \"20s\" or \"30d\"", |v| match v.as_integer() {
            Some(0) => Some(Duration::ZERO),
            Some(_) => None,
            None => units::duration(v.as_str()?),
        })
    }

    pub(super) fn path(&mut self, key: &str) -> PathBuf {
        let text = self.text(key);
        if text.is_empty() { PathBuf::new() } else { self.data_dir.join(text) }
    }

    pub(super) fn word<T: Default + FromStr<Err = &'static str>>(&mut self, key: &str) -> T {
        let expected = T::from_str("").err().unwrap_or("a word");
        self.take(key, expected, |v| v.as_str()?.parse().ok())
    }

    pub(super) fn rule(&mut self, key: &str, origin: &Origin, message: &str) {
        self.errors.push(ConfigError::Rule {
            place: origin.to_string(),
            key: key.to_owned(),
            message: message.to_owned(),
        });
    }
}

fn number_or(value: &Value, read: fn(&str) -> Option<u64>) -> Option<u64> {
    match value.as_integer() {
        Some(n) => u64::try_from(n).ok(),
        None => read(value.as_str()?),
    }
}
