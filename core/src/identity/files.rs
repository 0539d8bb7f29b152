//! Certificate and key files: written whole or not at all, keys readable by the owner only.
use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use super::ca::CertError;

/// Mode of keys and key stores.
pub const PRIVATE: u32 = 0o600;
/// Mode of certificates.
pub const PUBLIC: u32 = 0o644;

fn io(path: &Path) -> impl Fn(std::io::Error) -> CertError + '_ {
    |source| CertError::Io { path: path.to_owned(), source }
}

/// Makes a directory only its owner may enter.
pub fn private_dir(path: &Path) -> Result<(), CertError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(io(path))
}

/// Temporary file, fsync, rename.
pub fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), CertError> {
    let temp = path.with_extension("tmp");
    let _ = fs::remove_file(&temp);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temp).map_err(io(&temp))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(io(&temp))?;
    fs::rename(&temp, path).map_err(io(path))
}

/// A text file.
pub fn read(path: &Path) -> Result<String, CertError> {
    fs::read_to_string(path).map_err(io(path))
}
