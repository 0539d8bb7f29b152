//! Listeners: a port becomes an identified byte stream.
//!
//! Order: [`bind`] every socket first, then [`Bound::serve`] accepts: TCP_NODELAY and keepalive, connection limits,
//! PROXY header, TLS handshake in a task of its own (never in the accept loop), first-byte sniffing for wrong
//! protocols; then the stream goes to the caller's `on_stream`. UDP datagrams go to `on_datagram`.
use std::{net::SocketAddr, sync::Arc};

use tokio::net::TcpStream;

use crate::config::CotListener;

/// A TLS or plain stream, both directions.
pub enum Stream {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS on TCP.
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

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
    /// The listener it came through.
    pub listener: Arc<CotListener>,
    /// The verified certificate, if any.
    pub cert: Option<PeerCert>,
}
