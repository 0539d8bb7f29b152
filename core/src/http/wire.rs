//! [`Wire`]: the stream of one HTTP connection, under hyper. It tells clients of another protocol by their first bytes on
//! a plain port, gives up on one that takes nothing of an answer, and closes politely: where a request was refused before its body was read, what still comes is thrown
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

use super::taken::Due;
use crate::net::{Port, Stream, WrongProtocol, sniff_http};

/// How long a client may take nothing of an answer.
const STALL: Duration = Duration::from_secs(120);
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
    due: Arc<Due>,
    closing: Closing,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    patience: Duration,
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
    /// `unread` is set by whoever leaves a request's body unread; what is `due` is done when everything is written out.
    pub fn new(stream: Stream, port: Arc<Port>, peer: SocketAddr, unread: Arc<AtomicBool>, due: Arc<Due>) -> Self {
        let first = matches!(stream, Stream::Plain(_)).then_some((port, peer));
        Self { stream, first, unread, due, closing: Closing::No, stalled: None, patience: STALL }
    }

    /// A write that goes on ends the waiting; one that does not goes on waiting, until it was too long.
    fn patient<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
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
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        let polled = match &mut wire.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, bufs),
        };
        wire.patient(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let polled = match &mut wire.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        };
        // hyper flushes only after it has written all it holds.
        if matches!(polled, Poll::Ready(Ok(()))) {
            wire.due.written();
        }
        wire.patient(cx, polled)
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::net::Speaks;

    async fn pair(unread: bool) -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let port = Port {
            name: "t".into(),
            port: 0,
            speaks: Speaks::Http,
            proxy_protocol: false,
            client_cert: crate::config::ClientCert::None,
            web_cert: false,
        };
        (Wire::new(Stream::Plain(stream), Arc::new(port), peer, Arc::new(unread.into()), Arc::default()), client)
    }

    #[tokio::test]
    async fn a_refusal_is_seen_though_its_body_was_not_read() {
        for unread in [true, false] {
            let (mut wire, mut client) = pair(unread).await;
            client.write_all(&vec![b'x'; 200_000]).await.unwrap();
            let mut first = [0; 10];
            wire.read_exact(&mut first).await.unwrap();
            wire.write_all(b"413").await.unwrap();
            let closing = tokio::spawn(async move {
                wire.shutdown().await.unwrap();
            });
            if unread {
                // It goes on sending for a while, and still gets its answer.
                client.write_all(&vec![b'x'; 2_000_000]).await.unwrap();
                let mut answer = Vec::new();
                client.read_to_end(&mut answer).await.unwrap();
                assert_eq!(answer, b"413");
                drop(client);
            }
            closing.await.unwrap();
        }
    }

    #[tokio::test]
    async fn who_takes_nothing_is_given_up() {
        let (mut wire, _client) = pair(false).await;
        wire.patience = Duration::from_millis(50);
        let piece = vec![0; 1 << 20];
        let stalled = loop {
            if let Err(error) = wire.write_all(&piece).await {
                break error;
            }
        };
        assert_eq!(stalled.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn another_protocol_is_cut_at_its_first_bytes() {
        let (mut wire, mut client) = pair(false).await;
        client.write_all(b"<event/>").await.unwrap();
        assert_eq!(wire.read(&mut [0; 100]).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        let (mut wire, mut client) = pair(false).await;
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        assert_eq!(wire.read(&mut [0; 100]).await.unwrap(), 16);
        client.write_all(b"<event/>").await.unwrap();
        assert_eq!(wire.read(&mut [0; 100]).await.unwrap(), 8, "only the first bytes tell");
    }
}
