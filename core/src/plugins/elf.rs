//! [`read`]: a library as bytes, before the loader sees it. A file that is cut short ends the process with SIGBUS inside
//! dlopen, and the constructors of a stranger's library run before any of ours could look at it; so the tables and what
//! they point to must lie inside the file, the machine must be ours, and [`Info`] is taken from the file.
//!
//! Nothing here trusts a number of the file: every range is looked up in the bytes.
use fts_plugin_api::abi::Info;
use memchr::memmem;
use object::{
    Endianness, elf,
    read::{
        SymbolIndex,
        elf::{ElfFile64, FileHeader, ProgramHeader, SectionHeader, Sym},
    },
};

use super::refused::Refused;

type File<'a> = ElfFile64<'a, Endianness>;

/// What the file says about itself, and what an author should hear.
///
/// # Errors
/// [`Refused`].
pub fn read(bytes: &[u8], name: &str) -> Result<(Info, Vec<String>), Refused> {
    let file = parse(bytes)?;
    let root = format!("fts_plugin_{}", name.replace('-', "_"));
    let symbol = format!("{root}_info");
    let exported = exported(&file);
    let address = |wanted: &str| exported.iter().find(|(name, _)| name == wanted).map(|(_, address)| *address);
    let (Some(at), Some(_)) = (address(&symbol), address(&root)) else {
        let others = exported.iter().map(|(name, _)| name).filter(|n| is_info(n)).cloned();
        let missing = if address(&symbol).is_none() { symbol } else { root };
        return Err(Refused::NoSymbol { symbol: missing, others: others.collect() });
    };
    let info = info(&file, at).ok_or(Refused::NoInfo(symbol.clone()))?;
    let mut warnings = Vec::new();
    if has_sqlite(&file) {
        warnings.push(
            "contains SQLite: two copies in one process break each other's locks — use the host's databases".to_owned(),
        );
    }
    let more: Vec<&str> =
        exported.iter().map(|(n, _)| n.as_str()).filter(|n| *n != root && *n != symbol && !is_linkers(n)).collect();
    if let [first, ..] = more.as_slice() {
        warnings.push(format!(
            "exports {} symbols besides its own two, among them {first}: they may take the place of those of others",
            more.len()
        ));
    }
    Ok((info, warnings))
}

/// The name of the plugin in a file, for tools that are given only the file.
pub fn name_in(bytes: &[u8]) -> Option<String> {
    let file = parse(bytes).ok()?;
    let (_, at) = exported(&file).into_iter().find(|(name, _)| is_info(name))?;
    Some(Info::text(&info(&file, at)?.name))
}

fn parse(bytes: &[u8]) -> Result<File<'_>, Refused> {
    // Class and machine stand at the same place whatever the class is.
    let head = bytes.get(..20).filter(|head| head.starts_with(&elf::ELFMAG)).ok_or(Refused::NotElf)?;
    let (class, data) = (head[4], head[5]);
    let big = data == elf::ELFDATA2MSB;
    let machine = [head[18], head[19]];
    let machine = machine_name(if big { u16::from_be_bytes(machine) } else { u16::from_le_bytes(machine) });
    if class != elf::ELFCLASS64 {
        return Err(Refused::Machine(format!("{machine} (32 bits)")));
    }
    if big != cfg!(target_endian = "big") {
        return Err(Refused::Machine(format!("{machine} of the other byte order")));
    }
    if machine != std::env::consts::ARCH {
        return Err(Refused::Machine(machine));
    }
    let broken = |error: object::read::Error| Refused::Broken(error.to_string());
    let len = bytes.len() as u64;
    let short = |end: u64| if end > len { Err(Refused::CutShort { end, len }) } else { Ok(()) };
    short(size_of::<elf::FileHeader64<Endianness>>() as u64)?;
    let header = elf::FileHeader64::<Endianness>::parse(bytes).map_err(broken)?;
    let e = header.endian().map_err(broken)?;
    if header.e_type(e) != elf::ET_DYN {
        return Err(Refused::NotShared);
    }
    let table = |at: u64, size: u16, count: u16| short(at.saturating_add(u64::from(size) * u64::from(count)));
    table(header.e_phoff(e), header.e_phentsize(e), header.e_phnum(e))?;
    table(header.e_shoff(e), header.e_shentsize(e), header.e_shnum(e))?;
    for part in header.program_headers(e, bytes).map_err(broken)? {
        short(part.p_offset(e).saturating_add(part.p_filesz(e)))?;
    }
    for section in header.section_headers(e, bytes).map_err(broken)? {
        if section.sh_type(e) != elf::SHT_NOBITS && section.sh_type(e) != elf::SHT_NULL {
            short(section.sh_offset(e).saturating_add(section.sh_size(e)))?;
        }
    }
    File::parse(bytes).map_err(broken)
}

