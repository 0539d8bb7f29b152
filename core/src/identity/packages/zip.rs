//! Zip files in memory: written with fixed names only, read by the rules for archives of strangers ([`Archive`]) with
//! limits that fit a client package. Reading never touches the disk, so a name in somebody's file reaches no path.
use std::{
    collections::BTreeMap,
    io::{Cursor, Write},
};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::PackageError;
use crate::archive::{Archive, Limits};

/// Of a client package: files, and bytes of all of them.
const LIMITS: Limits = Limits { members: 1_000, total: 64 << 20, ratio: 1_000 };

/// What is in a zip: the name of each entry and its bytes.
pub type Entries = BTreeMap<String, Vec<u8>>;

/// Writes these entries in this order. The same entries make the same bytes: they bear no time.
///
/// # Errors
/// [`PackageError::Zip`].
pub fn write<N: AsRef<str>, B: AsRef<[u8]>>(entries: &[(N, B)]) -> Result<Vec<u8>, PackageError> {
    let failed = |e: zip::result::ZipError| PackageError::Zip(e.to_string());
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in entries {
        writer.start_file(name.as_ref(), options).map_err(failed)?;
        writer.write_all(bytes.as_ref()).map_err(|e| PackageError::Zip(e.to_string()))?;
    }
    Ok(writer.finish().map_err(failed)?.into_inner())
}

/// Reads all entries; folders are left out, a backslash in a name counts as a slash.
///
/// # Errors
/// [`PackageError::Zip`]: not a zip, larger than a client package can be, or with names that lead elsewhere.
pub fn read(bytes: &[u8]) -> Result<Entries, PackageError> {
    let failed = |e: crate::archive::ArchiveError| PackageError::Zip(e.to_string());
    let mut archive = Archive::open(Cursor::new(bytes), LIMITS).map_err(failed)?;
    let names: Vec<_> = archive.members().iter().map(|m| m.name.clone()).collect();
    names
        .into_iter()
        .enumerate()
        .map(|(at, name)| Ok((name, archive.read(at, LIMITS.total).map_err(failed)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_the_same_entries_make_the_same_bytes() {
        let entries = [("MANIFEST/manifest.xml", b"<m/>".to_vec()), ("a/b.p12", vec![0, 1, 2, 255])];
        let zip = write(&entries).unwrap();
        assert_eq!(zip, write(&entries).unwrap());
        let back = read(&zip).unwrap();
        assert_eq!(back.len(), 2);
        assert_eq!(back["a/b.p12"], [0, 1, 2, 255]);
    }

    #[test]
    fn what_is_no_zip_or_unpacks_to_too_much_is_refused() {
        assert!(read(b"not a zip").is_err());
        let bomb = write(&[("zeros", vec![0_u8; LIMITS.total as usize + 1])]).unwrap();
        assert!(bomb.len() < 1 << 20, "it is small: {}", bomb.len());
        assert!(read(&bomb).unwrap_err().to_string().contains("inflates"));
        let many: Vec<_> = (0..=LIMITS.members).map(|n| (n.to_string(), b"")).collect();
        assert!(read(&write(&[("../up", "")]).unwrap()).is_err());
        assert!(read(&write(&many).unwrap()).unwrap_err().to_string().contains("members"));
    }
}
