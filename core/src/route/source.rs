//! [`Source`]: where an event came from, and so whom it may reach and to whom it is never sent back.

use std::{borrow::Cow, net::SocketAddr, sync::Arc};

use super::Pace;
use crate::{
    config::CotListener,
    directory::{Bits, Client},
};

/// See the file's head.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A connection.
    Client(&'a Arc<Client>),
    /// A datagram: no connection, groups of its listener (RULE-16).
    Datagram {
        /// The listener it came in through.
        listener: &'a Arc<CotListener>,
        /// Who sent it.
        peer: SocketAddr,
        /// Groups it is sent into.
        send: &'a Bits,
        /// The connection that is the output of that listener; 0 = it has none.
        output: u64,
    },
    /// The server itself; reach = these groups, no echo rule (cot.md 5.4).
    Server {
        /// Groups it is sent into.
        send: &'a Bits,
        /// A connection that must not get it (the one it is about).
        except: u64,
    },
    /// A plugin.
    Plugin(&'a Arc<FromPlugin>),
}

/// What a plugin says about an event it sends.
#[derive(Clone, Debug, Default)]
pub struct FromPlugin {
    /// Its name.
    pub plugin: Arc<str>,
    /// How many plugins made one event from another to get here.
    pub hop: u8,
    /// Groups it is sent into: receivers must be in one of them.
    pub send: Bits,
    /// Connections that do not get it.
    pub except_conns: Vec<u64>,
    /// Clients that do not get it.
    pub except_uids: Vec<String>,
    /// To be kept in the history.
    pub archive: bool,
    /// The plugin's link it came over.
    pub link: String,
    /// It came from a federate.
    pub federated: bool,
    /// Told of receivers that are behind; None = the sender cannot be slowed.
    pub pace: Option<Arc<Pace>>,
}

impl FromPlugin {
    /// Does it say that this client is left out?
    pub fn excludes(&self, client: &Client) -> bool {
        self.except_conns.contains(&client.conn)
            || (!self.except_uids.is_empty() && self.except_uids.iter().any(|u| **u == *client.who().uid))
    }

    /// More than one connection is left out, so it cannot be a plain broadcast.
    pub fn picks(&self) -> bool {
        self.except_conns.len() > 1 || !self.except_uids.is_empty()
    }
}

/// A source that outlives its reader's task: what a staged batch keeps.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Owned {
    Client(Arc<Client>),
    Datagram { listener: Arc<CotListener>, peer: SocketAddr, send: Bits, output: u64 },
    Server { send: Bits, except: u64 },
    Plugin(Arc<FromPlugin>),
}

impl Owned {
    /// As a source.
    pub fn lend(&self) -> Source<'_> {
        match self {
            Owned::Client(client) => Source::Client(client),
            Owned::Datagram { listener, peer, send, output } => {
                Source::Datagram { listener, peer: *peer, send, output: *output }
            }
            Owned::Server { send, except } => Source::Server { send, except: *except },
            Owned::Plugin(from) => Source::Plugin(from),
        }
    }
}

impl Source<'_> {
    /// To keep.
    pub fn own(&self) -> Owned {
        match *self {
            Source::Client(client) => Owned::Client(client.clone()),
            Source::Datagram { listener, peer, send, output } => {
                Owned::Datagram { listener: listener.clone(), peer, send: send.clone(), output }
            }
            Source::Server { send, except } => Owned::Server { send: send.clone(), except },
            Source::Plugin(from) => Owned::Plugin(from.clone()),
        }
    }

    /// Is it the server's own (health canary)? Then it is counted nowhere and no filter of the operator applies.
    pub fn internal(&self) -> bool {
        self.client().is_some_and(|c| c.internal())
    }

    /// Groups the event is sent into.
    pub fn send_groups(&self) -> Cow<'_, Bits> {
        match self {
            Source::Client(client) => Cow::Owned(client.groups().send.clone()),
            Source::Datagram { send, .. } | Source::Server { send, .. } => Cow::Borrowed(send),
            Source::Plugin(from) => Cow::Borrowed(&from.send),
        }
    }

    /// The connection that never gets the event back (RULE-52, 58); 0 = none.
    pub fn own_conn(&self) -> u64 {
        match self {
            Source::Client(client) => client.conn,
            Source::Server { except, .. } => *except,
            Source::Datagram { output, .. } => *output,
            Source::Plugin(from) => from.except_conns.first().copied().unwrap_or(0),
        }
    }

    /// The connection that made it; 0 = none.
    pub fn conn(&self) -> u64 {
        match self {
            Source::Client(client) => client.conn,
            _ => 0,
        }
    }

    /// The sending connection.
    pub fn client(&self) -> Option<&Arc<Client>> {
        match self {
            Source::Client(client) => Some(client),
            _ => None,
        }
    }

    /// The plugin that sent it.
    pub fn plugin(&self) -> Option<&Arc<FromPlugin>> {
        match self {
            Source::Plugin(from) => Some(from),
            _ => None,
        }
    }

    /// For logs and `fts why`.
    pub fn name(&self) -> &'static str {
        match self {
            Source::Client(_) => "client",
            Source::Datagram { .. } => "udp",
            Source::Server { .. } => "server",
            Source::Plugin(_) => "plugin",
        }
    }
}
