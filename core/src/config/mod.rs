//! Configuration: typed TOML with defaults, environment, cross-checks and errors that name file and line.
//!
//! Order: defaults < profile < file < `conf.d/*.toml` < environment < command line (operations.md 3.1). Nothing else
//! in the server reads a file, an environment variable or a flag to decide how it behaves.
mod keys;

pub use keys::*;
