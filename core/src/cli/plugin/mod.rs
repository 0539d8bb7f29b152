//! `fts plugin`: what operators do with the plugins of a running server (through the local socket), and the tools of
//! authors, which need none: `new` writes a plugin, `check` looks at a file, `test` tries it.
//!
//! A stranger's library is loaded in a child process only (`child`, `inside`): its constructors may crash.
mod check;
mod child;
mod exercise;
mod faults;
mod headless;
mod info;
mod inside;
pub(super) mod list;
pub mod new;
mod samples;
mod trial;
mod wrong;

use std::{path::PathBuf, process::ExitCode};

use serde_json::Value;

use super::{Global, remote};

/// What to do with plugins.
#[derive(Debug, clap::Subcommand)]
pub enum PluginCommand {
    /// Lists plugins: state, version, queue, panics
    List,
    /// Shows everything about one: routes, handlers and their times, audiences, configuration
    Info {
        /// Which
        name: String,
    },
    /// Lists intercepts in the order they are asked
    Order,
    /// Starts one until the server restarts; then plugins.enabled decides again
    Enable {
        /// Which
        name: String,
    },
    /// Stops one, and those that require it, until the server restarts
    Disable {
        /// Which
        name: String,
    },
    /// Loads its file again; a broken one leaves the old running
    Reload {
        /// Which
        name: String,
    },
    /// Starts the same file again
    Restart {
        /// Which
        name: String,
    },
    /// Writes a new plugin: builds, passes its test, does something
    New {
        /// Its name: a-z, 0-9 and -, the first a letter
        name: String,
        /// The folder in which the plugin's own is made, and fts-plugin-api beside it
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
    /// Says whether a file would be loaded, and what it says about itself; no server needed
    Check(check::CheckArgs),
    /// Tries a file in a process of its own: starts, wrong configurations, every handler with good and broken input
    Test(trial::TestArgs),
    /// The process in which `check` and `test` load the file
    #[command(hide = true)]
    Inside(inside::InsideArgs),
}

pub fn run(global: &Global, command: &PluginCommand) -> ExitCode {
    match command {
        PluginCommand::List => remote::show(global, remote::ask(global, "GET", "/admin/plugins", None), list::plugins),
        PluginCommand::Info { name } => {
            let answer = remote::ask(global, "GET", &format!("/admin/plugins/{}", remote::encode(name)), None);
            remote::show(global, answer, info::page)
        }
        PluginCommand::Order => {
            remote::show(global, remote::ask(global, "GET", "/admin/plugin-order", None), list::order)
        }
        PluginCommand::Enable { name } => change(global, name, "enable"),
        PluginCommand::Disable { name } => change(global, name, "disable"),
        PluginCommand::Reload { name } => change(global, name, "reload"),
        PluginCommand::Restart { name } => change(global, name, "restart"),
        PluginCommand::New { name, dir } => make(name, dir),
        PluginCommand::Check(args) => check::run(global, args),
        PluginCommand::Test(args) => trial::run(global, args),
        PluginCommand::Inside(args) => inside::run(global, args),
    }
}

fn change(global: &Global, name: &str, change: &str) -> ExitCode {
    let uri = format!("/admin/plugins/{}/{change}", remote::encode(name));
    remote::show(global, remote::ask(global, "POST", &uri, None), |a: &Value| {
        format!("{}\n", a["done"].as_str().unwrap_or_default())
    })
}

fn make(name: &str, dir: &std::path::Path) -> ExitCode {
    match new::write(dir, name) {
        Ok(written) => {
            written.iter().for_each(|path| println!("{}", path.display()));
            println!(
                "\nnext: cd {} && cargo test    (the first build takes a minute or two)",
                dir.join(name).display()
            );
            println!("guide: cd {} && cargo doc --no-deps --all-features --open", dir.join(new::INTERFACE).display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("fts: {error}");
            ExitCode::FAILURE
        }
    }
}
