//! The command line: one file per subcommand. Exit codes: 0 ok, 1 failure, 2 usage, 3 not running, 4 configuration
//! error, 5 locked (operations.md 4).
use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    app::{self, RunArgs},
    config::{Sources, legacy_args, load},
};

mod ask;
mod audit;
mod backup;
mod cert;
mod client;
mod clients;
mod config;
mod db;
mod doctor;
mod enroll;
mod files;
mod group;
mod init;
mod mission;
mod output;
mod package;
mod plugin;
mod remote;
mod status;
mod tail;
mod user;
mod version;
mod why;

/// Flags every command takes.
#[derive(Clone, Debug, Default, clap::Args)]
#[allow(rustdoc::invalid_html_tags)] // The text is for the terminal.
pub struct Global {
    /// Configuration file [default: <data-dir>/fts.toml, /etc/fts/fts.toml, built-in defaults]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data directory [default: ./fts-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Overrides one key, may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Prints JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Says more (repeat for debug and trace)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Global {
    /// Where the configuration comes from for this process.
    pub fn sources(&self) -> Sources {
        let mut set = self.set.clone();
        match self.verbose {
            0 => {}
            1 => set.push("log.level=\"info,fts=debug\"".into()),
            _ => set.push("log.level=\"info,fts=trace\"".into()),
        }
        Sources::of_process(self.config.clone(), self.data_dir.clone(), set)
    }

    /// The data directory of this process's configuration.
    fn data_dir(&self) -> Result<PathBuf, ExitCode> {
        load(&self.sources()).map(|l| l.config.server.data_dir).map_err(|error| {
            eprintln!("fts: {error}");
            ExitCode::from(4)
        })
    }
}

/// fts, a TAK server: without a command it runs.
#[derive(Parser)]
#[command(name = "fts", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server in the foreground (the default)
    Run(RunArgs),
    /// Asks a few questions and writes fts.toml
    Init(init::InitArgs),
    /// Checks, shows and documents the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Issues and lists certificates
    #[command(subcommand)]
    Cert(cert::CertCommand),
    /// Adds, lists and switches users; passwords and tokens
    #[command(subcommand)]
    User(user::UserCommand),
    /// Groups (channels) and who is in them
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Shows who changed what and who was not let in
    Audit(audit::AuditArgs),
    /// Shows version, listeners, clients, plugins and totals of a running server
    Status(status::StatusArgs),
    /// Makes a new client: user, certificate, package, checked
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Makes packages for clients of users that are there
    #[command(subcommand)]
    Package(package::PackageCommand),
    /// Tokens and QR codes for phones that get their certificate themselves
    #[command(subcommand)]
    Enroll(enroll::EnrollCommand),
    /// Stored files: list, info, put, get, rm, check, sweep
    #[command(subcommand)]
    Files(files::FilesCommand),
    /// Lists, kicks and writes to clients
    #[command(subcommand)]
    Clients(clients::ClientsCommand),
    /// Says whether a client that imports this package connects, and what to do if not
    Doctor(doctor::DoctorArgs),
    /// Missions: list, show, export, import, and back to an earlier state
    #[command(subcommand)]
    Mission(mission::MissionCommand),
    /// Plugins of a running server, and tools for their authors
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Says who got an event and who did not, and which rule decided
    Why(why::WhyArgs),
    /// Shows events as they are routed
    TailCot(tail::TailArgs),
    /// Shows warnings, with -f everything as it comes
    Logs(tail::LogsArgs),
    /// Exits 0 when the server is alive, with --ready when it is ready
    Health(status::HealthArgs),
    /// Reads the configuration again
    Reload,
    /// Refuses new clients, or takes them again
    Drain {
        /// on or off
        #[arg(value_parser = ["on", "off"])]
        state: String,
    },
    /// Ends the server in order
    Stop,
    /// The database: migrate, check, vacuum, export, schema
    #[command(subcommand)]
    Db(db::DbCommand),
    /// Makes, lists, verifies and restores backups
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Prints the version
    Version,
    /// Prints a completion script
    Completion {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

/// Parses the command line and runs the subcommand.
pub fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().collect();
    if let Some(legacy) = legacy_args(&args[1.min(args.len())..]) {
        legacy.notices.iter().for_each(|n| eprintln!("fts: {n}"));
        args.truncate(1);
        args.push("run".into());
        args.extend(legacy.own);
        args.extend(legacy.set.into_iter().flat_map(|s| ["--set".to_owned(), s]));
    }
    let Cli { global, command } = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match command.unwrap_or(Command::Run(RunArgs::default())) {
        Command::Run(args) => app::run(&global, &args),
        Command::Init(args) => init::run(&global, &args),
        Command::Config(command) => config::run(&global, &command),
        Command::Cert(command) => cert::run(&global, &command),
        Command::User(command) => user::run(&global, &command),
        Command::Group(command) => group::run(&global, &command),
        Command::Audit(args) => audit::run(&global, &args),
        Command::Status(args) => status::run(&global, &args),
        Command::Client(command) => client::run(&global, &command),
        Command::Package(command) => package::run(&global, &command),
        Command::Enroll(command) => enroll::run(&global, &command),
        Command::Files(command) => files::run(&global, &command),
        Command::Clients(command) => clients::run(&global, &command),
        Command::Doctor(args) => doctor::run(&global, &args),
        Command::Mission(command) => mission::run(&global, &command),
        Command::Plugin(command) => plugin::run(&global, &command),
        Command::Why(args) => why::run(&global, &args),
        Command::TailCot(args) => tail::run(&global, &args),
        Command::Logs(args) => tail::logs(&global, &args),
        Command::Health(args) => status::health(&global, &args),
        Command::Reload => status::reload(&global),
        Command::Drain { state } => status::drain(&global, state == "on"),
        Command::Stop => status::stop(&global),
        Command::Db(command) => db::run(&global, &command),
        Command::Backup(command) => backup::run(&global, &command),
        Command::Version => version::run(&global),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "fts", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }
}
