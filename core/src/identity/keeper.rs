//! What the server does with certificates without being told: at start and every hour it brings table, files and CRL into
//! line, makes its own certificate anew in time, and says in good time when a CA ends (identity.md 3.2, 3.5).
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    audit::Actor,
    ca::{Authority, CertError},
    certificates::Certificates,
    files, inventory,
};
use crate::{config::Config, observe::clock};

const EVERY: Duration = Duration::from_secs(3_600);
/// Days before its end from which a CA is warned of; the server's own certificate is renewed long before.
pub const CA_WARNING: i64 = 90;
const SERVER_WARNING: i64 = 14;
/// Warnings come once in so many rounds.
const ROUNDS: u32 = 24;

impl Certificates {
    /// At start, when the authority has been opened without a database: the table's revocations are put in force, and
    /// what lies in files and is not in the table is taken in.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn start(&self) -> Result<(), CertError> {
        let _turn = self.turn.lock();
        let config = self.config();
        let tls = &config.tls.dir;
        [tls, &tls.join("clients"), &tls.join("retired"), &config.packages.dir]
            .into_iter()
            .for_each(|d| files::sweep(d));
        self.take_in_files()?;
        if self.authority.load().is_some() {
            self.in_force(&config)?;
            self.warn();
        }
        Ok(())
    }

    /// Files were changed by hand, or a configuration was read again: everything as it is there now.
    ///
    /// # Errors
    /// [`CertError`]; then everything stays as it was.
    pub fn reload(&self, config: &Config) -> Result<(), CertError> {
        let _turn = self.turn.lock();
        if self.authority.load().is_none() {
            return Ok(());
        }
        let before = self.authority.swap(Some(Arc::new(Authority::open(config)?)));
        let done = self.in_force(config);
        if done.is_err() {
            self.authority.store(before);
        }
        done
    }

    /// Every hour until `stop`.
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.tick().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let certificates = self.clone();
            let round = tokio::task::spawn_blocking(move || certificates.round()).await;
            let failed = match round {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            tracing::error!(
                event = "cert.failed",
                error = failed,
                "certificates could not be looked after; the next try is in an hour"
            );
        }
    }

    pub(super) fn round(&self) -> Result<(), CertError> {
        let _turn = self.turn.lock();
        let Some(authority) = self.authority.load_full() else { return Ok(()) };
        let config = self.config();
        if authority.renewal_due(&config) {
            self.renew_now(&authority, &config, &Actor::server())?;
        }
        self.in_force(&config)?;
        if self.rounds.fetch_add(1, Relaxed) % ROUNDS == ROUNDS - 1 {
            self.warn();
        }
        Ok(())
    }

    /// Makes the server's certificate anew, also before its time.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn renew(&self, by: &Actor) -> Result<Arc<Authority>, CertError> {
        let _turn = self.turn.lock();
        let authority = self.opened()?;
        self.renew_now(&authority, &self.config(), by)?;
        self.opened()
    }

    fn renew_now(&self, authority: &Authority, config: &Config, by: &Actor) -> Result<(), CertError> {
        let next = authority.renewed(config)?;
        let days = next.days_left().1;
        self.install(next);
        self.audit.did(by, "cert.renewed", "server", json!({"days": days}));
        tracing::info!(
            event = "cert.renewed",
            kind = "server",
            days,
            by = &*by.name,
            "server certificate made anew; connections stay"
        );
        Ok(())
    }

    /// Revocations of table and CRL file become the same, and are in force.
    pub(super) fn in_force(&self, config: &Config) -> Result<(), CertError> {
        let (authority, now) = (self.opened()?, clock::now_ms());
        let found = authority.listed(&config.tls);
        let mut list = inventory::revocations(&self.db, now)?;
        let known =
            |entry: &super::ca::Revocation| list.iter().any(|r| r.serial == entry.serial && r.issuer == entry.issuer);
        let fresh: Vec<_> = found.into_iter().filter(|entry| !known(entry)).collect();
        if !fresh.is_empty() {
            let tx = self.db.begin()?;
            let n = inventory::take_over(&tx, &fresh, now)?;
            tx.commit()?;
            tracing::info!(
                event = "cert.adopted",
                revocations = n,
                "the CRL named certificates the table did not have as revoked"
            );
            list = inventory::revocations(&self.db, now)?;
        }
        if authority.crl_due(&config.tls, &list) {
            return self.enforce_in(&authority, config, &list);
        }
        match authority.revoked().is(&list) {
            true => self.cut(),
            false => self.install(authority.knowing(config, &list)?),
        }
        Ok(())
    }

    /// Certificates under `clients/` that have no row: of a server that had no table yet, or of `fts init`.
    fn take_in_files(&self) -> Result<(), CertError> {
        let dir = self.config().tls.dir.join("clients");
        let names = std::fs::read_dir(&dir).into_iter().flatten().flatten().map(|e| e.path());
        let known = self.db.query("SELECT serial FROM certificate", &[])?;
        let known: std::collections::HashSet<&str> = known.iter().map(|r| r.text("serial")).collect();
        let fresh: Vec<_> = names
            .filter(|p| p.extension().is_some_and(|e| e == "pem"))
            .filter(|p| p.file_stem().and_then(|s| s.to_str()).is_some_and(|serial| !known.contains(serial)))
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let tx = self.db.begin()?;
        let mut n = 0;
        for path in fresh {
            match inventory::take_in(&tx, &files::read(&path)?, "import", clock::now_ms()) {
                Ok(new) => n += usize::from(new),
                Err(CertError::Store(error)) => return Err(error.into()),
                Err(error) => tracing::warn!(event = "cert.failed", file = %path.display(), %error, "passed over"),
            }
        }
        tx.commit()?;
        tracing::info!(event = "cert.adopted", certificates = n, "certificates of files taken into the table");
        Ok(())
    }

    fn warn(&self) {
        let Some(authority) = self.authority.load_full() else { return };
        let (ca, server) = authority.days_left();
        if ca < CA_WARNING {
            tracing::warn!(
                event = "cert.expiring",
                kind = "ca",
                days = ca,
                "the CA ends soon, and every certificate with it: fts cert ca-rotate makes another one, old clients stay connected"
            );
        }
        if server < SERVER_WARNING {
            tracing::warn!(
                event = "cert.expiring",
                kind = "server",
                days = server,
                "the server certificate ends soon and could not be renewed: fts cert renew says why"
            );
        }
    }
}
