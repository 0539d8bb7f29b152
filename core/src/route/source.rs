//! [`Source`]: where an event came from, and so whom it may reach and to whom it is never sent back.

use std::{borrow::Cow, net::SocketAddr, sync::Arc};

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
}

impl Source<'_> {
    /// Groups the event is sent into.
    pub fn send_groups(&self) -> Cow<'_, Bits> {
        match self {
            Source::Client(client) => Cow::Owned(client.groups().send.clone()),
            Source::Datagram { send, .. } | Source::Server { send, .. } => Cow::Borrowed(send),
        }
    }

    /// The connection that never gets the event back (RULE-52, 58); 0 = none.
    pub fn own_conn(&self) -> u64 {
        match self {
            Source::Client(client) => client.conn,
            Source::Server { except, .. } => *except,
            Source::Datagram { output, .. } => *output,
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

    /// For logs and `fts why`.
    pub fn name(&self) -> &'static str {
        match self {
            Source::Client(_) => "client",
            Source::Datagram { .. } => "udp",
            Source::Server { .. } => "server",
        }
    }
}
