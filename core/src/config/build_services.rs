//! Reads the keys of [`super::services`]. Each is asked for once.
use std::path::PathBuf;

use toml_edit::Value;

use super::{build::Build, services::*, words::ClientCert};

impl Build<'_> {
    /// `listeners.<name>`; `tls` where the listener has no such key.
    pub(super) fn http_listener(&mut self, name: &str, tls: bool) -> HttpListener {
        let key = |k: &str| format!("listeners.{name}.{k}");
        HttpListener {
            name: name.to_owned(),
            enabled: self.flag(&key("enabled")),
            bind: self.text(&key("bind")),
            port: self.count(&key("port")),
            tls: if self.values.contains_key(&key("tls")) { self.flag(&key("tls")) } else { tls },
            client_cert: if self.values.contains_key(&key("client_cert")) {
                self.word(&key("client_cert"))
            } else {
                ClientCert::None
            },
            auth: self.word(&key("auth")),
            default_groups: self.texts(&key("default_groups")),
            cors_origins: self.texts(&key("cors_origins")),
            public_url: self.text(&key("public_url")).trim_end_matches('/').to_owned(),
            proxy_protocol: self.flag(&key("proxy_protocol")),
        }
    }

    pub(super) fn auth(&mut self) -> AuthKeys {
        AuthKeys {
            allow_unknown_cn: self.flag("auth.allow_unknown_cn"),
            username_regex: self.text("auth.username_regex"),
            token_ttl: self.duration("auth.token_ttl"),
            password_min: self.count("auth.password_min"),
        }
    }

    pub(super) fn enrollment(&mut self) -> Enrollment {
        let entries = self.take(
            "enrollment.name_entries",
            "a list of pairs like [[\"O\", \"Org\"], [\"OU\", \"Unit\"]]",
            |value| {
                let pair = |item: &Value| {
                    let pair = item.as_array().filter(|p| p.len() == 2)?;
                    Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_str()?.to_owned()))
                };
                value.as_array()?.iter().map(pair).collect()
            },
        );
        Enrollment {
            validity: self.duration("enrollment.validity"),
            strict_dn: self.flag("enrollment.strict_dn"),
            name_entries: entries,
            max_devices: self.count("enrollment.max_devices"),
            token_ttl: self.duration("enrollment.token_ttl"),
            use_token_expiration: self.flag("enrollment.use_token_expiration"),
            revoke_replaced: self.flag("enrollment.revoke_replaced"),
            server_side_keys: self.flag("enrollment.server_side_keys"),
            uid_in_san: self.flag("enrollment.uid_in_san"),
        }
    }

    pub(super) fn groups(&mut self) -> GroupKeys {
        let channels = self.take("groups.channels", "\"auto\", true or false", |v| {
            let text = v.as_str().map_or_else(|| v.as_bool().map(|b| b.to_string()), |t| Some(t.to_owned()))?;
            text.parse().ok()
        });
        GroupKeys {
            channels,
            admin_all_groups: self.flag("groups.admin_all_groups"),
            require_active: self.flag("groups.require_active"),
        }
    }

    pub(super) fn marti(&mut self) -> Marti {
        Marti {
            trusted_proxies: self.texts("marti.trusted_proxies"),
            public_address_as_ip: self.flag("marti.public_address_as_ip"),
            web_home: self.text("marti.web_home"),
            iconsets: self.flag("marti.iconsets"),
            injectors: self.flag("marti.injectors"),
            device_profiles: self.flag("marti.device_profiles"),
            properties: self.flag("marti.properties"),
            error_log: self.flag("marti.error_log"),
            locate: self.flag("marti.locate"),
            locate_type: self.text("marti.locate_type"),
            locate_group: self.text("marti.locate_group"),
        }
    }

    pub(super) fn files(&mut self) -> FileKeys {
        FileKeys {
            dir: self.path("files.dir"),
            max_upload: self.size("files.max_upload"),
            max_total: self.size("files.max_total"),
            reject_hash_mismatch: self.flag("files.reject_hash_mismatch"),
            allow_get_delete: self.flag("files.allow_get_delete"),
        }
    }

    pub(super) fn storage(&mut self) -> Storage {
        let archive = self.take("storage.archive_cot", "all, latest, off, true or false", |v| {
            let text = v.as_str().map_or_else(|| v.as_bool().map(|b| b.to_string()), |t| Some(t.to_owned()))?;
            match super::env::flag(&text) {
                Some(true) => "all".parse().ok(),
                Some(false) => "off".parse().ok(),
                None => text.parse().ok(),
            }
        });
        Storage {
            path: self.path("storage.path"),
            synchronous: self.word("storage.synchronous"),
            archive_cot: archive,
            max_db_bytes: self.size("storage.max_db_bytes"),
            min_free_bytes: self.size("storage.min_free_bytes"),
            restore_positions: self.flag("storage.restore_positions"),
            record_tracks: self.flag("storage.record_tracks"),
            track_types: self.texts("storage.track_types"),
            track_min_move: self.take("storage.track_min_move", "metres like 2.0", |v| {
                v.as_float().or(v.as_integer().map(|n| n as f64)).filter(|m| *m >= 0.0)
            }),
            track_min_interval: self.duration("storage.track_min_interval"),
        }
    }

    pub(super) fn retention(&mut self) -> Retention {
        let mut keep = |key: &str| self.duration(&format!("retention.{key}"));
        Retention {
            cot: keep("cot"),
            chat: keep("chat"),
            tracks: keep("tracks"),
            sessions: keep("sessions"),
            audit: keep("audit"),
            error_log: keep("error_log"),
        }
    }

    pub(super) fn backup(&mut self) -> Backup {
        Backup { schedule: self.text("backup.schedule"), dir: self.path("backup.dir"), keep: self.count("backup.keep") }
    }

    /// A path that may be left out.
    pub(super) fn path_or_none(&mut self, key: &str) -> Option<PathBuf> {
        Some(self.path(key)).filter(|p| !p.as_os_str().is_empty())
    }
}
