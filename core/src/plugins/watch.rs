//! What happens to connections, as plugins are told: audiences follow first, then the event goes into the queue of every
//! plugin that wants to know.
use std::sync::{Arc, atomic::Ordering::Relaxed};

use fts_plugin_api::message::ClientEvent;

use super::{Plugin, Plugins, State, queue::Item, source};
use crate::{
    directory::{Client, Leave},
    route::Watch,
};

impl Plugins {
    fn tell(&self, client: &Client, make: impl Fn(fts_plugin_api::message::ClientInfo) -> ClientEvent) {
        let wanting = |p: &Arc<Plugin>| p.wants_clients.load(Relaxed) && takes(p);
        let wanting: Vec<_> = self.all().into_iter().filter(wanting).collect();
        if wanting.is_empty() {
            return;
        }
        let event = make(source::client(self, client));
        wanting.iter().for_each(|p| p.queue.push(Item::Client(Box::new(event.clone()))));
    }

    /// A plugin that starts is told of everybody who is there already.
    pub(super) fn greet(&self, plugin: &Arc<Plugin>) {
        if !plugin.wants_clients.load(Relaxed) || plugin.greeted.swap(true, Relaxed) {
            return;
        }
        let roster = self.router.directory.roster();
        for client in roster.clients().filter(|c| !c.internal() && c.remote_of().is_empty()) {
            plugin.queue.push(Item::Client(Box::new(ClientEvent::Connected(source::client(self, client)))));
            if client.identified() {
                plugin.queue.push(Item::Client(Box::new(ClientEvent::Identified(source::client(self, client)))));
            }
        }
    }
}

fn takes(plugin: &Plugin) -> bool {
    matches!(plugin.state(), State::Running | State::Starting | State::Stopping | State::Tripped)
}

impl Watch for Plugins {
    fn connected(&self, client: &Arc<Client>) {
        if skipped(client) {
            return;
        }
        self.tell(client, ClientEvent::Connected);
    }

    fn identified(&self, client: &Arc<Client>) {
        if skipped(client) {
            return;
        }
        self.all().iter().for_each(|p| p.audiences.appeared(client));
        self.tell(client, ClientEvent::Identified);
    }

    fn ready(&self, client: &Arc<Client>) {
        if skipped(client) {
            return;
        }
        self.tell(client, ClientEvent::Ready);
    }

    fn gone(&self, client: &Arc<Client>, why: Leave) {
        if skipped(client) {
            return;
        }
        self.all().iter().for_each(|p| p.audiences.left(client));
        self.tell(client, |client| ClientEvent::Gone { client, reason: why.name().to_owned() });
    }
}

fn skipped(client: &Client) -> bool {
    client.internal() || !client.remote_of().is_empty()
}
