//! What the router hands over: events ([`Kept`]), and who came and went ([`Session`], [`Goodbye`]). Cheap to make on the
//! router's tasks: texts are slices of the batch they came in, everything else is counted up, nothing is read yet.
use std::sync::Arc;

use bytes::Bytes;
use fts_plugin_api::cot::Millis;

use crate::directory::{Bits, Client};

/// One routed event.
#[derive(Clone, Debug)]
pub struct Kept {
    /// As it was relayed: with our flow tag, with its `<marti>`.
    pub text: Bytes,
    /// When the server took it in, ms UTC.
    pub received: Millis,
    /// A position: what is left out first when the disk does not keep up.
    pub state: bool,
    /// Its number in the journal; 0 = it is not there.
    pub journal: u64,
    /// Groups it was sent into.
    pub groups: Bits,
    /// Users it went to and its sender's; None = everybody in the groups.
    pub readers: Option<Vec<String>>,
    /// The connection it came from.
    pub client: Option<Arc<Client>>,
    /// False: it went to nobody by right (a mission's, the server's own), only its record in the journal is done.
    pub store: bool,
}

/// A connection has a name, or another one.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Session {
    pub conn: u64,
    pub uid: Arc<str>,
    pub callsign: Arc<str>,
    pub user: String,
    pub team: Arc<str>,
    pub role: Arc<str>,
    pub takv: Arc<str>,
    pub address: String,
    pub listener: String,
    pub groups: Bits,
    /// ms UTC.
    pub at: Millis,
}

/// A connection is gone.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Goodbye {
    pub conn: u64,
    /// Its uid and those of its contacts, where newcomers were told that they are gone; empty at shutdown.
    pub uids: Vec<Arc<str>>,
    pub reason: &'static str,
    /// ms UTC.
    pub at: Millis,
}

/// What the queue holds, in order.
#[derive(Debug)]
pub(super) enum Item {
    Event(Kept),
    Session(Session),
    Goodbye(Goodbye),
}

impl Item {
    /// What it takes in memory, about.
    pub fn weight(&self) -> usize {
        match self {
            Self::Event(kept) => kept.text.len() + 256,
            Self::Session(_) | Self::Goodbye(_) => 512,
        }
    }

    pub fn is_state(&self) -> bool {
        matches!(self, Self::Event(kept) if kept.state && kept.journal == 0)
    }
}
