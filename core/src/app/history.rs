//! The start of the history, behind the ports being bound and before anybody is accepted: what the run before journaled
//! and did not store, then the last positions, so that newcomers see the map as it was when the server stopped.
use std::sync::Arc;

use fts_plugin_api::cot::{Attr, Class, Cot};

use super::{boot::BootError, server::Server};
use crate::{
    config::Config,
    directory::{Directory, Latest},
    observe::clock,
    route::{is_map_item, uid_hash},
    store::{
        error::StoreError,
        history::{Position, without_marti},
        journal::Journal,
    },
    wire::{Event, Head},
};

/// Begins; from here on the router's events are recorded.
pub(super) async fn begin(server: &Arc<Server>, journal: Arc<Journal>) -> Result<(), BootError> {
    let of = server.clone();
    server.native.vault.set_config_file(server.loaded.lock().file.clone());
    let begun = tokio::task::spawn_blocking(move || {
        let history = &of.native.history;
        let back = history.begin(Some(&journal))?;
        if back > 0 {
            tracing::info!(
                event = "history.replayed",
                events = back,
                "events of the run before stored from the journal"
            );
        }
        let _ = of.router.history.set(history.clone());
        restore(&of)
    });
    let shown = begun.await.map_err(|e| BootError::Io("history", std::io::Error::other(e)))??;
    server.native.vault.begin();
    if shown > 0 {
        tracing::info!(event = "history.restored", positions = shown, "last positions are shown again");
    }
    Ok(())
}

fn restore(server: &Server) -> Result<usize, StoreError> {
    let config = server.config();
    if !config.storage.restore_positions {
        return Ok(0);
    }
    let (now, directory) = (clock::now_ms(), &server.router.directory);
    let mut shown = 0;
    for position in server.native.history.positions(now)? {
        let shelf = match position.is_sa {
            true => &directory.restored,
            false if config.cot.replay_map_items && is_map_item(&position.kind) => &directory.items,
            false => continue,
        };
        if let Some(latest) = latest(&position, directory, &config, now) {
            shelf.put(latest);
            shown += 1;
        }
    }
    Ok(shown)
}

/// As it was on its shelf; nobody is there who speaks for it.
fn latest(position: &Position, directory: &Directory, config: &Config, now: i64) -> Option<Latest> {
    let text = if config.cot.keep_marti { position.xml.clone().into_bytes() } else { without_marti(&position.xml)? };
    let cot = Cot::parse(text.clone()).ok()?;
    let head = Head {
        id: 0,
        conn: 0,
        received: position.received,
        class: if position.is_sa { Class::State } else { cot.class() },
        replaceable: true,
        hop: 0,
        uid_hash: uid_hash(cot.raw(Attr::Uid)),
        bundle: 0,
    };
    let ttl = config.cot.max_persist_ttl.as_millis() as i64;
    Some(Latest {
        uid: position.uid.as_str().into(),
        event: Arc::new(Event::whole(head, text)),
        conn: 0,
        send: directory.groups.both(&position.groups).send,
        time: position.time,
        expires: position.stale.min(now.saturating_add(ttl)),
    })
}
