//! `fts enroll token|qr|list|remove`: lets somebody get a certificate on their own phone. A token is a password that is good
//! for one certificate; it is shown once.
use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use serde_json::{Value, json};

use super::{
    Global, ask,
    output::{self, text},
    package::secret_file,
    remote::show,
};
use crate::identity::qr;

/// What to do about enrolment.
#[derive(Debug, clap::Subcommand)]
pub enum EnrollCommand {
    /// Makes a token: the password of a user for getting one certificate
    Token {
        #[command(flatten)]
        invitation: Invitation,
    },
    /// Makes a token and shows it as a QR code for the phone's camera
    Qr {
        #[command(flatten)]
        invitation: Invitation,
        /// atak (5.1 and newer, with a token) or itak (asks for user and password)
        #[arg(long, default_value = "atak", value_parser = ["atak", "itak"])]
        client: String,
        /// Also as PNG
        #[arg(long, value_name = "FILE")]
        png: Option<PathBuf>,
        /// Also as SVG
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// Lists tokens, without the tokens themselves
    List,
    /// Ends a token
    Remove {
        /// Its number in the list
        id: i64,
    },
}

/// For whom and how long.
#[derive(Debug, clap::Args)]
pub struct Invitation {
    /// The user
    name: String,
    /// How long it is good [default: enrollment.token_ttl]
    #[arg(long, value_name = "DURATION")]
    ttl: Option<String>,
    /// Certificates it is good for
    #[arg(long, default_value_t = 1)]
    max_uses: u32,
    /// Name or address clients connect to [default: server.public_host, else this machine's address]
    #[arg(long)]
    host: Option<String>,
}

impl Invitation {
    fn ask(&self, global: &Global) -> Result<Value, ExitCode> {
        let body = json!({"user": self.name, "ttl": self.ttl, "max_uses": self.max_uses, "host": self.host});
        ask::ask(global, "POST", "/admin/enroll/tokens", Some(body))
    }
}

pub fn run(global: &Global, command: &EnrollCommand) -> ExitCode {
    match command {
        EnrollCommand::Token { invitation } => show(global, invitation.ask(global), |made| {
            format!(
                "{}\nthe password of {} for enrolling on {} until {}; ATAK opens it from this link:\n{}\n",
                text(&made["token"]),
                text(&made["username"]),
                text(&made["host"]),
                text(&made["expires_at"]),
                text(&made["atak_url"])
            )
        }),
        EnrollCommand::Qr { invitation, client, png, svg } => {
            let made = match invitation.ask(global) {
                Ok(made) => made,
                Err(code) => return code,
            };
            match pictures(&made, client, png.as_ref(), svg.as_ref()) {
                Ok(picture) => show(global, Ok(made), |made| format!("{picture}{}", below(made, client))),
                Err(error) => {
                    eprintln!("fts: {error}");
                    ExitCode::FAILURE
                }
            }
        }
        EnrollCommand::List => show(global, ask::ask(global, "GET", "/admin/enroll/tokens", None), |list| {
            let heading = ["id", "user", "uses", "until", "made by"];
            let mut rows = vec![heading.map(str::to_owned).to_vec()];
            for token in list.as_array().into_iter().flatten() {
                let uses = format!("{}/{}", token["uses"], token["max_uses"]);
                let (user, until) = (text(&token["username"]), text(&token["expires_at"]));
                rows.push(vec![text(&token["id"]), user, uses, until, text(&token["created_by"])]);
            }
            output::table(&rows)
        }),
        EnrollCommand::Remove { id } => {
            let answer = ask::ask(global, "DELETE", &format!("/admin/enroll/tokens/{id}"), None);
            show(global, answer, |_| format!("token {id} is no longer good\n"))
        }
    }
}

/// The code for the terminal; files where they were asked for.
///
/// # Errors
/// A file cannot be written.
pub fn pictures(made: &Value, client: &str, png: Option<&PathBuf>, svg: Option<&PathBuf>) -> Result<String, String> {
    let content = if client == "itak" { &made["itak_qr"] } else { &made["atak_url"] };
    let code = qr::code(content.as_str().unwrap_or_default()).map_err(|e| e.to_string())?;
    if let Some(path) = png {
        secret_file(path, &qr::png(&code).map_err(|e| e.to_string())?)?;
    }
    if let Some(path) = svg {
        secret_file(path, qr::svg(&code).as_bytes())?;
    }
    let blocks = qr::terminal(&code);
    if !std::io::stdout().is_terminal() {
        return Ok(format!("{blocks}\n"));
    }
    // White on black whatever the terminal's own colours are: not every reader takes an inverted code.
    Ok(blocks.lines().map(|line| format!("\x1b[97;40m{line}\x1b[0m\n")).collect())
}

/// What to do with the code.
pub fn below(made: &Value, client: &str) -> String {
    let (user, token) = (text(&made["username"]), text(&made["token"]));
    let mut lines = match client {
        "itak" => format!("scan it in iTAK (add server, scan QR); user {user}, password {token}\n"),
        _ => format!("scan it with the phone's camera; ATAK 5.1 or newer opens it as user {user}\n"),
    };
    lines += &format!("good until {}, for {} certificate(s)\n", text(&made["expires_at"]), made["max_uses"]);
    if made["public_certificate"] != true {
        lines += "a phone that does not know this server's CA yet refuses it: import a package of kind enroll first\n\
            (fts package create NAME --client enroll), or set tls.web_cert to a certificate of a public CA\n";
    }
    lines
}
