//! What a data package says of itself (marti-http.md 11.1): uid and name in `MANIFEST/manifest.xml`. For display only: an
//! upload is stored as it came whatever is found here, and a zip that breaks a rule is left alone with a warning.
use std::fs::File;

use crate::{
    archive::{Archive, ArchiveError, Limits},
    document::Element,
};

/// Longest manifest that is read.
const MOST: u64 = 1 << 20;
/// Characters of a name or uid that are kept.
const TEXT: usize = 255;

/// See the file's head. "" = it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    pub uid: String,
    pub name: String,
}

/// Reads it out of a file. None: it is no zip, or has no manifest.
///
/// # Errors
/// A zip that is not taken.
pub(super) fn read(file: File) -> Result<Option<Manifest>, ArchiveError> {
    let mut archive = match Archive::open(std::io::BufReader::new(file), Limits::default()) {
        // Most files are none.
        Err(ArchiveError::NotZip(_)) => return Ok(None),
        other => other?,
    };
    // Names have forward slashes here, whatever the packer wrote.
    let Some(at) = archive.find("MANIFEST/manifest.xml") else { return Ok(None) };
    let bytes = archive.read(at, MOST)?;
    Ok(Some(parse(&String::from_utf8_lossy(&bytes))))
}

/// Parameters of `<Configuration>`; the first of a name counts. What is no XML says nothing.
fn parse(text: &str) -> Manifest {
    let Ok(root) = Element::parse(text.trim_start_matches('\u{feff}')) else { return Manifest::default() };
    let parts = root.children.iter().filter(|c| c.name == "Configuration").flat_map(|c| &c.children);
    let value = |wanted: &str| {
        let attribute = |e: &Element, name: &str| {
            e.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let found = parts.clone().find(|p| p.name == "Parameter" && attribute(p, "name") == wanted);
        let text = found.map(|p| attribute(p, "value")).unwrap_or_default();
        text.chars().filter(|c| !c.is_control()).take(TEXT).collect()
    };
    Manifest { uid: value("uid"), name: value("name") }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;

    fn zip(members: &[(&str, &str)]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        let mut writer = zip::ZipWriter::new(&mut file);
        for (name, text) in members {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file
    }

    const GOOD: &str = r#"<MissionPackageManifest version="2"><Configuration><Parameter name="uid" value="u-1"/>
        <Parameter name="name" value="A &amp; B"/><Parameter name="name" value="other"/></Configuration>
        <Contents><Content zipEntry="a"><Parameter name="uid" value="inner"/></Content></Contents></MissionPackageManifest>"#;

    #[test]
    fn either_slash_is_read() {
        let wanted = Manifest { uid: "u-1".into(), name: "A & B".into() };
        for name in ["MANIFEST/manifest.xml", "MANIFEST\\manifest.xml"] {
            assert_eq!(read(zip(&[("a", "x"), (name, GOOD)])).unwrap(), Some(wanted.clone()), "{name}");
        }
        assert_eq!(read(zip(&[("a", "x")])).unwrap(), None);
        let mut text = tempfile::tempfile().unwrap();
        text.write_all(b"just text").unwrap();
        assert_eq!(read(text).unwrap(), None);
    }

    #[test]
    fn what_breaks_a_rule_is_refused_and_broken_xml_is_not_believed() {
        assert!(read(zip(&[("../x", "x"), ("MANIFEST/manifest.xml", GOOD)])).is_err());
        let bomb = "a".repeat(2 << 20);
        assert!(read(zip(&[("MANIFEST/manifest.xml", &bomb)])).is_err());
        let entity =
            "<!DOCTYPE x [<!ENTITY a 'b'>]><x><Configuration><Parameter name='uid' value='&a;'/></Configuration></x>";
        for bad in [entity, "<x><Configuration><Parameter name='uid' value='u'/>", "", "x"] {
            assert_eq!(parse(bad), Manifest::default(), "{bad}");
        }
    }
}
