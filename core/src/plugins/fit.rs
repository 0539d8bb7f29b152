//! [`fit`]: does what a library says about itself fit this server? Called with bytes read from the file, before anything
//! of the library runs. The compiler's version is shown elsewhere and never compared: the interface is checked type by
//! type after loading.
use fts_plugin_api::abi::{API_MAJOR, API_MINOR, Info, PANIC_UNWIND, TARGET};

use super::refused::Refused;

/// See the file's head. The first thing that does not fit is what the operator can do something about.
///
/// # Errors
/// [`Refused`], from [`Refused::Major`] on.
pub fn fit(info: &Info, name: &str) -> Result<(), Refused> {
    if info.api_major != API_MAJOR {
        return Err(Refused::Major { major: info.api_major, minor: info.api_minor });
    }
    if info.api_minor > API_MINOR {
        return Err(Refused::Minor(info.api_minor));
    }
    if info.panic != PANIC_UNWIND {
        return Err(Refused::Abort);
    }
    let target = Info::text(&info.target);
    if !is_alike(&target, TARGET) {
        return Err(Refused::Target(target));
    }
    let own = Info::text(&info.name);
    if own != name {
        return Err(Refused::Name(own));
    }
    Ok(())
}

/// Machine, system and C library of two targets are the same; the vendor between them is decoration.
fn is_alike(a: &str, b: &str) -> bool {
    let parts = |target: &str| {
        let mut parts: Vec<String> = target.split('-').map(str::to_owned).collect();
        if parts.len() == 4 {
            parts.remove(1);
        }
        parts
    };
    parts(a) == parts(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Info)) -> String {
        let mut info = Info::new("fts-plugin-mission", "1.0.0", PANIC_UNWIND, false);
        change(&mut info);
        fit(&info, "mission").unwrap_err().of("mission").to_string()
    }

    fn text<const N: usize>(text: &str) -> [u8; N] {
        let mut array = [0; N];
        array[..text.len()].copy_from_slice(text.as_bytes());
        array
    }

    #[test]
    fn what_does_not_fit_is_said_in_one_line() {
        assert_eq!(
            refused(|i| i.api_major = 2),
            "mission: built for plugin API 2.0, this server offers 1.0 — use a plugin release for 1.x"
        );
        assert_eq!(refused(|i| i.api_minor = 1), "mission: needs server plugin API >= 1.1, this server offers 1.0");
        assert_eq!(
            refused(|i| i.panic = fts_plugin_api::abi::PANIC_ABORT),
            "mission: compiled with panic=abort; plugins must unwind — remove it from [profile.release]"
        );
        assert_eq!(
            refused(|i| i.target = text("m68k-unknown-linux-gnu")),
            format!("mission: is for m68k-unknown-linux-gnu, server is {TARGET}")
        );
        assert_eq!(
            refused(|i| i.name = text("kml")),
            "mission: calls itself \"kml\" — a plugin is loaded by its own name"
        );
        fit(&Info::new("fts-plugin-mission", "9", PANIC_UNWIND, true), "mission").unwrap();
    }

    #[test]
    fn the_vendor_does_not_matter_and_the_c_library_does() {
        assert!(is_alike("x86_64-pc-linux-gnu", "x86_64-unknown-linux-gnu"));
        assert!(!is_alike("x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"));
        assert!(!is_alike("aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"));
    }
}
