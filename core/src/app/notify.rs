//! What systemd is told: ready, stopping, and that the server still lives (Type=notify, WatchdogSec). Without systemd
//! all of it does nothing.
use std::sync::Arc;

use sd_notify::NotifyState;

use super::Server;

/// All ports are served. Starts the watchdog if systemd wants one: it is fed only while events come through the router,
/// so that a server that hangs is restarted.
pub fn ready(server: &Arc<Server>) {
    tell(NotifyState::Ready);
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    let (watched, stop) = (server.clone(), server.stop_all.clone());
    server.tasks.spawn(async move {
        let mut ticks = tokio::time::interval(patience / 3);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            // Not readiness: a restart frees no disk, and who waits for one would be cut again and again.
            if watched.canary.check(watched.config().canary.interval).is_ok() {
                tell(NotifyState::Watchdog);
            }
        }
    });
}

/// The way down began.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd was not told");
    }
}
