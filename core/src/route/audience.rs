//! Step 3, audience: from an address to the slots or clients that may have the event: groups (RULE-56, 78), never the
//! connection it came from (RULE-52, 58), per-receiver filters for broadcasts (9.4).

use std::sync::Arc;

use fts_plugin_api::cot::Cot;

use super::{Address, Reason};
use crate::directory::{Bits, Client, Found, Place, Roster};

/// Who gets an event that is not a broadcast (those go to [`Roster::reach`]): sent into these groups, never to the
/// connection `own`. Counts receivers that groups keep away.
pub(super) fn audience(address: &Address, send: &Bits, own: u64, roster: &Roster) -> Found {
    let mut clients = Found::new();
    for client in &address.clients {
        if send.meets(&client.groups().receive) {
            push(&mut clients, client);
        } else {
            Reason::NoReach.count(1);
        }
    }
    // Nobody is twice in one destination, and looking for that costs the square of its size.
    let alone = clients.is_empty() && address.bound.len() == 1;
    for (slot, conn) in address.bound.iter().flat_map(|members| members.iter()) {
        match roster.client(slot).filter(|c| c.conn == conn && c.conn != own) {
            Some(client) if alone => clients.push(client.clone()),
            Some(client) => push(&mut clients, client),
            None => {}
        }
    }
    if !address.groups.is_empty() {
        for client in roster.reach(&address.groups).iter().filter_map(|slot| roster.client(slot)) {
            if client.conn != own && send.meets(&client.groups().receive) {
                push(&mut clients, client);
            }
        }
    }
    clients
}

fn push(clients: &mut Found, client: &Arc<Client>) {
    if !clients.iter().any(|c| c.conn == client.conn) {
        clients.push(client.clone());
    }
}

/// May this receiver have the broadcast by its own filter?
pub(super) fn passes(client: &Client, cot: &Cot) -> bool {
    client.filter().is_none_or(|filter| filter.passes(&Place::of(cot)))
}
