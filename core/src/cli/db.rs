//! `fts db migrate|check|vacuum|export|schema` (operations.md 4, 7). Through the running server where there is one; without
//! one on the data directory itself, whose lock is held meanwhile. `export` and `schema` only read and need neither.
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use arc_swap::ArcSwap;
use serde_json::{Value, json};

use super::{Global, output, remote};
use crate::{
    app::node,
    config::{Config, load},
    directory::Directory,
    files::Files,
    http::local::{self, LocalError},
    observe::clock,
    store::{
        self,
        check::{self, Report},
        database::{Database, Options},
        error::StoreError,
        export,
        history::History,
    },
};

/// What to do with the database.
#[derive(Debug, clap::Subcommand)]
pub enum DbCommand {
    /// Brings the schema to this version; a copy is kept beside it (a start does the same)
    Migrate,
    /// Looks for damage and loose ends
    Check {
        /// Also at every stored file: is it there, and is it what its hash says?
        #[arg(long)]
        files: bool,
    },
    /// Deletes what is older than [retention] says and gives the space back to the disk
    Vacuum,
    /// Writes rows as lines of JSON; tokens and hashes of passwords are left out
    Export {
        /// Only this table; may be repeated
        #[arg(long, value_name = "NAME")]
        table: Vec<String>,
        /// File to write [default: standard output]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Prints the statements that make the schema
    Schema,
}

/// What the control socket said.
pub(super) enum Online {
    /// A server answered.
    Answered(Value),
    /// There is none.
    NotRunning,
}

/// A request to a running server; something that takes long is waited for.
///
/// # Errors
/// The exit code; the error is printed.
pub(super) fn online(global: &Global, method: &str, uri: &str, body: Value) -> Result<Online, ExitCode> {
    let dir = global.data_dir()?;
    let runtime = remote::runtime()?;
    let ask = |method: &str, uri: &str, body: Option<Value>| runtime.block_on(local::ask_json(&dir, method, uri, body));
    let mut answer = match ask(method, uri, Some(body)) {
        Err(LocalError::NotRunning { .. }) => return Ok(Online::NotRunning),
        other => other.map_err(|e| remote::failed(&e))?,
    };
    while let (Some(running), Some(ended)) = (answer["running"].as_str(), answer["ended"].as_u64()) {
        if running.is_empty() {
            break;
        }
        let job = ask("GET", &format!("/admin/storage/job?ended={ended}"), None).map_err(|e| remote::failed(&e))?;
        if job["ended"].as_u64().unwrap_or(0) > ended {
            if let Some(error) = job["last"]["error"].as_str() {
                eprintln!("fts: {error}");
                return Err(ExitCode::FAILURE);
            }
            answer = job["last"]["result"].clone();
        }
    }
    Ok(Online::Answered(answer))
}

pub fn run(global: &Global, command: &DbCommand) -> ExitCode {
    let config = match load(&global.sources()) {
        Ok(loaded) => loaded.config,
        Err(error) => {
            eprintln!("fts: {error}");
            return ExitCode::from(4);
        }
    };
    match command {
        DbCommand::Migrate => migrate(global, &config),
        DbCommand::Check { files } => check_all(global, config, *files),
        DbCommand::Vacuum => vacuum(global, config),
        DbCommand::Export { table, to } => rows(&config, table, to.as_deref()),
        DbCommand::Schema => schema(&config),
    }
}

fn failed(error: &StoreError) -> ExitCode {
    eprintln!("fts: {error}");
    if matches!(error, StoreError::Newer { .. }) { ExitCode::from(4) } else { ExitCode::FAILURE }
}

fn said(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("fts: {error}");
    ExitCode::FAILURE
}

fn lock(config: &Config) -> Result<node::Lock, ExitCode> {
    node::lock(&config.server.data_dir).map_err(|e| {
        eprintln!("fts: {e}");
        ExitCode::from(5)
    })
}

/// The database of a directory no server runs on; `file` must be there.
fn open(config: &Config) -> Result<Database, ExitCode> {
    exists(config)?;
    store::core::open(config).map(|(db, _)| db).map_err(|e| failed(&e))
}

fn exists(config: &Config) -> Result<(), ExitCode> {
    if config.storage.path.is_file() {
        return Ok(());
    }
    eprintln!("fts: there is no database {}; is --data-dir right?", config.storage.path.display());
    Err(ExitCode::from(3))
}

/// For those that only read: beside a running server, too.
fn look(config: &Config) -> Result<Database, ExitCode> {
    exists(config)?;
    Database::open(&config.storage.path, Options::default()).map_err(|e| failed(&e))
}

fn migrate(global: &Global, config: &Config) -> ExitCode {
    let done = (|| {
        let _lock = lock(config)?;
        let (db, migrated) = store::core::open(config).map_err(|e| failed(&e))?;
        db.close().map_err(|e| failed(&e))?;
        Ok(json!({"applied": migrated.applied, "copy": migrated.copy}))
    })();
    remote::show(global, done, |v| match v["applied"].as_array().map(Vec::len) {
        Some(0) | None => "the schema is up to date\n".to_owned(),
        Some(_) => format!("applied {}; the database before it: {}\n", v["applied"], output::text(&v["copy"])),
    })
}

fn check_all(global: &Global, config: Config, files: bool) -> ExitCode {
    let found = online(global, "POST", "/admin/db/check", json!({"files": files})).and_then(|answer| match answer {
        Online::Answered(value) => Ok(value),
        Online::NotRunning => {
            let _lock = lock(&config)?;
            let db = open(&config)?;
            let mut report: Report = check::check(&db).map_err(|e| failed(&e))?;
            if files {
                let looked = Files::open(db.clone(), Arc::new(ArcSwap::from_pointee(config)));
                let found = looked.and_then(|f| f.check(true)).map_err(|e| said(&e))?;
                report.findings.extend(found.missing.iter().map(|h| format!("the file {h} is missing")));
                report
                    .findings
                    .extend(found.damaged.iter().map(|h| format!("the file {h} is damaged: its hash differs")));
            }
            Ok(json!({"ok": report.findings.is_empty(), "findings": report.findings, "schema": report.schema}))
        }
    });
    let bad = found.as_ref().is_ok_and(|v| v["ok"] == false);
    let code = remote::show(global, found, |v| {
        let list = v["findings"].as_array().cloned().unwrap_or_default();
        if list.is_empty() {
            return format!("good: schema {}, no damage\n", v["schema"]);
        }
        list.iter().map(|f| format!("{}\n", output::text(f))).collect()
    });
    if bad { ExitCode::FAILURE } else { code }
}

fn vacuum(global: &Global, config: Config) -> ExitCode {
    let done = online(global, "POST", "/admin/db/vacuum", json!({})).and_then(|answer| match answer {
        Online::Answered(value) => Ok(value),
        Online::NotRunning => {
            let _lock = lock(&config)?;
            let db = open(&config)?;
            let before = db.size();
            let running = Arc::new(ArcSwap::from_pointee(config));
            let history = History::new(db.clone(), running, Arc::new(Directory::default())).map_err(|e| failed(&e))?;
            let rows = history.retain(&history.retention(), clock::now_ms(), || true).map_err(|e| failed(&e))?;
            db.vacuum().map_err(|e| failed(&e))?;
            let after = db.size();
            db.close().map_err(|e| failed(&e))?;
            Ok(json!({"rows_deleted": rows, "bytes_before": before, "bytes_after": after}))
        }
    });
    remote::show(global, done, |v| {
        let size = |name: &str| output::size(v[name].as_u64().unwrap_or(0));
        format!(
            "{} old rows deleted, {} before, {} now\n",
            v["rows_deleted"],
            size("bytes_before"),
            size("bytes_after")
        )
    })
}

fn rows(config: &Config, tables: &[String], to: Option<&Path>) -> ExitCode {
    let done = (|| {
        let db = look(config)?;
        let mut out: Box<dyn Write> = match to {
            None => Box::new(io::BufWriter::new(io::stdout().lock())),
            Some(path) => {
                let file = fs::File::create(path).map_err(|e| said(&format!("{}: {e}", path.display())))?;
                Box::new(io::BufWriter::new(file))
            }
        };
        let n = export::export(&db, tables, &mut *out).map_err(|e| said(&e))?;
        out.flush().map_err(|e| said(&e))?;
        if to.is_some() {
            eprintln!("{n} rows");
        }
        Ok::<(), ExitCode>(())
    })();
    done.map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

fn schema(config: &Config) -> ExitCode {
    let done = look(config).and_then(|db| {
        let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name";
        let rows = db.query(sql, &[]).map_err(|e| failed(&e))?;
        let text: String = rows.iter().map(|row| format!("{};\n", row.text("sql"))).collect();
        let _ = io::stdout().write_all(text.as_bytes());
        Ok(())
    });
    done.map_or_else(|code| code, |()| ExitCode::SUCCESS)
}
