//! The `fts` program: everything starts in `cli`.
fn main() -> std::process::ExitCode {
    fts::cli::main()
}
