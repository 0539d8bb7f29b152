//! Enrolment: a request of a logged-in user becomes a certificate (identity.md 5.3). Order: the request's own rules
//! (`csr`), whose name it carries, the rest of the name, how many devices and how fast; then in one transaction the use of
//! the enrolment token, the row, and the marks of the certificates it replaces. The key never was here.
use std::sync::Arc;

use rcgen::SubjectPublicKeyInfo;

use super::{
    audit::Actor,
    ca::{Authority, CertError, Issued, Profile, name, parse},
    certificates::{Certificates, Order},
    csr::Request,
    inventory::{self, Filter},
    issue::checked,
};
use crate::{
    config::Config,
    observe::clock,
    store::database::{Transaction, Value as Sql},
};

/// Who asks, and from where.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Asker<'a> {
    pub name: &'a str,
    pub user_id: Option<i64>,
    /// May ask for others.
    pub admin: bool,
    /// The enrolment token it logged in with: its row and its end, ms UTC.
    pub token: Option<(i64, Option<i64>)>,
    pub device: Device<'a>,
    pub by: &'a Actor,
}

/// What the device says of itself.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Device<'a> {
    pub uid: &'a str,
    /// It said its version: it understands channels.
    pub version: Option<&'a str>,
}

/// A signed certificate with its chain, for the client.
pub struct Enrolled {
    /// The certificate, DER.
    pub signed: Vec<u8>,
    authority: Arc<Authority>,
}

/// Certificates per user and minute; a device that asks in a circle must not fill the table.
const PER_MINUTE: i64 = 10;

impl Enrolled {
    /// Its issuer and what is above, up to the root, DER.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.authority.chain()
    }

    /// P12 without a key.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn p12(&self, password: &str) -> Result<Vec<u8>, CertError> {
        self.authority.enrolment(&self.signed, password)
    }
}

impl Certificates {
    /// Signs a request.
    ///
    /// # Errors
    /// [`CertError`]; nothing is stored then.
    pub fn enroll(&self, body: &[u8], asker: &Asker<'_>) -> Result<Enrolled, CertError> {
        let config = self.config();
        let request = Request::read(body)?;
        let owner = self.owner(&request.cn, asker)?;
        let wanted = name::entries(&config)?;
        if config.enrollment.strict_dn && !request.has_exactly(&wanted) {
            let list: Vec<_> = wanted.iter().map(|(kind, value)| format!("{kind}={value}")).collect();
            return Err(CertError::Refused(format!(
                "the request's name must be CN={owner} with exactly {}",
                list.join(", ")
            )));
        }
        let key = SubjectPublicKeyInfo::from_der(&request.key)
            .map_err(|_| CertError::Refused("the key of the request is of a kind not taken here".into()))?;
        let profile = self.profile(&owner, asker, &config);
        let authority = self.authority()?;
        let signed = authority.sign(&config, &profile, &key)?;
        let order = self.order(&owner, &profile, asker);
        self.store(asker, &owner, &config, |tx| self.record(tx, &order, &signed))?;
        self.issued(&order, &signed.facts, asker.by)?;
        Ok(Enrolled { signed: signed.der, authority })
    }

    /// Makes key and certificate here (`makeClientKeyStore`, where `enrollment.server_side_keys` allows it).
    ///
    /// # Errors
    /// [`CertError`]; nothing is stored then.
    pub fn enroll_with_key(&self, cn: &str, password: &str, asker: &Asker<'_>) -> Result<Issued, CertError> {
        let config = self.config();
        let owner = self.owner(cn, asker)?;
        let profile = self.profile(&owner, asker, &config);
        let authority = self.authority()?;
        let issued = authority.issue(&config, &profile, password)?;
        let der = parse::certificates(&issued.cert_pem).into_iter().next().unwrap_or_default();
        let facts =
            parse::Facts::of(&der).ok_or_else(|| CertError::Making("the certificate made cannot be read".into()))?;
        let signed = super::ca::Signed { der, facts };
        let order = self.order(&owner, &profile, asker);
        self.store(asker, &owner, &config, |tx| self.record(tx, &order, &signed))?;
        self.issued(&order, &signed.facts, asker.by)?;
        Ok(issued)
    }

    /// Rules 2 and 5: the user as it is stored, in its own case of letters.
    fn owner(&self, cn: &str, asker: &Asker<'_>) -> Result<String, CertError> {
        if cn.eq_ignore_ascii_case(asker.name) {
            return Ok(asker.name.to_owned());
        }
        if !asker.admin {
            return Err(CertError::Refused(format!(
                "the common name {cn:?} is not the name of the user {:?}",
                asker.name
            )));
        }
        checked(cn)?;
        let row = self.db.query("SELECT name, disabled FROM user WHERE name = ?", &[cn.to_owned().into()])?;
        match row.first() {
            Some(row) if row.flag("disabled") => Err(CertError::Refused(format!("the user {cn:?} is disabled"))),
            Some(row) => Ok(row.text("name").to_owned()),
            None => Ok(cn.to_owned()),
        }
    }

