//! What a reader does between two reads because it may have to wait for it: batches the journal has first, control types
//! and an `<auth>` that stand behind them. Order is kept: while something waits, nothing behind it is looked at.
use fts_plugin_api::cot::{Cot, Millis};

use super::{After, Reader, control};
use crate::{directory::Leave, observe::clock};

impl Reader<'_> {
    /// Stages what waits for the journal, then deals with what stands behind it, up to the end of what was read.
    pub(super) async fn go_on(&mut self) -> Result<(), Leave> {
        loop {
            self.stage().await;
            if let Some(cot) = self.state.control.take() {
                self.control(&cot, clock::now_ms());
            } else if let Some(auth) = self.state.auth.take() {
                self.log_in(&auth).await?;
            } else {
                return Ok(());
            }
            self.consume(&[])?;
        }
    }

    /// Batches that wait for the journal, in order.
    pub(super) async fn stage(&mut self) {
        // A reader that is stopped meanwhile has lost nothing: each stays in the list until it is staged.
        while let Some(first) = self.state.pending.first_mut() {
            first.wait().await;
            self.state.pending.remove(0).stage(&self.router);
        }
    }

    /// Something must be dealt with before the next frame is.
    pub(super) fn paused(&self) -> bool {
        self.state.auth.is_some() || self.state.control.is_some()
    }

    /// A control type; everything before it was staged.
    pub(super) fn control(&mut self, cot: &Cot, now: Millis) {
        self.router.drain();
        if control::handle(&self.router, &self.client, cot, &mut self.state.pongs, now) == After::Protobuf {
            self.cutter.switch_to_proto();
        }
    }

    async fn log_in(&self, auth: &[u8]) -> Result<(), Leave> {
        self.sessions.log_in(&self.client, auth).await.map_err(|error| {
            tracing::info!(event = "client.refused", conn = self.client.conn, peer = %self.client.peer, listener = %self.client.listener.name, %error, "wrong <auth>");
            Leave::Auth
        })
    }
}

/// What was read is delivered, however the reader ends.
impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // At the end of the server also what was read and stands behind it.
        let mut over = !self.sessions.stop_reading.is_cancelled();
        loop {
            for pending in std::mem::take(&mut self.state.pending) {
                pending.stage(&self.router);
            }
            let Some(cot) = self.state.control.take().filter(|_| !over) else { return };
            self.control(&cot, clock::now_ms());
            over = self.consume(&[]).is_err();
        }
    }
}

/// Bytes given up, for the log; what may be a part of an `<auth>` is not shown.
pub(super) fn shown(head: &[u8]) -> std::borrow::Cow<'_, str> {
    let text = String::from_utf8_lossy(head);
    let lower = text.to_ascii_lowercase();
    if ["<auth", "</auth", "password", "username"].iter().any(|w| lower.contains(w)) {
        "(not shown)".into()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_password_is_not_shown() {
        for secret in ["<auth><cot username=", "x PASSWORD='p'", "cot/></auth>"] {
            assert_eq!(shown(secret.as_bytes()), "(not shown)", "{secret}");
        }
        assert_eq!(shown(b"<event uid=\"a\""), "<event uid=\"a\"");
    }
}
