//! A zip with icons becomes an icon set (marti-http.md 10). `iconset.xml` names the set and says which picture stands for
//! which type of event; the pictures lie in folders, which are the groups of the set. The zip is not believed
//! (`archive`), only PNG files are taken.
use std::{
    collections::HashMap,
    io::{Read, Seek},
};

use crate::{
    archive::{Archive, Limits, Member},
    document::Element,
    store::devices::iconset::{Icon, Iconset},
};

/// Longest description, longest picture, and all pictures together: bytes.
const XML: u64 = 4 << 20;
const PNG: u64 = 1 << 20;
const ALL: u64 = 64 << 20;
/// Longest uid, name and folder, in bytes.
const NAME: usize = 255;
/// Pictures that lie in no folder are in this group: a path needs one.
const DEFAULT: &str = "Default";
/// How a PNG file begins.
const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The set, without its owner, and its pictures.
///
/// # Errors
/// What is wrong with the zip, for whoever sent it.
pub(super) fn read<R: Read + Seek>(reader: R) -> Result<(Iconset, Vec<Icon>), String> {
    let limits = Limits { total: ALL + XML, ..Limits::default() };
    let mut archive = Archive::open(reader, limits).map_err(|e| e.to_string())?;
    let described = archive.members().iter().position(|m| m.base() == "iconset.xml");
    let bytes = archive.read(described.ok_or("the zip has no iconset.xml")?, XML).map_err(|e| e.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "iconset.xml is not UTF-8")?;
    let root = Element::parse(&text).map_err(|e| format!("iconset.xml: {e}"))?;
    if root.name != "iconset" {
        return Err(format!("iconset.xml: {} instead of iconset", root.name));
    }
    let set = described_by(&root)?;
    let types: HashMap<&str, &str> = root
        .children
        .iter()
        .filter(|c| c.name == "icon")
        .filter_map(|c| Some((c.attr("name")?, c.attr("type2525b")?)))
        .collect();
    let mut icons = Vec::new();
    for at in 0..archive.members().len() {
        let member = archive.members()[at].clone();
        if !member.name.to_ascii_lowercase().ends_with(".png") || member.name.len() > NAME {
            continue;
        }
        let png = archive.read(at, PNG).map_err(|e| e.to_string())?;
        if png.starts_with(MAGIC) {
            let (folder, name) = place(&member);
            let type_2525b = types.get(name.as_str()).map(ToString::to_string).unwrap_or_default();
            icons.push(Icon { folder, name, type_2525b, png });
        }
    }
    if icons.is_empty() {
        return Err("the zip has no PNG file".into());
    }
    Ok((set, icons))
}

fn described_by(root: &Element) -> Result<Iconset, String> {
    let word = |name: &str| root.attr(name).unwrap_or_default().trim().to_owned();
    let optional = |name: &str| Some(word(name)).filter(|w| !w.is_empty() && w.len() <= NAME);
    let set = Iconset {
        uid: word("uid"),
        name: word("name"),
        version: word("version"),
        default_friendly: optional("defaultFriendly"),
        default_hostile: optional("defaultHostile"),
        default_neutral: optional("defaultNeutral"),
        default_unknown: optional("defaultUnknown"),
        ..Iconset::default()
    };
    let bad = |text: &str| {
        text.is_empty() || text.len() > NAME || text.contains(['/', '\\']) || text.chars().any(char::is_control)
    };
    if bad(&set.uid) || bad(&set.name) || set.version.len() > NAME {
        return Err(format!("iconset.xml: uid and name, 1 to {NAME} bytes without slashes, are needed"));
    }
    Ok(set)
}

/// The folder it lies in and its name.
fn place(member: &Member) -> (String, String) {
    let mut parts = member.name.rsplit('/');
    let name = parts.next().unwrap_or_default().to_owned();
    (parts.next().unwrap_or(DEFAULT).to_owned(), name)
}
