//! Remote contacts: those a plugin's link stands for. In the directory they are clients without a socket: addressing by
//! uid and callsign finds them, broadcasts do not (the plugin observes those). What is addressed to one goes into the
//! plugin's queue with the name of its link.
use std::{collections::HashMap, sync::Arc};

use fts_plugin_api::{
    cot::{Attr, Builder, Cot},
    message::Contact,
};

use super::{Generation, Plugin, Plugins};
use crate::{
    config::DuplicateUid,
    directory::{Arrival, Client, Directory, Groups, Leave},
    observe::clock,
    route::{FromPlugin, Owned, hooks::Seen},
    wire::Event,
};

/// Remote contacts of one plugin.
pub type Contacts = HashMap<String, (Contact, Arc<Client>)>;

/// Adds one, or changes it.
pub fn set(plugins: &Arc<Plugins>, plugin: &Arc<Plugin>, contact: Contact) {
    let mut all = plugin.contacts.lock();
    if all.get(&contact.uid).is_some_and(|(known, _)| *known == contact) {
        return;
    }
    if let Some((_, before)) = all.remove(&contact.uid) {
        before.end(Leave::Replaced);
    }
    let router = &plugins.router;
    let mut listener = plugins.config.load().listeners.cot_tcp.clone();
    listener.name = format!("plugin:{}", plugin.name);
    let arrival = Arrival {
        listener: Arc::new(listener),
        peer: std::net::SocketAddr::from(([0, 0, 0, 0], 0)),
        cert: None,
        tls: false,
        groups: Groups::default(),
        connected: clock::now_ms(),
    };
    let client = router.directory.join(arrival, false);
    // Groups come behind its place in the roster: it is found by name in reach, and gets no broadcast.
    client.set_groups(router.directory.groups.both(&contact.groups));
    let sa = Builder::new("a-f-G", clock::now_ms()).uid(contact.uid.clone()).child(
        "contact",
        &[("callsign", &contact.callsign), ("endpoint", "*:-1:stcp")],
        "",
    );
    if let Ok(sa) = sa.build() {
        router.directory.identify(&client, &sa, DuplicateUid::Allow);
    }
    let (of, to, link) = (client.clone(), plugin.clone(), contact.link.clone());
    let router = router.clone();
    plugins.runtime.spawn(async move {
        let mut items = Vec::new();
        loop {
            if of.out.take(&mut items, 64, usize::MAX) {
                items.drain(..).for_each(|item| hand_over(&router.directory, &to, &link, &item.event));
                continue;
            }
            tokio::select! {
                why = of.ended() => {
                    router.directory.leave(&of, why, clock::now_ms());
                    return;
                }
                () = of.out.wait() => {}
            }
        }
    });
    all.insert(contact.uid.clone(), (contact, client));
}

fn hand_over(directory: &Directory, plugin: &Plugin, link: &str, event: &Event) {
    let Ok(cot) = Cot::parse(event.xml().to_vec()) else { return };
    let (conn, hop) = (event.head.conn, event.head.hop);
    // What no plugin sent and is not sent back to somebody came from him.
    let sender = (hop == 0 && conn != 0).then(|| directory.roster().clients().find(|c| c.conn == conn).cloned());
    let seen = Seen {
        text: cot.text().clone(),
        source: match sender.flatten() {
            Some(client) => Owned::Client(client),
            None => Owned::Plugin(Arc::new(FromPlugin { hop, archive: true, ..FromPlugin::default() })),
        },
        origin: None,
        received: event.head.received,
        journal: 0,
        class: cot.class(),
        uid_hash: crate::route::uid_hash(cot.raw(Attr::Uid)),
        replayed: false,
        held: Vec::new(),
        served: Vec::new(),
        link: link.to_owned(),
    };
    plugin.queue.event(&Arc::new(seen), false);
}

/// Takes one away.
pub fn remove(_: &Arc<Plugins>, plugin: &Arc<Plugin>, uid: &str) {
    if let Some((_, client)) = plugin.contacts.lock().remove(uid) {
        client.end(Leave::Eof);
    }
}

/// Takes all away.
pub fn remove_all(plugins: &Arc<Plugins>, plugin: &Arc<Plugin>) {
    let uids: Vec<_> = plugin.contacts.lock().keys().cloned().collect();
    uids.iter().for_each(|uid| remove(plugins, plugin, uid));
}

/// Links have to come back before their contacts do: this long a new generation may take.
const GRACE: std::time::Duration = std::time::Duration::from_secs(30);

/// What the new generation has not declared again after a while is taken away.
pub fn keep_declared(plugins: &Arc<Plugins>, generation: &Arc<Generation>) {
    if generation.plugin.contacts.lock().is_empty() {
        return;
    }
    let (plugins, generation) = (plugins.clone(), generation.clone());
    plugins.runtime.clone().spawn(async move {
        tokio::time::sleep(GRACE).await;
        if !generation.alive() {
            return;
        }
        let known: Vec<_> = generation.plugin.contacts.lock().keys().cloned().collect();
        let declared = generation.declared.lock().clone();
        known
            .iter()
            .filter(|uid| !declared.contains(&format!("contact {uid}")))
            .for_each(|uid| remove(&plugins, &generation.plugin, uid));
    });
}
