//! Sockets are bound before anything is accepted, so that a port in use ends the start and nothing is half there.
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{CotListener, ListenerKind};

/// A port could not be had.
#[derive(Debug, thiserror::Error)]
#[error("listener {name}: cannot listen on {address} port {port}: {source}{}", owner.map(|pid| format!(" (process {pid} has it)")).unwrap_or_default())]
#[allow(missing_docs)]
pub struct BindError {
    pub name: String,
    pub address: String,
    pub port: u16,
    pub source: io::Error,
    pub owner: Option<u32>,
}

const BACKLOG: i32 = 1_024;

/// Binds TCP (listening) or UDP. `::` is both families and falls back to IPv4 where there is no IPv6.
pub fn bind(name: &str, bind: &str, port: u16, kind: Type) -> Result<Socket, BindError> {
    let fail = |source: io::Error| BindError {
        name: name.to_owned(),
        address: bind.to_owned(),
        port,
        owner: owner_of(port, &source),
        source,
    };
    let address: IpAddr =
        bind.parse().map_err(|_| fail(io::Error::new(io::ErrorKind::InvalidInput, "bind must be an IP address")))?;
    match open(address, port, kind) {
        Err(error) if address == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && error.kind() != io::ErrorKind::AddrInUse => {
            open(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port, kind).map_err(fail)
        }
        other => other.map_err(fail),
    }
}

fn open(address: IpAddr, port: u16, kind: Type) -> io::Result<Socket> {
    let at = SocketAddr::new(address, port);
    let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
    let socket = Socket::new(Domain::for_address(at), kind, Some(protocol))?;
    if address == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // Restart while old connections are in TIME_WAIT; for UDP only multicast shares a port.
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    if kind == Type::STREAM {
        socket.listen(BACKLOG)?;
    }
    Ok(socket)
}

/// A UDP socket that has joined the listener's multicast group if it has one.
pub fn bind_udp(listener: &CotListener) -> Result<Socket, BindError> {
    if listener.kind != ListenerKind::CotMulticast {
        return bind(&listener.name, &listener.bind, listener.port, Type::DGRAM);
    }
    let fail = |source: io::Error| BindError {
        name: listener.name.clone(),
        address: listener.group.clone(),
        port: listener.port,
        owner: None,
        source,
    };
    join(listener).map_err(fail)
}

fn join(listener: &CotListener) -> io::Result<Socket> {
    let group: IpAddr = listener.group.parse().map_err(io::Error::other)?;
    let socket = Socket::new(Domain::for_address(SocketAddr::new(group, 0)), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Bound to the group: no other traffic of this port comes in.
    socket.bind(&SocketAddr::new(group, listener.port).into())?;
    match (group, listener.bind.parse()) {
        (IpAddr::V4(group), Ok(IpAddr::V4(interface))) => socket.join_multicast_v4(&group, &interface)?,
        (IpAddr::V4(group), _) => socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED)?,
        (IpAddr::V6(group), _) => socket.join_multicast_v6(&group, 0)?,
    }
    Ok(socket)
}

/// A socket that sends to the group of a multicast listener, connected to it at the port its input has.
pub fn bind_output(listener: &CotListener, port: u16) -> Result<Socket, BindError> {
    let fail = |source: io::Error| BindError {
        name: listener.name.clone(),
        address: listener.group.clone(),
        port: listener.port,
        owner: None,
        source,
    };
    let open = || {
        let group: IpAddr = listener.group.parse().map_err(io::Error::other)?;
        let socket = Socket::new(Domain::for_address(SocketAddr::new(group, 0)), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        match (group, listener.bind.parse()) {
            (IpAddr::V4(_), Ok(IpAddr::V4(interface))) => {
                socket.set_multicast_if_v4(&interface)?;
                socket.set_multicast_ttl_v4(HOPS)?;
            }
            (IpAddr::V4(_), _) => socket.set_multicast_ttl_v4(HOPS)?,
            (IpAddr::V6(_), _) => socket.set_multicast_hops_v6(HOPS)?,
        }
        socket.connect(&SocketAddr::new(group, port).into())?;
        Ok(socket)
    };
    open().map_err(fail)
}

/// How many routers multicast output may pass: a site, not the world.
const HOPS: u32 = 32;

/// The process that has a TCP port, if /proc tells.
fn owner_of(port: u16, error: &io::Error) -> Option<u32> {
    if error.kind() != io::ErrorKind::AddrInUse {
        return None;
    }
    let listening = |line: &str| {
        let mut words = line.split_whitespace();
        let (local, state, inode) = (words.nth(1)?, words.nth(1)?, words.nth(5)?);
        let here = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()? == port;
        (here && state == "0A").then(|| format!("socket:[{inode}]"))
    };
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|t| std::fs::read_to_string(t).unwrap_or_default());
    let wanted = tables.iter().flat_map(|t| t.lines()).find_map(listening)?;
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|p| p.file_name().to_str()?.parse::<u32>().ok()).find(|pid| {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|link| link.to_str() == Some(&wanted))
    })
}

/// This machine's first address that is not loopback: what a packet to the outside would carry. Nothing is sent.
pub fn own_address() -> Option<IpAddr> {
    let probe = |from: IpAddr, to: IpAddr| {
        let socket = std::net::UdpSocket::bind((from, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        socket.local_addr().ok().map(|a| a.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
    };
    let documentation = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]));
    probe(Ipv4Addr::UNSPECIFIED.into(), documentation.0)
        .or_else(|| probe(Ipv6Addr::UNSPECIFIED.into(), documentation.1))
}
