//! [`FileError`]: why a plugin's library is not loaded, in one line that names the plugin, what is wrong and what to do.
//! The texts are those of plugins.md section 3; operators search for them.
use std::{io, path::PathBuf};

use fts_plugin_api::abi::{API_MAJOR, API_MINOR, TARGET};

/// See the file's head.
#[derive(Debug, thiserror::Error)]
#[error("{plugin}: {why}")]
pub struct FileError {
    /// Name of the plugin.
    pub plugin: String,
    /// What is wrong.
    #[source]
    pub why: Refused,
}

/// What is wrong with a library.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Refused {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{} is no file", .0.display())]
    NoFile(PathBuf),
    #[error("{} is larger than {} MiB", path.display(), limit >> 20)]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{} belongs to uid {owner}, who could exchange it — it must belong to root or to the user of the server: chown root {}", path.display(), path.display())]
    Owner { path: PathBuf, owner: u32 },
    #[error("anybody can write {} — chmod o-w {}", .0.display(), .0.display())]
    Writable(PathBuf),
    #[error("{} has the SHA-256 {found}, [plugins.{plugin}] sha256 wants {wanted} — install the file that is meant, or write the new one", path.display())]
    Pin { path: PathBuf, plugin: String, found: String, wanted: String },
    #[error("{} could be exchanged by the server's own user; profile secure takes it only with sha256 = \"{found}\" in [plugins.{plugin}], or from a directory that user cannot write", path.display())]
    Unpinned { path: PathBuf, plugin: String, found: String },
    #[error("is no library (no ELF file)")]
    NotElf,
    #[error("is for {0}, server is {arch}", arch = std::env::consts::ARCH)]
    Machine(String),
    #[error("is no shared library — [lib] crate-type = [\"cdylib\"]")]
    NotShared,
    #[error("is cut short: it should go on to byte {end} and ends at {len} — copy it again")]
    CutShort { end: u64, len: u64 },
    #[error("is broken: {0} — copy it again")]
    Broken(String),
    #[error("is no fts plugin called so: it does not export {symbol}{}", seen(others))]
    NoSymbol { symbol: String, others: Vec<String> },
    #[error("is no fts plugin: {0} does not lead to what a plugin says about itself")]
    NoInfo(String),
    #[error(
        "built for plugin API {major}.{minor}, this server offers {API_MAJOR}.{API_MINOR} — use a plugin release for {API_MAJOR}.x"
    )]
    Major { major: u16, minor: u16 },
    #[error("needs server plugin API >= {API_MAJOR}.{0}, this server offers {API_MAJOR}.{API_MINOR}")]
    Minor(u16),
    #[error("compiled with panic=abort; plugins must unwind — remove it from [profile.release]")]
    Abort,
    #[error("is for {0}, server is {TARGET}")]
    Target(String),
    #[error("calls itself {0:?} — a plugin is loaded by its own name")]
    Name(String),
}

impl Refused {
    /// Of this plugin.
    pub fn of(self, plugin: &str) -> FileError {
        FileError { plugin: plugin.to_owned(), why: self }
    }
}

fn seen(others: &[String]) -> String {
    if others.is_empty() { String::new() } else { format!(", but {}", others.join(" and ")) }
}
