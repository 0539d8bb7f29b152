//! What `tests/abi/build.sh` builds, for the tests of plugin files. Built once per test process; at once when it is there.
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// `target/abi`, complete.
pub fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let main = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let done = Command::new(main.join("tests/abi/build.sh")).output().unwrap();
        assert!(done.status.success(), "tests/abi/build.sh: {}", String::from_utf8_lossy(&done.stderr));
        main.join("target/abi")
    })
}

/// A library of this name among them.
#[allow(dead_code)] // Each test binary has a copy of this file.
pub fn library(name: &str) -> PathBuf {
    built().join(format!("debug/libfts_plugin_{}.so", name.replace('-', "_")))
}

/// Directories for `plugins.dirs`, with that of this build when the server under test is elsewhere (the harness would set
/// only that one).
#[allow(dead_code)]
pub fn places(dirs: &[&Path]) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = dirs.iter().map(|d| d.to_path_buf()).collect();
    if std::env::var_os("FTS_BIN").is_some() {
        let exe = std::env::current_exe().unwrap();
        all.extend(exe.ancestors().map(|d| d.join("release")).find(|d| d.join("libfts_plugin_ping.so").is_file()));
    }
    all
}

/// Puts a library, changed, into `dir`, where the server looks for `name`.
#[allow(dead_code)]
pub fn put(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(format!("libfts_plugin_{}.so", name.replace('-', "_")));
    fs::write(&path, bytes).unwrap();
    path
}

/// Where the info of a library begins.
#[allow(dead_code)]
pub fn info_at(bytes: &[u8]) -> usize {
    let all: Vec<usize> = memchr::memmem::find_iter(bytes, b"FTSPLUG1").collect();
    // The reader's constant is somewhere, too; the info is followed by its own size, 272.
    let info = |at: &usize| bytes[at + 8..at + 12] == 272_u32.to_le_bytes();
    let found: Vec<usize> = all.into_iter().filter(info).collect();
    assert_eq!(found.len(), 1, "one info in the file");
    found[0]
}
