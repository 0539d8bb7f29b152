//! Control types (cot.md 8): consumed here, never routed, stored or shown. Compared without regard to case.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use fts_plugin_api::cot::{Cot, Millis};

use super::notices;
use crate::{
    config::{ListenerKind, Protobuf},
    directory::{Client, GeoFilter},
    observe::clock,
    route::Router,
    wire::negotiate,
};

/// What the reader must do after a control event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Go on.
    Nothing,
    /// The next byte is protobuf (RULE-28).
    Protobuf,
}

/// Is this type consumed by the server?
pub fn is_control(kind: &[u8]) -> bool {
    if !kind.first().is_some_and(|b| b.eq_ignore_ascii_case(&b't')) {
        return false;
    }
    let exact: [&[u8]; 9] =
        [b"t-x-c-t", b"t-x-c-t-r", b"t-b", b"t-b-a", b"t-b-c", b"t-b-q", b"t-x-c-f", b"t-x-c-m", b"t-x-c-i-e"];
    exact.iter().any(|k| kind.eq_ignore_ascii_case(k))
        || kind.eq_ignore_ascii_case(b"t-x-c-i-d")
        || kind.get(..9).is_some_and(|k| k.eq_ignore_ascii_case(b"t-x-takp-"))
}

/// When the last pong went out on a connection.
#[derive(Debug, Default)]
pub struct Pongs {
    last: Option<u32>,
}

/// Pongs per connection: at most one in this time (RULE-41).
const PONG_MS: u32 = 1_000;

/// Deals with one control event.
pub fn handle(router: &Router, client: &Arc<Client>, cot: &Cot, pongs: &mut Pongs, now: Millis) -> After {
    let kind = cot.kind().to_ascii_lowercase();
    match kind.as_str() {
        "t-x-c-t" => {
            let tick = clock::tick();
            if client.listener.kind != ListenerKind::CotSubmit
                && pongs.last.is_none_or(|last| tick.wrapping_sub(last) >= PONG_MS)
            {
                pongs.last = Some(tick);
                router.send_control(client, notices::pong(now), false);
            }
        }
        "t-x-takp-q" => return negotiate(router, client, cot, now),
        "t-x-c-f" => {
            let filter = GeoFilter::read(cot);
            tracing::debug!(conn = client.conn, on = filter.is_some(), "geospatial filter");
            client.set_filter(filter);
            router.why.consumed(client, cot, "sets the filter of this connection");
        }
        "t-x-c-m" => {
            let stats = cot.detail("stats").map(|s| {
                s.attributes().map(|(n, v)| (n.to_owned(), fts_plugin_api::cot::unescape(v).into_owned())).collect()
            });
            client.set_stats(stats.unwrap_or_default());
        }
        "t-x-c-i-e" => incognito(router, client, true),
        "t-x-c-i-d" => incognito(router, client, false),
        // Pongs, announcements and answers of clients, subscriptions with XPath (decision 120), durable messaging.
        _ => {}
    }
    After::Nothing
}

fn negotiate(router: &Router, client: &Arc<Client>, request: &Cot, now: Millis) -> After {
    let one_way = client.listener.kind == ListenerKind::CotSubmit;
    let accepted = client.listener.protobuf != Protobuf::Off
        && !one_way
        && negotiate::asks_for_v1(request)
        && !client.proto.load(Relaxed);
    if !one_way {
        router.send_control(client, negotiate::answer(&request.uid(), accepted, now), accepted);
    }
    if !accepted {
        return After::Nothing;
    }
    client.proto.store(true, Relaxed);
    router.protobuf(true);
    tracing::info!(event = "client.protobuf", conn = client.conn, "speaks TAK protocol version 1");
    After::Protobuf
}

/// While incognito a client is shown to nobody who comes later (cot.md 8).
pub fn incognito(router: &Router, client: &Arc<Client>, on: bool) {
    client.incognito.store(on, Relaxed);
    if on {
        let uids: Vec<_> = {
            let who = client.who();
            std::iter::once(who.uid.clone()).chain(who.contacts.iter().map(|c| c.uid.clone())).collect()
        };
        for uid in uids {
            router.directory.presence.remove(&uid, Some(client.conn));
            router.directory.restored.remove(&uid, None);
        }
    }
    tracing::info!(event = "client.incognito", conn = client.conn, on, "incognito");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_types_are_known_in_any_case_and_nothing_else_is() {
        for kind in ["t-x-c-t", "T-X-C-T-R", "t-x-takp-q", "t-b", "t-b-q", "t-x-c-m", "t-x-c-i-e", "t-x-c-i-d"] {
            assert!(is_control(kind.as_bytes()), "{kind}");
        }
        for kind in ["t-x-d-d", "t-x-m-c", "b-t-f", "a-f-G", "t-x-c-tt", "t-x-takp", "t"] {
            assert!(!is_control(kind.as_bytes()), "{kind}");
        }
    }
}
