//! The fixed event names of log lines. Tools match them, so none is ever renamed; a test compares the list with the
//! source.

/// All names.
pub const EVENTS: &[&str] = &[
    "audit.did",
    "audit.failed",
    "auth.key",
    "auth.refused",
    "backup.done",
    "backup.failed",
    "canary.lost",
    "cert.adopted",
    "cert.cut",
    "cert.expiring",
    "cert.failed",
    "cert.issued",
    "cert.renewed",
    "cert.revoked",
    "cert.rotated",
    "client.connected",
    "client.cut",
    "client.disconnected",
    "client.identified",
    "client.incognito",
    "client.login",
    "client.protobuf",
    "client.recovered",
    "client.refused",
    "client.slow",
    "config.loaded",
    "config.note",
    "config.rejected",
    "config.reloaded",
    "cot.dropped",
    "cot.oversize",
    "cot.rejected",
    "db.error",
    "db.migrated",
    "db.unwritable",
    "db.writable",
    "file.deleted",
    "file.error",
    "file.hash_mismatch",
    "file.leftover",
    "file.limit",
    "file.missing",
    "file.orphans",
    "file.package",
    "file.stored",
    "file.swept",
    "history.failed",
    "history.full",
    "history.recovered",
    "history.replayed",
    "history.restored",
    "history.retained",
    "history.shrunk",
    "http.failed",
    "http.panic",
    "http.request",
    "import.done",
    "journal.damaged",
    "journal.dropped",
    "journal.failing",
    "journal.leftover",
    "journal.recovered",
    "net.no_files",
    "net.refused",
    "net.wrong_protocol",
    "plugin.bad_event",
    "plugin.dropped",
    "plugin.failed_call",
    "plugin.host_panic",
    "plugin.kick",
    "plugin.listen",
    "plugin.log",
    "plugin.lost_event",
    "plugin.open_transaction",
    "plugin.panic",
    "plugin.poison",
    "plugin.quarantined",
    "plugin.reconfigured",
    "plugin.reload_failed",
    "plugin.restart_failed",
    "plugin.restore_failed",
    "plugin.slow",
    "plugin.slowed",
    "plugin.state",
    "plugin.status",
    "plugin.stop_failed",
    "plugin.stuck",
    "plugin.unstuck",
    "plugin.warning",
    "queue.overflow",
    "server.ready",
    "server.starting",
    "server.status",
    "server.stopped",
    "server.stopping",
    "service.state",
    "sql.slow",
    "tls.handshake_failed",
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    fn used(dir: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                used(&path, names);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("names.rs") {
                let text = fs::read_to_string(&path).unwrap();
                names.extend(text.split("event = \"").skip(1).filter_map(|t| Some(t.split_once('"')?.0.to_owned())));
            }
        }
    }

    #[test]
    fn op13_14_every_event_name_is_in_the_list() {
        let mut names = BTreeSet::new();
        used(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
        let listed: BTreeSet<String> = super::EVENTS.iter().map(ToString::to_string).collect();
        assert_eq!(names, listed);
    }
}
