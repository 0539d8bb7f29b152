//! Store and forward of chat (cot.md RULE-64, `cot.store_forward_chat`): who comes back is sent what it missed, one message
//! after the other, to it alone. Behind everything else: a client that has just connected is busy.
use std::{sync::Arc, time::Duration};

use super::Sessions;
use crate::{directory::Client, route::Made};

/// Between two messages.
const PAUSE: Duration = Duration::from_millis(200);

impl Sessions {
    /// Begins to, if that is on. Returns at once.
    pub(super) fn forward(&self, client: &Arc<Client>) {
        let on = self.router.with_policy(|p| p.config.cot.store_forward_chat);
        let Some(history) = self.router.history.get().filter(|_| on && !client.one_way()).cloned() else { return };
        let (router, client, stop) = (self.router.clone(), client.clone(), self.stop_reading.clone());
        self.tasks.spawn(async move {
            let (uid, user) = (client.who().uid.clone(), client.user().to_owned());
            let groups = router.directory.groups.names(&client.groups().receive);
            let (asks, whose) = (history.clone(), (uid.clone(), user.clone()));
            let asked = tokio::task::spawn_blocking(move || asks.missed(&whose.0, &whose.1, &groups)).await;
            let missed = match asked {
                Ok(Ok(missed)) => missed,
                Ok(Err(error)) => {
                    tracing::warn!(event = "history.failed", conn = client.conn, %error, "missed chat is not sent");
                    return;
                }
                // It panicked and has said so.
                Err(_) => return,
            };
            for message in missed {
                // It is gone: what it was not sent it is owed.
                if client.ending().is_some() || client.out.is_closed() {
                    return;
                }
                router.send_to(&client, Made::reliable(message.text));
                history.forwarded(&uid, &user, message.id);
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    _ = client.ended() => return,
                    () = stop.cancelled() => return,
                }
            }
            if !client.out.is_closed() {
                history.all_forwarded(&uid, &user);
            }
        });
    }
}
