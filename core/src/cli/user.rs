//! `fts user …`: users and their tokens, with or without a running server (operations.md 4). A secret comes from standard
//! input or is made by the server, and is printed once; `--password` is there for scripts that know what they do.
use std::{
    io::{BufRead, IsTerminal},
    process::ExitCode,
};

use serde_json::{Value, json};

use super::{
    Global,
    ask::ask,
    output,
    remote::{encode, show},
};

/// What to do with users.
#[derive(Debug, clap::Subcommand)]
pub enum UserCommand {
    /// Makes a user; without a password one is made and printed once
    Add {
        /// Its name: [A-Za-z0-9._@-], at most 64
        name: String,
        #[command(flatten)]
        password: Password,
        /// user, admin or readonly
        #[arg(long, default_value = "user", value_parser = ["user", "admin", "readonly"])]
        role: String,
        /// A group it is in: NAME, NAME:in (sends) or NAME:out (receives); may be repeated
        #[arg(long = "group", value_name = "GROUP[:in|:out]")]
        groups: Vec<String>,
    },
    /// Lists users
    List,
    /// Sets another password; without one it is made and printed once
    Passwd {
        /// Whose
        name: String,
        #[command(flatten)]
        password: Password,
    },
    /// Switches a user off: its connections end, nothing lets it in
    Disable {
        /// Whom
        name: String,
    },
    /// Switches a user on again
    Enable {
        /// Whom
        name: String,
    },
    /// Removes a user and revokes its certificates
    Delete {
        /// Whom
        name: String,
    },
    /// Makes an API token and prints it once; lists or ends tokens
    Token {
        /// Whose
        name: String,
        /// read, write or admin; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',', value_parser = ["read", "write", "admin"])]
        scopes: Vec<String>,
        /// How long it is good, for example 90d [default: for ever]
        #[arg(long, value_name = "DURATION")]
        ttl: Option<String>,
        /// What it is for
        #[arg(long, default_value = "")]
        label: String,
        /// Lists the tokens of the user instead
        #[arg(long, conflicts_with_all = ["scopes", "ttl", "revoke"])]
        list: bool,
        /// Ends the token with this number instead
        #[arg(long, value_name = "ID", conflicts_with_all = ["scopes", "ttl"])]
        revoke: Option<i64>,
    },
}

/// Where a password comes from.
#[derive(Debug, clap::Args)]
pub struct Password {
    /// Reads it from standard input, one line
    #[arg(long)]
    password_stdin: bool,
    /// The password itself: others may see it in the list of processes
    #[arg(long, value_name = "P", conflicts_with = "password_stdin")]
    password: Option<String>,
}

impl Password {
    /// None = the server makes one.
    fn take(&self) -> Result<Option<String>, ExitCode> {
        if !self.password_stdin {
            return Ok(self.password.clone());
        }
        let input = std::io::stdin();
        if input.is_terminal() {
            eprint!("Password: ");
        }
        let mut line = String::new();
        match input.lock().read_line(&mut line) {
            Ok(n) if n > 0 => Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned())),
            Ok(_) => {
                eprintln!("fts: no password on standard input");
                Err(ExitCode::from(2))
            }
            Err(error) => {
                eprintln!("fts: standard input: {error}");
                Err(ExitCode::FAILURE)
            }
        }
    }
}

