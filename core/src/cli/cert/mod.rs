//! `fts cert …`: certificates, with a running server or without one (operations.md 4). The work is done behind `/admin/certs`;
//! here are the flags, the files and the words. Keys are written 0600 and never printed.
mod adopt;
mod issue;

use std::{path::PathBuf, process::ExitCode};

use serde_json::{Value, json};

use super::{Global, ask::ask, output, remote};

/// What to do with certificates.
#[derive(Debug, clap::Subcommand)]
pub enum CertCommand {
    /// Issues a certificate: NAME.pem, NAME.key, NAME.p12 and ca-trust.p12
    Issue(issue::IssueArgs),
    /// Lists the certificates issued so far
    List {
        /// any, active, replaced, expired or revoked
        #[arg(long, default_value = "any", value_parser = ["any", "active", "replaced", "expired", "revoked"])]
        state: String,
        /// Only those of a user
        #[arg(long)]
        user: Option<String>,
    },
    /// Revokes certificates; their connections end at once
    Revoke(RevokeArgs),
    /// Makes the server's own certificate anew; connections stay
    Renew,
    /// Writes a certificate, the CA with its truststore, or the CRL
    Export {
        /// A serial number, `ca` or `crl`
        what: String,
        /// File to write; for `ca` a P12 truststore is written beside it
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Takes over the CA of another server, so that its clients stay as they are
    Adopt(adopt::AdoptArgs),
    /// Makes an intermediate CA that signs from now on, so that the key of the root can be kept elsewhere
    CaIntermediate,
    /// Makes a new CA; certificates of the one before stay good until they end
    CaRotate {
        /// Ends it: certificates of earlier CAs open nothing any more
        #[arg(long)]
        finish: bool,
    },
}

/// Flags of `fts cert revoke`.
#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = true, args = ["serial", "user", "cn", "issued_before"])]
pub struct RevokeArgs {
    /// The one with this serial number, hex
    #[arg(long, value_name = "HEX")]
    serial: Option<String>,
    /// All of a user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// All with this common name
    #[arg(long)]
    cn: Option<String>,
    /// All issued before a day or time (2026-01-31, 2026-01-31T10:00:00Z)
    #[arg(long, value_name = "TIME")]
    issued_before: Option<String>,
    /// keyCompromise, superseded, cessationOfOperation, affiliationChanged, privilegeWithdrawn, caCompromise, unspecified
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// With --serial: also one this server does not know
    #[arg(long, requires = "serial")]
    force: bool,
}

/// `fts cert …`.
pub fn run(global: &Global, command: &CertCommand) -> ExitCode {
    match command {
        CertCommand::Issue(args) => issue::run(global, args),
        CertCommand::List { state, user } => list(global, state, user.as_deref()),
        CertCommand::Revoke(args) => revoke(global, args),
        CertCommand::Renew => {
            let answer = ask(global, "POST", "/admin/certs/renew", Some(json!({})));
            remote::show(global, answer, |about| {
                format!("server certificate made anew, valid for {} days\n", about["server_days"])
            })
        }
        CertCommand::Export { what, out } => issue::export(global, what, out),
        CertCommand::Adopt(args) => adopt::run(global, args),
        CertCommand::CaIntermediate => intermediate(global),
        CertCommand::CaRotate { finish } => rotate(global, *finish),
    }
}

fn list(global: &Global, state: &str, user: Option<&str>) -> ExitCode {
    let user = user.map(|user| format!("&user={}", remote::encode(user))).unwrap_or_default();
    let answer = ask(global, "GET", &format!("/admin/certs?state={state}{user}"), None);
    remote::show(global, answer, table)
}

fn table(list: &Value) -> String {
    let mut rows = vec![["name", "kind", "state", "valid until", "device", "serial"].map(str::to_owned).to_vec()];
    for entry in list.as_array().into_iter().flatten() {
        let cell = |key: &str| output::text(&entry[key]);
        rows.push(vec![
            cell("cn"),
            cell("kind"),
            cell("state"),
            day(&entry["not_after"]),
            cell("client_uid"),
            cell("serial"),
        ]);
    }
    output::table(&rows)
}

/// The day of a time.
fn day(time: &Value) -> String {
    output::text(time).get(..10).unwrap_or_default().to_owned()
}

fn revoke(global: &Global, args: &RevokeArgs) -> ExitCode {
    let before = args.issued_before.as_deref().map(|text| {
        let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
        fts_plugin_api::cot::parse_time(&whole).map(|(ms, _)| ms).ok_or(text)
    });
    let issued_before = match before.transpose() {
        Ok(before) => before,
        Err(text) => {
            eprintln!("fts: --issued-before {text:?}: a day like 2026-01-31 or a time like 2026-01-31T10:00:00Z");
            return ExitCode::from(2);
        }
    };
    let wanted = json!({
        "serial": args.serial, "user": args.user, "cn": args.cn, "issued_before": issued_before, "reason": args.reason,
        "force": args.force,
    });
    let answer = ask(global, "POST", "/admin/certs/revoke", Some(wanted));
    remote::show(global, answer, |answer| {
        let list = answer["revoked"].as_array().map(Vec::len).unwrap_or_default();
        format!("{}revoked: {list}; connections that used them have ended\n", table(&answer["revoked"]))
    })
}

fn intermediate(global: &Global) -> ExitCode {
    let answer = ask(global, "POST", "/admin/certs/intermediate", Some(json!({})));
    remote::show(global, answer, |about| {
        let cn = |n: usize| output::text(&about["authorities"][n]["cn"]);
        format!(
            "intermediate CA: {}\nSHA-256 {}\n\n\
             It signs everything from now on. Clients stay connected, and need nothing new: the CA above is still trusted.\n\
             The key of the CA above ({}) lies in\n  {}\n\
             Take it away from this machine and keep it safe: it is needed for the next intermediate CA only. Without it\n\
             there the CRL of that CA is not written any more; what it revokes is refused by this server all the same.\n",
            cn(0),
            output::text(&about["fingerprint"]),
            cn(1),
            output::text(&about["root_key"])
        )
    })
}

fn rotate(global: &Global, finish: bool) -> ExitCode {
    let answer = ask(global, "POST", "/admin/certs/rotate", Some(json!({"finish": finish})));
    remote::show(global, answer, |about| {
        if finish {
            return format!("earlier CAs that are trusted no more: {}\n", about["retired"]);
        }
        format!(
            "new CA: {}\nSHA-256 {}\n\n\
             Clients stay connected, and new packages and enrolments trust both. When all devices have new certificates\n\
             (fts cert list --state active shows them), end the trust in the CA before: fts cert ca-rotate --finish\n",
            output::text(&about["authorities"][0]["cn"]),
            output::text(&about["fingerprint"])
        )
    })
}
