//! `fts backup create|list|verify|restore` (operations.md 7.4). A running server makes the backup itself; without one this
//! process does, holding the lock. Encryption is left to tools made for it: `fts backup create --to - | age -r … > f`.
use std::{
    fs,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Value, json};

use super::{
    Global,
    db::{Online, online},
    output, remote,
};
use crate::{
    app::node,
    config::{Loaded, load},
    observe::clock,
    store::backup::{self, Kept, Plan, Vault},
};

/// What to do with backups.
#[derive(Debug, clap::Subcommand)]
pub enum BackupCommand {
    /// Makes one: database, plugin databases, stored files, certificates, packages, configuration
    Create {
        /// File to write, - = standard output [default: a new one in backup.dir]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// Without the stored files
        #[arg(long)]
        no_files: bool,
    },
    /// Lists those in backup.dir
    List,
    /// Reads one through: every hash, every database
    Verify {
        /// The backup, - = standard input
        file: PathBuf,
    },
    /// Puts one in place of the data directory; the server must be stopped
    Restore {
        /// The backup, - = standard input
        file: PathBuf,
        /// Also where something is: it is kept beside the new one as DIR.bak-TIME
        #[arg(long)]
        force: bool,
    },
}

pub fn run(global: &Global, command: &BackupCommand) -> ExitCode {
    let loaded = match load(&global.sources()) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("fts: {error}");
            return ExitCode::from(4);
        }
    };
    let done = match command {
        BackupCommand::Create { to, no_files } => create(global, &loaded, to.as_deref(), !no_files),
        BackupCommand::List => list(&loaded),
        BackupCommand::Verify { file } => verify(file),
        BackupCommand::Restore { file, force } => restore(&loaded, file, *force),
    };
    match done {
        Ok((value, text)) => remote::show(global, Ok(value), |_| text),
        Err(code) => code,
    }
}

type Done = Result<(Value, String), ExitCode>;

fn failed(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("fts: {error}");
    ExitCode::FAILURE
}

fn create(global: &Global, loaded: &Loaded, to: Option<&Path>, files: bool) -> Done {
    let config = &loaded.config;
    let out = to.is_some_and(|p| p == Path::new("-"));
    if out && io::stdout().is_terminal() {
        return Err(failed(&"a backup is not for a terminal: pipe it somewhere"));
    }
    let cwd = std::env::current_dir().map_err(|e| failed(&e))?;
    // The server writes the file, this process passes it on.
    let run = config.server.data_dir.join("run");
    let passed = run.join(format!("backup-{}.tar.zst", std::process::id()));
    let path = if out { Some(passed.clone()) } else { to.map(|p| cwd.join(p)) };
    let made = match online(global, "POST", "/admin/backup", json!({"to": path, "files": files}))? {
        Online::Answered(value) => value,
        Online::NotRunning => offline(loaded, path.as_deref(), files)?,
    };
    if !out {
        let text = format!("{}  {}\n", output::text(&made["path"]), output::size(made["bytes"].as_u64().unwrap_or(0)));
        return Ok((made, text));
    }
    let piped = fs::File::open(&passed).and_then(|mut file| {
        let _ = fs::remove_file(&passed);
        let mut stdout = io::stdout().lock();
        io::copy(&mut file, &mut stdout)?;
        stdout.flush()
    });
    piped.map_err(|e| failed(&e))?;
    // Nothing else may stand on standard output.
    Err(ExitCode::SUCCESS)
}

fn offline(loaded: &Loaded, to: Option<&Path>, files: bool) -> Result<Value, ExitCode> {
    let config = &loaded.config;
    let _lock = node::lock(&config.server.data_dir).map_err(|e| {
        eprintln!("fts: {e}");
        ExitCode::from(5)
    })?;
    let mut plan = Plan::of(config, loaded.file.as_deref());
    plan.files = files;
    let path = to.map_or_else(|| Vault::new_path(&config.backup.dir, clock::now_ms()), Path::to_owned);
    backup::write(&plan, &path).map(|kept| kept.json()).map_err(|e| failed(&e))
}

fn list(loaded: &Loaded) -> Done {
    let all: Vec<Kept> = backup::list(&loaded.config.backup.dir).map_err(|e| failed(&e))?;
    let mut rows = vec![["made", "size", "file"].map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|kept| {
        let at = fts_plugin_api::cot::format_time(kept.at);
        vec![
            at.get(..19).unwrap_or_default().replace('T', " "),
            output::size(kept.bytes),
            kept.path.display().to_string(),
        ]
    }));
    let text = if all.is_empty() {
        format!("no backup in {}\n", loaded.config.backup.dir.display())
    } else {
        output::table(&rows)
    };
    Ok((all.iter().map(Kept::json).collect(), text))
}

/// A file, or standard input.
fn source(file: &Path) -> Result<Box<dyn Read>, ExitCode> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = fs::File::open(file).map_err(|e| failed(&format!("{}: {e}", file.display())))?;
    Ok(Box::new(io::BufReader::new(opened)))
}

fn verify(file: &Path) -> Done {
    let verified = backup::verify(source(file)?).map_err(|e| failed(&format!("{}: {e}", file.display())))?;
    let m = &verified.manifest;
    let bytes: u64 = m.members.iter().map(|m| m.size).sum();
    let text = format!(
        "good: {} files, {}, {} databases sound, made {} by fts {}{}\n",
        m.members.len(),
        output::size(bytes),
        verified.databases,
        m.created,
        m.version,
        if m.files { "" } else { ", without stored files" }
    );
    let value = json!({"ok": true, "files": m.members.len(), "bytes": bytes, "databases": verified.databases, "created": m.created,
        "version": m.version, "schema": m.schema, "stored_files": m.files, "missing": m.missing});
    Ok((value, text))
}

fn restore(loaded: &Loaded, file: &Path, force: bool) -> Done {
    let dir = &loaded.config.server.data_dir;
    let from = source(file)?;
    // A directory that is not there has no server; making its lock would make it.
    let _lock = match dir.exists() {
        false => None,
        true => Some(node::lock(dir).map_err(|e| {
            eprintln!("fts: {e}");
            ExitCode::from(5)
        })?),
    };
    let restored = backup::restore(from, dir, force).map_err(|e| failed(&format!("{}: {e}", file.display())))?;
    let mut text = format!(
        "restored into {}: {} files, made {}\n",
        dir.display(),
        restored.manifest.members.len(),
        restored.manifest.created
    );
    if let Some(old) = &restored.old {
        text += &format!("what was there is in {}\n", old.display());
    }
    for (part, place) in &restored.manifest.elsewhere {
        text += &format!(
            "note: {part} stood in {place}; it is in {} now: check the keys of fts.toml\n",
            dir.join(part).display()
        );
    }
    if !restored.manifest.missing.is_empty() {
        text +=
            &format!("note: {} stored files were deleted while the backup was made\n", restored.manifest.missing.len());
    }
    let value = json!({"dir": dir, "old": restored.old, "created": restored.manifest.created, "files": restored.manifest.members.len(),
        "missing": restored.manifest.missing, "elsewhere": restored.manifest.elsewhere});
    Ok((value, text))
}