/// What others can see of it, with addresses.
fn exported(file: &File<'_>) -> Vec<(String, u64)> {
    let (e, table) = (file.endian(), file.elf_dynamic_symbol_table());
    let seen = |(_, symbol): &(SymbolIndex, &elf::Sym64<Endianness>)| {
        let hidden = [elf::STV_HIDDEN, elf::STV_INTERNAL].contains(&symbol.st_visibility());
        !symbol.is_undefined(e) && !symbol.is_absolute(e) && !symbol.is_local() && !hidden
    };
    let named = |(_, symbol): (SymbolIndex, &elf::Sym64<Endianness>)| {
        let name = table.symbol_name(e, symbol).ok().filter(|n| !n.is_empty())?;
        Some((String::from_utf8_lossy(name).into_owned(), symbol.st_value(e)))
    };
    table.enumerate().filter(seen).filter_map(named).collect()
}

fn info(file: &File<'_>, address: u64) -> Option<Info> {
    let e = file.endian();
    let part = file.elf_program_headers().iter().find_map(|part| {
        let inside = address.checked_sub(part.p_vaddr(e)).filter(|at| *at < part.p_filesz(e))?;
        (part.p_type(e) == elf::PT_LOAD)
            .then(|| part.data(e, file.data()).ok()?.get(usize::try_from(inside).ok()?..))?
    })?;
    Info::read(part).filter(|info| info.size as usize >= size_of::<Info>())
}

/// By symbols of any kind, linked in or wanted from a shared library; a stripped copy by two texts that only SQLite has
/// together.
fn has_sqlite(file: &File<'_>) -> bool {
    let e = file.endian();
    let named = [file.elf_symbol_table(), file.elf_dynamic_symbol_table()].into_iter().any(|table| {
        table.iter().any(|symbol| table.symbol_name(e, symbol).is_ok_and(|name| name.starts_with(b"sqlite3_")))
    });
    let says = |text: &[u8]| memmem::find(file.data(), text).is_some();
    named || says(b"SQLite format 3\0") && says(b"sqlite_stat1")
}

fn is_info(symbol: &str) -> bool {
    symbol.starts_with("fts_plugin_") && symbol.ends_with("_info")
}

/// What linkers add.
fn is_linkers(symbol: &str) -> bool {
    ["_init", "_fini", "_edata", "_end", "__bss_start"].contains(&symbol)
}

/// As Rust calls it.
fn machine_name(machine: u16) -> String {
    let known = match machine {
        elf::EM_X86_64 => "x86_64",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_RISCV => "riscv64",
        elf::EM_PPC64 => "powerpc64",
        elf::EM_S390 => "s390x",
        elf::EM_LOONGARCH => "loongarch64",
        elf::EM_ARM => "arm",
        elf::EM_386 => "x86",
        other => return format!("machine {other}"),
    };
    known.to_owned()
}

#[cfg(test)]
#[path = "elf_tests.rs"]
pub(super) mod tests;
