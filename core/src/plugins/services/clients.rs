//! The client directory, audiences and bound destinations.
use std::sync::Arc;

use fts_plugin_api::{
    abi::{Failure, failure},
    message::{BindDest, ClientInfo, Contact, Find, Member, Unbind},
};

use super::{
    super::{
        Generation, Plugins, contacts,
        dest::{Bound, KindOf},
        source,
    },
    invalid, need, refuse,
};
use crate::directory::Leave;

/// Clients that are meant.
pub fn find(plugins: &Plugins, find: &Find) -> Vec<ClientInfo> {
    let directory = &plugins.router.directory;
    let of = |found: crate::directory::Found| found.iter().map(|c| source::client(plugins, c)).collect::<Vec<_>>();
    match find {
        Find::Uid(uid) => of(directory.index().uid(uid)),
        Find::Callsign(callsign) => {
            let mut found = of(directory.index().callsign(callsign));
            found.retain(|c| c.callsign == *callsign);
            found
        }
        Find::All | Find::Conn(_) | Find::User(_) => {
            let roster = directory.roster();
            let clients = roster.clients().filter(|c| !c.internal() && c.ending().is_none());
            let wanted = clients.filter(|c| match find {
                Find::Conn(conn) => c.conn == *conn,
                Find::User(user) => c.user() == user,
                _ => true,
            });
            wanted.map(|c| source::client(plugins, c)).collect()
        }
    }
}

/// Ends a connection.
pub fn kick(plugins: &Plugins, generation: &Generation, (conn, reason): (u64, String)) -> Result<bool, Failure> {
    need(generation, "kick")?;
    let roster = plugins.router.directory.roster();
    let Some(client) = roster.clients().find(|c| c.conn == conn && !c.internal()) else { return Ok(false) };
    tracing::info!(event = "plugin.kick", plugin = %generation.name(), conn, reason, "connection ended by a plugin");
    client.end(Leave::Kicked);
    Ok(true)
}

/// Makes an audience.
pub fn create(_: &Plugins, generation: &Generation, name: String) -> Result<(), Failure> {
    generation.plugin.audiences.create(&name);
    generation.declared.lock().insert(format!("audience {name}"));
    Ok(())
}

fn known(found: bool, name: &str) -> Result<(), Failure> {
    if found { Ok(()) } else { refuse(failure::NOT_FOUND, format!("there is no audience {name:?}")) }
}

/// Adds members.
pub fn add(plugins: &Plugins, generation: &Generation, (name, members): (String, Vec<Member>)) -> Result<(), Failure> {
    known(generation.plugin.audiences.add(&name, members, &plugins.router.directory), &name)
}

/// Takes members out.
pub fn remove(
    plugins: &Plugins,
    generation: &Generation,
    (name, members): (String, Vec<Member>),
) -> Result<(), Failure> {
    known(generation.plugin.audiences.remove(&name, &members, &plugins.router.directory), &name)
}

/// Ends an audience.
pub fn delete(generation: &Generation, name: String) -> Result<(), Failure> {
    generation.declared.lock().remove(&format!("audience {name}"));
    generation.plugin.audiences.delete(&name);
    Ok(())
}

/// Connections in it.
pub fn members(generation: &Generation, name: String) -> Result<Vec<u64>, Failure> {
    let audience = generation.plugin.audiences.get(&name);
    known(audience.is_some(), &name)?;
    Ok(audience.map(|a| a.members().iter().map(|(_, conn)| conn).collect()).unwrap_or_default())
}

/// Kinds the router resolves itself.
const BUILT_IN: &[&str] = &["callsign", "uid", "group", "publish", "path", "after", "before"];

/// Binds a destination.
pub fn bind(plugins: &Arc<Plugins>, generation: &Arc<Generation>, bind: BindDest) -> Result<(), Failure> {
    need(generation, "bind-dest")?;
    if BUILT_IN.contains(&bind.kind.as_str()) || bind.kind.is_empty() {
        return invalid(format!("destinations of the kind {:?} are the server's own", bind.kind));
    }
    let audience = |name: &str| {
        let found = generation.plugin.audiences.get(name);
        known(found.is_some(), name).map(|()| found.unwrap_or_default())
    };
    let bound = Bound {
        deliver_to: audience(&bind.deliver_to)?,
        may_send: bind.may_send.as_deref().map(audience).transpose()?,
        mode: bind.mode,
        any_case: bind.any_case,
    };
    plugins.bind_kind(&bind.kind, &generation.plugin)?;
    let key = bind.key();
    generation.plugin.bindings.set(&bind.kind, &key, bound);
    generation.declared.lock().insert(format!("dest {} {key}", bind.kind));
    Ok(())
}

/// Takes a binding back.
pub fn unbind(generation: &Generation, unbind: &Unbind) -> Result<(), Failure> {
    if let Some(key) = generation.plugin.bindings.remove(&unbind.kind, &unbind.name) {
        generation.declared.lock().remove(&format!("dest {} {key}", unbind.kind));
    }
    Ok(())
}

impl Plugins {
    fn bind_kind(&self, kind: &str, plugin: &Arc<super::super::Plugin>) -> Result<(), Failure> {
        let mut kinds = self.kinds.lock();
        match kinds.get(kind) {
            Some(owner) if **owner == *plugin.name => Ok(()),
            Some(owner) => invalid(format!("destinations of the kind {kind:?} belong to {owner}")),
            None => {
                if !self.router.destinations.bind(kind, KindOf::new(kind, plugin)) {
                    return invalid(format!("destinations of the kind {kind:?} belong to somebody else"));
                }
                kinds.insert(kind.to_owned(), plugin.name.clone());
                Ok(())
            }
        }
    }
}

/// Adds or changes a remote contact.
pub fn set_contact(plugins: &Arc<Plugins>, generation: &Arc<Generation>, contact: Contact) -> Result<(), Failure> {
    need(generation, "remote-contacts")?;
    if contact.uid.is_empty() {
        return invalid("a remote contact needs a uid");
    }
    generation.declared.lock().insert(format!("contact {}", contact.uid));
    contacts::set(plugins, &generation.plugin, contact);
    Ok(())
}

/// Takes a remote contact away.
pub fn remove_contact(plugins: &Arc<Plugins>, generation: &Generation, uid: String) -> Result<(), Failure> {
    generation.declared.lock().remove(&format!("contact {uid}"));
    contacts::remove(plugins, &generation.plugin, &uid);
    Ok(())
}
