//! What is written; that it builds is a black-box test.
use std::fs;

use tempfile::tempdir;

use super::*;

#[test]
fn a_plugin_and_the_interface_are_written_side_by_side() {
    let dir = tempdir().unwrap();
    let written = write(dir.path(), "my-demo").unwrap();
    let shown: Vec<_> = written.iter().map(|p| p.strip_prefix(dir.path()).unwrap().to_str().unwrap()).collect();
    let files = ["Cargo.toml", "src/lib.rs", "config.toml", "tests/basic.rs", "README.md", ".gitignore"];
    let mut expected: Vec<_> = files.iter().map(|f| format!("my-demo/{f}")).collect();
    expected.push("fts-plugin-api".into());
    assert_eq!(shown, expected);
    for path in &written[..6] {
        let text = fs::read_to_string(path).unwrap();
        assert!(!text.contains("{{"), "{}", path.display());
    }
    let manifest: toml::Table = toml::from_str(&fs::read_to_string(&written[0]).unwrap()).unwrap();
    assert_eq!(manifest["package"]["name"].as_str(), Some("fts-plugin-my-demo"));
    assert_eq!(manifest["lib"]["name"].as_str(), Some("fts_plugin_my_demo"));
    assert!(manifest["workspace"].as_table().unwrap().is_empty());
    let (major, minor) = (fts_plugin_api::abi::API_MAJOR, fts_plugin_api::abi::API_MINOR);
    let api = manifest["dependencies"]["fts-plugin-api"]["version"].as_str().unwrap();
    assert_eq!(api, format!("~{major}.{minor}"));
    let config: toml::Table = toml::from_str(&fs::read_to_string(&written[2]).unwrap()).unwrap();
    assert!(config["plugins"]["my-demo"].is_table());
    assert!(fs::read_to_string(&written[1]).unwrap().lines().count() <= 40);
    assert!(fs::read_to_string(&written[4]).unwrap().lines().count() <= 10);
}

#[test]
fn the_copy_of_the_interface_stands_alone() {
    let dir = tempdir().unwrap();
    write(dir.path(), "demo").unwrap();
    let api = dir.path().join(INTERFACE);
    let text = fs::read_to_string(api.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(manifest["package"]["name"].as_str(), Some(INTERFACE));
    assert_eq!(manifest["package"]["version"].as_str(), Some(fts_plugin_api::abi::SDK_VERSION));
    assert_eq!(manifest["dependencies"]["abi_stable"]["version"].as_str(), Some("=0.11.3"));
    assert_eq!(manifest["dependencies"]["rusqlite"]["optional"].as_bool(), Some(true));
    assert!(manifest.get("dev-dependencies").is_none() && manifest.get("bench").is_none());
    assert!(api.join("src/testkit/mod.rs").is_file() && api.join("build.rs").is_file());
}

#[test]
fn a_second_plugin_uses_the_same_copy() {
    let dir = tempdir().unwrap();
    write(dir.path(), "one").unwrap();
    assert_eq!(write(dir.path(), "two").unwrap().len(), 6);
    let manifest = dir.path().join(INTERFACE).join("Cargo.toml");
    let older = fs::read_to_string(&manifest).unwrap().replace(interface::VERSION, "0.9.0");
    fs::write(&manifest, older).unwrap();
    let wrong = write(dir.path(), "three").unwrap_err().to_string();
    assert!(wrong.contains("is version 0.9.0 of the interface, this fts carries"), "{wrong}");
    assert!(!dir.path().join("three").exists());
}

#[test]
fn nothing_that_is_there_is_touched() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("demo")).unwrap();
    assert!(matches!(write(dir.path(), "demo"), Err(NewError::Exists(_))));
    fs::create_dir(dir.path().join(INTERFACE)).unwrap();
    assert!(matches!(write(dir.path(), "other"), Err(NewError::Exists(_))));
    assert!(!dir.path().join("other").exists());
}

#[test]
fn names_are_checked() {
    let dir = tempdir().unwrap();
    let long = "x".repeat(33);
    for name in ["", "Demo", "1st", "-a", "a_b", "a/b", "..", "ä", &long, "api", "fts-plugin-demo"] {
        assert!(matches!(write(dir.path(), name), Err(NewError::Name { .. })), "{name}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let wrong = write(dir.path(), "Demo").unwrap_err().to_string();
    assert_eq!(wrong, "\"Demo\" is no name for a plugin: at most 32 characters a-z, 0-9 and -, the first a letter");
}
