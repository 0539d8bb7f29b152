//! Configuration: typed TOML with defaults, environment, cross-checks and errors that name file and line.
//!
//! Order: defaults < profile < file < `conf.d/*.toml` < environment < command line (operations.md 3.1). Defaults stand in
//! one place, `config/fts.toml`. Nothing else in the server reads a file, an environment variable or a flag to decide
//! how it behaves.
mod build;
mod build_services;
mod changes;
mod check;
mod env;
mod error;
mod keys;
mod layer;
mod legacy;
mod load;
mod plugins;
mod services;
mod units;
mod words;
mod yaml;

pub use changes::{Changes, changes};
pub use env::name as env_name;
pub use error::ConfigError;
pub use keys::*;
pub use layer::{Layer, Origin};
pub use legacy::{Legacy, legacy_args};
pub use load::{DEFAULT, Loaded, Sources, defaults, load};
pub use plugins::{CAPABILITIES, Enabled, HostKeys, PluginTable, Plugins, is_plugin_name};
pub use services::*;
pub use units::duration;
pub use words::*;

/// The nearest of these names, if one is near.
fn nearest<'a>(name: &str, among: impl IntoIterator<Item = &'a String>) -> Option<String> {
    let distance = |other: &String| strsim::damerau_levenshtein(name, other);
    let (best, far) = among.into_iter().map(|other| (other, distance(other))).min_by_key(|(_, far)| *far)?;
    (far <= 3.max(name.len() / 4)).then(|| best.clone())
}

#[cfg(test)]
mod tests;
