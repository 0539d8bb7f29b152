//! [`Socket`]: plain TCP or TLS under a link, either side, and [`Upgrade`]: how it gets from one to the other.
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::{ClientConfig, ServerConfig, pki_types::ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{
    event::{End, Peer},
    verify::sha256,
};

/// Under a link.
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// TLS for one side.
#[derive(Clone)]
pub(super) enum Upgrade {
    Dial(Arc<ClientConfig>, ServerName<'static>),
    Accept(Arc<ServerConfig>),
}

impl Upgrade {
    /// The handshake within its time.
    pub async fn shake(self, stream: TcpStream, limit: Duration) -> Result<Socket, End> {
        let shaking = async {
            Ok(match self {
                Upgrade::Dial(config, name) => TlsStream::from(TlsConnector::from(config).connect(name, stream).await?),
                Upgrade::Accept(config) => TlsStream::from(TlsAcceptor::from(config).accept(stream).await?),
            })
        };
        match tokio::time::timeout(limit, shaking).await {
            Ok(Ok(stream)) => Ok(Socket::Tls(Box::new(stream))),
            Ok(Err(error)) => Err(End::of_handshake(&error)),
            Err(_) => Err(End::TimedOut("TLS handshake")),
        }
    }
}

impl Socket {
    /// What is known of the other end.
    pub fn peer(&self, address: SocketAddr) -> Peer {
        let none = Peer { address, tls: false, alpn: None, chain: Vec::new(), fingerprint: None, common_name: None };
        let Socket::Tls(stream) = self else { return none };
        let session = stream.get_ref().1;
        let chain: Vec<Vec<u8>> = session.peer_certificates().unwrap_or_default().iter().map(|c| c.to_vec()).collect();
        Peer {
            tls: true,
            alpn: session.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned()),
            fingerprint: chain.first().map(|c| sha256(c).iter().map(|b| format!("{b:02x}")).collect()),
            common_name: chain.first().and_then(|c| common_name(c)),
            chain,
            ..none
        }
    }
}

fn common_name(der: &[u8]) -> Option<String> {
    let (_, cert) = X509Certificate::from_der(der).ok()?;
    let name = cert.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.to_owned())
}

/// Small writes go out at once, and a peer that is gone is noticed within two minutes of silence.
pub(super) fn options(stream: &TcpStream) {
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);
    let set = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = set {
        // The link works without; it only notices less.
        tracing::debug!(%error, "socket options of a link");
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(s) => Pin::new(s).poll_read(cx, buf),
            Socket::Tls(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Plain(s) => Pin::new(s).poll_write(cx, buf),
            Socket::Tls(s) => Pin::new(s).poll_write(cx, buf),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(s) => Pin::new(s).poll_flush(cx),
            Socket::Tls(s) => Pin::new(s).poll_flush(cx),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(s) => Pin::new(s).poll_shutdown(cx),
            Socket::Tls(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}
