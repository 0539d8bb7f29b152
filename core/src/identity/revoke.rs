//! Revoking: rows of the table get their date, and from then on the certificate opens nothing (identity.md 3.5). Connections
//! that use it end at once. Nothing takes a revocation back.
use serde_json::json;

use super::{
    audit::Actor,
    ca::{CertError, Facts, REASONS, parse},
    certificates::Certificates,
    inventory::{self, Filter, New, Record},
};
use crate::{observe::clock, store::database::Value as Sql};

/// What shall be revoked; at least one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// Hex, as people write it.
    pub serial: Option<String>,
    /// All of a user.
    pub user: Option<String>,
    /// All of a common name.
    pub cn: Option<String>,
    /// All issued before; ms UTC.
    pub issued_before: Option<i64>,
    /// SHA-256 of one.
    pub sha256: Option<String>,
    /// Number of its row.
    pub id: Option<i64>,
    /// One of [`REASONS`]; None = unspecified.
    pub reason: Option<String>,
    /// With `serial`: also one the server does not know, of the CA of today.
    #[serde(default)]
    pub force: bool,
}

impl Revoke {
    fn filter(&self) -> Result<Filter, CertError> {
        let serial = self.serial.as_deref().map(|text| {
            parse::serial_of_text(text)
                .ok_or_else(|| CertError::Refused(format!("serial {text:?}: hex digits are wanted")))
        });
        let filter = Filter {
            serial: serial.transpose()?,
            user: self.user.clone(),
            cn: self.cn.clone(),
            issued_before: self.issued_before,
            sha256: self.sha256.as_ref().map(|h| h.to_ascii_lowercase()),
            id: self.id,
            ..Filter::default()
        };
        if filter == Filter::default() {
            return Err(CertError::Refused("say which: serial, user, cn or issued_before".into()));
        }
        Ok(filter)
    }

    fn reason(&self) -> Result<Option<&'static str>, CertError> {
        let Some(wanted) = self.reason.as_deref().filter(|r| !r.is_empty()) else { return Ok(None) };
        let known = REASONS.iter().copied().find(|known| known.eq_ignore_ascii_case(wanted));
        known.map(Some).ok_or_else(|| CertError::Refused(format!("reason {wanted:?}: one of {}", REASONS.join(", "))))
    }
}

impl Certificates {
    /// Revokes; what was revoked by this call. What is revoked or ended already is passed over.
    ///
    /// # Errors
    /// [`CertError::Unknown`] when nothing fits; [`CertError`].
    pub fn revoke(&self, wanted: &Revoke, by: &Actor) -> Result<Vec<Record>, CertError> {
        let (filter, reason, now) = (wanted.filter()?, wanted.reason()?, clock::now_ms());
        let _turn = self.turn.lock();
        let ca = self.opened()?.authorities().next().map(|f| f.subject.clone()).unwrap_or_default();
        let tx = self.db.begin()?;
        let mut found = inventory::revocable(&tx, &filter, now)?;
        if found.is_empty()
            && let Some(serial) = filter.serial.as_ref().filter(|_| wanted.force)
        {
            let facts = Facts {
                serial: serial.clone(),
                sha256: String::new(),
                subject: String::new(),
                issuer: ca,
                common_name: String::new(),
                not_before: 0,
                not_after: now / 1_000 + 1,
            };
            let new = New {
                facts: &facts,
                kind: "client",
                user: "",
                client_uid: "",
                client_version: "",
                pem: "",
                issued_at: now,
                via: "cli",
            };
            inventory::insert(&tx, &new)?;
            found = inventory::revocable(&tx, &filter, now)?;
        }
        for record in &found {
            let values = [now.into(), reason.map(str::to_owned).into(), Sql::from(record.id)];
            tx.exec("UPDATE certificate SET revoked_at = ?, revoke_reason = ? WHERE id = ?", &values)?;
        }
        tx.commit()?;
        if found.is_empty() {
            return Err(self.nothing(&filter));
        }
        self.enforce()?;
        for record in &mut found {
            (record.revoked_at, record.revoke_reason) = (Some(now), reason.map(str::to_owned));
            self.revoked(record, by);
        }
        Ok(found)
    }

    /// Revokes rows by their numbers; what is revoked or ended already is passed over.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn revoke_ids(&self, ids: &[i64], reason: Option<&str>, by: &Actor) -> Result<(), CertError> {
        for id in ids {
            let one = Revoke { id: Some(*id), reason: reason.map(str::to_owned), ..Revoke::default() };
            match self.revoke(&one, by) {
                Ok(_) | Err(CertError::Unknown(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Forgets rows whose certificate has ended, and revokes the others: without its row a revoked certificate would be
    /// good again.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn forget(&self, ids: &[i64], by: &Actor) -> Result<(), CertError> {
        self.revoke_ids(ids, None, by)?;
        let now = clock::now_ms();
        for id in ids {
            let sql = "DELETE FROM certificate WHERE id = ? AND not_after <= ? AND pem <> ''";
            if self.db.exec(sql, &[Sql::from(*id), now.into()])? == 1 {
                self.audit.did(by, "cert.forgotten", "", json!({"id": id}));
            }
        }
        Ok(())
    }

    /// Audit, log and counter of one.
    pub(super) fn revoked(&self, record: &Record, by: &Actor) {
        let (serial, reason) = (&record.facts.serial, record.revoke_reason.as_deref().unwrap_or("unspecified"));
        let detail = json!({"serial": serial, "cn": record.facts.common_name, "reason": reason});
        self.audit.did(by, "cert.revoked", &record.user, detail);
        metrics::counter!("fts_certificates_revoked_total", "via" => if by.ip.is_some() { "http" } else { "cli" })
            .increment(1);
        tracing::info!(
            event = "cert.revoked",
            serial,
            user = record.user,
            cn = record.facts.common_name,
            reason,
            by = &*by.name,
            "certificate revoked"
        );
    }

    fn nothing(&self, filter: &Filter) -> CertError {
        let known = self.list(filter).map(|list| !list.is_empty()).unwrap_or(false);
        CertError::Unknown(if known {
            "what fits is revoked or has ended already".into()
        } else if filter.serial.is_some() {
            "no certificate of this serial is known; --force puts it into the CRL all the same".into()
        } else {
            "no certificate fits".into()
        })
    }
}
