//! The table `certificate`: every certificate the server has issued or was told of ([`Record`]). It is the truth about what
//! is revoked (identity.md 3.5); files and CRL follow it. Rows go only when their certificate has ended, because a row that
//! is gone revokes nothing any more.
use super::ca::{CertError, Facts, Revocation, parse};
use crate::store::{
    database::{Database, Transaction, Value as Sql},
    error::StoreError,
    rows::{Row, Rows},
};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Record {
    pub id: i64,
    pub facts: Facts,
    /// `client` or `server`.
    pub kind: String,
    /// Whose it is; "" = nobody's.
    pub user: String,
    /// The device it was enrolled from.
    pub client_uid: String,
    /// What the device said of its version.
    pub client_version: String,
    /// "" = only the serial is known.
    pub pem: String,
    /// ms UTC.
    pub issued_at: i64,
    pub replaced_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub revoke_reason: Option<String>,
    /// `enroll`, `cli`, `rest`, `import`.
    pub via: String,
}

/// Which state of a certificate is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// All of them.
    #[default]
    Any,
    /// Good now: neither revoked nor ended, and not replaced.
    Active,
    /// Another one of the same device came after it; still good.
    Replaced,
    /// Ended.
    Expired,
    /// Revoked.
    Revoked,
}

/// Which rows. What is not given fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Filter {
    pub state: State,
    pub id: Option<i64>,
    /// Normal form.
    pub serial: Option<String>,
    pub sha256: Option<String>,
    /// In any case of its letters.
    pub user: Option<String>,
    pub cn: Option<String>,
    /// ms UTC.
    pub issued_before: Option<i64>,
}

const COLUMNS: &str = "id, serial, issuer, sha256, subject, common_name, kind, user_name, client_uid, client_version, pem, \
                       issued_at, not_before, not_after, replaced_at, revoked_at, revoke_reason, via";
const FITS: &str = "(?1 IS NULL OR id = ?1) AND (?2 IS NULL OR serial = ?2) AND (?3 IS NULL OR sha256 = ?3) \
                    AND (?4 IS NULL OR user_name = ?4) AND (?5 IS NULL OR common_name = ?5) \
                    AND (?6 IS NULL OR issued_at < ?6) AND CASE ?7 \
                    WHEN 'active' THEN revoked_at IS NULL AND replaced_at IS NULL AND not_after > ?8 \
                    WHEN 'replaced' THEN revoked_at IS NULL AND replaced_at IS NOT NULL AND not_after > ?8 \
                    WHEN 'expired' THEN not_after <= ?8 AND pem <> '' WHEN 'revoked' THEN revoked_at IS NOT NULL \
                    WHEN 'revocable' THEN revoked_at IS NULL AND not_after > ?8 ELSE 1 END";

impl Filter {
    fn values(&self, state: &str, now: i64) -> Vec<Sql> {
        vec![
            self.id.into(),
            self.serial.clone().into(),
            self.sha256.clone().into(),
            self.user.clone().into(),
            self.cn.clone().into(),
            self.issued_before.into(),
            Sql::from(state.to_owned()),
            now.into(),
        ]
    }

    fn state(&self) -> &'static str {
        match self.state {
            State::Any => "any",
            State::Active => "active",
            State::Replaced => "replaced",
            State::Expired => "expired",
            State::Revoked => "revoked",
        }
    }
}

/// The rows that fit, oldest first.
///
/// # Errors
/// The database's.
pub fn list(db: &Database, filter: &Filter, now: i64) -> Result<Vec<Record>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM certificate WHERE {FITS} ORDER BY id");
    Ok(records(&db.query(&sql, &filter.values(filter.state(), now))?))
}

/// What can still be revoked of it: neither revoked nor ended.
pub(super) fn revocable(tx: &Transaction, filter: &Filter, now: i64) -> Result<Vec<Record>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM certificate WHERE {FITS} ORDER BY id");
    Ok(records(&tx.query(&sql, &filter.values("revocable", now))?))
}

fn records(rows: &Rows) -> Vec<Record> {
    rows.iter().map(record).collect()
}

fn record(row: Row<'_>) -> Record {
    let text = |column| row.text(column).to_owned();
    Record {
        id: row.int("id"),
        facts: Facts {
            serial: text("serial"),
            sha256: text("sha256"),
            subject: text("subject"),
            issuer: text("issuer"),
            common_name: text("common_name"),
            not_before: row.int("not_before") / 1_000,
            not_after: row.int("not_after") / 1_000,
        },
        kind: text("kind"),
        user: text("user_name"),
        client_uid: text("client_uid"),
        client_version: text("client_version"),
        pem: text("pem"),
        issued_at: row.int("issued_at"),
        replaced_at: row.opt_int("replaced_at"),
        revoked_at: row.opt_int("revoked_at"),
        revoke_reason: row.opt_text("revoke_reason").map(str::to_owned),
        via: text("via"),
    }
}

