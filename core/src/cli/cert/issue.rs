//! `fts cert issue` and `export`: files from what the server answers.
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{Global, ask, day, output, remote};
use crate::{
    config::load,
    identity::{CertError, files},
};

/// Flags of `fts cert issue`.
#[derive(Debug, clap::Args)]
pub struct IssueArgs {
    /// Name of the user or host, [A-Za-z0-9._@-], at most 64
    name: String,
    /// client, server or federation (a link to another server: it dials and is dialled)
    #[arg(long, default_value = "client", value_parser = ["client", "server", "federation"])]
    kind: String,
    /// Where the files go
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Password of the P12 files [default: packages.password]
    #[arg(long, value_name = "PASSWORD")]
    p12_password: Option<String>,
    /// The user it belongs to [default: NAME]
    #[arg(long)]
    user: Option<String>,
}

fn failed(error: &impl std::fmt::Display) -> ExitCode {
    eprintln!("fts: {error}");
    ExitCode::FAILURE
}

/// `fts cert issue`.
pub fn run(global: &Global, args: &IssueArgs) -> ExitCode {
    let config = match load(&global.sources()) {
        Ok(loaded) => loaded.config,
        Err(error) => {
            eprintln!("fts: {error}");
            return ExitCode::from(4);
        }
    };
    let wanted = json!({"name": args.name, "kind": args.kind, "user": args.user, "password": args.p12_password});
    let issued = match ask(global, "POST", "/admin/certs", Some(wanted)) {
        Ok(issued) => issued,
        Err(code) => return code,
    };
    if let Err(error) = write(args, &issued) {
        return failed(&error);
    }
    let said = match (&args.p12_password, config.packages.password.as_str()) {
        (Some(_), _) => "the one you gave",
        (None, "atakatak") => "atakatak",
        (None, _) => "the value of packages.password",
    };
    let (dir, name, serial) = (args.out.display(), &args.name, output::text(&issued["serial"]));
    let until = day(&issued["not_after"]);
    if global.json {
        println!("{:#}", json!({"name": name, "serial": serial, "not_after": issued["not_after"], "dir": args.out}));
        return ExitCode::SUCCESS;
    }
    print!(
        "{dir}/{name}.p12      key and certificate, for ATAK, WinTAK, iTAK (password: {said})\n\
         {dir}/ca-trust.p12  the CA, as trust store (same password)\n\
         {dir}/{name}.pem      certificate and CA, for scripts\n\
         {dir}/{name}.key      private key, unencrypted, for scripts\n\
         valid until {until}, serial {serial}\n\n\
         Next: import both P12 files in the client and connect with TLS to port {}.\n",
        config.listeners.cot_tls.port
    );
    ExitCode::SUCCESS
}

fn write(args: &IssueArgs, issued: &Value) -> Result<(), CertError> {
    let (dir, name) = (&args.out, &args.name);
    std::fs::create_dir_all(dir).map_err(|source| CertError::Io { path: dir.clone(), source })?;
    let text = |key: &str| output::text(&issued[key]);
    let chain = format!("{}{}", text("cert_pem"), text("chain_pem"));
    files::write(&dir.join(format!("{name}.pem")), chain.as_bytes(), files::PUBLIC)?;
    files::write(&dir.join(format!("{name}.key")), text("key_pem").as_bytes(), files::PRIVATE)?;
    files::write(&dir.join(format!("{name}.p12")), &bytes(&issued["p12"])?, files::PRIVATE)?;
    files::write(&dir.join("ca-trust.p12"), &bytes(&issued["truststore"])?, files::PUBLIC)
}

fn bytes(value: &Value) -> Result<Vec<u8>, CertError> {
    let text = value.as_str().unwrap_or_default();
    BASE64_STANDARD.decode(text).map_err(|e| CertError::Making(format!("the answer of the server cannot be read: {e}")))
}

/// `fts cert export`.
pub fn export(global: &Global, what: &str, out: &Path) -> ExitCode {
    let found = match ask(global, "GET", &format!("/admin/certs/{}", remote::encode(what)), None) {
        Ok(found) => found,
        Err(code) => return code,
    };
    let written = files::write(out, output::text(&found["pem"]).as_bytes(), files::PUBLIC).and_then(|()| {
        if what != "ca" {
            return Ok(Vec::new());
        }
        let beside = out.with_extension("p12");
        files::write(&beside, &bytes(&found["truststore"])?, files::PUBLIC)?;
        Ok(vec![beside])
    });
    match written {
        Ok(more) => {
            println!("{}", out.display());
            more.iter().for_each(|path| println!("{}  (truststore, password: packages.password)", path.display()));
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}
