//! [`Certificates`]: what the running server does with certificates: issues them into the table, revokes, renews. One
//! change at a time. Order of each: the table is committed, then files and CRL are written, then the [`Authority`] of the
//! moment is exchanged, then connections end that are no longer good. Everything here blocks.
use std::sync::{Arc, atomic::AtomicU32};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use serde_json::json;

use super::{
    audit::{Actor, Audit},
    ca::{Authority, CertError, Issued, Profile, Revocation, Signed, key::Passphrase, parse},
    files,
    inventory::{self, Filter, New, Record},
    live::{Live, Pass},
};
use crate::{
    config::Config,
    directory::Leave,
    net::PeerCert,
    observe::clock,
    route::Router,
    store::database::{Database, Transaction},
};

/// See the file's head.
pub struct Certificates {
    pub(super) db: Database,
    pub(super) running: Arc<ArcSwap<Config>>,
    pub(super) authority: Arc<ArcSwapOption<Authority>>,
    pub(super) audit: Arc<Audit>,
    router: Arc<Router>,
    live: Arc<Live>,
    /// One change at a time.
    pub(super) turn: Mutex<()>,
    /// Of looking after them.
    pub(super) rounds: AtomicU32,
}

/// Whose certificate it shall be, and how it came about.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Order<'a> {
    pub profile: &'a Profile,
    /// The user it belongs to; "" = nobody.
    pub user: &'a str,
    pub client_uid: &'a str,
    pub client_version: &'a str,
    /// `enroll`, `cli`, `rest`, `import`, `plugin`.
    pub via: &'static str,
}

impl Certificates {
    /// On this database; `authority` is filled as soon as somebody needs it.
    pub fn new(
        db: Database,
        running: Arc<ArcSwap<Config>>,
        authority: Arc<ArcSwapOption<Authority>>,
        audit: Arc<Audit>,
        router: Arc<Router>,
    ) -> Arc<Self> {
        Arc::new(Self {
            db,
            running,
            authority,
            audit,
            router,
            live: Arc::default(),
            turn: Mutex::default(),
            rounds: AtomicU32::new(0),
        })
    }

    pub(super) fn config(&self) -> Arc<Config> {
        self.running.load_full()
    }

