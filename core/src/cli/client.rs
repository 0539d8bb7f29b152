//! `fts client add NAME`: everything a new client needs in one step, and the proof that it works. One name, or a CSV file
//! with many.
//!
//! Order for each: user and groups, certificate and packages (all in the server, or in the data directory where none
//! runs), files, QR code, and `fts doctor` on every file: with a server by really connecting.
mod csv;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Value, json};

use super::{Global, ask, doctor, enroll, output::text, package};
use crate::config::load;

/// What to do with clients that are to be.
#[derive(Debug, clap::Subcommand)]
pub enum ClientCommand {
    /// Makes a user, a certificate and the packages for a phone or desktop, and checks them
    Add(AddArgs),
}

/// Flags of `fts client add`.
#[derive(Debug, clap::Args)]
pub struct AddArgs {
    /// Name of the user; made if there is none
    #[arg(required_unless_present = "csv")]
    name: Option<String>,
    /// Client it is for
    #[arg(long, default_value = "atak", value_parser = ["atak", "wintak", "itak", "enroll", "all"])]
    client: String,
    /// Name or address clients connect to [default: server.public_host, else this machine's address]
    #[arg(long)]
    host: Option<String>,
    /// Group of the user, GROUP, GROUP:in (sends into it) or GROUP:out (receives from it); may be repeated
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// Where the files go
    #[arg(long, default_value = ".", value_name = "DIR")]
    out: PathBuf,
    /// Many: a file with the columns name, and if wanted groups (separated by ;), client, host
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    csv: Option<PathBuf>,
    /// Shows a QR code for enrolling instead of copying a file, too
    #[arg(long)]
    qr: bool,
    /// Makes no connection when checking
    #[arg(long)]
    offline: bool,
}

/// One client to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    name: String,
    client: String,
    host: Option<String>,
    groups: Vec<String>,
}

pub fn run(global: &Global, command: &ClientCommand) -> ExitCode {
    let ClientCommand::Add(args) = command;
    let all = match (&args.csv, &args.name) {
        (Some(path), _) => csv::read(path, args),
        (None, name) => Ok(vec![Wanted {
            name: name.clone().unwrap_or_default(),
            client: args.client.clone(),
            host: args.host.clone(),
            groups: args.group.clone(),
        }]),
    };
    let all = match all {
        Ok(all) => all,
        Err(error) => {
            eprintln!("fts: {error}");
            return ExitCode::from(2);
        }
    };
    let (mut reports, mut code) = (Vec::new(), ExitCode::SUCCESS);
    for wanted in &all {
        match add(global, args, wanted) {
            Ok((report, good)) => {
                reports.push(report);
                code = if good { code } else { ExitCode::FAILURE };
            }
            Err(failed) if all.len() == 1 => return failed,
            // The others get theirs all the same.
            Err(_) => {
                eprintln!("fts: nothing was made for {}", wanted.name);
                reports.push(json!({"user": wanted.name, "ok": false}));
                code = ExitCode::FAILURE;
            }
        }
    }
    if global.json {
        println!("{:#}", if args.csv.is_some() { Value::Array(reports) } else { reports.remove(0) });
    } else if all.len() > 1 {
        let good = reports.iter().filter(|r| r["ok"] == true).count();
        println!("{good} of {} clients are ready", all.len());
    }
    code
}

fn add(global: &Global, args: &AddArgs, wanted: &Wanted) -> Result<(Value, bool), ExitCode> {
    let body = json!({
        "user": wanted.name, "clients": [wanted.client], "host": wanted.host, "create_user": true,
        "groups": wanted.groups, "token": args.qr,
    });
    let made = ask::ask(global, "POST", "/admin/packages", Some(body))?;
    let fail = |error: String| {
        eprintln!("fts: {error}");
        ExitCode::FAILURE
    };
    let config = load(&global.sources()).ok().map(|l| l.config);
    let connect = made["running"] == true && !args.offline;
    let (mut files, mut good) = (Vec::new(), true);
    if !global.json {
        print!("{}", heading(&made));
    }
    for one in made["packages"].as_array().into_iter().flatten() {
        let path = args.out.join(format!("{}-{}.zip", wanted.name, text(&one["client"])));
        let bytes = package::write(&path, one).map_err(fail)?;
        let findings = doctor::examine(&bytes, config.as_ref(), connect);
        good &= doctor::good(&findings);
        if !global.json {
            print!("{}", told(&path, &findings, connect));
        }
        files.push(doctor::report(&path, &findings));
    }
    let invitation = &made["invitation"];
    if !global.json {
        print!("{}", next(&made));
        if args.qr {
            let client = if wanted.client == "itak" { "itak" } else { "atak" };
            let picture = enroll::pictures(invitation, client, None, None).map_err(fail)?;
            print!("\n{picture}{}", enroll::below(invitation, client));
        }
    }
    let report = json!({
        "user": made["user"], "created": made["created"], "host": made["host"], "port": made["port"],
        "serial": made["serial"], "not_after": made["not_after"], "packages": files, "ok": good,
        "invitation": if invitation.is_null() { Value::Null } else { invitation.clone() },
    });
    Ok((report, good))
}

fn heading(made: &Value) -> String {
    let user = text(&made["user"]);
    let mut lines = match made["created"] == true {
        true => format!("user {user} made\n"),
        false => format!("user {user} is there: another package for the same user\n"),
    };
    if made["host_added"] == true {
        lines += &format!("{} was put into the server's certificate\n", text(&made["host"]));
    }
    lines
}

/// All rules where one failed or has something to say; else that there is nothing.
fn told(path: &Path, findings: &[crate::identity::packages::rules::Finding], connect: bool) -> String {
    use crate::identity::packages::rules::Verdict;
    let file = path.display();
    if findings.iter().any(|f| f.verdict != Verdict::Ok) {
        return format!("{file}\n{}", doctor::text(findings));
    }
    let how = if connect {
        "checked by connecting with it"
    } else {
        "checked; the server does not run, so nothing was connected"
    };
    format!("{file}  {how} ({} rules)\n", findings.len())
}

fn next(made: &Value) -> String {
    let at = format!("{}:{}", text(&made["host"]), made["port"]);
    let mut lines = format!("\nNext: copy the file to the device and import it in the client; it connects to {at}.\n");
    if let Some(token) = made["invitation"]["token"].as_str() {
        let (user, until) = (text(&made["user"]), text(&made["invitation"]["expires_at"]));
        lines +=
            &format!("The package without a key asks for user {user}, password {token} (good once, until {until}).\n");
    }
    if made["running"] != true {
        lines += "The server does not run: start it with fts, then check a package with fts doctor FILE.\n";
    }
    lines
}
