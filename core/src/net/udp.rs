//! UDP and multicast input: one callback per datagram (RULE-16). Nothing is ever sent here.
use std::{net::SocketAddr, sync::Arc};

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

/// The largest datagram there is.
const DATAGRAM: usize = 65_536;

/// Receives until cancelled. What `own` sent (multicast output comes back to its host) is not seen.
pub async fn run(
    socket: UdpSocket,
    own: Option<SocketAddr>,
    name: Arc<str>,
    stop: CancellationToken,
    on_datagram: impl Fn(&[u8], SocketAddr),
) {
    let mut buf = vec![0; DATAGRAM].into_boxed_slice();
    loop {
        let received = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            received = socket.recv_from(&mut buf) => received,
        };
        match received {
            Ok((_, peer)) if own == Some(peer) => {}
            Ok((n, peer)) => on_datagram(&buf[..n], SocketAddr::new(peer.ip().to_canonical(), peer.port())),
            Err(error) => tracing::debug!(listener = %name, %error, "receive"),
        }
    }
}
