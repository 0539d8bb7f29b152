//! Links: TCP and TLS connections that belong to a plugin (plugins.md 1.3). [`Links`] makes a [`LinkSet`] per generation.
//!
//! The host owns sockets, TLS and certificates, one task per link; the plugin's side is synchronous and never waits:
//! calls return at once, what happens comes as [`LinkEvent`]. A link is dialled or accepted, is up, and ends once.
//! One dead peer delays nobody: 4 MiB wait for it, then [`WriteError::Full`]. No private key leaves this module.
//!
//! `profile` says how, `tls` and `verify` make rustls of it, `dial` and `listen` bring a link up, `pump` runs it with
//! `frame` and `link`, `pair` runs it as a socket pair.
use std::io;

use tokio::runtime::Handle;

mod dial;
mod event;
mod frame;
mod link;
mod listen;
mod pair;
mod profile;
mod pump;
mod set;
mod socket;
mod tls;
mod verify;

pub use event::{End, LinkEvent, Peer, Sink};
pub use profile::{Frames, Identity, Own, OwnLookup, Profile, ProfileError, TlsProfile, Trust, pin};
pub use set::{LinkSet, MAX_LINKS, MAX_LISTENERS};

use crate::net::BindError;

/// A link, dialled or accepted. Never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// A listener. Never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u64);

/// Where sets of links come from; one per server.
#[derive(Clone)]
pub struct Links {
    handle: Handle,
    own: OwnLookup,
}

impl Links {
    /// Links run on this runtime; `own` is asked for the server's certificate whenever a profile uses it.
    pub fn new(handle: Handle, own: OwnLookup) -> Self {
        Self { handle, own }
    }

    /// The links of a new generation of a plugin.
    pub fn of(&self, plugin: &str) -> LinkSet {
        LinkSet::new(plugin, self.handle.clone(), self.own.clone())
    }
}

/// What a link call can answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum LinkError {
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("the listener cannot be used: {0}")]
    Listen(io::Error),
    #[error("the plugin has {MAX_LINKS} links already: close one first")]
    TooMany,
    #[error("the plugin has {MAX_LISTENERS} listeners already: close one first")]
    TooManyListeners,
    #[error("this generation of the plugin has ended: it can open no links")]
    Ended,
    #[error("the link has ended")]
    Gone,
    #[error("STARTTLS needs a link whose profile has it, once")]
    NoStartTls,
    #[error("more plaintext has come than was looked at before STARTTLS: the link is closed, do not believe it")]
    EarlyPlaintext,
    #[error("a socket pair needs a link whose profile has it, once, and after STARTTLS if there is one")]
    NoPair,
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("no socket pair could be made: {0}")]
    Pair(io::Error),
}

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum WriteError {
    #[error("4 MiB wait for this peer already: nothing is taken until the link is writable again")]
    Full,
    #[error("the link has ended")]
    Gone,
    #[error("the frame is longer than {max} bytes")]
    TooLong { max: usize },
    #[error("the line has a line feed in it")]
    NotALine,
    #[error("the link is a socket pair: write to its end")]
    Paired,
}

#[cfg(test)]
mod tests;
