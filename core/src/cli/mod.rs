//! The command line: one file per subcommand.
use std::process::ExitCode;

/// Parses the command line and runs the subcommand.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