    fn profile(&self, owner: &str, asker: &Asker<'_>, config: &Config) -> Profile {
        let ends = asker.token.and_then(|(_, ends)| ends).filter(|_| config.enrollment.use_token_expiration);
        let channels = asker.device.version.is_some();
        let uid = asker.device.uid.to_owned();
        Profile::Client { cn: owner.to_owned(), channels, until: ends.map(|ms| ms / 1_000), uid }
    }

    fn order<'a>(&self, owner: &'a str, profile: &'a Profile, asker: &Asker<'a>) -> Order<'a> {
        let client_version = asker.device.version.unwrap_or_default();
        Order { profile, user: owner, client_uid: asker.device.uid, client_version, via: "enroll" }
    }

    /// Everything that must be true together, and what follows for the certificates before.
    fn store(
        &self,
        asker: &Asker<'_>,
        owner: &str,
        config: &Config,
        record: impl FnOnce(&Transaction) -> Result<(), CertError>,
    ) -> Result<(), CertError> {
        let _turn = self.turn.lock();
        let tx = self.db.begin()?;
        let now = clock::now_ms();
        may_have_another(&tx, owner, asker.device.uid, config.enrollment.max_devices, now)?;
        if let Some((token, _)) = asker.token {
            let sql = "UPDATE enrollment_token SET uses = uses + 1, used_at = ?1 WHERE id = ?2 AND uses < max_uses
                 AND (not_before IS NULL OR not_before <= ?1) AND (expires_at IS NULL OR expires_at > ?1)";
            if tx.exec(sql, &[now.into(), token.into()])? != 1 {
                return Err(CertError::TokenSpent);
            }
        }
        let mut replaced = Vec::new();
        // No uid names no device: such certificates replace nothing.
        if !asker.device.uid.is_empty() {
            let filter = Filter { user: Some(owner.to_owned()), ..Filter::default() };
            replaced = inventory::revocable(&tx, &filter, now)?;
            replaced.retain(|r| r.kind == "client" && r.client_uid == asker.device.uid && r.replaced_at.is_none());
        }
        let revoke = config.enrollment.revoke_replaced;
        for old in &replaced {
            let revoked = revoke.then_some(now);
            let reason = revoke.then(|| "superseded".to_owned());
            let sql = "UPDATE certificate SET replaced_at = ?, revoked_at = ?, revoke_reason = ? WHERE id = ?";
            tx.exec(sql, &[now.into(), revoked.into(), reason.into(), Sql::from(old.id)])?;
        }
        record(&tx)?;
        tx.commit()?;
        if revoke && !replaced.is_empty() {
            self.enforce()?;
            for old in &mut replaced {
                old.revoke_reason = Some("superseded".to_owned());
                self.revoked(old, asker.by);
            }
        }
        Ok(())
    }
}

/// Rule 5: so many devices, and not in a circle.
fn may_have_another(tx: &Transaction, owner: &str, uid: &str, most: usize, now: i64) -> Result<(), CertError> {
    let sql = "SELECT count(*) AS n, min(issued_at) AS first FROM certificate WHERE user_name = ? AND via = 'enroll' AND issued_at > ?";
    let recent = tx.query(sql, &[owner.to_owned().into(), (now - 60_000).into()])?;
    if let Some(row) = recent.first().filter(|r| r.int("n") >= PER_MINUTE) {
        let wait = (row.int("first") + 60_000 - now).clamp(1_000, 60_000);
        return Err(CertError::TooMany(u32::try_from(wait / 1_000).unwrap_or(60)));
    }
    if most == 0 {
        return Ok(());
    }
    let sql = "SELECT count(DISTINCT client_uid) AS n FROM certificate WHERE user_name = ?1 AND kind = 'client' AND client_uid <> ?2
         AND revoked_at IS NULL AND replaced_at IS NULL AND not_after > ?3 AND via = 'enroll'";
    let others = tx.query(sql, &[owner.to_owned().into(), uid.to_owned().into(), now.into()])?;
    match others.first().map_or(0, |r| r.int("n")) {
        n if usize::try_from(n).is_ok_and(|n| n >= most) => Err(CertError::Refused(format!(
            "{owner} has certificates for {n} devices, and {most} are allowed; revoke one first (fts cert revoke)"
        ))),
        _ => Ok(()),
    }
}