/// A row to be written.
pub(super) struct New<'a> {
    pub facts: &'a Facts,
    pub kind: &'a str,
    pub user: &'a str,
    pub client_uid: &'a str,
    pub client_version: &'a str,
    pub pem: &'a str,
    pub issued_at: i64,
    pub via: &'a str,
}

/// Writes a row; false = there is one of this issuer and serial.
pub(super) fn insert(tx: &Transaction, new: &New<'_>) -> Result<bool, StoreError> {
    let text = |t: &str| Sql::from(t.to_owned());
    let f = new.facts;
    let values = [
        text(&f.serial),
        text(&f.issuer),
        text(&f.sha256),
        text(&f.subject),
        text(&f.common_name),
        text(new.kind),
        text(new.user),
        text(new.client_uid),
        text(new.client_version),
        text(new.pem),
        new.issued_at.into(),
        (f.not_before * 1_000).into(),
        (f.not_after * 1_000).into(),
        text(new.via),
    ];
    let sql = "INSERT OR IGNORE INTO certificate (serial, issuer, sha256, subject, common_name, kind, user_id, user_name, \
               client_uid, client_version, pem, issued_at, not_before, not_after, via) VALUES (?1, ?2, ?3, ?4, ?5, ?6, \
               (SELECT id FROM user WHERE name = ?7), ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    Ok(tx.exec(sql, &values)? == 1)
}

/// The whole list of revocations, of which CRL and verifier are made. Those that have ended are left out: nothing accepts
/// them any more.
pub(super) fn revocations(db: &Database, now: i64) -> Result<Vec<Revocation>, StoreError> {
    let sql = "SELECT serial, issuer, sha256, revoked_at, revoke_reason FROM certificate \
               WHERE revoked_at IS NOT NULL AND (not_after > ?1 OR pem = '') ORDER BY id";
    let rows = db.query(sql, &[now.into()])?;
    let one = |row: Row<'_>| Revocation {
        serial: row.text("serial").to_owned(),
        issuer: row.text("issuer").to_owned(),
        sha256: row.text("sha256").to_owned(),
        at: row.int("revoked_at") / 1_000,
        reason: row.opt_text("revoke_reason").map(str::to_owned),
    };
    Ok(rows.iter().map(one).collect())
}

/// Revocations that came from elsewhere (an adopted CRL, one an administrator put there); how many were new.
pub(super) fn take_over(tx: &Transaction, list: &[Revocation], now: i64) -> Result<usize, StoreError> {
    let mut fresh = 0;
    for entry in list {
        let facts = Facts {
            serial: entry.serial.clone(),
            sha256: String::new(),
            subject: String::new(),
            issuer: entry.issuer.clone(),
            common_name: String::new(),
            not_before: 0,
            not_after: 0,
        };
        let new = New {
            facts: &facts,
            kind: "client",
            user: "",
            client_uid: "",
            client_version: "",
            pem: "",
            issued_at: now,
            via: "import",
        };
        insert(tx, &new)?;
        let values = [
            (entry.at * 1_000).into(),
            entry.reason.clone().into(),
            entry.issuer.clone().into(),
            entry.serial.clone().into(),
        ];
        let sql = "UPDATE certificate SET revoked_at = ?, revoke_reason = ? WHERE issuer = ? AND serial = ? AND revoked_at IS NULL";
        fresh += tx.exec(sql, &values)?;
    }
    Ok(fresh)
}

/// A certificate of a file that has no row yet, by its PEM text; false = it has one.
pub(super) fn take_in(tx: &Transaction, pem: &str, via: &str, now: i64) -> Result<bool, CertError> {
    let der = parse::certificates(pem).into_iter().next();
    let facts = der.as_deref().and_then(Facts::of).ok_or_else(|| CertError::Refused("no certificate in it".into()))?;
    let own = der.as_deref().map(parse::pem).unwrap_or_default();
    let user = facts.common_name.clone();
    let issued_at = (facts.not_before * 1_000).min(now);
    let new = New {
        facts: &facts,
        kind: "client",
        user: &user,
        client_uid: "",
        client_version: "",
        pem: &own,
        issued_at,
        via,
    };
    if insert(tx, &new)? {
        return Ok(true);
    }
    // It stood in a CRL by its serial; now the rest is known, too.
    let values = [
        facts.sha256.clone().into(),
        facts.subject.clone().into(),
        user.into(),
        own.into(),
        Sql::from(facts.not_before * 1_000),
        Sql::from(facts.not_after * 1_000),
        facts.issuer.clone().into(),
        facts.serial.clone().into(),
    ];
    let sql = "UPDATE certificate SET sha256 = ?1, subject = ?2, common_name = ?3, user_name = ?3, pem = ?4, not_before = ?5, \
               not_after = ?6 WHERE issuer = ?7 AND serial = ?8 AND pem = ''";
    Ok(tx.exec(sql, &values)? == 1)
}
