//! [`Stream`]: plain TCP or TLS, and its two halves with owners of their own. Plain halves share no lock.
use std::{
    io::{self, IoSlice},
    net::Shutdown,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use socket2::SockRef;

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

/// The writing side of a plain stream, which its owner may lend while it has nothing to write.
pub type Lendable = Arc<tcp::OwnedWriteHalf>;

/// Writing side.
pub enum WriteHalf {
    /// Plain TCP.
    Plain(Lendable),
    /// TLS.
    Tls(tokio::io::WriteHalf<TlsStream<TcpStream>>),
}

impl Stream {
    /// Both directions, each with an owner of its own.
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Stream::Plain(stream) => {
                let (from, to) = stream.into_split();
                (ReadHalf::Plain(from), WriteHalf::Plain(Arc::new(to)))
            }
            Stream::Tls(stream) => {
                let (from, to) = tokio::io::split(*stream);
                (ReadHalf::Tls(from), WriteHalf::Tls(to))
            }
        }
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ReadHalf::Plain(half) => Pin::new(half).poll_read(cx, buf),
            ReadHalf::Tls(half) => Pin::new(half).poll_read(cx, buf),
        }
    }
}

impl WriteHalf {
    /// The socket, to be lent; TLS has a state of its own and is not.
    pub fn lendable(&self) -> Option<&Lendable> {
        match self {
            WriteHalf::Plain(half) => Some(half),
            WriteHalf::Tls(_) => None,
        }
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            WriteHalf::Plain(half) => loop {
                ready!(half.as_ref().as_ref().poll_write_ready(cx))?;
                // A single piece takes the cheaper call.
                let done = if let [one] = bufs { half.try_write(one) } else { half.try_write_vectored(bufs) };
                match done {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return Poll::Ready(done),
                }
            },
            WriteHalf::Tls(half) => Pin::new(half).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            WriteHalf::Plain(_) => Poll::Ready(Ok(())),
            WriteHalf::Tls(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            WriteHalf::Plain(half) => Poll::Ready(SockRef::from(half.as_ref().as_ref()).shutdown(Shutdown::Write)),
            WriteHalf::Tls(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}
