//! A CA from elsewhere in the place of ours, and a new one in the place of an old one: `fts cert adopt` and `ca-rotate`.
//! An adopted CA brings its CRL, of any version, and the certificates it has issued (operations.md 8, step 3): what it has
//! revoked is revoked here, and a fresh version 2 CRL is written. Its clients connect as before.
use serde_json::json;

use super::{
    audit::Actor,
    ca::{Authority, CertError, revocations},
    certificates::Certificates,
    inventory::{self, Filter, State},
};
use crate::observe::clock;

/// A CA to be taken over, as texts of its files.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adoption {
    /// Certificate of the CA first, then what is above it. FreeTAKServer appends its CRL: it is read, too.
    pub ca_pem: String,
    /// Its private key, PEM; encrypted only with the passphrase of `FTS_CA_KEY_PASSWORD`.
    pub key_pem: String,
    /// A CRL, PEM, version 1 or 2.
    #[serde(default)]
    pub crl_pem: String,
    /// Certificates it has issued, PEM each.
    #[serde(default)]
    pub certificates: Vec<String>,
}

/// What was taken over.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Adopted {
    pub ca: String,
    pub fingerprint: String,
    pub days: i64,
    pub certificates: usize,
    pub revocations: usize,
    /// Texts among the certificates that are none.
    pub passed_over: usize,
}

impl Certificates {
    /// Takes a CA over. The one so far is kept as a retired one if it has issued certificates that are still good.
    ///
    /// # Errors
    /// [`CertError`]; nothing has changed where the CA itself is no good.
    pub fn adopt(&self, given: &Adoption, by: &Actor) -> Result<Adopted, CertError> {
        let _turn = self.turn.lock();
        let (config, before) = (self.config(), self.opened()?);
        let own = before.authorities().next().map(|f| f.subject.clone()).unwrap_or_default();
        let active = self.list(&Filter { state: State::Active, ..Filter::default() })?;
        let keep = active.iter().any(|r| r.kind == "client" && r.facts.issuer == own);
        let mut revoked = Vec::new();
        for text in [&given.ca_pem, &given.crl_pem] {
            for der in super::ca::crls(text) {
                revoked.extend(revocations(&der).map_err(CertError::Refused)?);
            }
        }
        let next = before.adopt(&config, Self::passphrase()?.as_ref(), &given.ca_pem, &given.key_pem, keep)?;
        let (mut taken, mut passed_over) = (0, 0);
        let tx = self.db.begin()?;
        for text in &given.certificates {
            match inventory::take_in(&tx, text, "import", clock::now_ms()) {
                Ok(new) => taken += usize::from(new),
                Err(CertError::Store(error)) => return Err(error.into()),
                Err(_) => passed_over += 1,
            }
        }
        let entries = inventory::take_over(&tx, &revoked, clock::now_ms())?;
        tx.commit()?;
        self.replaced_by(next)?;
        let now = self.opened()?;
        let facts = now.authorities().next();
        let adopted = Adopted {
            ca: facts.map(|f| f.common_name.clone()).unwrap_or_default(),
            fingerprint: now.fingerprint(),
            days: now.days_left().0,
            certificates: taken,
            revocations: entries,
            passed_over,
        };
        self.audit.did(
            by,
            "cert.ca_adopted",
            &adopted.ca,
            json!({"fingerprint": adopted.fingerprint, "revocations": entries}),
        );
        tracing::info!(
            event = "cert.adopted",
            ca = adopted.ca,
            certificates = taken,
            revocations = entries,
            by = &*by.name,
            "certificate authority taken over"
        );
        Ok(adopted)
    }

    /// Makes a new CA; the one so far is retired, and its certificates stay good.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn rotate(&self, by: &Actor) -> Result<std::sync::Arc<Authority>, CertError> {
        let _turn = self.turn.lock();
        let next = self.opened()?.rotate(&self.config(), Self::passphrase()?.as_ref())?;
        let name = next.authorities().next().map(|f| f.common_name.clone()).unwrap_or_default();
        self.replaced_by(next)?;
        self.audit.did(by, "cert.ca_rotated", &name, json!({}));
        tracing::info!(
            event = "cert.rotated",
            ca = name,
            by = &*by.name,
            "new certificate authority; certificates of the one before stay good"
        );
        self.opened()
    }

    /// Makes an intermediate CA below the one of today, and where the key of that lies now.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn intermediate(&self, by: &Actor) -> Result<(std::sync::Arc<Authority>, std::path::PathBuf), CertError> {
        let _turn = self.turn.lock();
        let (next, key) = self.opened()?.intermediate(&self.config(), Self::passphrase()?.as_ref())?;
        let name = next.authorities().next().map(|f| f.common_name.clone()).unwrap_or_default();
        self.replaced_by(next)?;
        self.audit.did(by, "cert.ca_intermediate", &name, json!({}));
        tracing::info!(
            event = "cert.rotated",
            ca = name,
            by = &*by.name,
            "an intermediate authority signs from now on; certificates of the one above stay good"
        );
        Ok((self.opened()?, key))
    }

    /// Ends a rotation: certificates of retired CAs open nothing any more. How many CAs there were.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn finish_rotation(&self, by: &Actor) -> Result<usize, CertError> {
        let _turn = self.turn.lock();
        let issuers: Vec<String> = self.opened()?.earlier().map(|f| f.subject.clone()).collect();
        if issuers.is_empty() {
            return Ok(0);
        }
        let (next, gone) = self.opened()?.finish_rotation(&self.config(), Self::passphrase()?.as_ref())?;
        self.replaced_by(next)?;
        self.cut_issued_by(&issuers)?;
        self.audit.did(by, "cert.ca_retired", "", json!({"authorities": gone}));
        tracing::info!(
            event = "cert.rotated",
            retired = gone,
            by = &*by.name,
            "retired authorities are trusted no more"
        );
        Ok(gone)
    }

    /// Certificates of a CA that is trusted no more: their connections end as those of revoked ones.
    fn cut_issued_by(&self, issuers: &[String]) -> Result<(), CertError> {
        let all = self.list(&Filter::default())?;
        let gone: std::collections::HashSet<String> =
            all.into_iter().filter(|r| issuers.contains(&r.facts.issuer)).map(|r| r.facts.sha256).collect();
        self.cut_where(|cert| gone.contains(&cert.sha256));
        Ok(())
    }

    /// Another CA: its CRLs are written with what the table has as revoked.
    fn replaced_by(&self, next: Authority) -> Result<(), CertError> {
        let list = inventory::revocations(&self.db, clock::now_ms())?;
        self.enforce_in(&next, &self.config(), &list)
    }
}
