//! [`Wire`]: the stream of one HTTP connection, under hyper. It tells clients of another protocol by their first bytes on
//! a plain port, and closes politely: where a request was refused before its body was read, what still comes is thrown
//! away for a moment, because a socket closed with unread bytes in it is reset, and the client never sees the refusal.
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::net::{Port, Stream, WrongProtocol, sniff_http};

/// How long what nobody wants is still taken.
const LINGER: Duration = Duration::from_secs(2);
/// How many bytes of it at most.
const LINGER_BYTES: u64 = 16 << 20;

/// See the file's head.
pub(super) struct Wire {
    stream: Stream,
    /// Where the first bytes are looked at: the listener and the peer.
    first: Option<(Arc<Port>, SocketAddr)>,
    unread: Arc<AtomicBool>,
    closing: Closing,
}

enum Closing {
    No,
    /// Our side is closed, the other one has this long.
    Lingers {
        until: Pin<Box<Sleep>>,
        left: u64,
    },
    Done,
}

impl Wire {
    /// `unread` is set by whoever leaves a request's body unread.
    pub fn new(stream: Stream, port: Arc<Port>, peer: SocketAddr, unread: Arc<AtomicBool>) -> Self {
        let first = matches!(stream, Stream::Plain(_)).then_some((port, peer));
        Self { stream, first, unread, closing: Closing::No }
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let before = buf.filled().len();
        ready!(wire.poll_stream(cx, buf))?;
        if let Some((port, peer)) = wire.first.take()
            && let Some(wrong) = sniff_http(&buf.filled()[before..])
        {
            wrong.report(&port, peer);
            // Nothing that could be answered: HTTP would be as strange to it as it is to us.
            return Poll::Ready(Err(refused(wrong)));
        }
        Poll::Ready(Ok(()))
    }
}

fn refused(wrong: WrongProtocol) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, wrong.name())
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        loop {
            match &mut wire.closing {
                Closing::Done => return Poll::Ready(Ok(())),
                Closing::No => {
                    ready!(match &mut wire.stream {
                        Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
                        Stream::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
                    })?;
                    wire.closing = match wire.unread.load(Ordering::Relaxed) {
                        true => Closing::Lingers { until: Box::pin(sleep(LINGER)), left: LINGER_BYTES },
                        false => Closing::Done,
                    };
                }
                Closing::Lingers { until, left } => {
                    let over = until.as_mut().poll(cx).is_ready() || *left == 0;
                    let mut thrown = [0; 16 * 1024];
                    let mut buf = ReadBuf::new(&mut thrown);
                    if over || ready!(wire.poll_stream(cx, &mut buf)).is_err() || buf.filled().is_empty() {
                        wire.closing = Closing::Done;
                    } else if let Closing::Lingers { left, .. } = &mut wire.closing {
                        *left = left.saturating_sub(buf.filled().len() as u64);
                    }
                }
            }
        }
    }
}
