//! The accept loop of one TCP listener: options, limits, PROXY header, then the stream goes to `on_stream`.
//!
//! The loop itself does nothing that a peer could delay: header and handshake run in a task per connection. Out of file
//! descriptors it waits a second and goes on.
use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Accepted, Gate, PeerCert, Port, Seat, Stream, handshake::Handshakes, tls};
use crate::config::Limits;

/// What to do with a stream.
pub type OnStream = Arc<dyn Fn(Accepted) + Send + Sync>;

/// One TCP listener with everything a connection needs.
pub struct Acceptor {
    /// Bound and listening.
    pub socket: TcpListener,
    /// What it is.
    pub port: Arc<Port>,
    /// Keepalive and header time limit; exchanged at reload.
    pub limits: Arc<ArcSwap<Limits>>,
    /// Connection limits of the server.
    pub gate: Arc<Gate>,
    /// TLS, if it is a TLS listener.
    pub handshakes: Option<Handshakes>,
    /// Gets every stream.
    pub on_stream: OnStream,
}

impl Acceptor {
    /// Accepts until cancelled.
    pub async fn run(self: Arc<Self>, stop: CancellationToken, tasks: TaskTracker) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, plain(peer), &stop, &tasks),
                Err(error) if out_of_files(&error) => {
                    tracing::error!(event = "net.no_files", listener = %self.port.name, %error, "no file descriptors left; raise LimitNOFILE or lower server.max_connections");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                // The peer was gone before it was accepted.
                Err(error) => tracing::debug!(listener = %self.port.name, %error, "accept"),
            }
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, stop: &CancellationToken, tasks: &TaskTracker) {
        metrics::counter!("fts_client_connections_total", "listener" => self.port.name.clone()).increment(1);
        let proxied = self.port.proxy_protocol;
        let seat = match if proxied { self.gate.enter_unnamed() } else { self.gate.enter(peer.ip()) } {
            Ok(seat) => seat,
            Err(limit) => return self.full(peer, limit),
        };
        if let Err(error) = self.options(&stream) {
            tracing::debug!(%peer, %error, "socket options");
        }
        if self.handshakes.is_none() && !self.port.proxy_protocol {
            return self.hand_over(stream.local_addr(), Stream::Plain(stream), peer, None, seat);
        }
        let (acceptor, stop) = (self.clone(), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = acceptor.prepare(stream, peer, seat) => {}
            }
        });
    }

    fn full(&self, peer: SocketAddr, limit: &'static str) {
        tracing::warn!(event = "net.refused", %peer, listener = %self.port.name, limit, "connection limit reached");
    }

    async fn prepare(self: &Arc<Self>, mut stream: TcpStream, mut peer: SocketAddr, mut seat: Seat) {
        if self.port.proxy_protocol {
            match tokio::time::timeout(self.limits.load().tls_handshake, proxy_header(&mut stream)).await {
                Ok(Ok(Some(origin))) => peer = plain(origin),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => {
                    return tracing::warn!(event = "net.refused", %peer, listener = %self.port.name, %error, "no valid PROXY header");
                }
                Err(_) => {
                    return tracing::warn!(event = "net.refused", %peer, listener = %self.port.name, "no PROXY header in time");
                }
            }
            if let Err(limit) = seat.name(peer.ip()) {
                return self.full(peer, limit);
            }
        }
        let local = stream.local_addr();
        match &self.handshakes {
            None => self.hand_over(local, Stream::Plain(stream), peer, None, seat),
            Some(handshakes) => {
                let Some(stream) = handshakes.shake(stream, peer).await else { return };
                let cert = tls::peer_cert(stream.get_ref().1.peer_certificates());
                self.hand_over(local, Stream::Tls(Box::new(stream)), peer, cert, seat);
            }
        }
    }

    /// Without an address of its own a stream is gone already.
    fn hand_over(
        &self,
        local: io::Result<SocketAddr>,
        stream: Stream,
        peer: SocketAddr,
        cert: Option<PeerCert>,
        seat: Seat,
    ) {
        let Ok(local) = local.map(plain) else { return };
        (self.on_stream)(Accepted { stream, peer, local, cert, seat });
    }

    fn options(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let limits = self.limits.load();
        if limits.keepalive_idle.is_zero() {
            return Ok(());
        }
        let keepalive = TcpKeepalive::new()
            .with_time(limits.keepalive_idle)
            .with_interval(limits.keepalive_interval.max(Duration::from_secs(1)))
            .with_retries(4);
        SockRef::from(stream).set_tcp_keepalive(&keepalive)
    }
}

/// IPv4 in an IPv6 socket is still IPv4 to people and limits.
fn plain(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

fn out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].iter().any(|e| code == Some(e.raw_os_error()))
}

/// Longest header: version 1 has at most 107 bytes, version 2 with addresses 52 and options.
const HEADER: usize = 536;

/// Reads exactly the PROXY header; what follows stays in the socket. None = the proxy speaks for itself.
async fn proxy_header(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    use ppp::{HeaderResult, PartialResult, v1, v2};
    let mut bytes = [0; HEADER];
    loop {
        let n = stream.peek(&mut bytes).await?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let parsed = HeaderResult::parse(&bytes[..n]);
        if parsed.is_incomplete() && n < HEADER {
            // Woken again when more is there; a level-triggered peek would spin.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        let bad = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
        let (len, origin) = match parsed {
            HeaderResult::V1(header) => {
                let header = header.map_err(|e| bad(e.to_string()))?;
                let origin = match header.addresses {
                    v1::Addresses::Tcp4(a) => Some(SocketAddr::from((a.source_address, a.source_port))),
                    v1::Addresses::Tcp6(a) => Some(SocketAddr::from((a.source_address, a.source_port))),
                    v1::Addresses::Unknown => None,
                };
                (header.header.len(), origin)
            }
            HeaderResult::V2(header) => {
                let header = header.map_err(|e| bad(format!("{e:?}")))?;
                let origin = match header.addresses {
                    v2::Addresses::IPv4(a) => Some(SocketAddr::from((a.source_address, a.source_port))),
                    v2::Addresses::IPv6(a) => Some(SocketAddr::from((a.source_address, a.source_port))),
                    v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
                };
                (header.len(), origin)
            }
        };
        stream.read_exact(&mut bytes[..len]).await?;
        return Ok(origin);
    }
}
