//! [`Stream`]: plain TCP or TLS, and its two halves with owners of their own. Plain halves share no lock.
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, tcp},
};
use tokio_rustls::server::TlsStream;

/// A TLS or plain stream, both directions.
pub enum Stream {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS on TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Reading side.
pub enum ReadHalf {
    /// Plain TCP.
    Plain(tcp::OwnedReadHalf),
    /// TLS.
    Tls(tokio::io::ReadHalf<TlsStream<TcpStream>>),
}

/// Writing side.
pub enum WriteHalf {
    /// Plain TCP.
    Plain(tcp::OwnedWriteHalf),
    /// TLS.
    Tls(tokio::io::WriteHalf<TlsStream<TcpStream>>),
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

macro_rules! each {
    ($half:ident, $self:ident, $inner:ident => $do:expr) => {
        match $self.get_mut() {
            $half::Plain($inner) => $do,
            $half::Tls($inner) => $do,
        }
    };
}

impl AsyncRead for ReadHalf {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(ReadHalf, self, half => Pin::new(half).poll_read(cx, buf))
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(WriteHalf, self, half => Pin::new(half).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(WriteHalf, self, half => Pin::new(half).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(WriteHalf, self, half => Pin::new(half).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(WriteHalf, self, half => Pin::new(half).poll_shutdown(cx))
    }
}
