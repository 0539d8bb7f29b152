//! Links: connections whose sockets, TLS and certificates the server owns. Events come to the handler of
//! [`super::Registrar::links`], in order for each link, on the plugin's worker.
use serde_bytes::ByteBuf;

use super::{Host, Result};
use crate::message::{LinkDial, LinkListen, LinkOpened, LinkWrite, op};

pub use crate::message::{LinkEvent, LinkProfile as Profile};

/// Made by [`Host::links`].
#[derive(Clone, Copy)]
pub struct Links<'a>(pub(super) &'a Host);

impl Links<'_> {
    /// Dials (capability `net`). Returns at once; `Up` or `Closed` follows.
    ///
    /// # Errors
    /// `Forbidden`; a file of the profile cannot be read; 256 links are open.
    pub fn dial(&self, host: &str, port: u16, profile: Profile) -> Result<Link> {
        let opened: LinkOpened = self.0.ask(op::LINK_DIAL, &LinkDial { host: host.to_owned(), port, profile })?;
        Ok(Link { host: self.0.clone(), id: opened.id })
    }

    /// Listens (capability `listen`).
    ///
    /// # Errors
    /// `Forbidden`; the port is taken; a file of the profile cannot be read.
    pub fn listen(&self, bind: &str, port: u16, profile: Profile) -> Result<LinkListener> {
        let opened: LinkOpened = self.0.ask(op::LINK_LISTEN, &LinkListen { bind: bind.to_owned(), port, profile })?;
        Ok(LinkListener { host: self.0.clone(), id: opened.id, address: opened.address })
    }

    /// A link by its number, as events name it.
    pub fn get(&self, id: u64) -> Link {
        Link { host: self.0.clone(), id }
    }
}

/// One link.
#[derive(Clone)]
pub struct Link {
    host: Host,
    /// Its number.
    pub id: u64,
}

impl Link {
    /// Sends bytes (a frame, where the profile has frames); never blocks.
    ///
    /// # Errors
    /// `Full` when 4 MiB wait (a `Writable` follows), `Gone`.
    pub fn write(&self, bytes: impl Into<Vec<u8>>) -> Result<()> {
        self.host.ask(op::LINK_WRITE, &LinkWrite { link: self.id, bytes: ByteBuf::from(bytes.into()) })
    }

    /// Sends `last` (the answer that agrees to it) and changes over to TLS behind it; `Secured` follows. `seen` is the
    /// number of the last frame that was looked at.
    ///
    /// # Errors
    /// More plain text has come than was looked at (somebody injected it); the profile has no TLS.
    pub fn starttls(&self, last: &[u8], seen: u64) -> Result<()> {
        self.host.ask(op::LINK_STARTTLS, &(self.id, serde_bytes::Bytes::new(last), seen))
    }

    /// Sends what waits and ends it.
    ///
    /// # Errors
    /// `Gone`.
    pub fn close(&self) -> Result<()> {
        self.host.ask(op::LINK_CLOSE, &self.id)
    }

    /// The link as one end of a local socket pair that any runtime can drive; profile `pair`.
    ///
    /// # Errors
    /// The profile is another, or it was taken before.
    pub fn pair(&self) -> Result<std::os::unix::net::UnixStream> {
        let fd: i32 = self.host.ask(op::LINK_PAIR, &self.id)?;
        Ok(crate::abi::owned_stream(fd))
    }
}

/// A listener for links.
pub struct LinkListener {
    host: Host,
    /// Its number.
    pub id: u64,
    /// Where it really listens.
    pub address: String,
}

impl LinkListener {
    /// Takes no new links.
    ///
    /// # Errors
    /// `Gone`.
    pub fn close(self) -> Result<()> {
        self.host.ask(op::LINK_CLOSE, &self.id)
    }
}
