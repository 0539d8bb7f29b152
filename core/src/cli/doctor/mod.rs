//! `fts doctor FILE`: would a client that imports this package connect? Every rule of `identity::packages` first, then each
//! address in the package is really tried ([`live`]). One line per rule, exit code 1 when any of them failed.
mod live;
mod public;
mod tls;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use rustls::pki_types::UnixTime;
use serde_json::{Value, json};

use super::{Global, output};
use crate::{
    config::{Config, load},
    identity::packages::{
        inspect::{Link, inspect},
        rules::{self, Finding, Verdict},
    },
};

/// Flags of `fts doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// The client package (zip)
    file: PathBuf,
    /// Makes no connection
    #[arg(long)]
    offline: bool,
}

pub fn run(global: &Global, args: &DoctorArgs) -> ExitCode {
    let bytes = match std::fs::read(&args.file) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("fts: {}: {error}", args.file.display());
            return ExitCode::FAILURE;
        }
    };
    // A package can be looked at where there is no server and no configuration.
    let config = load(&global.sources()).ok().map(|l| l.config);
    let findings = examine(&bytes, config.as_ref(), !args.offline);
    print!("{}", if global.json { format!("{:#}\n", report(&args.file, &findings)) } else { text(&findings) });
    let good = good(&findings);
    if !global.json {
        let name = args.file.display();
        match good {
            true if args.offline => println!("{name} is good as far as it can be seen without the server"),
            true => println!("{name} is good: a client that imports it connects"),
            false => println!("{name}: a client that imports it does not connect"),
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Applies all rules; with `connect` also those that need the server.
pub fn examine(bytes: &[u8], config: Option<&Config>, connect: bool) -> Vec<Finding> {
    let seen = inspect(bytes, UnixTime::now());
    let mut findings = seen.findings;
    for link in &seen.links {
        if connect {
            live::connect(link, &mut findings);
        } else {
            findings.extend(config.and_then(|config| own_server(config, link)));
            findings.extend(config.and_then(|config| own_enrollment(config, link)));
        }
    }
    findings
}

/// Without a connection: the certificate the server in this data directory would show, if it is of the package's CA.
fn own_server(config: &Config, link: &Link) -> Option<Finding> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let path: &Path = &config.tls.server_cert;
    let leaf = CertificateDer::pem_file_iter(path).ok()?.next()?.ok()?;
    let ca = CertificateDer::pem_file_iter(&config.tls.ca_cert).ok()?.next()?.ok()?;
    link.roots.iter().any(|root| root.as_slice() == ca.as_ref()).then(|| rules::san(&leaf, &link.to.host))
}

/// The same for the enrolment port, where it shows another certificate (`tls.web_cert`): its name is looked at there.
fn own_enrollment(config: &Config, link: &Link) -> Option<Finding> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let (path, _) = config.tls.web.as_ref().filter(|_| link.own.is_none() && link.to.protocol != "tcp")?;
    let leaf = CertificateDer::pem_file_iter(path).ok()?.next()?.ok()?;
    let host = &link.to.host;
    Some(match rules::san(&leaf, host).verdict {
        Verdict::Fail => Finding::fail(
            "enrollment",
            format!("the certificate of {} is not for {host}", path.display()),
            format!("devices look at the name there: take one for {host}, or take tls.web_cert out"),
        ),
        _ => Finding::ok("enrollment", format!("{host} stands in the certificate of tls.web_cert")),
    })
}

/// No rule failed.
pub fn good(findings: &[Finding]) -> bool {
    findings.iter().all(|f| f.verdict != Verdict::Fail)
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Note => "note",
        Verdict::Fail => "FAIL",
    }
}

/// One line per rule, and what to do below the one that failed.
pub fn text(findings: &[Finding]) -> String {
    let mut rows = Vec::new();
    for finding in findings {
        let row = [word(finding.verdict), finding.rule, &finding.seen];
        rows.push(row.map(str::to_owned).to_vec());
        if !finding.advice.is_empty() {
            rows.push(vec![String::new(), String::new(), format!("-> {}", finding.advice)]);
        }
    }
    output::table(&rows)
}

/// The same for programs.
pub fn report(file: &Path, findings: &[Finding]) -> Value {
    let rule = |f: &Finding| json!({"rule": f.rule, "verdict": word(f.verdict), "seen": f.seen, "todo": f.advice});
    let rules: Vec<_> = findings.iter().map(rule).collect();
    json!({"file": file.display().to_string(), "ok": good(findings), "rules": rules})
}
