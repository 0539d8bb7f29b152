//! TLS handshakes, each in a task of its own (fanout.md 2.12).
//!
//! A peer that says nothing holds a pending place and no computing place; when all pending places are taken the longest
//! silent one makes room. Only who has sent a first byte may compute, at most `handshakes_active` at once; who waits for
//! the rest of its peer's messages does not compute.
use std::{
    collections::{BTreeMap, HashMap},
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Poll, ready},
    time::Instant,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::{net::TcpStream, sync::Semaphore};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::{CancellationToken, PollSemaphore};

use super::{Port, sniff::sniff_tls, tls};
use crate::config::Limits;

/// The handshakes of one listener.
pub struct Handshakes {
    config: ArcSwap<ServerConfig>,
    port: Arc<Port>,
    limits: Arc<ArcSwap<Limits>>,
    computing: Arc<Semaphore>,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    number: u64,
    /// Oldest first; cancelled when it must make room.
    silent: BTreeMap<u64, CancellationToken>,
    per_ip: HashMap<IpAddr, usize>,
}

/// A pending place; given back when dropped.
struct Place<'a> {
    owner: &'a Handshakes,
    number: u64,
    ip: IpAddr,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut pending = self.owner.pending.lock();
        pending.silent.remove(&self.number);
        if let Some(n) = pending.per_ip.get_mut(&self.ip) {
            *n -= 1;
            if *n == 0 {
                pending.per_ip.remove(&self.ip);
            }
        }
    }
}

impl Handshakes {
    /// For this listener; `limits` and `computing` are shared by all.
    pub fn new(
        config: Arc<ServerConfig>,
        port: Arc<Port>,
        limits: Arc<ArcSwap<Limits>>,
        computing: Arc<Semaphore>,
    ) -> Self {
        Self { config: ArcSwap::new(config), port, limits, computing, pending: Mutex::default() }
    }

    /// From now on handshakes are made with these certificates (reload); what is connected stays.
    pub fn renew(&self, config: Arc<ServerConfig>) {
        self.config.store(config);
    }

    /// The listener it belongs to.
    pub fn port(&self) -> &Port {
        &self.port
    }

    fn enter(&self, ip: IpAddr) -> Option<(Place<'_>, CancellationToken)> {
        let limits = self.limits.load();
        let mut pending = self.pending.lock();
        let from_here = pending.per_ip.get(&ip).copied().unwrap_or(0);
        if limits.handshakes_per_ip > 0 && from_here >= limits.handshakes_per_ip {
            return None;
        }
        while pending.silent.len() >= limits.handshakes_pending {
            let Some((_, oldest)) = pending.silent.pop_first() else { break };
            oldest.cancel();
        }
        pending.number += 1;
        let (number, token) = (pending.number, CancellationToken::new());
        pending.silent.insert(number, token.clone());
        pending.per_ip.insert(ip, from_here + 1);
        Some((Place { owner: self, number, ip }, token))
    }

    /// The whole handshake; None = failed, counted and logged.
    pub async fn shake(&self, stream: TcpStream, peer: SocketAddr) -> Option<TlsStream<TcpStream>> {
        let began = Instant::now();
        let patience = self.limits.load().tls_handshake;
        let result = match self.enter(peer.ip()) {
            None => Err("too_many_of_address"),
            Some((place, evicted)) => tokio::select! {
                () = evicted.cancelled() => Err("evicted"),
                done = tokio::time::timeout(patience, self.compute(stream, peer, &place)) => done.unwrap_or(Err("timeout")),
            },
        };
        let outcome = result.as_ref().map_or_else(|why| *why, |_| "ok");
        metrics::counter!("fts_tls_handshakes_total", "listener" => self.port.name.clone(), "result" => outcome)
            .increment(1);
        metrics::histogram!("fts_tls_handshake_seconds", "listener" => self.port.name.clone())
            .record(began.elapsed().as_secs_f64());
        match result {
            Ok(stream) => Some(stream),
            // Told in its own words already.
            Err("not_tls") => None,
            Err(reason) => {
                tracing::info!(event = "tls.handshake_failed", %peer, listener = %self.port.name, reason, "TLS handshake failed");
                None
            }
        }
    }

    async fn compute(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        place: &Place<'_>,
    ) -> Result<TlsStream<TcpStream>, &'static str> {
        let mut first = [0; 8];
        let n = stream.peek(&mut first).await.map_err(|_| "reset")?;
        if n == 0 {
            return Err("closed");
        }
        if let Some(wrong) = sniff_tls(&first[..n], self.port.speaks) {
            wrong.report(&self.port, peer);
            return Err("not_tls");
        }
        // It speaks: from here on it does not make room for others.
        self.pending.lock().silent.remove(&place.number);
        let mut shaking = TlsAcceptor::from(self.config.load_full()).accept(stream);
        let mut places = PollSemaphore::new(self.computing.clone());
        // A place is taken while it computes and given back while it waits for the peer.
        let done = poll_fn(|cx| {
            let Some(_computing) = ready!(places.poll_acquire(cx)) else { return Poll::Ready(Err("stopping")) };
            Pin::new(&mut shaking).poll(cx).map(Ok)
        });
        done.await?.map_err(|error| {
            tracing::debug!(%peer, %error, "handshake");
            tls::failure(&error)
        })
    }
}
