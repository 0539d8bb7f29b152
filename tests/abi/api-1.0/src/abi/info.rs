//! [`Info`]: what a plugin file says about itself, readable from the file before anything of it runs.
//!
//! Fixed arrays, no pointers: the server reads it with the symbol's place in the file, so that no constructor of a
//! stranger's library runs before the version check. Frozen for ever, across majors.

/// Major of the interface; another major is refused.
pub const API_MAJOR: u16 = 1;
/// Minor of the interface; a plugin of a newer minor than the server's is refused.
pub const API_MINOR: u16 = 0;
/// First bytes of [`Info`].
pub const MAGIC: [u8; 8] = *b"FTSPLUG1";
/// Panics unwind, as they must.
pub const PANIC_UNWIND: u8 = 1;
/// Panics abort: refused.
pub const PANIC_ABORT: u8 = 2;
/// The target this crate was built for.
pub const TARGET: &str = env!("FTS_TARGET");
/// The compiler this crate was built with; shown, never compared.
pub const RUSTC: &str = env!("FTS_RUSTC");
/// Version of this crate.
pub const SDK_VERSION: &str = env!("CARGO_PKG_VERSION");

/// See the file's head. Texts end with a zero byte or with the array.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Info {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// Bytes of this struct, so that it may get longer.
    pub size: u32,
    /// [`API_MAJOR`] of the plugin.
    pub api_major: u16,
    /// [`API_MINOR`] of the plugin.
    pub api_minor: u16,
    /// [`PANIC_UNWIND`] or [`PANIC_ABORT`].
    pub panic: u8,
    /// 1 = built without optimisation.
    pub debug: u8,
    /// Zero.
    pub spare: [u8; 6],
    /// Version of this crate in the plugin.
    pub sdk: [u8; 24],
    /// The plugin's name.
    pub name: [u8; 40],
    /// The plugin's version.
    pub version: [u8; 40],
    /// Target triple.
    pub target: [u8; 64],
    /// The compiler.
    pub rustc: [u8; 80],
}

impl Info {
    /// What [`crate::export_plugin!`] puts into the file.
    pub const fn new(package: &str, version: &str, panic: u8, debug: bool) -> Self {
        Self {
            magic: MAGIC,
            size: size_of::<Self>() as u32,
            api_major: API_MAJOR,
            api_minor: API_MINOR,
            panic,
            debug: debug as u8,
            spare: [0; 6],
            sdk: text(SDK_VERSION),
            name: text(plugin_name(package)),
            version: text(version),
            target: text(TARGET),
            rustc: text(RUSTC),
        }
    }

    /// Reads it from the bytes of a file; None when they are too short or begin otherwise.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut at = 0;
        let mut take = |n: usize| {
            let found = bytes.get(at..at + n);
            at += n;
            found
        };
        fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
            let mut out = [0; N];
            out.copy_from_slice(bytes);
            out
        }
        let magic = array(take(8)?);
        if magic != MAGIC {
            return None;
        }
        Some(Self {
            magic,
            size: u32::from_le_bytes(array(take(4)?)),
            api_major: u16::from_le_bytes(array(take(2)?)),
            api_minor: u16::from_le_bytes(array(take(2)?)),
            panic: take(1)?[0],
            debug: take(1)?[0],
            spare: array(take(6)?),
            sdk: array(take(24)?),
            name: array(take(40)?),
            version: array(take(40)?),
            target: array(take(64)?),
            rustc: array(take(80)?),
        })
    }

    /// One of its texts.
    pub fn text(array: &[u8]) -> String {
        let end = array.iter().position(|b| *b == 0).unwrap_or(array.len());
        String::from_utf8_lossy(&array[..end]).into_owned()
    }
}

/// `fts-plugin-demo` is the package of the plugin `demo`.
pub const fn plugin_name(package: &str) -> &str {
    let (prefix, bytes) = (b"fts-plugin-", package.as_bytes());
    let mut i = 0;
    while i < prefix.len() {
        if i >= bytes.len() || bytes[i] != prefix[i] {
            return package;
        }
        i += 1;
    }
    package.split_at(prefix.len()).1
}

/// Does this library belong to this package: `fts_plugin_xmpp_chat` to `fts-plugin-xmpp-chat`?
pub const fn exported_as(library: &str, package: &str) -> bool {
    let (library, package) = (library.as_bytes(), package.as_bytes());
    if library.len() != package.len() || plugin_name_len(package) == package.len() {
        return false;
    }
    let mut i = 0;
    while i < library.len() {
        let expected = if package[i] == b'-' { b'_' } else { package[i] };
        if library[i] != expected {
            return false;
        }
        i += 1;
    }
    true
}

const fn plugin_name_len(package: &[u8]) -> usize {
    match std::str::from_utf8(package) {
        Ok(package) => plugin_name(package).len(),
        Err(_) => package.len(),
    }
}

const fn text<const N: usize>(from: &str) -> [u8; N] {
    let bytes = from.as_bytes();
    let mut out = [0; N];
    let mut i = 0;
    while i < bytes.len() && i < N {
        out[i] = bytes[i];
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_called_as_its_package() {
        assert!(exported_as("fts_plugin_xmpp_chat", "fts-plugin-xmpp-chat"));
        assert!(!exported_as("fts_plugin_demo", "demo") && !exported_as("demo", "demo"));
        assert!(!exported_as("fts_plugin_demo", "fts-plugin-dem0"));
    }

    #[test]
    fn what_is_written_reads_back() {
        let info = Info::new("fts-plugin-xmpp-chat", "1.2.3", PANIC_UNWIND, false);
        // SAFETY: plain bytes, no padding (the sizes below add up).
        let bytes: [u8; size_of::<Info>()] = unsafe { std::mem::transmute(info) };
        assert_eq!(bytes.len(), 8 + 4 + 2 + 2 + 1 + 1 + 6 + 24 + 40 + 40 + 64 + 80);
        let again = Info::read(&bytes).unwrap();
        assert_eq!(Info::text(&again.name), "xmpp-chat");
        assert_eq!(Info::text(&again.version), "1.2.3");
        assert_eq!((again.api_major, again.api_minor, again.size), (API_MAJOR, API_MINOR, 272));
        assert!(Info::read(&bytes[..271]).is_none() && Info::read(b"ELF").is_none());
    }
}
