//! [`Audit`]: what was changed by whom and who was not let in: rows of the table `audit`, each with a log line
//! (identity.md 9). Refused logins have a budget per minute, so that a flood of them does not fill the disk; how many
//! rows that saved is a row of its own. No secret ever comes here. A row that cannot be written is in the log.
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    observe::clock,
    store::{
        database::{Database, Value as Sql},
        error::StoreError,
    },
};

/// Who does something: a user, `local` (the control socket or the command line), `server`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Its name.
    pub name: Arc<str>,
    /// Where it is; None = on this machine.
    pub ip: Option<IpAddr>,
}

impl Actor {
    /// The server of its own accord.
    pub fn server() -> Self {
        Self { name: "server".into(), ip: None }
    }

    /// Whoever may open the control socket.
    pub fn local() -> Self {
        Self { name: "local".into(), ip: None }
    }

    /// A user.
    pub fn user(name: &Arc<str>, ip: Option<IpAddr>) -> Self {
        Self { name: name.clone(), ip }
    }
}

/// See the file's head.
pub struct Audit {
    db: Database,
    refused: Mutex<Budget>,
}

struct Budget {
    since: Instant,
    used: u32,
    saved: u64,
}

/// Rows about refused logins per minute.
const REFUSED: u32 = 240;
const MINUTE: Duration = Duration::from_secs(60);

/// Rows to be shown; the newest ones first.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Not older, ms UTC.
    pub since: Option<i64>,
    /// Whole action, or its beginning with a `*` behind it.
    pub action: Option<String>,
    /// Actor, subject or address.
    pub who: Option<String>,
    /// At most; 1 to 10 000.
    pub limit: usize,
}

impl Audit {
    /// In this database.
    pub fn new(db: Database) -> Self {
        Self { db, refused: Mutex::new(Budget { since: Instant::now(), used: 0, saved: 0 }) }
    }

    /// Something was done. `action` like `user.add`; `detail` is a flat object.
    pub fn did(&self, actor: &Actor, action: &'static str, subject: &str, detail: Value) {
        let ip = actor.ip.map(|ip| ip.to_string()).unwrap_or_default();
        tracing::info!(event = "audit.did", action, actor = &*actor.name, ip, subject, %detail, "audit");
        self.row(actor, action, subject, &detail);
    }

    /// Somebody was not let in.
    pub fn refused(&self, name: &str, ip: Option<IpAddr>, action: &'static str, detail: Value) {
        let from = ip.map(|ip| ip.to_string()).unwrap_or_default();
        let name: String = name.chars().take(64).collect();
        tracing::warn!(event = "auth.refused", action, user = name, ip = from, %detail, "not let in");
        let (write, saved) = {
            let mut budget = self.refused.lock();
            let mut saved = 0;
            if budget.since.elapsed() >= MINUTE {
                saved = budget.saved;
                *budget = Budget { since: Instant::now(), used: 0, saved: 0 };
            }
            let write = budget.used < REFUSED;
            if write {
                budget.used += 1
            } else {
                budget.saved += 1
            }
            (write, saved)
        };
        if saved > 0 {
            self.row(&Actor::server(), "auth.flood", "", &json!({"rows_left_out": saved}));
        }
        if write {
            self.row(&Actor { name: name.as_str().into(), ip }, action, &name, &detail);
        }
    }

    fn row(&self, actor: &Actor, action: &str, subject: &str, detail: &Value) {
        let values = [
            clock::now_ms().into(),
            Sql::from(actor.name.to_string()),
            actor.ip.map(|ip| ip.to_string()).into(),
            Sql::from(action.to_owned()),
            Sql::from(subject.to_owned()),
            Sql::from(detail.to_string()),
        ];
        let sql = "INSERT INTO audit (at, actor, ip, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?)";
        if let Err(error) = self.db.exec(sql, &values) {
            tracing::error!(event = "audit.failed", action, subject, %error, "an audit row could not be written");
        }
    }

    /// Rows, newest first.
    ///
    /// # Errors
    /// The database's.
    pub fn rows(&self, wanted: &Wanted) -> Result<Vec<Value>, StoreError> {
        let like = wanted.action.as_deref().map(|a| match a.strip_suffix('*') {
            Some(beginning) => (beginning.to_owned(), beginning.chars().count() as i64),
            None => (a.to_owned(), i64::MAX),
        });
        let (action, length) = like.map_or((None, 0), |(a, n)| (Some(a), n));
        let values = [
            wanted.since.unwrap_or(0).into(),
            action.into(),
            Sql::from(length),
            wanted.who.clone().into(),
            Sql::from(wanted.limit.clamp(1, 10_000) as i64),
        ];
        let sql = "SELECT at, actor, ip, action, subject, detail FROM audit WHERE at >= ?1
             AND (?2 IS NULL OR substr(action, 1, ?3) = ?2)
             AND (?4 IS NULL OR actor = ?4 COLLATE NOCASE OR subject = ?4 COLLATE NOCASE OR ip = ?4)
             ORDER BY id DESC LIMIT ?5";
        let rows = self.db.query(sql, &values)?;
        let rows = rows.iter().map(|row| {
            let detail: Value = serde_json::from_str(row.text("detail")).unwrap_or_default();
            json!({
                "at": row.int("at"), "actor": row.text("actor"), "ip": row.opt_text("ip"), "action": row.text("action"),
                "subject": row.text("subject"), "detail": detail,
            })
        });
        Ok(rows.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::core;

    #[test]
    fn rows_are_found_by_time_action_and_name() {
        let audit = Audit::new(core::temporary().unwrap());
        audit.did(&Actor::local(), "user.add", "alice", json!({"role": "user"}));
        audit.did(&Actor::user(&"alice".into(), Some([10, 0, 0, 1].into())), "group.add", "Blue", json!({}));
        audit.refused("mallory", Some([10, 0, 0, 2].into()), "auth.failed", json!({}));
        let found = |wanted: &Wanted| audit.rows(wanted).unwrap();
        let all = Wanted { limit: 10, ..Wanted::default() };
        assert_eq!(found(&all).len(), 3);
        assert_eq!(found(&all)[0]["ip"], "10.0.0.2", "the newest first");
        let by = |action: &str| Wanted { action: Some(action.into()), ..all.clone() };
        assert_eq!(found(&by("user.*"))[0]["detail"]["role"], "user");
        assert_eq!((found(&by("user")).len(), found(&by("group.add")).len()), (0, 1));
        assert_eq!(found(&Wanted { who: Some("ALICE".into()), ..all.clone() }).len(), 2);
        assert_eq!(found(&Wanted { since: Some(clock::now_ms() + 1_000), ..all.clone() }).len(), 0);
        assert_eq!(found(&Wanted { limit: 1, ..all }).len(), 1);
    }

    #[test]
    fn a_flood_of_refusals_is_bounded_and_counted() {
        let audit = Audit::new(core::temporary().unwrap());
        (0..REFUSED + 50).for_each(|n| audit.refused(&format!("u{n}"), None, "auth.failed", json!({})));
        let all = Wanted { limit: 10_000, ..Wanted::default() };
        assert_eq!(audit.rows(&all).unwrap().len(), REFUSED as usize);
        audit.refused.lock().since = Instant::now().checked_sub(MINUTE).unwrap();
        audit.refused("last", None, "auth.failed", json!({}));
        let rows = audit.rows(&all).unwrap();
        assert_eq!((rows[0]["actor"].as_str(), rows[1]["detail"]["rows_left_out"].as_i64()), (Some("last"), Some(50)));
    }
}