    /// The CA; opened, or made, where no TLS listener has needed it yet.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn authority(&self) -> Result<Arc<Authority>, CertError> {
        if let Some(authority) = self.authority.load_full() {
            return Ok(authority);
        }
        let _turn = self.turn.lock();
        self.opened()
    }

    /// The same while the turn is held.
    pub(super) fn opened(&self) -> Result<Arc<Authority>, CertError> {
        if let Some(authority) = self.authority.load_full() {
            return Ok(authority);
        }
        let config = self.config();
        let list = inventory::revocations(&self.db, clock::now_ms())?;
        let authority = Arc::new(Authority::open(&config)?.knowing(&config, &list)?);
        self.authority.store(Some(authority.clone()));
        Ok(authority)
    }

    /// Rows of the table, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Record>, CertError> {
        Ok(inventory::list(&self.db, filter, clock::now_ms())?)
    }

    /// Makes a key and a certificate for it.
    ///
    /// # Errors
    /// [`CertError`]; nothing is stored then.
    pub fn issue(&self, order: &Order<'_>, p12_password: &str, by: &Actor) -> Result<Issued, CertError> {
        let (authority, config) = (self.authority()?, self.config());
        let issued = authority.issue(&config, order.profile, p12_password)?;
        let der = parse::certificates(&issued.cert_pem).into_iter().next().unwrap_or_default();
        let facts =
            parse::Facts::of(&der).ok_or_else(|| CertError::Making("the certificate made cannot be read".into()))?;
        let tx = self.db.begin()?;
        self.record(&tx, order, &Signed { der, facts: facts.clone() })?;
        tx.commit()?;
        self.issued(order, &facts, by)?;
        Ok(issued)
    }

    /// The row of a new certificate.
    pub(super) fn record(&self, tx: &Transaction, order: &Order<'_>, signed: &Signed) -> Result<(), CertError> {
        let new = New {
            facts: &signed.facts,
            kind: order.profile.kind(),
            user: order.user,
            client_uid: order.client_uid,
            client_version: order.client_version,
            pem: &parse::pem(&signed.der),
            issued_at: clock::now_ms(),
            via: order.via,
        };
        match inventory::insert(tx, &new)? {
            true => Ok(()),
            false => Err(CertError::Making("the serial number drawn is taken; try again".into())),
        }
    }

    /// What follows when its row is committed: the copy under `clients/`, audit, log, counter.
    pub(super) fn issued(&self, order: &Order<'_>, facts: &parse::Facts, by: &Actor) -> Result<(), CertError> {
        let detail =
            json!({"serial": facts.serial, "cn": facts.common_name, "client_uid": order.client_uid, "via": order.via});
        self.audit.did(by, "cert.issued", order.user, detail);
        metrics::counter!("fts_certificates_issued_total", "via" => order.via).increment(1);
        tracing::info!(
            event = "cert.issued",
            kind = order.profile.kind(),
            serial = facts.serial,
            user = order.user,
            cn = facts.common_name,
            client_uid = order.client_uid,
            via = order.via,
            "certificate issued"
        );
        let found = self.list(&Filter { sha256: Some(facts.sha256.clone()), ..Filter::default() })?;
        let dir = self.config().tls.dir.join("clients");
        files::private_dir(&dir)?;
        for record in found {
            files::write(&dir.join(format!("{}.pem", facts.serial)), record.pem.as_bytes(), files::PUBLIC)?;
        }
        Ok(())
    }

    /// The list of revocations as the table has it, in force from now on.
    pub(super) fn enforce(&self) -> Result<(), CertError> {
        let list = inventory::revocations(&self.db, clock::now_ms())?;
        self.enforce_in(&*self.opened()?, &self.config(), &list)
    }

    /// The same for another authority, which takes the place of this one: handshakes, connections, then the CRL. Without
    /// space for the CRL who is revoked is out all the same; the keeper tries again.
    pub(super) fn enforce_in(&self, next: &Authority, config: &Config, list: &[Revocation]) -> Result<(), CertError> {
        let next = next.knowing(config, list)?;
        let written = next.write_crl(&config.tls, list);
        self.install(next);
        if let Err(error) = written {
            tracing::error!(event = "cert.failed", %error, "the CRL could not be written; the next try is in an hour");
        }
        Ok(())
    }

    /// Another authority in the place of this one.
    pub(super) fn install(&self, next: Authority) {
        self.authority.store(Some(Arc::new(next)));
        self.cut();
    }

    /// Ends connections whose certificate is revoked.
    pub(super) fn cut(&self) {
        if let Some(authority) = self.authority.load_full() {
            self.cut_where(|cert| authority.revoked().has_peer(cert));
        }
    }

    /// Ends connections with such a certificate.
    pub(super) fn cut_where(&self, gone: impl Fn(&PeerCert) -> bool) {
        let roster = self.router.directory.roster();
        let streams = roster.clients().filter(|c| c.cert.as_ref().is_some_and(&gone));
        let streams = streams.map(|c| c.end(Leave::Revoked)).count();
        let http = self.live.cut(&gone);
        if streams + http > 0 {
            tracing::info!(
                event = "cert.cut",
                streams,
                http,
                "connections with certificates that are no longer good end"
            );
        }
    }

    /// An HTTP connection with this certificate is open; its end comes with [`Pass::revoked`].
    pub fn enter(&self, cert: &PeerCert) -> Pass {
        let pass = self.live.enter(cert);
        // Revoked between its handshake and now: nobody will look again.
        if self.is_revoked(cert) {
            pass.revoked.cancel();
        }
        pass
    }

    /// Is the certificate of a connection revoked?
    pub fn is_revoked(&self, cert: &PeerCert) -> bool {
        self.authority.load().as_ref().is_some_and(|a| a.revoked().has_peer(cert))
    }

    pub(super) fn passphrase() -> Result<Option<Passphrase>, CertError> {
        Passphrase::of_process()
    }
}

#[cfg(test)]
#[path = "certificates_tests.rs"]
mod tests;
