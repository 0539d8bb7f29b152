//! The health canary: two clients of the server's own exchange an event through the real router every few seconds, and
//! readiness says whether it arrived. They live in the reserved group `__CANARY__`, so nothing of it ever reaches a
//! person, and no list, counter or record shows them (decision 110).

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use fts_plugin_api::cot::{Builder, scan};
use tokio_util::sync::CancellationToken;

use crate::{
    config::CotListener,
    directory::{Arrival, Bits, CANARY, Client, Groups},
    observe::{clock, meters},
    route::{Batch, Router, Source},
};

/// What the last rounds showed.
#[derive(Debug, Default)]
pub struct Canary {
    arrived: AtomicI64,
    lost: AtomicU64,
}

/// An event that took longer is lost.
const PATIENCE: Duration = Duration::from_secs(1);

impl Canary {
    /// For readiness: "ok", or how long nothing arrived.
    pub fn check(&self, every: Duration) -> Result<(), String> {
        let age = clock::now_ms() - self.arrived.load(Relaxed);
        let most = (every + PATIENCE).as_millis() as i64 * 2;
        if every.is_zero() || age <= most {
            return Ok(());
        }
        Err(format!("no event came through the router for {} s ({} lost)", age / 1_000, self.lost.load(Relaxed)))
    }

    /// Runs until cancelled. `listener` is a template for the internal connections.
    pub async fn run(
        self: Arc<Self>,
        router: Arc<Router>,
        listener: CotListener,
        every: Duration,
        stop: CancellationToken,
    ) {
        let listener = Arc::new(CotListener { name: meters::CANARY.into(), ..listener });
        let (one, two) = (seat(&router, &listener), seat(&router, &listener));
        self.arrived.store(clock::now_ms(), Relaxed);
        let mut ticks = tokio::time::interval(every);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if self.exchange(&router, &one, &two).await {
                self.arrived.store(clock::now_ms(), Relaxed);
            } else {
                self.lost.fetch_add(1, Relaxed);
                tracing::warn!(event = "canary.lost", "the canary's event did not come through the router");
            }
        }
    }

    async fn exchange(&self, router: &Router, from: &Arc<Client>, to: &Arc<Client>) -> bool {
        let uid = format!("canary-{}", uuid::Uuid::new_v4());
        let text = Builder::new("t-x-canary", clock::now_ms()).uid(&uid).to_text();
        let Ok(spans) = scan(&text) else { return false };
        let sent = {
            let mut batch = Batch::new(router, Source::Client(from), text.len());
            let sent = batch.admit(&text, &spans).is_ok();
            let _ = batch.finish();
            sent
        };
        sent && tokio::time::timeout(PATIENCE, arrives(to, &uid)).await.unwrap_or(false)
    }
}

async fn arrives(to: &Client, uid: &str) -> bool {
    let mut items = Vec::new();
    loop {
        while to.out.take(&mut items, 16, 1 << 16) {}
        if items.iter().any(|i| memchr::memmem::find(i.event.xml(), uid.as_bytes()).is_some()) {
            return true;
        }
        items.clear();
        to.out.wait().await;
    }
}

fn seat(router: &Router, listener: &Arc<CotListener>) -> Arc<Client> {
    let only = Bits::of([router.directory.groups.bit(CANARY)]);
    let groups = Groups { send: only.clone(), receive: only };
    let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    router.directory.join(
        Arrival { listener: listener.clone(), peer, cert: None, tls: false, groups, connected: clock::now_ms() },
        false,
    )
}
