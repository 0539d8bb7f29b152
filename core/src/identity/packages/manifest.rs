//! [`Manifest`]: `MANIFEST/manifest.xml` of a data package (identity.md 4.3, marti-http.md 11.1). Version 2, a uid and a
//! name; what it lists must be in the zip. Written with every value escaped, read with whatever a client would take.
use fts_plugin_api::cot::escape_attr;
use quick_xml::{Reader, escape::unescape, events::BytesStart, events::Event};

use super::PackageError;

/// Where it is in the zip: forward slash, this case.
pub const ENTRY: &str = "MANIFEST/manifest.xml";

/// See the file's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The client replaces the package it has under the same one.
    pub uid: String,
    /// For people.
    pub name: String,
    /// Imported as soon as it is there.
    pub on_receive_import: bool,
    /// Gone from the client's list once it was imported.
    pub on_receive_delete: bool,
    /// Names of entries of the zip.
    pub entries: Vec<String>,
}

impl Manifest {
    /// One that is imported at once and not kept.
    pub fn new(uid: impl Into<String>, name: impl Into<String>, entries: Vec<String>) -> Self {
        Self { uid: uid.into(), name: name.into(), on_receive_import: true, on_receive_delete: true, entries }
    }

    /// Its text.
    pub fn text(&self) -> String {
        let parameter =
            |name: &str, value: &str| format!("    <Parameter name=\"{name}\" value=\"{}\"/>\n", escape_attr(value));
        let mut text = String::from("<MissionPackageManifest version=\"2\">\n  <Configuration>\n");
        text += &parameter("uid", &self.uid);
        text += &parameter("name", &self.name);
        text += &parameter("onReceiveImport", if self.on_receive_import { "true" } else { "false" });
        text += &parameter("onReceiveDelete", if self.on_receive_delete { "true" } else { "false" });
        text += "  </Configuration>\n  <Contents>\n";
        for entry in &self.entries {
            text += &format!("    <Content ignore=\"false\" zipEntry=\"{}\"/>\n", escape_attr(entry));
        }
        text + "  </Contents>\n</MissionPackageManifest>\n"
    }

    /// Reads one. Contents with `ignore="true"` are left out.
    ///
    /// # Errors
    /// [`PackageError::Manifest`]: not XML, not version 2, or without uid or name.
    pub fn parse(text: &[u8]) -> Result<Self, PackageError> {
        let bad = |what: String| PackageError::Manifest(what);
        let text = std::str::from_utf8(text).map_err(|_| bad("it is not UTF-8".into()))?;
        let mut manifest = Self { on_receive_import: true, ..Self::default() };
        let (mut reader, mut version, mut content) = (Reader::from_str(text.trim_start_matches('\u{feff}')), None, 0);
        loop {
            let (tag, open) = match reader.read_event().map_err(|e| bad(e.to_string()))? {
                Event::Start(tag) => (tag, 1),
                Event::Empty(tag) => (tag, 0),
                Event::End(end) => {
                    content -= i32::from(end.name().as_ref() == "Content");
                    continue;
                }
                Event::Eof => break,
                _ => continue,
            };
            let attribute = |name: &str| attribute(&tag, name);
            match tag.name().as_ref() {
                "MissionPackageManifest" => version = attribute("version"),
                "Content" => {
                    content += open;
                    let kept = attribute("ignore").is_none_or(|i| !i.eq_ignore_ascii_case("true"));
                    manifest.entries.extend(attribute("zipEntry").filter(|_| kept));
                }
                // Those of a content describe that content.
                "Parameter" if content == 0 => {
                    let value = attribute("value").unwrap_or_default();
                    match attribute("name").as_deref() {
                        Some("uid") => manifest.uid = value,
                        Some("name") => manifest.name = value,
                        Some("onReceiveImport") => manifest.on_receive_import = !value.eq_ignore_ascii_case("false"),
                        Some("onReceiveDelete") => manifest.on_receive_delete = value.eq_ignore_ascii_case("true"),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        if version.as_deref() != Some("2") {
            return Err(bad(format!("it must be a MissionPackageManifest of version 2, and is {version:?}")));
        }
        if manifest.uid.is_empty() || manifest.name.is_empty() {
            return Err(bad("its parameters uid and name must be there".into()));
        }
        Ok(manifest)
    }
}

/// An attribute, unescaped; one that cannot be read counts as missing.
pub(super) fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().flatten().find(|a| a.key.as_ref() == name)?;
    unescape(&found.value).ok().map(|v| v.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_the_one_of_the_specification() {
        let entries = ["certs/server.pref", "certs/alice.p12"].map(str::to_owned).to_vec();
        let text = Manifest::new("7f0c", "FTS_tak.example.org", entries).text();
        assert!(text.contains("<Parameter name=\"onReceiveImport\" value=\"true\"/>"), "{text}");
        assert!(text.contains("<Content ignore=\"false\" zipEntry=\"certs/alice.p12\"/>"), "{text}");
        assert!(text.starts_with("<MissionPackageManifest version=\"2\">"));
    }

    #[test]
    fn what_is_written_is_read_also_with_marks_in_a_name() {
        let manifest = Manifest::new("u-1", "A & \"B\" <c>", vec!["a & b.cot".into()]);
        assert_eq!(Manifest::parse(manifest.text().as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn parameters_of_a_content_are_not_those_of_the_package() {
        let text = r#"<MissionPackageManifest version='2'><Configuration><Parameter name="uid" value="p"/><Parameter name="name" value="n"/></Configuration>
            <Contents><Content zipEntry="x"><Parameter name="uid" value="other"/></Content><Content ignore="true" zipEntry="y"/></Contents></MissionPackageManifest>"#;
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!((manifest.uid.as_str(), manifest.entries), ("p", vec!["x".to_owned()]));
        assert!(manifest.on_receive_import && !manifest.on_receive_delete);
    }

    #[test]
    fn broken_ones_say_why() {
        for (text, why) in [
            ("", "version 2"),
            ("<MissionPackageManifest version=\"1\"/>", "version 2"),
            ("<MissionPackageManifest version=\"2\"/>", "uid and name"),
            ("<MissionPackageManifest version=\"2\"></x>", ""),
        ] {
            let error = Manifest::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
