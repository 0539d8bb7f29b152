//! Database and backups for the `fts` command and administrators (operations.md 6.3, 7.4). What takes long runs on a thread
//! of its own, one at a time: a request waits for it for a while, and then says that it goes on; `/admin/storage/job` tells
//! what became of it. A path to write to is taken only from who could write there anyway: the local socket.
use std::{path::PathBuf, time::Duration};

use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::{Auth, Via},
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    observe::clock,
    store::{
        backup::{BackupError, Job},
        check,
    },
};

const JSON: &str = "application/json";
/// How long a request waits for something long; the time to the first byte is limited to 30 s.
const WAIT: Duration = Duration::from_secs(20);

/// Its routes.
pub fn routes(book: &mut Book) {
    let mut on = |method: Method, path, endpoint, about, statuses: &[u16]| {
        let takes = method == Method::POST;
        let page = book.on(method, path, Listeners::ADMIN, Auth::RoleAdmin, endpoint).about(about);
        let page = if takes { page.takes(JSON, 64 << 10) } else { page };
        statuses.iter().fold(page, |page, status| page.answers(*status, JSON));
    };
    on(Method::GET, "/admin/backups", backups, "Backups, newest first", &[200]);
    on(Method::POST, "/admin/backup", backup, "Makes a backup", &[200, 202, 400, 403, 409]);
    on(Method::GET, "/admin/db", database, "Size, schema and what the history waits for", &[200]);
    on(Method::POST, "/admin/db/check", check_all, "Looks for damage; with files also at those", &[200, 202, 400, 409]);
    on(Method::POST, "/admin/db/vacuum", vacuum, "Deletes what is old and gives the space back", &[200, 202, 409]);
    let page = book.on(Method::GET, "/admin/storage/job", Listeners::ADMIN, Auth::RoleAdmin, job);
    page.about("What runs, and what the last came to").query("ended", "integer", false).answers(200, JSON);
}

fn refused(error: &BackupError) -> HandlerError {
    let status = match error {
        BackupError::Busy(_) => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    HandlerError::new(status, error.to_string())
}

fn body<T: Default + serde::de::DeserializeOwned>(call: &Call) -> Result<T, HandlerError> {
    let bytes = call.body.bytes(64 << 10).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&bytes).map_err(|e| HandlerError::bad_request(format!("the body must be JSON: {e}")))
}

/// Runs it as the one long thing; 202 when it goes on.
fn long(
    native: &Native,
    what: &'static str,
    run: impl FnOnce() -> Result<Value, String> + Send + 'static,
) -> Result<Answer, HandlerError> {
    let ended = native.vault.start(what, move |_| run()).map_err(|e| refused(&e))?;
    match native.vault.wait(ended, WAIT) {
        Some(Ok(value)) => Ok(Answer::json(&value)),
        Some(Err(message)) => Err(HandlerError::internal(message)),
        None => {
            let mut answer = Answer::json(&json!({"running": what, "ended": ended}));
            answer.status = StatusCode::ACCEPTED;
            Ok(answer)
        }
    }
}

fn backups(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let all = native.vault.list().map_err(|e| refused(&e))?;
    let list: Vec<Value> = all.iter().map(|kept| kept.json()).collect();
    Ok(Answer::json(&json!({"dir": native.config().backup.dir, "backups": list})))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    to: Option<PathBuf>,
    files: Option<bool>,
}

fn backup(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted: Wanted = body(&call)?;
    if wanted.to.is_some() && call.identity.via != Via::Local {
        return Err(HandlerError::forbidden("a path is taken from the local socket only; leave `to` out"));
    }
    if wanted.to.as_ref().is_some_and(|p| !p.is_absolute()) {
        return Err(HandlerError::bad_request("`to` is an absolute path"));
    }
    let vault = native.vault.clone();
    long(native, "a backup", move || {
        let kept = vault.create(wanted.to.as_deref(), wanted.files.unwrap_or(true));
        kept.map(|kept| kept.json()).map_err(|e| e.to_string())
    })
}

fn database(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let (queued, skipped) = native.history.backlog();
    let schema = native.db.query("SELECT max(version) AS v FROM schema_migration", &[])?;
    Ok(Answer::json(&json!({
        "path": native.db.path(),
        "bytes": native.db.size(),
        "schema": schema.first().map_or(0, |r| r.int("v")),
        "queued": queued,
        "skipped": skipped,
        "trouble": native.history.trouble(),
    })))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CheckWanted {
    files: bool,
}

fn check_all(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted: CheckWanted = body(&call)?;
    let (db, files) = (native.db.clone(), native.files.clone());
    long(native, "a check", move || {
        let mut report = check::check(&db).map_err(|e| e.to_string())?;
        let mut looked = Value::Null;
        if wanted.files {
            let found = files.check(true).map_err(|e| e.to_string())?;
            report.findings.extend(found.missing.iter().map(|h| format!("the file {h} is missing")));
            report.findings.extend(found.damaged.iter().map(|h| format!("the file {h} is damaged: its hash differs")));
            looked = json!({"rows": found.rows, "contents": found.contents, "orphans": found.orphans.len()});
        }
        let tables: serde_json::Map<String, Value> = report.tables.iter().map(|(t, n)| (t.clone(), json!(n))).collect();
        Ok(
            json!({"ok": report.findings.is_empty(), "findings": report.findings, "schema": report.schema, "tables": tables, "files": looked}),
        )
    })
}

fn vacuum(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let (db, history) = (native.db.clone(), native.history.clone());
    long(native, "a vacuum", move || {
        let before = db.size();
        let rows = history.retain(&history.retention(), clock::now_ms(), || true).map_err(|e| e.to_string())?;
        db.vacuum().map_err(|e| e.to_string())?;
        Ok(json!({"rows_deleted": rows, "bytes_before": before, "bytes_after": db.size()}))
    })
}

fn job(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let behind = call.query.get("ended").and_then(|n| n.parse().ok());
    if let Some(ended) = behind {
        let _ = native.vault.wait(ended, WAIT);
    }
    let Job { running, last, ended } = native.vault.job();
    let last = last.map(|(what, result)| match result {
        Ok(value) => json!({"what": what, "result": value}),
        Err(message) => json!({"what": what, "error": message}),
    });
    Ok(Answer::json(&json!({"running": running, "ended": ended, "last": last})))
}
