//! Multicast output (RULE-17): what everybody may see also goes to the group of a multicast listener that says
//! `output = true`, as XML, one event per datagram.
//!
//! It is a connection like others in the directory: it receives what its groups may see, is listed, and shows up in
//! `fts why`. It gets no replay, negotiates nothing, and never gets back what came in through its own listener.
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::{
    config::CotListener,
    directory::{Arrival, Bits, Client, Leave},
    observe::{clock, meters::meters},
    route::{Reason, Router},
};

/// Most events taken from the queue at once.
const ROUND: usize = 64;
/// The longest text a datagram carries.
const LONGEST: usize = 65_507;

/// Gives the group its place in the directory; everything sent into `default_groups` is queued for it from now on.
pub fn join(router: &Router, listener: Arc<CotListener>, group: SocketAddr) -> Arc<Client> {
    let mut groups = router.directory.groups.both(&listener.default_groups);
    groups.send = Bits::default();
    let arrival = Arrival { listener, peer: group, cert: None, tls: false, groups, connected: clock::now_ms() };
    router.directory.join(arrival, false)
}

/// Sends until cancelled. The socket is connected to the group.
pub async fn run(router: Arc<Router>, client: Arc<Client>, socket: UdpSocket, stop: CancellationToken) {
    let mut items = Vec::new();
    while !stop.is_cancelled() {
        if !client.out.take(&mut items, ROUND, usize::MAX) {
            tokio::select! {
                () = stop.cancelled() => {}
                () = client.out.wait() => {}
            }
            continue;
        }
        for item in items.drain(..) {
            if item.event.len() > LONGEST {
                Reason::TooBig.count(1);
                router.why.too_big(&item.event, &client);
            } else if let Err(error) = socket.send(item.event.xml()).await {
                // No route, no interface: the next one may find it again.
                Reason::Gone.count(1);
                tracing::debug!(listener = %client.listener.name, %error, "multicast output");
            } else {
                note(&client, item.event.head.id, item.event.len());
            }
        }
    }
    router.directory.leave(&client, Leave::Shutdown, clock::now_ms());
}

fn note(client: &Client, id: u64, bytes: usize) {
    let now = clock::tick();
    let figures = &client.figures;
    figures.tx_events.fetch_add(1, Relaxed);
    figures.tx_bytes.fetch_add(bytes as u64, Relaxed);
    figures.last_tx.store(now, Relaxed);
    client.traffic.sent_xml.increment(1);
    meters().bytes_out.increment(bytes as u64);
    client.out.note([id], now);
}
