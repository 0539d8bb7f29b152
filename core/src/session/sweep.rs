//! The sweep: once a second every connection is looked at: stalled sockets (RULE-48), idle ones (RULE-42), old state in
//! queues, all queues together against the memory budget. So no connection needs a timer of its own.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio_util::sync::CancellationToken;

use super::Sessions;
use crate::{
    directory::{Client, Leave},
    observe::{clock, meters::meters, metrics},
    route::Policy,
};

/// Runs until cancelled.
pub async fn run(sessions: Arc<Sessions>, stop: CancellationToken) {
    let mut every = tokio::time::interval(std::time::Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut sweep = Sweep::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => sweep.once(&sessions),
        }
    }
}

#[derive(Default)]
struct Sweep {
    rounds: u64,
    slow: std::collections::HashSet<u64>,
    tight: bool,
}

impl Sweep {
    fn once(&mut self, sessions: &Sessions) {
        self.rounds += 1;
        let router = &sessions.router;
        let policy = router.policy();
        let now = clock::tick();
        // Who does not say who it is sees positions of before the restart a little later.
        let waits = !router.directory.restored.is_empty();
        let (mut all, mut most) = (0_u64, 0);
        for client in router.directory.roster().clients() {
            look(client, &policy, now);
            if waits && waited(client) {
                client.out.nudge();
            }
            let mut lost = Vec::new();
            client.out.age(now, &policy.marks, |event, why| lost.push((event.head.id, why)));
            if !lost.is_empty() {
                router.lost(client, &lost, clock::now_ms());
            }
            let depth = client.out.depth();
            all += depth.bytes as u64;
            most = most.max(depth.bytes);
            if depth.slow {
                if self.slow.insert(client.conn) {
                    tracing::warn!(event = "client.slow", conn = client.conn, callsign = %client.who().callsign, items = depth.items, bytes = depth.bytes, "client does not keep up: newer positions replace older ones in its queue");
                }
            } else if self.slow.remove(&client.conn) {
                tracing::info!(event = "client.recovered", conn = client.conn, callsign = %client.who().callsign, coalesced = depth.coalesced, dropped = depth.dropped_state, "client keeps up again");
            }
        }
        meters().queue_bytes_max.set(most as f64);
        self.budget(sessions, &policy, all);
        metrics::upkeep();
        if self.rounds.is_multiple_of(10) {
            let now = clock::now_ms();
            router.directory.presence.expire(now);
            router.directory.items.expire(now);
            router.directory.restored.expire(now);
            router.sweep(now);
            let here: std::collections::HashSet<u64> = router.directory.roster().clients().map(|c| c.conn).collect();
            self.slow.retain(|conn| here.contains(conn));
        }
    }

    /// Over the budget all soft marks are an eighth until the queues are half empty again.
    fn budget(&mut self, sessions: &Sessions, policy: &Policy, all: u64) {
        let budget = policy.config.stream.limits.memory_budget;
        let tight = budget > 0 && if self.tight { all > budget / 2 } else { all > budget };
        if tight == self.tight {
            return;
        }
        self.tight = tight;
        let relaxed = Policy::new(policy.config.clone());
        sessions.router.set_policy(if tight { relaxed.tightened() } else { relaxed });
        tracing::warn!(
            event = "queue.overflow",
            tight,
            bytes = all,
            budget,
            "all queues together against the memory budget"
        );
    }
}

/// Is it time for what a client that has not identified itself is shown late? True in two or three sweeps.
fn waited(client: &Client) -> bool {
    let age = clock::now_ms() - client.connected;
    !client.identified() && (super::writer::SILENT_MS..super::writer::SILENT_MS + 2_500).contains(&age)
}

fn look(client: &Arc<Client>, policy: &Policy, now: u32) {
    let limits = &policy.config.stream.limits;
    let figures = &client.figures;
    let blocked = figures.blocked_since.load(Relaxed);
    if blocked != 0
        && !limits.write_stall.is_zero()
        && now.wrapping_sub(blocked) > limits.write_stall.as_millis() as u32
    {
        client.end(Leave::Stalled);
    }
    let idle = if client.listener.idle_timeout.is_zero() { limits.idle_timeout } else { client.listener.idle_timeout };
    if !idle.is_zero() && !client.internal() {
        let (rx, tx) = (figures.last_rx.load(Relaxed), figures.last_tx.load(Relaxed));
        let last = rx.max(tx);
        if last != 0 && now.wrapping_sub(last) > idle.as_millis() as u32 {
            client.end(Leave::Idle);
        }
    }
}
