//! Build time: the interface crate as data for `fts plugin new`, which writes it beside a new plugin (decision 108).
//!
//! Its files become a list in `OUT_DIR/interface.rs`. Its `Cargo.toml` is written anew: what it takes from the workspace is
//! put in, what only the workspace needs (lints, tests, benches) is left out. Whatever is not understood ends the build:
//! a copy that does not build must not get into the binary. Read line by line, one key on each: a TOML parser would be a
//! build dependency for two files of our own.
use std::{
    fs,
    io::{Error, Result},
    path::{Path, PathBuf},
};

/// `api` = folder of the interface crate, `workspace` = the `Cargo.toml` above it, `out` = the list to write.
pub fn interface(api: &Path, workspace: &Path, out: &Path) -> Result<()> {
    let api = api.canonicalize()?;
    for watched in [&api.join("src"), &api.join("Cargo.toml"), &api.join("build.rs"), &api.join("README.md"), workspace]
    {
        println!("cargo:rerun-if-changed={}", watched.display());
    }
    let own = fs::read_to_string(api.join("Cargo.toml"))?;
    let manifest = resolve(&own, &fs::read_to_string(workspace)?)?;
    let version =
        value(&own, "package", "version").ok_or_else(|| Error::other("the interface crate has no version"))?;
    let mut files = vec![api.join("build.rs"), api.join("README.md")];
    collect(&api.join("src"), &mut files)?;
    files.sort();
    let mut text = format!("pub const VERSION: &str = {version};\npub const FILES: &[(&str, &str)] = &[\n");
    text.push_str(&format!("    (\"Cargo.toml\", {manifest:?}),\n"));
    for file in files {
        let name = file.strip_prefix(&api).map_err(Error::other)?;
        text.push_str(&format!("    ({name:?}, include_str!({file:?})),\n"));
    }
    text.push_str("];\n");
    // Only a list that changed makes the crate compile again.
    if fs::read_to_string(out).is_ok_and(|old| old == text) { Ok(()) } else { fs::write(out, text) }
}

/// Sources without those of tests, which need what the copy leaves out.
fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            collect(&path, files)?;
        } else if name.ends_with(".rs") && name != "tests.rs" && !name.ends_with("_tests.rs") {
            files.push(path);
        }
    }
    Ok(())
}

const HEAD: &str = "\
# The interface of fts plugins, as this version of fts carries it. Written by `fts plugin new`; not to be edited.
";

/// The crate's `Cargo.toml` without its workspace.
fn resolve(own: &str, workspace: &str) -> Result<String> {
    let mut out = HEAD.to_owned();
    let mut section = String::new();
    for line in own.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_matches(['[', ']']).to_owned();
        }
        if matches!(section.as_str(), "lints" | "dev-dependencies" | "bench") || line.starts_with('#') {
            continue;
        }
        let Some((key, said)) = line.split_once(" = ") else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let said = match (key.strip_suffix(".workspace"), section.as_str()) {
            (Some(key), "package") => (key, found(workspace, "workspace.package", key)?),
            (Some(key), "dependencies") => (key, found(workspace, "workspace.dependencies", key)?),
            (None, "dependencies") if said.contains("workspace = true") => {
                (key, merge(&found(workspace, "workspace.dependencies", key)?, said))
            }
            _ => (key, said.to_owned()),
        };
        out.push_str(&format!("{} = {}\n", said.0, said.1));
    }
    if out.contains("workspace") {
        return Err(Error::other(format!(
            "the interface crate takes more from its workspace than is known here:\n{out}"
        )));
    }
    // Wherever the copy lies, it belongs to no other workspace.
    out.push_str("\n[workspace]\n");
    Ok(out)
}

/// `"0.43"` or `{ version = … }` of the workspace, and what the crate adds to it.
fn merge(workspace: &str, own: &str) -> String {
    let inside = |text: &str| text.trim().trim_start_matches('{').trim_end_matches('}').trim().to_owned();
    let base = if workspace.starts_with('{') { inside(workspace) } else { format!("version = {workspace}") };
    let added = inside(own).replace("workspace = true", "");
    let added = added.trim().trim_matches(',').trim().to_owned();
    if added.is_empty() { format!("{{ {base} }}") } else { format!("{{ {base}, {added} }}") }
}

fn found(text: &str, section: &str, key: &str) -> Result<String> {
    value(text, section, key).ok_or_else(|| Error::other(format!("{key} is not in [{section}] of the workspace")))
}

/// What stands behind a key of a section, as written.
fn value(text: &str, section: &str, key: &str) -> Option<String> {
    let head = format!("[{section}]");
    let lines = text.lines().skip_while(|l| *l != head).skip(1).take_while(|l| !l.starts_with('['));
    let mut pairs = lines.filter_map(|l| l.split_once(" = "));
    pairs.find(|(k, _)| *k == key).map(|(_, v)| v.trim().to_owned())
}