pub fn run(global: &Global, command: &UserCommand) -> ExitCode {
    match command {
        UserCommand::Add { name, password, role, groups } => {
            let password = match password.take() {
                Ok(password) => password,
                Err(code) => return code,
            };
            let body = json!({"name": name, "password": password, "role": role, "groups": groups});
            show(global, ask(global, "POST", "/admin/users", Some(body)), added)
        }
        UserCommand::List => show(global, ask(global, "GET", "/admin/users", None), list),
        UserCommand::Passwd { name, password } => {
            let password = match password.take() {
                Ok(password) => password,
                Err(code) => return code,
            };
            let path = format!("/admin/users/{}/password", encode(name));
            let answer = ask(global, "PUT", &path, Some(json!({"password": password})));
            show(global, answer, |a| match a["password"].as_str() {
                Some(made) => format!("password of {}: {made}\nIt is shown only now.\n", output::text(&a["name"])),
                None => format!("{} has another password\n", output::text(&a["name"])),
            })
        }
        UserCommand::Disable { name } => switch(global, name, true),
        UserCommand::Enable { name } => switch(global, name, false),
        UserCommand::Delete { name } => {
            let answer = ask(global, "DELETE", &format!("/admin/users/{}", encode(name)), None);
            show(global, answer, |a| {
                format!(
                    "{} removed, {} certificate(s) revoked\n",
                    output::text(&a["removed"]),
                    a["certificates_revoked"]
                )
            })
        }
        UserCommand::Token { revoke: Some(id), .. } => {
            let answer = ask(global, "DELETE", &format!("/admin/tokens/{id}"), None);
            show(global, answer, |a| format!("token {} ended\n", a["removed"]))
        }
        UserCommand::Token { name, list: true, .. } => {
            let answer = ask(global, "GET", &format!("/admin/users/{}/tokens", encode(name)), None);
            show(global, answer, tokens)
        }
        UserCommand::Token { name, scopes, ttl, label, .. } => {
            let scopes = if scopes.is_empty() { "read".to_owned() } else { scopes.join(" ") };
            let body = json!({"scopes": scopes, "ttl": ttl, "label": label});
            let answer = ask(global, "POST", &format!("/admin/users/{}/tokens", encode(name)), Some(body));
            show(global, answer, |a| {
                let (token, ends) = (output::text(&a["token"]), day(&a["expires_at"], "for ever"));
                let (id, scopes) = (&a["id"], output::text(&a["scopes"]));
                format!("{token}\n\nToken {id}, may {scopes}, good {ends}. It is shown only now.\n")
            })
        }
    }
}

fn switch(global: &Global, name: &str, off: bool) -> ExitCode {
    let answer = ask(global, "PUT", &format!("/admin/users/{}", encode(name)), Some(json!({"disabled": off})));
    show(global, answer, |a| format!("{} is {}\n", output::text(&a["name"]), if off { "disabled" } else { "enabled" }))
}

fn added(a: &Value) -> String {
    let name = output::text(&a["name"]);
    let said = match a["password"].as_str() {
        Some(made) => format!("user {name} added, password: {made}\nIt is shown only now.\n"),
        None => format!("user {name} added\n"),
    };
    format!("{said}\nNext: fts cert issue {name}   a certificate, if it does not enrol by itself\n")
}

fn words(list: &Value) -> String {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

/// The day of a time in ms UTC; "" or the given word for none.
fn day(at: &Value, none: &str) -> String {
    let date = |ms| fts_plugin_api::cot::format_time(ms).get(..16).unwrap_or_default().replace('T', " ");
    at.as_i64().map_or_else(|| none.to_owned(), date)
}

fn list(users: &Value) -> String {
    let heading = ["name", "role", "state", "groups", "last login (UTC)", "from", "uid"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for u in users.as_array().into_iter().flatten() {
        let state = if u["disabled"] == true { "disabled" } else { "" };
        rows.push(vec![
            output::text(&u["name"]),
            output::text(&u["role"]),
            state.to_owned(),
            words(&u["groups"]),
            day(&u["last_login_at"], ""),
            output::text(&u["last_ip"]),
            output::text(&u["uid"]),
        ]);
    }
    output::table(&rows)
}

fn tokens(all: &Value) -> String {
    let heading = ["id", "scopes", "label", "made (UTC)", "ends", "last used"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for t in all.as_array().into_iter().flatten() {
        rows.push(vec![
            output::text(&t["id"]),
            output::text(&t["scopes"]),
            output::text(&t["label"]),
            day(&t["created_at"], ""),
            day(&t["expires_at"], "never"),
            day(&t["last_used_at"], "never"),
        ]);
    }
    output::table(&rows)
}
