//! `fts plugin check FILE`: would a server load it, and what does it say about itself?
//!
//! Order: everything that can be known from the bytes, here; then a child process loads it, checks its layout and has it
//! declare itself with an empty table. The first thing that is wrong is the answer: one line, exit code 1.
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use fts_plugin_api::abi::Info;
use serde_json::{Value, json};

use super::{child::Bed, info};
use crate::{
    cli::{Global, output, remote},
    plugins::{
        elf,
        file::{Inspected, inspect},
        find::SHIPPED,
        linked, secret,
    },
};

/// Flags of `fts plugin check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The library
    file: PathBuf,
    /// The name it must have [default: what the file says]
    #[arg(long)]
    name: Option<String>,
}

/// Longer than a start may take.
const PATIENCE: Duration = Duration::from_secs(70);

pub fn run(global: &Global, args: &CheckArgs) -> ExitCode {
    match File::read(&args.file, args.name.as_deref()).and_then(|file| file.about(global)) {
        Ok(about) => remote::show(global, Ok(about), page),
        Err(why) => {
            eprintln!("fts: {why}");
            ExitCode::FAILURE
        }
    }
}

/// A file that is a plugin for this server, as far as its bytes say.
pub struct File {
    /// Its plugin.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// A copy for children to load.
    pub bed: Bed,
    size: usize,
    found: Inspected,
}

impl File {
    /// Reads and inspects it.
    ///
    /// # Errors
    /// Why it is none, one line.
    pub fn read(path: &Path, name: Option<&str>) -> Result<Self, String> {
        let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let name = name.map(str::to_owned).or_else(|| elf::name_in(&bytes)).unwrap_or_else(|| called(path));
        let found = inspect(&bytes, &name).map_err(|e| e.to_string())?;
        let bed = Bed::new(&name, &bytes).map_err(|e| format!("{name}: no copy could be made: {e}"))?;
        Ok(Self { name, path: path.to_owned(), bed, size: bytes.len(), found })
    }

    /// Arguments every child gets.
    pub fn args(&self, global: &Global) -> Vec<String> {
        let dir = self.path.canonicalize().ok().and_then(|p| p.parent().map(|d| d.display().to_string()));
        let beside = dir.into_iter().flat_map(|d| ["--beside".to_owned(), d]);
        // Keys of plugins are for them; nothing else of this machine's configuration is.
        let keys = global.set.iter().filter(|s| s.trim_start().starts_with("plugins."));
        let keys = keys.flat_map(|set| ["--set".to_owned(), set.clone()]);
        beside.chain(keys).chain((global.verbose > 0).then(|| "-v".to_owned())).collect()
    }

    /// Everything about it; a child has loaded it.
    ///
    /// # Errors
    /// Why it would not be loaded, one line.
    pub fn about(&self, global: &Global) -> Result<Value, String> {
        let said = self.bed.run(&self.args(global), PATIENCE).map_err(|why| format!("{}: {why}", self.name))?;
        if let Some(why) = said["refused"].as_str() {
            return Err(why.to_owned());
        }
        let info = &self.found.info;
        let mut warnings = self.found.warnings.clone();
        if info.debug == 1 {
            warnings.push("debug build: slow and large — cargo build --release".to_owned());
        }
        if linked::linked().iter().any(|l| l.name == self.name) {
            let name = &self.name;
            warnings
                .push(format!("this fts has {name} linked in and takes that one: the file was inspected, not loaded"));
        }
        let mut about = json!({
            "file": self.path,
            "name": self.name,
            "version": Info::text(&info.version),
            "built": {
                "api": format!("{}.{}", info.api_major, info.api_minor),
                "sdk": Info::text(&info.sdk),
                "rustc": Info::text(&info.rustc),
                "target": Info::text(&info.target),
                "debug": info.debug == 1,
            },
            "sha256": self.found.sha256,
            "size": self.size,
            "shipped": SHIPPED.contains(&self.name.as_str()),
            "warnings": warnings,
        });
        if let (Some(about), Value::Object(said)) = (about.as_object_mut(), said) {
            about.extend(said);
        }
        Ok(about)
    }
}

/// The name in a file's name, for a message about a file that says none.
fn called(path: &Path) -> String {
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    stem.strip_prefix("libfts_plugin_").map_or(stem.clone(), |name| name.replace('_', "-"))
}

fn page(about: &Value) -> String {
    let text = |key: &str| output::text(&about[key]);
    let mut page = format!("{} {} can be loaded\n", text("name"), text("version"));
    let mut line = |label: &str, value: String| {
        if !value.is_empty() {
            page += &format!("{label:<13}{value}\n");
        }
    };
    line("about", text("about"));
    line("built with", info::built(&about["built"]));
    line("sha256", text("sha256"));
    line("size", output::size(about["size"].as_u64().unwrap_or(0)));
    line("requires", info::words(&about["requires"]));
    line("uses", info::words(&about["uses"]));
    let capabilities = info::words(&about["capabilities"]);
    let granted = about["shipped"] == true || capabilities.is_empty();
    let table = format!("; grant them: capabilities = {} in [plugins.{}]", about["capabilities"], text("name"));
    line("capabilities", capabilities + if granted { "" } else { &table });
    for key in ["missing", "warnings"] {
        for warning in about[key].as_array().into_iter().flatten() {
            line("warning", output::text(warning));
        }
    }
    let mut defaults = about["defaults"].clone();
    let named = about["secrets"].as_array().into_iter().flatten().filter_map(|s| s.as_str().map(str::to_owned));
    secret::mask(&mut defaults, &named.collect::<Vec<_>>());
    let keys = info::config("", &defaults, &Value::Null);
    if !keys.is_empty() {
        page += &format!("\n[plugins.{}] with its defaults\n", text("name"));
        keys.iter().for_each(|key| page += &format!("  {}\n", key.join(" ")));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_says_no_name_is_called_as_its_file() {
        assert_eq!(called(Path::new("/x/libfts_plugin_xmpp_chat.so")), "xmpp-chat");
        assert_eq!(called(Path::new("demo.so")), "demo");
        let said = File::read(Path::new("/nowhere/demo.so"), None).err().unwrap();
        assert!(said.contains("/nowhere/demo.so"), "{said}");
    }
}
