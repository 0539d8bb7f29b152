//! Links without sockets: the plugin dials or listens, the test plays the other end through [`Peer`].
use std::os::unix::net::UnixStream;

use serde_bytes::ByteBuf;

use super::{
    MockHost,
    state::{Shared, State},
    worker::Job,
};
use crate::{
    abi::{Failure, failure},
    message::{LinkDial, LinkEvent, LinkListen, LinkOpened, LinkProfile, LinkWrite},
    shim,
};

pub(super) struct LinkState {
    /// None = it came through a listener.
    dialled: Option<(String, u16)>,
    /// 0 = it was dialled.
    listener: u64,
    peer: String,
    /// How many the peer has sent.
    frames: u64,
    profile: LinkProfile,
    written: Vec<Vec<u8>>,
    full: bool,
    open: bool,
    starttls: bool,
    pair: Option<UnixStream>,
}

impl LinkState {
    fn new(dialled: Option<(String, u16)>, listener: u64, peer: String, profile: LinkProfile) -> Self {
        Self {
            dialled,
            listener,
            peer,
            frames: 0,
            profile,
            written: Vec::new(),
            full: false,
            open: true,
            starttls: false,
            pair: None,
        }
    }

    /// Ends with the generation.
    pub fn end(&mut self) {
        (self.open, self.pair) = (false, None);
    }
}

/// The other end of one link of the plugin.
pub struct Peer<'a> {
    host: &'a MockHost,
    /// The link's number.
    pub id: u64,
}

impl State {
    fn link(&mut self, id: u64) -> Result<&mut LinkState, Failure> {
        let link = self.links.get_mut(&id).filter(|l| l.open);
        link.ok_or_else(|| shim::failure(failure::NOT_FOUND, format!("link {id} is closed")))
    }

    pub fn dial(&mut self, dial: LinkDial) -> Result<LinkOpened, Failure> {
        self.may("net")?;
        self.last_link += 1;
        let peer = format!("{}:{}", dial.host, dial.port);
        let link = LinkState::new(Some((dial.host, dial.port)), 0, peer, dial.profile);
        self.links.insert(self.last_link, link);
        Ok(LinkOpened { id: self.last_link, address: String::new() })
    }

    pub fn listen(&mut self, listen: LinkListen) -> Result<LinkOpened, Failure> {
        self.may("listen")?;
        self.last_link += 1;
        let port = if listen.port == 0 { 49_152 } else { listen.port };
        let address = format!("{}:{port}", listen.bind);
        self.listeners.insert(self.last_link, listen);
        Ok(LinkOpened { id: self.last_link, address })
    }

    pub fn link_write(&mut self, write: LinkWrite) -> Result<(), Failure> {
        let link = self.link(write.link)?;
        if link.full {
            return Err(shim::failure(failure::FULL, format!("4 MiB wait on link {}", write.link)));
        }
        link.written.push(write.bytes.into_vec());
        Ok(())
    }

    pub fn starttls(&mut self, id: u64, last: Vec<u8>, seen: u64) -> Result<(), Failure> {
        let link = self.link(id)?;
        if !link.profile.tls.as_ref().is_some_and(|tls| tls.starttls) {
            return Err(shim::failure(failure::INVALID, format!("the profile of link {id} has no starttls")));
        }
        if link.frames > seen {
            let text = format!("link {id}: {} frames have come in plain, {seen} were looked at", link.frames);
            return Err(shim::failure(failure::INVALID, text));
        }
        link.starttls = true;
        link.written.extend((!last.is_empty()).then_some(last));
        Ok(())
    }

    /// Closes a link or a listener from the plugin's side.
    pub fn link_close(&mut self, id: u64) -> Result<(), Failure> {
        if self.listeners.remove(&id).is_some() {
            return Ok(());
        }
        self.link(id)?.end();
        let closed = LinkEvent::Closed { link: id, how: "local".into(), why: "closed by the plugin".into() };
        self.queue.push_back(Job::Link(closed));
        Ok(())
    }

    pub fn pair(&mut self, id: u64) -> Result<UnixStream, Failure> {
        let link = self.link(id)?;
        if !link.profile.pair || link.pair.is_some() {
            let text = format!("link {id} has another profile, or was taken before");
            return Err(shim::failure(failure::INVALID, text));
        }
        let (ours, theirs) =
            UnixStream::pair().map_err(|e| shim::failure(failure::OTHER, format!("no socket pair: {e}")))?;
        link.pair = Some(ours);
        Ok(theirs)
    }
}

