//! Good archives, and one for every rule that is broken.
use std::io::Cursor;

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::*;

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn open(bytes: Vec<u8>) -> Result<Archive<Cursor<Vec<u8>>>, ArchiveError> {
    Archive::open(Cursor::new(bytes), Limits::default())
}

/// The bytes of a name, exchanged for others of the same length wherever they stand.
fn renamed(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut at = 0;
    while let Some(found) = memchr::memmem::find(&bytes[at..], from.as_bytes()) {
        bytes[at + found..][..to.len()].copy_from_slice(to.as_bytes());
        at += found + to.len();
    }
    bytes
}

#[test]
fn files_come_out_as_they_went_in() {
    let mut zip = open(zip(&[("MANIFEST/manifest.xml", b"<a/>"), ("empty/", b""), ("a\\b.txt", b"text")])).unwrap();
    let names: Vec<_> = zip.members().iter().map(|m| (m.name.as_str(), m.base(), m.size)).collect();
    assert_eq!(names, [("MANIFEST/manifest.xml", "manifest.xml", 4), ("a/b.txt", "b.txt", 4)]);
    assert_eq!(zip.find("a/b.txt"), Some(1));
    assert_eq!((zip.read(0, 4).unwrap(), zip.read(1, 100).unwrap()), (b"<a/>".to_vec(), b"text".to_vec()));
    assert!(matches!(zip.read(1, 3), Err(ArchiveError::Long(name, 3)) if name == "a/b.txt"));
    assert!(matches!(zip.read(2, 3), Err(ArchiveError::Missing)));
}

#[test]
fn names_that_lead_somewhere_are_refused() {
    let wrong =
        ["/etc/pass", "../a.txt", "a/../b.tx", "C:\\a.text", "c:/a.text", "a//b.text", "a/./b.tex", "a\0b.txtxt"];
    for name in wrong {
        let bytes = renamed(zip(&[(&"x".repeat(name.len()), b"1")]), &"x".repeat(name.len()), name);
        assert!(matches!(open(bytes), Err(ArchiveError::Name(_))), "{name:?}");
    }
    assert!(matches!(open(zip(&[(&"n".repeat(1_025), b"")])), Err(ArchiveError::Name(_))));
}

#[test]
fn a_link_is_refused() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    assert!(matches!(open(zip.finish().unwrap().into_inner()), Err(ArchiveError::Link(name)) if name == "link"));
}

#[test]
fn what_is_no_zip_is_refused() {
    for bytes in [&b""[..], b"PK", b"not a zip at all", &[0; 100_000]] {
        assert!(matches!(open(bytes.to_vec()), Err(ArchiveError::NotZip(_))));
    }
    let mut cut = zip(&[("a", b"123456789")]);
    cut.truncate(cut.len() - 30);
    assert!(matches!(open(cut), Err(ArchiveError::NotZip(_))));
}

#[test]
fn too_many_members_are_refused() {
    let limits = Limits { members: 2, ..Limits::default() };
    let archive = |n: usize| {
        let names: Vec<_> = (0..n).map(|n| n.to_string()).collect();
        let members: Vec<_> = names.iter().map(|n| (n.as_str(), &b""[..])).collect();
        Archive::open(Cursor::new(zip(&members)), limits)
    };
    assert!(archive(2).is_ok());
    assert!(matches!(archive(3), Err(ArchiveError::TooMany(3, 2))));
}

#[test]
fn a_directory_that_would_fill_the_memory_is_not_read() {
    // 100 000 entries of at least 46 bytes: over 4 MiB.
    let names: Vec<_> = (0..100_000).map(|n| n.to_string()).collect();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for name in names {
        zip.start_file(name, SimpleFileOptions::default().compression_method(CompressionMethod::Stored)).unwrap();
    }
    let error = open(zip.finish().unwrap().into_inner()).err().unwrap();
    assert!(matches!(&error, ArchiveError::NotZip(why) if why.contains("too long")), "{error}");
}

#[test]
fn bombs_are_refused_before_and_while_they_inflate() {
    let zeros = vec![0; 3 << 20];
    // 3 MiB of zeros are about 3 KiB: 1 000:1.
    assert!(matches!(open(zip(&[("bomb", &zeros)])), Err(ArchiveError::Ratio(name, 100)) if name == "bomb"));
    assert!(open(zip(&[("free", &zeros[..1 << 20])])).is_ok());
    let limits = Limits { total: 1_000, ..Limits::default() };
    let two = zip(&[("a", &zeros[..600]), ("b", &zeros[..600])]);
    assert!(matches!(Archive::open(Cursor::new(two), limits), Err(ArchiveError::Total(1_000))));
    // The same member again and again: what comes out counts.
    let mut again = Archive::open(Cursor::new(zip(&[("a", &zeros[..600])])), limits).unwrap();
    assert!(again.read(0, 600).is_ok());
    assert!(matches!(again.read(0, 600), Err(ArchiveError::Total(1_000))));
}

#[test]
fn said_sizes_are_not_believed() {
    // The size of the member is 100 000 in both headers; now they say 10.
    let lies = {
        let mut bytes = zip(&[("a", &vec![b'a'; 100_000])]);
        let size = 100_000_u32.to_le_bytes();
        let mut at = 0;
        while let Some(found) = memchr::memmem::find(&bytes[at..], &size) {
            bytes[at + found..][..4].copy_from_slice(&10_u32.to_le_bytes());
            at += found + 4;
        }
        bytes
    };
    let mut archive = open(lies).unwrap();
    assert_eq!(archive.members()[0].size, 10);
    let mut out = Vec::new();
    assert!(archive.copy(0, 1_000, &mut out).is_err());
    assert!(out.len() <= 1_000, "{}", out.len());
}

#[test]
fn a_damaged_member_is_an_error() {
    let mut bytes = zip(&[("a", b"hello hello hello hello")]);
    bytes[33] ^= 0xFF;
    let mut archive = open(bytes).unwrap();
    assert!(matches!(archive.read(0, 100), Err(ArchiveError::Damaged(..))));
}

#[test]
fn few_unpack_at_once_and_others_wait() {
    let taken: Vec<_> = (0..AT_ONCE).map(|_| turn().unwrap()).collect();
    let waiting = std::thread::spawn(|| turn().is_some());
    drop(taken);
    assert!(waiting.join().unwrap());
}
