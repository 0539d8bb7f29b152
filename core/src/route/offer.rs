//! Events too big for a client (RULE-12): ATAK's buffer and a protobuf frame hold 65 536 bytes. Where HTTP is on such a
//! client is offered the event as a file instead; without HTTP it gets what it can take (decision 115), and `drop` refuses
//! the event before it comes here.
use std::sync::{Arc, atomic::Ordering::Relaxed};

use fts_plugin_api::cot::Cot;

use super::{Reason, Router};
use crate::{
    config::Oversize,
    directory::{Bits, Client},
    wire::{Event, proto::MAX_PAYLOAD},
};

/// Makes offers. Called while a turn is delivered: must not wait.
pub trait Offers: Send + Sync {
    /// Stores the event and offers it to these; they are in the groups it was sent into, and nobody else may have it.
    /// False = it cannot be done now.
    fn offer(&self, event: Arc<Event>, name: String, send: &Bits, to: Vec<Arc<Client>>) -> bool;
}

/// Big events of one delivery, and who is to be offered them.
pub(super) struct Big<'a> {
    offers: &'a dyn Offers,
    how: Oversize,
    waiting: Vec<(Arc<Event>, String, Vec<Arc<Client>>)>,
}

impl Router {
    /// The big ones among these, if somebody may be offered them. Nearly always None.
    pub(super) fn big<'e>(
        &self,
        how: Oversize,
        events: impl Iterator<Item = (&'e Arc<Event>, &'e Cot)>,
    ) -> Option<Big<'_>> {
        let big = events.filter(|(event, _)| event.len() > MAX_PAYLOAD);
        let waiting: Vec<_> = big.map(|(event, cot)| (event.clone(), cot.uid().into_owned(), Vec::new())).collect();
        let offered = matches!(how, Oversize::Auto | Oversize::Filetransfer);
        if waiting.is_empty() || !offered {
            return None;
        }
        Some(Big { offers: &**self.offers.get()?, how, waiting })
    }

    /// Offers what was put aside.
    pub(super) fn offer(&self, big: Big<'_>, send: &Bits) {
        for (event, uid, to) in big.waiting.into_iter().filter(|(.., to)| !to.is_empty()) {
            to.iter().for_each(|client| {
                Reason::Offered.count(1);
                self.why.held(&event, client, Reason::Offered);
            });
            let lost = to.len();
            if !big.offers.offer(event, uid, send, to) {
                Reason::TooBig.count(lost as u64);
            }
        }
    }
}

impl Big<'_> {
    /// What of these events the client is sent as it is; the others are put aside for it.
    pub fn fitting(&mut self, events: &[Arc<Event>], client: &Arc<Client>) -> Vec<Arc<Event>> {
        let (how, waiting) = (self.how, &mut self.waiting);
        let fits = |event: &&Arc<Event>| {
            let Some(one) = waiting.iter_mut().find(|(big, ..)| big.head.id == event.head.id) else { return true };
            let own = event.head.conn == client.conn;
            if own || !needs(how, event, client) {
                return true;
            }
            one.2.push(client.clone());
            false
        };
        events.iter().filter(fits).cloned().collect()
    }
}

/// Can this client not take it as it is?
fn needs(how: Oversize, event: &Event, client: &Client) -> bool {
    // The mesh, the canary and contacts of other servers fetch nothing.
    if client.internal() || client.one_way() || !client.remote_of().is_empty() {
        return false;
    }
    let told = &client.who().platform;
    match how {
        Oversize::Filetransfer => true,
        Oversize::Auto => {
            (client.proto.load(Relaxed) && event.proto().is_none())
                || ["ATAK", "WinTAK", "iTAK"].iter().any(|name| told.starts_with(name))
        }
        Oversize::Send | Oversize::Drop => false,
    }
}
