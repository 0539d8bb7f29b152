//! The way down, in order, within `shutdown.deadline`. Everything a client sent before the signal and that must not be
//! lost is in the queues when they are written out, because no reader routes any more by then.
use std::time::Duration;

use super::Server;

/// Did everything end in time?
pub async fn run(server: &Server) -> bool {
    let keys = server.config().shutdown.clone();
    let clients = server.router.directory.roster().clients().filter(|c| !c.internal()).count();
    tracing::info!(event = "server.stopping", clients, "stopping");
    let done = tokio::time::timeout(keys.deadline, async {
        server.stop_accepting.cancel();
        server.sessions.stop_reading.cancel();
        server.sessions.readers_stopped().await;
        // What a request does it does whole: events it makes are routed, rows are written.
        server.requests.close();
        let _ = tokio::time::timeout(keys.drain, server.requests.wait()).await;
        server.router.drain();
        server.sessions.flush.cancel();
        server.sessions.tasks.close();
        server.sessions.tasks.wait().await;
        if let Some(plugins) = server.plugins.get().cloned() {
            let stopped = tokio::task::spawn_blocking(move || plugins.stop_all()).await;
            if let Err(error) = stopped {
                tracing::error!(event = "plugin.warning", %error, "plugins did not stop well");
            }
        }
        // Behind the last goodbye and what plugins sent when they stopped.
        let history = server.native.history.clone();
        let vault = server.native.vault.clone();
        let _ = tokio::task::spawn_blocking(move || {
            vault.stop();
            history.stop();
        })
        .await;
        if let Some(journal) = server.router.journal.get().cloned() {
            let _ = tokio::task::spawn_blocking(move || journal.close()).await;
        }
        server.stop_all.cancel();
        server.tasks.close();
        // Requests in flight on the local socket, and those that had their time.
        let _ = tokio::time::timeout(Duration::from_secs(1), server.requests.wait()).await;
        let _ = tokio::time::timeout(keys.drain.min(Duration::from_secs(1)), server.tasks.wait()).await;
        let db = server.native.db.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || db.close()).await {
            tracing::warn!(event = "db.error", %error, "the log of the database stays beside it and is read with the next start");
        }
    })
    .await
    .is_ok();
    if !done {
        tracing::error!(event = "server.stopped", "shutdown.deadline passed before everything had ended");
    } else {
        tracing::info!(event = "server.stopped", "stopped");
    }
    done
}
