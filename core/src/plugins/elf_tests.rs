use fts_plugin_api::abi::{PANIC_UNWIND, TARGET};

use super::*;

/// A library with nothing in it but what is read before loading: header, one loaded segment, `.dynsym`, `.dynstr`.
pub fn library(name: &str, more: &[&str], info: &Info) -> Vec<u8> {
    const HEADER: usize = 64;
    const SEGMENT: usize = 56;
    let root = format!("fts_plugin_{}", name.replace('-', "_"));
    let symbols: Vec<String> =
        [root.clone(), format!("{root}_info")].into_iter().chain(more.iter().map(ToString::to_string)).collect();
    let said = bytes_of(info);
    let info_at = HEADER + SEGMENT;
    let strings_at = info_at + said.len();
    let mut strings = vec![0];
    let mut table = vec![0; 24];
    for symbol in &symbols {
        let at = strings.len() as u32;
        strings.extend(symbol.as_bytes());
        strings.push(0);
        // An address above the offset in the file, as linkers give them.
        table.extend(at.to_le_bytes());
        table.extend([(1 << 4) | 1, 0, 1, 0]);
        table.extend((0x1000 + info_at as u64).to_le_bytes());
        table.extend((said.len() as u64).to_le_bytes());
    }
    let symbols_at = (strings_at + strings.len()).next_multiple_of(8);
    let sections_at = symbols_at + table.len();
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    out.extend(3u16.to_le_bytes());
    out.extend(machine().to_le_bytes());
    out.extend(1u32.to_le_bytes());
    for value in [0, HEADER as u64, sections_at as u64] {
        out.extend(value.to_le_bytes());
    }
    out.extend(0u32.to_le_bytes());
    for value in [HEADER as u16, SEGMENT as u16, 1, 64, 3, 1] {
        out.extend(value.to_le_bytes());
    }
    out.extend([1u32, 4].iter().flat_map(|v| v.to_le_bytes()));
    let size = symbols_at as u64;
    out.extend([0u64, 0x1000, 0x1000, size, size, 0x1000].iter().flat_map(|v| v.to_le_bytes()));
    out.extend(said);
    out.extend(&strings);
    out.resize(symbols_at, 0);
    out.extend(&table);
    let section = |kind: u32, at: usize, size: usize, link: u32, each: u64| {
        let mut s = [0, kind].iter().flat_map(|v: &u32| v.to_le_bytes()).collect::<Vec<_>>();
        s.extend([2, 0x1000 + at as u64, at as u64, size as u64].iter().flat_map(|v| v.to_le_bytes()));
        s.extend([link, 1].iter().flat_map(|v| v.to_le_bytes()));
        s.extend([8, each].iter().flat_map(|v| v.to_le_bytes()));
        s
    };
    out.extend([0; 64]);
    out.extend(section(elf::SHT_STRTAB, strings_at, strings.len(), 0, 0));
    out.extend(section(elf::SHT_DYNSYM, symbols_at, table.len(), 1, 24));
    out
}

fn machine() -> u16 {
    match std::env::consts::ARCH {
        "x86_64" => elf::EM_X86_64,
        "aarch64" => elf::EM_AARCH64,
        _ => elf::EM_RISCV,
    }
}

fn bytes_of(info: &Info) -> Vec<u8> {
    let mut out = info.magic.to_vec();
    out.extend(info.size.to_le_bytes());
    out.extend(info.api_major.to_le_bytes());
    out.extend(info.api_minor.to_le_bytes());
    out.extend([info.panic, info.debug]);
    out.extend(info.spare);
    for text in [&info.sdk[..], &info.name, &info.version, &info.target, &info.rustc] {
        out.extend(text);
    }
    out
}

pub fn about(package: &str) -> Info {
    Info::new(package, "1.2.3", PANIC_UNWIND, false)
}

fn refused(bytes: &[u8]) -> String {
    read(bytes, "xmpp-chat").err().unwrap().of("xmpp-chat").to_string()
}

