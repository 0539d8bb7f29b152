//! `fts init`: a few questions, each with a default, then fts.toml, the CA and the certificates (operations.md 10).
//!
//! Without a terminal it takes the defaults and says so; it never waits for input that cannot come. An fts.toml that is
//! there is edited in place (comments stay) and only with `--force`.
use std::{
    io::{BufRead, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use toml_edit::DocumentMut;

use super::Global;
use crate::{
    app::offline::{Offline, OfflineError},
    config::{Sources, load},
    identity::Authority,
    net::own_address,
};

/// Flags of `fts init`; each answers a question.
#[derive(Debug, Default, clap::Args)]
pub struct InitArgs {
    /// Name or address clients connect to
    #[arg(long)]
    host: Option<String>,
    /// compatible or secure
    #[arg(long, value_parser = ["compatible", "secure"])]
    profile: Option<String>,
    /// Name of the certificate authority
    #[arg(long)]
    ca_name: Option<String>,
    /// A TOML file with the answers: host, profile, ca_name
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Asks nothing
    #[arg(long)]
    non_interactive: bool,
    /// Edits an fts.toml that is there
    #[arg(long)]
    force: bool,
}

struct Answers {
    host: String,
    profile: String,
    ca_name: String,
}

pub fn run(global: &Global, args: &InitArgs) -> ExitCode {
    let terminal = std::io::stdin().is_terminal() && !args.non_interactive;
    if !terminal && !args.non_interactive {
        println!("standard input is no terminal: taking the defaults");
    }
    let mut stdin = std::io::stdin().lock();
    let input: Option<&mut dyn BufRead> = if terminal { Some(&mut stdin) } else { None };
    match init(global, args, input, &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            eprintln!("fts: {message}");
            ExitCode::from(code)
        }
    }
}

type Failure = (u8, String);

fn init(global: &Global, args: &InitArgs, input: Option<&mut dyn BufRead>, out: &mut dyn Write) -> Result<(), Failure> {
    let sources = global.sources();
    let loaded = load(&sources).map_err(|e| (4, e.to_string()))?;
    let data_dir = loaded.config.server.data_dir.clone();
    let path = sources.config.clone().unwrap_or_else(|| data_dir.join("fts.toml"));
    if path.exists() && !args.force {
        return Err((1, format!("{} is there already; --force edits it and keeps its comments", path.display())));
    }
    let answers = answers(args, &loaded.config, input, out)?;
    let fail = |e: std::io::Error| (1, format!("{}: {e}", path.display()));
    let text = if path.exists() { std::fs::read_to_string(&path).map_err(fail)? } else { String::new() };
    let mut document: DocumentMut = text.parse().map_err(|e| (4, format!("{}: {e}", path.display())))?;
    let mut set = |table: &str, key: &str, value: &str| {
        if !value.is_empty() {
            document[table][key] = toml_edit::value(value);
        }
    };
    set("server", "public_host", &answers.host);
    set("server", "profile", &answers.profile);
    set("tls", "ca_name", &answers.ca_name);
    for table in ["server", "tls"] {
        if let Some(table) = document.get_mut(table).and_then(|t| t.as_inline_table().cloned().map(|i| (t, i))) {
            *table.0 = toml_edit::Item::Table(table.1.into_table());
        }
    }
    std::fs::create_dir_all(path.parent().unwrap_or(&data_dir)).map_err(fail)?;
    std::fs::write(&path, document.to_string()).map_err(fail)?;
    let sources = Sources { config: Some(path.clone()), ..sources };
    let config = load(&sources).map_err(|e| (4, e.to_string()))?.config;
    let authority = Authority::open(&config).map_err(|e| (1, e.to_string()))?;
    let administrator = administrator(&sources)?;
    let tcp = if config.listeners.cot_tcp.enabled {
        format!("{}:{} (not encrypted)", answers.host, config.listeners.cot_tcp.port)
    } else {
        "off".into()
    };
    let _ = writeln!(
        out,
        "\nwrote {}\ncertificates in {}, CA fingerprint {}\n\n  plain TCP  {tcp}\n  TLS        {}:{}\n{administrator}\nNext: fts client add alice    a package for a phone or desktop\n      fts                     the server itself",
        path.display(),
        config.tls.dir.display(),
        authority.fingerprint(),
        answers.host,
        config.listeners.cot_tls.port
    );
    Ok(())
}

/// Makes the first administrator and says how to log in; nothing where there is one, or where the server runs.
fn administrator(sources: &Sources) -> Result<String, Failure> {
    let runtime = super::remote::runtime().map_err(|_| (1, "no thread could be started".to_owned()))?;
    let sources = sources.clone();
    // The parts of the server expect its runtime around them.
    let made = runtime.block_on(async { tokio::task::spawn_blocking(move || Offline::open(&sources)?.first()).await });
    match made.unwrap_or_else(|e| Err(OfflineError::Other(e.to_string()))) {
        Ok(words) => Ok(words.map(|words| format!("\n{words}")).unwrap_or_default()),
        Err(OfflineError::Locked(_)) => Ok(String::new()),
        Err(error) => Err((1, error.to_string())),
    }
}

fn answers(
    args: &InitArgs,
    config: &crate::config::Config,
    mut input: Option<&mut dyn BufRead>,
    out: &mut dyn Write,
) -> Result<Answers, Failure> {
    let mut file = toml_edit::DocumentMut::new();
    if let Some(path) = &args.answers {
        let text = std::fs::read_to_string(path).map_err(|e| (1, format!("{}: {e}", path.display())))?;
        file = text.parse().map_err(|e| (2, format!("{}: {e}", path.display())))?;
        if let Some((key, _)) = file.iter().find(|(key, _)| !["host", "profile", "ca_name"].contains(key)) {
            return Err((2, format!("{}: {key} is no answer; host, profile and ca_name are", path.display())));
        }
    }
    let mut ask = |key: &str, question: &str, given: &Option<String>, default: String| -> Result<String, Failure> {
        if let Some(answer) = given.clone().or_else(|| file.get(key).and_then(|v| v.as_str()).map(str::to_owned)) {
            return Ok(answer);
        }
        let Some(input) = input.as_deref_mut() else { return Ok(default) };
        let _ = write!(out, "{question} [{default}]: ");
        let _ = out.flush();
        let mut line = String::new();
        input.read_line(&mut line).map_err(|e| (1, e.to_string()))?;
        Ok(if line.trim().is_empty() { default } else { line.trim().to_owned() })
    };
    let detected = if config.server.public_host.is_empty() {
        own_address().map_or_else(|| "localhost".into(), |a| a.to_string())
    } else {
        config.server.public_host.clone()
    };
    let profile = if config.server.profile == crate::config::Profile::Secure { "secure" } else { "compatible" };
    let answers = Answers {
        host: ask("host", "Name or address clients connect to", &args.host, detected)?,
        profile: ask(
            "profile",
            "Profile: compatible (also unencrypted port 8087) or secure",
            &args.profile,
            profile.into(),
        )?,
        ca_name: ask(
            "ca_name",
            "Name of the certificate authority (empty = a random one)",
            &args.ca_name,
            config.tls.ca_name.clone(),
        )?,
    };
    if !["compatible", "secure"].contains(&answers.profile.as_str()) {
        return Err((2, format!("profile {:?}: compatible or secure", answers.profile)));
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_dir(dir: &std::path::Path, args: &InitArgs, typed: Option<&str>) -> Result<String, Failure> {
        let global = Global { data_dir: Some(dir.to_owned()), ..Global::default() };
        let (mut out, mut input) = (Vec::new(), typed.map(str::as_bytes));
        init(&global, args, input.as_mut().map(|i| i as &mut dyn BufRead), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn op13_25_without_a_terminal_defaults_are_taken_and_nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let args = InitArgs { host: Some("tak.example.org".into()), ..InitArgs::default() };
        let said = in_dir(dir.path(), &args, None).unwrap();
        assert!(said.contains("password ") && said.contains("fts client add"), "{said}");
        assert!(said.contains("tak.example.org:8089") && dir.path().join("certs/server.pem").exists(), "{said}");
        let (code, message) = in_dir(dir.path(), &args, None).unwrap_err();
        assert!(code == 1 && message.contains("--force"));
    }

    #[test]
    fn answers_are_typed_and_comments_survive_a_second_run() {
        let dir = tempfile::tempdir().unwrap();
        let said = in_dir(dir.path(), &InitArgs::default(), Some("one.example\nsecure\nMy CA\n")).unwrap();
        assert!(said.contains("off"), "{said}");
        let path = dir.path().join("fts.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("public_host = \"one.example\"") && text.contains("ca_name = \"My CA\""), "{text}");
        std::fs::write(&path, format!("# mine\n{text}")).unwrap();
        let args = InitArgs { force: true, host: Some("two.example".into()), ..InitArgs::default() };
        let said = in_dir(dir.path(), &args, None).unwrap();
        assert!(!said.contains("password "), "it is shown once: {said}");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# mine") && text.contains("two.example") && text.contains("secure"), "{text}");
    }
}
