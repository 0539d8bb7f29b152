//! Listening: accept, TLS in a task of its own unless the link begins in plain, a place among the plugin's links,
//! `Accepted`, and then the link runs (`pump`).
//!
//! Who has not finished its handshake holds no place among the links: there are 128 others for that, and when they are
//! taken the one that waits longest makes room. No more than 128 are accepted in a second, so that nobody can fill the
//! plugin's queue with links that come and go.
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{
    ListenerId,
    event::{End, LinkEvent, Sink},
    link::Ending,
    profile::Profile,
    pump,
    set::Shared,
    socket::{Socket, Upgrade, options},
};

const PENDING: usize = 128;
const PER_SECOND: u32 = 128;
const REPORTED: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// An open listener.
pub(super) struct Listening {
    pub id: ListenerId,
    pub profile: Profile,
    pub upgrade: Option<Upgrade>,
    pub shared: Arc<Shared>,
    pub sink: Sink,
    pub stop: CancellationToken,
    pub pending: Mutex<Pending>,
}

/// Handshakes under way.
#[derive(Default)]
pub(super) struct Pending {
    number: u64,
    /// Oldest first; cancelled when it must make room.
    waiting: BTreeMap<u64, CancellationToken>,
    reported: Option<(Instant, u32)>,
}

impl Listening {
    /// Accepts until stopped.
    pub async fn run(self: Arc<Self>, socket: TcpListener) {
        let mut window = (tokio::time::Instant::now(), 0);
        loop {
            if window.0.elapsed() >= SECOND {
                window = (tokio::time::Instant::now(), 0);
            }
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = async {
                    if window.1 >= PER_SECOND {
                        tokio::time::sleep_until(window.0 + SECOND).await;
                    }
                    socket.accept().await
                } => accepted,
            };
            window.1 += 1;
            match accepted {
                Ok((stream, address)) => self.clone().admit(stream, address),
                Err(error) => {
                    // Out of files, or a peer that left before it was taken.
                    tracing::debug!(plugin = %self.shared.plugin, %error, "accepting a link");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn admit(self: Arc<Self>, stream: TcpStream, address: SocketAddr) {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        options(&stream);
        let shared = self.shared.clone();
        shared.spawn(async move {
            let socket = match (&self.upgrade, self.profile.tls.as_ref().is_some_and(|t| t.starttls)) {
                (Some(upgrade), false) => match self.shake(upgrade.clone(), stream).await {
                    Ok(socket) => socket,
                    Err(End::Local) => return,
                    Err(why) => return self.reject(address, why),
                },
                _ => Socket::Plain(stream),
            };
            let link = match self.shared.enter(&self.profile, &self.sink) {
                Ok(link) => link,
                Err(error) => return self.reject(address, End::Refused(error.to_string())),
            };
            let _ending = Ending(link.clone());
            link.up(LinkEvent::Accepted { listener: self.id, link: link.id, peer: socket.peer(address) });
            let upgrade = if link.starttls { self.upgrade.clone() } else { None };
            pump::run(link, socket, address, upgrade).await;
        });
    }

    async fn shake(&self, upgrade: Upgrade, stream: TcpStream) -> Result<Socket, End> {
        let (number, evicted) = self.pend();
        let done = tokio::select! {
            done = upgrade.shake(stream, self.profile.handshake_timeout) => done,
            () = evicted.cancelled() => Err(End::Refused("too many handshakes at once, this one waited longest".into())),
            () = self.stop.cancelled() => Err(End::Local),
        };
        self.pending.lock().waiting.remove(&number);
        done
    }

    fn pend(&self) -> (u64, CancellationToken) {
        let mut pending = self.pending.lock();
        while pending.waiting.len() >= PENDING {
            let Some((_, oldest)) = pending.waiting.pop_first() else { break };
            oldest.cancel();
        }
        pending.number += 1;
        let (number, token) = (pending.number, CancellationToken::new());
        pending.waiting.insert(number, token.clone());
        (number, token)
    }

    fn reject(&self, address: SocketAddr, why: End) {
        self.shared.rejected.increment(1);
        tracing::debug!(plugin = %self.shared.plugin, %address, %why, "link rejected");
        let now = Instant::now();
        let told = {
            let mut pending = self.pending.lock();
            let (since, count) = pending.reported.filter(|(at, _)| now - *at < SECOND).unwrap_or((now, 0));
            pending.reported = Some((since, count + 1));
            count
        };
        if told < REPORTED {
            (self.sink)(LinkEvent::Rejected { listener: self.id, address, why });
        }
    }
}
