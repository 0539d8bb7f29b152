//! The child process of `fts plugin check` and `test`: loads the file in a small host and says what comes of it. Nothing
//! here is for people; see [`super::child`].
use std::{path::PathBuf, process::ExitCode};

use serde_json::{Value, json};

use super::{
    child::Words,
    faults,
    headless::{Headless, Setup},
    trial,
};
use crate::cli::Global;

/// What the parent asks for.
#[derive(Debug, clap::Args)]
pub struct InsideArgs {
    /// The bed
    dir: PathBuf,
    /// The plugin's name
    name: String,
    /// Tries it, with so many starts; 0 = only looks at it
    #[arg(long, default_value_t = 0)]
    rounds: u32,
    /// Where plugins it requires may lie
    #[arg(long)]
    beside: Vec<PathBuf>,
    /// Plugins it requires
    #[arg(long)]
    also: Vec<String>,
}

pub fn run(global: &Global, args: &InsideArgs) -> ExitCode {
    faults::listen(global.verbose > 0);
    let mut words = match Words::open(&args.dir) {
        Ok(words) => words,
        Err(error) => {
            eprintln!("fts: this is part of `fts plugin check`: {error}");
            return ExitCode::from(2);
        }
    };
    let setup = Setup { dir: &args.dir, name: &args.name, beside: &args.beside, also: &args.also, set: &global.set };
    let done = match args.rounds {
        0 => look(&setup, &mut words),
        rounds => trial::inside(&setup, rounds, &mut words),
    };
    words.done(&done.unwrap_or_else(|why| json!({"refused": why})));
    ExitCode::SUCCESS
}

/// What a plugin declares, and which others have to run with it.
fn look(setup: &Setup<'_>, words: &mut Words) -> Result<Value, String> {
    words.doing("load");
    let host = Headless::open(setup)?;
    let manifest = host.plugins.examine(setup.name)?;
    let (mut also, mut next) = (Vec::<String>::new(), manifest.requires.clone());
    let mut missing = Vec::new();
    while let Some(requirement) = next.pop() {
        let name = requirement.split(">=").next().unwrap_or_default().trim().to_owned();
        if also.contains(&name) || name == setup.name {
            continue;
        }
        words.doing(&format!("load {name}, which it requires"));
        match host.plugins.examine(&name) {
            Ok(more) => next.extend(more.requires),
            Err(why) => missing.push(why),
        }
        also.push(name);
    }
    host.close();
    Ok(json!({
        "about": manifest.about,
        "requires": manifest.requires,
        "uses": manifest.uses,
        "capabilities": manifest.capabilities,
        "secrets": manifest.secrets,
        "defaults": serde_json::from_str::<Value>(&manifest.defaults).unwrap_or_default(),
        "also": also,
        "missing": missing,
    }))
}
