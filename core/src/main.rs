//! The `fts` program: everything starts in `cli`. Before anything else, what plugins of several versions in one process
//! need: layout checks that start afresh, and the hook that knows where a panic happened.
fn main() -> std::process::ExitCode {
    fts_plugin_api::abi::check_afresh();
    fts_plugin_api::shim::install();
    fts::cli::main()
}
