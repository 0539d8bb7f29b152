//! `fts package create|list`: packages for clients of users that are there. `fts client add` makes the user, too.
use std::{
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    Global, ask,
    output::{self, text},
    remote::show,
};

/// What to do with packages.
#[derive(Debug, clap::Subcommand)]
pub enum PackageCommand {
    /// Makes a package (with a new certificate) for a user's device
    Create {
        /// The user
        name: String,
        /// Client it is for; enroll holds no key: its user enrols with a password or token
        #[arg(long, default_value = "atak", value_parser = ["atak", "wintak", "itak", "enroll"])]
        client: String,
        /// Name or address clients connect to [default: server.public_host, else this machine's address]
        #[arg(long)]
        host: Option<String>,
        /// The file [default: NAME-CLIENT.zip]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Lists the packages the server keeps
    List,
}

pub fn run(global: &Global, command: &PackageCommand) -> ExitCode {
    match command {
        PackageCommand::Create { name, client, host, out } => {
            let body = json!({"user": name, "clients": [client], "host": host});
            let made = match ask::ask(global, "POST", "/admin/packages", Some(body)) {
                Ok(made) => made,
                Err(code) => return code,
            };
            let path = out.clone().unwrap_or_else(|| format!("{name}-{client}.zip").into());
            if let Err(error) = write(&path, &made["packages"][0]) {
                eprintln!("fts: {error}");
                return ExitCode::FAILURE;
            }
            let said = json!({"file": path.display().to_string(), "host": made["host"], "serial": made["serial"],
                "not_after": made["not_after"], "token": made["invitation"]["token"]});
            show(global, Ok(said), |_| {
                let mut lines = format!("{}\n", path.display());
                if let Some(token) = made["invitation"]["token"].as_str() {
                    lines += &format!("password for enrolling, good once: {token}\n");
                }
                lines
            })
        }
        PackageCommand::List => show(global, ask::ask(global, "GET", "/admin/packages", None), |list| {
            let mut rows = vec![["name", "made", "size"].map(str::to_owned).to_vec()];
            for package in list.as_array().into_iter().flatten() {
                let size = output::size(package["size"].as_u64().unwrap_or(0));
                rows.push(vec![text(&package["name"]), text(&package["made"]), size]);
            }
            output::table(&rows)
        }),
    }
}

/// The package of an answer, into a file for its owner only.
///
/// # Errors
/// The file cannot be written; what came is no package.
pub fn write(path: &Path, package: &Value) -> Result<Vec<u8>, String> {
    let bytes = BASE64_STANDARD.decode(package["zip"].as_str().unwrap_or_default()).map_err(|e| e.to_string())?;
    secret_file(path, &bytes)?;
    Ok(bytes)
}

/// A file for its owner only; one that is there is replaced.
///
/// # Errors
/// Names the file.
pub fn secret_file(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, bytes)).map_err(failed)
}
