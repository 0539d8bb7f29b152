//! `fts cert adopt`: the CA of another server, from two files or from the `certs` folder of a FreeTAKServer (operations.md 8,
//! step 3). Files are read here and sent: the server need not be able to read them. Nothing there is changed.
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;

use super::{Global, ask, output, remote};
use crate::identity::{CertError, files};

/// Flags of `fts cert adopt`.
#[derive(Debug, clap::Args)]
pub struct AdoptArgs {
    /// A folder with ca.pem and ca.key, and perhaps FTS_CRL.json or crl.pem and issued certificates
    #[arg(value_name = "DIR", required_unless_present = "ca", conflicts_with_all = ["ca", "key"])]
    dir: Option<PathBuf>,
    /// Certificate of the CA, and of those above it
    #[arg(long, value_name = "FILE", requires = "key")]
    ca: Option<PathBuf>,
    /// Its private key; if encrypted, the passphrase is FTS_CA_KEY_PASSWORD of the server
    #[arg(long, value_name = "FILE", requires = "ca")]
    key: Option<PathBuf>,
    /// Its CRL
    #[arg(long, value_name = "FILE")]
    crl: Option<PathBuf>,
}

/// `fts cert adopt`.
pub fn run(global: &Global, args: &AdoptArgs) -> ExitCode {
    let given = match gather(args) {
        Ok(given) => given,
        Err(error) => {
            eprintln!("fts: {error}");
            return ExitCode::FAILURE;
        }
    };
    remote::show(global, ask(global, "POST", "/admin/certs/adopt", Some(given)), |adopted| {
        let cell = |key: &str| output::text(&adopted[key]);
        let days = adopted["days"].as_i64().unwrap_or(0);
        let soon = if days < 60 {
            "\nIt ends soon: fts cert ca-rotate makes a new CA while the old certificates stay good.\n"
        } else {
            ""
        };
        format!(
            "CA {} taken over, valid for {days} days\nSHA-256 {}\n\
             {} certificates and {} revocations are in the inventory ({} files were no certificates)\n\
             The server has a new certificate of it; clients of the old server connect as before.\n{soon}",
            cell("ca"),
            cell("fingerprint"),
            cell("certificates"),
            cell("revocations"),
            cell("passed_over")
        )
    })
}

fn gather(args: &AdoptArgs) -> Result<serde_json::Value, CertError> {
    let (ca, key) = match (&args.dir, &args.ca, &args.key) {
        (Some(dir), ..) => (dir.join("ca.pem"), dir.join("ca.key")),
        (None, Some(ca), Some(key)) => (ca.clone(), key.clone()),
        _ => return Err(CertError::Refused("give a folder, or --ca and --key".into())),
    };
    let beside = |name: &str| args.dir.as_ref().map(|dir| dir.join(name)).filter(|path| path.exists());
    let crl = args.crl.clone().or_else(|| beside("FTS_CRL.json")).or_else(|| beside("crl.pem"));
    let crl = crl.map(|path| files::read(&path)).transpose()?.unwrap_or_default();
    let certificates = args.dir.as_ref().map(|dir| issued(dir)).transpose()?.unwrap_or_default();
    Ok(
        json!({"ca_pem": files::read(&ca)?, "key_pem": files::read(&key)?, "crl_pem": crl, "certificates": certificates}),
    )
}

/// The certificates a folder and its `clients` hold, without the CA's and the server's own.
fn issued(dir: &Path) -> Result<Vec<String>, CertError> {
    let own = ["ca.pem", "server.pem", "crl.pem"];
    let entries =
        [dir.to_owned(), dir.join("clients")].into_iter().flat_map(|dir| std::fs::read_dir(dir).into_iter().flatten());
    let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "pem") && !own.iter().any(|name| p.ends_with(name)));
    paths.sort();
    paths.iter().map(|path| files::read(path)).collect()
}