#[test]
fn a_library_says_what_it_is_without_being_loaded() {
    let bytes = library("xmpp-chat", &[], &about("fts-plugin-xmpp-chat"));
    let (info, warnings) = read(&bytes, "xmpp-chat").unwrap();
    assert_eq!((Info::text(&info.name), Info::text(&info.version)), ("xmpp-chat".into(), "1.2.3".into()));
    assert_eq!(Info::text(&info.target), TARGET);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(name_in(&bytes).as_deref(), Some("xmpp-chat"));
}

#[test]
fn what_an_author_should_hear() {
    let more = ["zlib_inflate", "_edata", "sqlite3_open"];
    let (_, warnings) = read(&library("kml", &more, &about("fts-plugin-kml")), "kml").unwrap();
    assert!(warnings[0].starts_with("contains SQLite"), "{warnings:?}");
    assert!(warnings[1].starts_with("exports 2 symbols besides its own two, among them zlib_inflate"), "{warnings:?}");
    let mut stripped = library("kml", &[], &about("fts-plugin-kml"));
    stripped.extend(b"SQLite format 3\0 and sqlite_stat1");
    assert!(read(&stripped, "kml").unwrap().1[0].starts_with("contains SQLite"));
}

#[test]
fn every_shorter_file_is_refused() {
    let bytes = library("xmpp-chat", &[], &about("fts-plugin-xmpp-chat"));
    for len in 0..bytes.len() {
        let text = refused(&bytes[..len]);
        let wanted = if len < 20 { "no ELF file" } else { "is cut short: it should go on to byte" };
        assert!(text.contains(wanted), "{len}: {text}");
    }
}

#[test]
fn no_byte_of_the_file_makes_it_panic() {
    let bytes = library("xmpp-chat", &["a"], &about("fts-plugin-xmpp-chat"));
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut broken = bytes.clone();
            broken[at] = value;
            let _ = read(&broken, "xmpp-chat");
            let _ = name_in(&broken);
        }
    }
}

#[test]
fn strangers_are_refused_with_what_they_are() {
    let arch = std::env::consts::ARCH;
    assert_eq!(refused(b"#!/bin/sh\necho I am a long enough script\n"), "xmpp-chat: is no library (no ELF file)");
    let good = library("xmpp-chat", &[], &about("fts-plugin-xmpp-chat"));
    let patched = |at: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        refused(&bytes)
    };
    assert_eq!(patched(18, &22u16.to_le_bytes()), format!("xmpp-chat: is for s390x, server is {arch}"));
    assert_eq!(patched(18, &8u16.to_le_bytes()), format!("xmpp-chat: is for machine 8, server is {arch}"));
    assert_eq!(patched(4, &[1]), format!("xmpp-chat: is for {arch} (32 bits), server is {arch}"));
    assert!(patched(5, &[2]).contains("of the other byte order"));
    assert_eq!(patched(16, &[1]), "xmpp-chat: is no shared library — [lib] crate-type = [\"cdylib\"]");
    assert_eq!(
        patched(120, b"X"),
        "xmpp-chat: is no fts plugin: fts_plugin_xmpp_chat_info does not lead to what a plugin says about itself"
    );
    let kml = library("kml", &[], &about("fts-plugin-kml"));
    assert_eq!(
        refused(&kml),
        "xmpp-chat: is no fts plugin called so: it does not export fts_plugin_xmpp_chat_info, but fts_plugin_kml_info"
    );
    let myself = std::fs::read("/proc/self/exe").unwrap();
    assert!(refused(&myself).contains("does not export") || refused(&myself).contains("no shared library"));
    assert!(refused(&myself[..myself.len() / 2]).contains("is cut short"));
}

#[test]
fn a_symbol_may_not_lead_out_of_the_file() {
    let good = library("kml", &[], &about("fts-plugin-kml"));
    let at = memmem::find(&good, &(0x1000u64 + 120).to_le_bytes()).unwrap();
    for address in [0u64, 0x0fff, 0x1000 + good.len() as u64 - 10, u64::MAX] {
        let mut bytes = good.clone();
        for one in [at, at + 24] {
            bytes[one..one + 8].copy_from_slice(&address.to_le_bytes());
        }
        assert!(matches!(read(&bytes, "kml"), Err(Refused::NoInfo(_))), "{address:x}");
    }
}
