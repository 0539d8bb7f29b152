//! `fts cert issue|list`: certificates for TLS clients, as PEM and P12.
use std::{path::PathBuf, process::ExitCode};

use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Global, output};
use crate::{
    config::{Config, load},
    identity::{Authority, CertError, Profile, files},
};

/// What to do with certificates.
#[derive(Debug, clap::Subcommand)]
pub enum CertCommand {
    /// Issues a certificate: NAME.pem, NAME.key, NAME.p12 and ca-trust.p12
    Issue {
        /// Name of the user or host, [A-Za-z0-9._@-], at most 64
        name: String,
        /// client or server
        #[arg(long, default_value = "client", value_parser = ["client", "server"])]
        kind: String,
        /// Where the files go
        #[arg(long, default_value = ".", value_name = "DIR")]
        out: PathBuf,
        /// Password of the P12 files [default: packages.password]
        #[arg(long)]
        p12_password: Option<String>,
    },
    /// Lists what was issued
    List,
}

pub fn run(global: &Global, command: &CertCommand) -> ExitCode {
    let config = match load(&global.sources()) {
        Ok(loaded) => loaded.config,
        Err(error) => {
            eprintln!("fts: {error}");
            return ExitCode::from(4);
        }
    };
    let done = match command {
        CertCommand::Issue { name, kind, out, p12_password } => {
            issue(&config, name, kind, out, p12_password.as_deref())
        }
        CertCommand::List => list(&config, global.json),
    };
    match done {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("fts: {error}");
            ExitCode::FAILURE
        }
    }
}

fn issue(
    config: &Config,
    name: &str,
    kind: &str,
    out: &std::path::Path,
    password: Option<&str>,
) -> Result<String, CertError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name.starts_with(['.', '-']) {
        return Err(CertError::Making(format!(
            "{name:?}: a name has 1 to 64 of the characters A-Z a-z 0-9 . _ @ - and begins with a letter or digit"
        )));
    }
    let authority = Authority::open(config)?;
    let subject = match kind {
        "server" => Profile::Server { cn: name.to_owned(), names: vec![name.to_owned()] },
        _ => Profile::client(name),
    };
    let standard = password.is_none();
    let password = password.unwrap_or(&config.packages.password);
    let issued = authority.issue(config, &subject, password)?;
    std::fs::create_dir_all(out).map_err(|source| CertError::Io { path: out.to_owned(), source })?;
    let chain = format!("{}{}", issued.cert_pem, issued.chain_pem);
    files::write(&out.join(format!("{name}.pem")), chain.as_bytes(), files::PUBLIC)?;
    files::write(&out.join(format!("{name}.key")), issued.key_pem.as_bytes(), files::PRIVATE)?;
    files::write(&out.join(format!("{name}.p12")), &issued.p12, files::PRIVATE)?;
    files::write(&out.join("ca-trust.p12"), &authority.truststore(password)?, files::PUBLIC)?;
    let said = if standard && password == "atakatak" {
        "atakatak"
    } else if standard {
        "the value of packages.password"
    } else {
        "the one you gave"
    };
    let dir = out.display();
    Ok(format!(
        "{dir}/{name}.p12      key and certificate, for ATAK, WinTAK, iTAK (password: {said})\n\
         {dir}/ca-trust.p12  the CA, as trust store (same password)\n\
         {dir}/{name}.pem      certificate and CA, for scripts\n\
         {dir}/{name}.key      private key, unencrypted, for scripts\n\
         valid until {}, serial {}\n\n\
         Next: import both P12 files in the client and connect with TLS to port {}.\n",
        fts_plugin_api::cot::format_time(issued.not_after_ms).get(..10).unwrap_or_default(),
        issued.serial_hex,
        config.listeners.cot_tls.port
    ))
}

fn list(config: &Config, json: bool) -> Result<String, CertError> {
    let dir = config.tls.dir.join("clients");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
        let text = files::read(&entry.path())?;
        let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(text.as_bytes()) else { continue };
        let Ok((_, cert)) = X509Certificate::from_der(&pem.contents) else { continue };
        let cn = cert.subject().iter_common_name().next().and_then(|n| n.as_str().ok()).unwrap_or_default().to_owned();
        let serial = cert.raw_serial().iter().map(|b| format!("{b:02x}")).collect::<String>();
        found.push((cert.validity().not_before.timestamp(), cn, serial, cert.validity().not_after.timestamp()));
    }
    found.sort();
    if json {
        let list: Vec<_> = found.iter().map(|(from, cn, serial, to)| serde_json::json!({"cn": cn, "serial": serial, "not_before": from, "not_after": to})).collect();
        return Ok(format!("{:#}\n", serde_json::Value::Array(list)));
    }
    let day = |s: i64| fts_plugin_api::cot::format_time(s * 1_000).get(..10).unwrap_or_default().to_owned();
    let mut rows = vec![["name", "valid until", "serial"].map(str::to_owned).to_vec()];
    rows.extend(found.into_iter().map(|(_, cn, serial, to)| vec![cn, day(to), serial]));
    Ok(output::table(&rows))
}
