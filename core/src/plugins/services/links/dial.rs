//! Dialling: name, connect, TLS unless the link begins in plain, `Up`, and then the link runs (`pump`).
//!
//! All addresses of a name are tried in turn, each with its share of the time that is left. A link closed meanwhile
//! stops at once.
use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};

use super::{
    event::{End, LinkEvent},
    link::Link,
    pump,
    socket::{Socket, Upgrade, options},
};

/// Where to, and how.
pub(super) struct Dial {
    pub host: String,
    pub port: u16,
    pub connect_timeout: Duration,
    pub upgrade: Option<Upgrade>,
}

/// The whole life of a dialled link.
pub(super) async fn run(link: Arc<Link>, mut dial: Dial) {
    let later = if link.starttls { dial.upgrade.take() } else { None };
    let opened = tokio::select! {
        opened = open(&link, dial) => opened,
        _ = link.closing() => Err(End::Local),
    };
    match opened {
        Err(why) => link.end(why),
        Ok((socket, address)) => {
            link.up(LinkEvent::Up { link: link.id, peer: socket.peer(address) });
            pump::run(link, socket, address, later).await;
        }
    }
}

async fn open(link: &Link, dial: Dial) -> Result<(Socket, SocketAddr), End> {
    let (stream, address) = connect(&dial.host, dial.port, dial.connect_timeout).await?;
    options(&stream);
    let socket = match dial.upgrade {
        Some(upgrade) => upgrade.shake(stream, link.handshake).await?,
        None => Socket::Plain(stream),
    };
    Ok((socket, SocketAddr::new(address.ip().to_canonical(), address.port())))
}

async fn connect(host: &str, port: u16, limit: Duration) -> Result<(TcpStream, SocketAddr), End> {
    let deadline = Instant::now() + limit;
    let addresses: Vec<_> = match timeout_at(deadline, lookup_host((host, port))).await {
        Err(_) => return Err(End::TimedOut("name lookup")),
        Ok(Err(error)) => return Err(End::Refused(format!("{host}: no address for this name: {error}"))),
        Ok(Ok(found)) => found.collect(),
    };
    let mut why = End::Refused(format!("{host}: no address for this name"));
    for (n, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        // At least one address is left: n is below their number.
        let share = left / (addresses.len() - n) as u32;
        why = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, *address)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => End::TimedOut("connect"),
            Ok(Err(error)) => End::Refused(format!("{address}: {error}")),
            Err(_) => End::TimedOut("connect"),
        };
    }
    Err(why)
}