impl MockHost {
    /// Links that are open, in the order they were made.
    pub fn links(&self) -> Vec<Peer<'_>> {
        let state = self.shared.lock();
        state.links.iter().filter(|(_, l)| l.open).map(|(id, _)| Peer { host: self, id: *id }).collect()
    }

    /// Listeners of the plugin: number and what it asked for.
    pub fn link_listeners(&self) -> Vec<(u64, LinkListen)> {
        self.shared.lock().listeners.iter().map(|(id, l)| (*id, l.clone())).collect()
    }

    /// Somebody connects to a listener of the plugin; [`Peer::up`] or [`Peer::close`] follows. None = no such listener.
    pub fn dial_in(&self, listener: u64, peer: &str) -> Option<Peer<'_>> {
        let mut state = self.shared.lock();
        let profile = state.listeners.get(&listener)?.profile.clone();
        state.last_link += 1;
        let id = state.last_link;
        state.links.insert(id, LinkState::new(None, listener, peer.to_owned(), profile));
        Some(Peer { host: self, id })
    }

    /// Somebody comes to a listener of the plugin and does not get in.
    pub fn rejected(&self, listener: u64, peer: &str, why: &str) {
        let rejected = LinkEvent::Rejected { listener, peer: peer.to_owned(), why: why.to_owned() };
        self.shared.lock().queue.push_back(Job::Link(rejected));
        self.settle();
    }
}

impl Peer<'_> {
    fn shared(&self) -> &Shared {
        &self.host.shared
    }

    fn with<T: Default>(&self, f: impl FnOnce(&mut LinkState) -> T) -> T {
        self.shared().lock().links.get_mut(&self.id).map(f).unwrap_or_default()
    }

    fn tell(&self, event: LinkEvent) {
        self.shared().lock().queue.push_back(Job::Link(event));
        self.host.settle();
    }

    /// Host and port the plugin dialled; None = it came through a listener.
    pub fn dialled(&self) -> Option<(String, u16)> {
        self.with(|l| l.dialled.clone())
    }

    /// What the plugin wanted of it.
    pub fn profile(&self) -> LinkProfile {
        self.with(|l| l.profile.clone())
    }

    /// It can be used now, without a certificate.
    pub fn up(&self) {
        self.up_as("", Vec::new(), "");
    }

    /// It can be used now; the peer's name, certificates (DER, leaf first) and the protocol agreed on.
    pub fn up_as(&self, name: &str, chain: Vec<Vec<u8>>, alpn: &str) {
        let (listener, peer) = self.with(|l| (l.listener, l.peer.clone()));
        let (alpn, name) = (alpn.to_owned(), name.to_owned());
        let (fingerprint, chain) = shown(chain);
        self.tell(LinkEvent::Up { link: self.id, listener, peer, alpn, chain, fingerprint, name });
    }

    /// After `starttls`: it is inside TLS from here on.
    pub fn secured_as(&self, name: &str, chain: Vec<Vec<u8>>, alpn: &str) {
        let (alpn, name) = (alpn.to_owned(), name.to_owned());
        let (fingerprint, chain) = shown(chain);
        self.tell(LinkEvent::Secured { link: self.id, alpn, chain, fingerprint, name });
    }

    /// One frame arrives.
    pub fn send(&self, bytes: impl Into<Vec<u8>>) {
        let number = self.with(|l| {
            l.frames += 1;
            l.frames
        });
        self.tell(LinkEvent::Frame { link: self.id, number, bytes: ByteBuf::from(bytes.into()) });
    }

    /// Takes what the plugin has written since the last call, write by write.
    pub fn written(&self) -> Vec<Vec<u8>> {
        self.with(|l| std::mem::take(&mut l.written))
    }

    /// Did the plugin ask for TLS?
    pub fn wants_tls(&self) -> bool {
        self.with(|l| l.starttls)
    }

    /// From now on the peer does not read: writes are `Full`.
    pub fn stop_reading(&self) {
        self.with(|l| l.full = true);
    }

    /// It reads again: `Writable`.
    pub fn read_again(&self) {
        self.with(|l| l.full = false);
        self.tell(LinkEvent::Writable { link: self.id });
    }

    /// It ends: clean, truncated, reset, timed-out, refused or protocol.
    pub fn close(&self, how: &str) {
        self.with(LinkState::end);
        self.tell(LinkEvent::Closed { link: self.id, how: how.to_owned(), why: "closed by the test".into() });
    }

    /// The far end of a socket pair the plugin took.
    pub fn stream(&self) -> Option<UnixStream> {
        self.with(|l| l.pair.as_ref().and_then(|p| p.try_clone().ok()))
    }
}

/// Fingerprint of the leaf, and the chain as an event has it.
fn shown(chain: Vec<Vec<u8>>) -> (String, Vec<ByteBuf>) {
    let fingerprint = chain.first().map(|leaf| super::sha256::hex(leaf)).unwrap_or_default();
    (fingerprint, chain.into_iter().map(ByteBuf::from).collect())
}
