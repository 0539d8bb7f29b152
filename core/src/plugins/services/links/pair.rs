//! A link as one end of a socket pair: [`run`] copies both ways until both ends are done.
//!
//! The peer's end of stream is shown to the plugin as one; the plugin's becomes close_notify. Which of them came first,
//! and whether the peer's was in order, says the `Closed` event, because a socket pair cannot.
use std::{io, net::Shutdown, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest, ReadHalf, WriteHalf},
    net::UnixStream,
    time::Instant,
};

use super::{
    event::End,
    link::{FLUSH, Link},
    pump::UNSENT,
    socket::Socket,
};

const PIECE: usize = 16 * 1024;
/// How often to look whether the plugin, having ended its direction, has closed its end altogether.
const LOOK: Duration = Duration::from_secs(5);
/// How long to hear why a peer takes nothing any more.
const HEAR: Duration = Duration::from_secs(1);

enum Inward {
    PeerEnded,
    PluginGone,
    Broken(End),
}

/// Why it ended, and whether there is still somebody to say good-bye to.
pub(super) async fn run(link: &Link, socket: &mut Socket) -> (End, bool) {
    let Some(near) = link.near().await else { return (End::Local, true) };
    let near = match UnixStream::from_std(near) {
        Ok(near) => near,
        Err(error) => return (End::Protocol(format!("socket pair: {error}")), true),
    };
    let (mut from, mut to) = tokio::io::split(socket);
    let (inward, outward) = (inward(&mut from, &near), outward(&near, &mut to));
    tokio::pin!(inward, outward);
    let (mut peer_ended, mut plugin_ended, mut gone) = (false, false, false);
    // Who was first; what writing failed with; until when; when to look at the plugin's end.
    let (mut first, mut failed): (Option<End>, Option<End>) = (None, None);
    let (mut deadline, mut look) = (None, Instant::now());
    loop {
        if plugin_ended && (peer_ended || gone) && failed.is_none() {
            return (first.unwrap_or(End::Local), true);
        }
        tokio::select! {
            ended = &mut inward, if !peer_ended => match (ended, failed.take()) {
                (Inward::Broken(why @ (End::Refused(_) | End::Protocol(_))), _) => return (why, false),
                (_, Some(why)) | (Inward::Broken(why), None) => return (why, false),
                (Inward::PeerEnded, None) => {
                    peer_ended = true;
                    first.get_or_insert(End::Clean);
                }
                (Inward::PluginGone, None) => {
                    (peer_ended, gone) = (true, true);
                    first.get_or_insert(End::Local);
                    deadline.get_or_insert_with(|| Instant::now() + FLUSH);
                }
            },
            ended = &mut outward, if !plugin_ended => {
                plugin_ended = true;
                match ended {
                    Ok(()) => {
                        first.get_or_insert(End::Local);
                        look = Instant::now();
                    }
                    Err(error) if peer_ended => return (End::of(&error), false),
                    // The peer may have said why before it hung up.
                    Err(error) => {
                        failed = Some(End::of(&error));
                        deadline = Some(Instant::now() + HEAR);
                    }
                }
            },
            until = link.closing(), if !gone => {
                gone = true;
                first.get_or_insert(End::Local);
                deadline.get_or_insert(until);
                // What the plugin has written is still read; it writes and reads no more.
                shut(&near, Shutdown::Both);
            },
            () = tokio::time::sleep_until(look), if plugin_ended && !gone && failed.is_none() => {
                look = Instant::now() + LOOK;
                // Not waiting: only what is known already.
                let ready = tokio::time::timeout(Duration::ZERO, near.ready(Interest::WRITABLE)).await;
                gone = matches!(ready, Ok(Ok(ready)) if ready.is_write_closed());
            },
            () = async { match deadline {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            } } => return (failed.unwrap_or(End::TimedOut(UNSENT)), false),
        }
    }
}

async fn inward(from: &mut ReadHalf<&mut Socket>, near: &UnixStream) -> Inward {
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece).await {
            Ok(0) => {
                shut(near, Shutdown::Write);
                return Inward::PeerEnded;
            }
            Ok(n) => {
                if write_all(near, &piece[..n]).await.is_err() {
                    return Inward::PluginGone;
                }
            }
            Err(error) => return Inward::Broken(End::of(&error)),
        }
    }
}

async fn write_all(near: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        near.writable().await?;
        match near.try_write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Errors are the network's; a plugin's end that is gone counts as ended.
async fn outward(near: &UnixStream, to: &mut WriteHalf<&mut Socket>) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    while near.readable().await.is_ok() {
        match near.try_read(&mut piece) {
            Ok(0) => break,
            Ok(n) => {
                to.write_all(&piece[..n]).await?;
                to.flush().await?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    to.shutdown().await
}

fn shut(near: &UnixStream, how: Shutdown) {
    // It can only fail when the other end is gone, which is what it is for.
    let _ = SockRef::from(near).shutdown(how);
}
