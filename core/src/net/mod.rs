//! Listeners: a port becomes an identified byte stream.
//!
//! Order: `bind` every socket first, then [`Acceptor::run`] accepts: TCP_NODELAY and keepalive, connection limits,
//! PROXY header, TLS handshake in a task of its own (never in the accept loop); then the stream goes to `on_stream`.
//! Datagrams go to [`udp::run`]'s callback. Nothing here knows CoT or
//! HTTP: a listener is a [`Port`], and whoever opens it knows what to do with its streams.
use std::net::SocketAddr;

mod accept;
mod bind;
mod gate;
mod handshake;
mod port;
mod sniff;
mod stream;
pub mod tls;
pub mod udp;

pub use accept::{Acceptor, OnStream};
pub use bind::{BindError, bind, bind_output, bind_udp, own_address};
pub use gate::{Gate, Seat};
pub use handshake::Handshakes;
pub use port::{Port, Speaks};
pub use sniff::{WrongProtocol, sniff, sniff_http};
pub use stream::{Lendable, ReadHalf, Stream, WriteHalf};

/// What a verified client certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PeerCert {
    pub common_name: String,
    pub serial_hex: String,
    pub sha256: String,
}

/// An accepted stream with what is known about its peer.
pub struct Accepted {
    /// The stream, handshake done.
    pub stream: Stream,
    /// The peer's address (from the PROXY header where the listener has one).
    pub peer: SocketAddr,
    /// Where it came to.
    pub local: SocketAddr,
    /// The verified certificate, if any.
    pub cert: Option<PeerCert>,
    /// Its place under the connection limits; given back when dropped.
    pub seat: Seat,
}

#[cfg(test)]
mod tests;
