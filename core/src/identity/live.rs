//! [`Live`]: HTTP connections that showed a certificate, so that a revocation ends them (identity.md 3.5). Streams of CoT are
//! in the directory with theirs; here are only those that are kept open between requests.
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::net::PeerCert;

/// See the file's head.
#[derive(Default)]
pub struct Live {
    number: AtomicU64,
    open: Mutex<HashMap<u64, (PeerCert, CancellationToken)>>,
}

/// One connection; it is forgotten when this is dropped.
pub struct Pass {
    number: u64,
    live: Arc<Live>,
    /// Cancelled when the certificate is revoked: the connection must end at once.
    pub revoked: CancellationToken,
}

impl Live {
    /// A connection with this certificate is open.
    pub fn enter(self: &Arc<Self>, cert: &PeerCert) -> Pass {
        let number = self.number.fetch_add(1, Relaxed);
        let revoked = CancellationToken::new();
        self.open.lock().insert(number, (cert.clone(), revoked.clone()));
        Pass { number, live: self.clone(), revoked }
    }

    /// Ends those whose certificate `gone` says is no longer good; how many.
    pub fn cut(&self, gone: impl Fn(&PeerCert) -> bool) -> usize {
        let open = self.open.lock();
        let cut = open.values().filter(|(cert, token)| !token.is_cancelled() && gone(cert));
        cut.map(|(_, token)| token.cancel()).count()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.live.open.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_connections_of_that_certificate_end() {
        let live = Arc::new(Live::default());
        let cert = |name: &str| PeerCert { common_name: name.into(), serial_hex: name.into(), sha256: name.into() };
        let (a, b) = (live.enter(&cert("a")), live.enter(&cert("b")));
        let again = live.enter(&cert("a"));
        assert_eq!(live.cut(|c| c.sha256 == "a"), 2);
        assert!(a.revoked.is_cancelled() && again.revoked.is_cancelled() && !b.revoked.is_cancelled());
        drop((a, again));
        // Not in one expression: the lock would live to its end.
        let open = live.open.lock().len();
        assert_eq!((open, live.cut(|_| true)), (1, 1));
        assert!(b.revoked.is_cancelled());
    }
}
