//! [`Described`]: what the manifest of an archive says of its mission (mission.md 4.8), as this server or another one wrote it.
//!
//! Parameters count by their name, those inside a content belong to that content; what is not known is passed over. What
//! must not happen: a document type (entities that grow) is read; a value that cannot be read counts as one that is missing.
use std::collections::HashMap;

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use crate::{
    manifest::MANIFEST,
    model::{PasswordHash, Role},
    refusal::Refusal,
};

/// A member the archive consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub entry: String,
    /// Of an event: its uid.
    pub uid: Option<String>,
}

impl Listed {
    /// Is it an event, and not a file?
    pub fn is_event(&self) -> bool {
        let event = self.entry.to_lowercase().ends_with(".cot");
        event && (self.uid.is_some() || self.entry.starts_with("cot/"))
    }
}

/// See the file's head.
#[derive(Debug, Default)]
pub struct Described {
    parameters: HashMap<String, String>,
    /// In order; those with `ignore="true"` are left out.
    pub contents: Vec<Listed>,
    pub groups: Vec<String>,
    pub keywords: Vec<String>,
    role: Option<String>,
}

fn bad(why: impl std::fmt::Display) -> Refusal {
    Refusal::Bad(format!("{MANIFEST:?}: {why}"))
}

impl Described {
    /// Reads it.
    ///
    /// # Errors
    /// 400: it is no manifest, or not one of a mission.
    pub fn read(text: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(text).map_err(|_| bad("it is not UTF-8"))?;
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        let (mut told, mut open) = (Self::default(), Vec::<String>::new());
        let mut version = None;
        loop {
            let (tag, closed) = match reader.read_event().map_err(bad)? {
                Event::Start(tag) => (tag, false),
                Event::Empty(tag) => (tag, true),
                Event::End(_) => {
                    open.pop();
                    continue;
                }
                Event::Text(text) if open.last().is_some_and(|o| o == "Keyword") => {
                    told.say(&text.xml10_content());
                    continue;
                }
                Event::GeneralRef(entity) if open.last().is_some_and(|o| o == "Keyword") => {
                    let letter = entity.resolve_char_ref().map_err(bad)?.map(String::from);
                    let known = quick_xml::escape::resolve_predefined_entity(&entity).map(str::to_owned);
                    told.say(&letter.or(known).ok_or_else(|| bad("an entity that is not known"))?);
                    continue;
                }
                Event::DocType(_) => return Err(bad("a document type is not taken")),
                Event::Eof if !open.is_empty() => return Err(bad("it breaks off")),
                Event::Eof => break,
                _ => continue,
            };
            let name = tag.name().as_ref().to_owned();
            if open.is_empty() && name == "MissionPackageManifest" {
                version = Some(attribute(&tag, "version")?.unwrap_or_default());
            }
            told.element(&name, &tag, open.last().map(String::as_str))?;
            if !closed {
                open.push(name);
            }
        }
        match version.as_deref() {
            None => Err(bad("it is no MissionPackageManifest")),
            Some("2") if told.guid().is_none() && told.said("mission_name").is_none() => {
                Err(bad("it is of a data package, not of a mission: it has neither mission_guid nor mission_name"))
            }
            Some("2") => Ok(told),
            Some(other) => Err(bad(format_args!("its version is {other:?}, 2 is read"))),
        }
    }

    fn element(&mut self, name: &str, tag: &BytesStart<'_>, parent: Option<&str>) -> Result<(), Refusal> {
        let named = || attribute(tag, "name");
        match (name, parent) {
            ("Parameter", Some("Configuration")) => {
                if let (Some(name), Some(value)) = (named()?, attribute(tag, "value")?) {
                    self.parameters.insert(name, value);
                }
            }
            ("Content", Some("Contents")) => {
                let ignored = attribute(tag, "ignore")?.is_some_and(|i| i.eq_ignore_ascii_case("true"));
                let entry = attribute(tag, "zipEntry")?.ok_or_else(|| bad("a Content has no zipEntry"))?;
                if !ignored {
                    self.contents.push(Listed { entry: entry.replace('\\', "/"), uid: None });
                }
            }
            ("Parameter", Some("Content")) => {
                if let (Some("uid"), Some(last)) = (named()?.as_deref(), self.contents.last_mut()) {
                    last.uid = attribute(tag, "value")?;
                }
            }
            ("Group", Some("Groups")) => self.groups.extend(named()?.filter(|g| !g.trim().is_empty())),
            ("Role", Some("MissionPackageManifest")) => self.role = named()?,
            ("Keyword", _) => self.keywords.push(String::new()),
            _ => {}
        }
        Ok(())
    }

    /// More of the keyword that is open.
    fn say(&mut self, text: &str) {
        if let Some(keyword) = self.keywords.last_mut() {
            keyword.push_str(text);
        }
    }

    /// A parameter that says something.
    fn said(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A parameter; "" = nothing is said.
    pub fn text(&self, name: &str) -> String {
        self.said(name).unwrap_or_default().to_owned()
    }

    fn guid(&self) -> Option<&str> {
        self.said("mission_guid")
    }

    /// Its guid; None = the archive has none.
    ///
    /// # Errors
    /// 400: it is no guid.
    pub fn own_guid(&self) -> Result<Option<String>, Refusal> {
        let Some(guid) = self.guid() else { return Ok(None) };
        match uuid::Uuid::try_parse(guid) {
            Ok(guid) => Ok(Some(guid.hyphenated().to_string())),
            Err(_) => Err(bad(format_args!("mission_guid {guid:?} is no guid"))),
        }
    }

    /// Its name.
    ///
    /// # Errors
    /// 400: there is none.
    pub fn name(&self) -> Result<&str, Refusal> {
        let name = self.said("mission_name").or_else(|| self.said("name"));
        name.ok_or_else(|| bad("it has no mission_name (--name gives one)"))
    }

    /// A whole number.
    ///
    /// # Errors
    /// 400: it is none.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.said(name).filter(|text| *text != "null") else { return Ok(None) };
        text.parse().map(Some).map_err(|_| bad(format_args!("{name} {text:?} is no number")))
    }

    /// The role of who has none of their own.
    ///
    /// # Errors
    /// 400: one that is not known.
    pub fn default_role(&self) -> Result<Option<Role>, Refusal> {
        let Some(role) = self.role.as_deref().filter(|role| !role.is_empty()) else { return Ok(None) };
        Role::named(role).map(Some).ok_or_else(|| bad(format_args!("the Role {role:?} is not known")))
    }

    /// Hash of the password; None = the mission is open, or the archive does not tell.
    ///
    /// # Errors
    /// 400: one with which no password could be checked. To leave it out would open the mission.
    pub fn password(&self) -> Result<Option<PasswordHash>, Refusal> {
        let hash = self.said("password_hash").filter(|hash| *hash != "null");
        hash.map(PasswordHash::foreign).transpose().map_err(|e| bad(format_args!("password_hash: {e}")))
    }
}

/// An attribute, unescaped.
fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, Refusal> {
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(bad)?;
        if attribute.key.as_ref() == name {
            return Ok(Some(attribute.normalized_value(XmlVersion::Explicit1_0).map_err(bad)?.into_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        manifest::{Entry, Manifest},
        model::Mission,
    };

    #[test]
    fn what_is_written_is_read() {
        let mission = Mission {
            description: "wet & \"deep\" <3".into(),
            keywords: vec!["a&b".into(), "c <d".into()],
            password: Some(PasswordHash::stored("$2b$10$x".into())),
            expiration: 9,
            default_role: Some(Role::Readonly),
            ..Mission::new("5d1f0000-0000-4000-8000-000000000001".into(), "Flood \"North\"".into(), 7)
        };
        let entries = [
            Entry { name: "cot/m&1.cot".into(), uid: Some("m&1".into()) },
            Entry { name: "contents/0_a.cot".into(), uid: None },
        ];
        let groups = ["Blue & Red".to_owned()];
        let xml = Manifest { mission: &mission, uid: "u", host: "", groups: &groups, secret: true, entries: &entries };
        let told = Described::read(xml.xml().as_bytes()).unwrap();
        assert_eq!(
            (told.name().unwrap(), told.text("description")),
            (mission.name.as_str(), mission.description.clone())
        );
        assert_eq!(told.own_guid().unwrap().as_deref(), Some(mission.guid.as_str()));
        assert_eq!((told.number("create_time").unwrap(), told.number("expiration").unwrap()), (Some(7), Some(9)));
        assert_eq!((&told.keywords, &told.groups[..]), (&mission.keywords, &groups[..]));
        assert_eq!((told.default_role().unwrap(), told.password().unwrap()), (mission.default_role, mission.password));
        let is: Vec<_> = told.contents.iter().map(|c| (c.entry.as_str(), c.is_event())).collect();
        assert_eq!(is, [("cot/m&1.cot", true), ("contents/0_a.cot", false)]);
    }

    #[test]
    fn what_is_no_manifest_of_a_mission_says_why() {
        let of = |inside: &str| {
            format!(
                "<MissionPackageManifest version=\"2\"><Configuration>{inside}</Configuration></MissionPackageManifest>"
            )
        };
        for (text, why) in [
            ("", "no MissionPackageManifest"),
            ("<a>", "breaks off"),
            ("<a></b>", "expected"),
            ("<MissionPackageManifest version=\"3\"/>", "its version is \"3\""),
            ("<!DOCTYPE a [<!ENTITY b \"c\">]><a/>", "a document type"),
            (&of("<Parameter name=\"uid\" value=\"x\"/><Parameter name=\"name\" value=\"x\"/>"), "of a data package"),
        ] {
            let refused = Described::read(text.as_bytes()).unwrap_err().to_string();
            assert!(refused.starts_with("\"MANIFEST/manifest.xml\": ") && refused.contains(why), "{text}: {refused}");
        }
        let with = |name: &str, value: &str| {
            let named = "<Parameter name=\"mission_name\" value=\"x\"/>";
            Described::read(of(&format!("{named}<Parameter name=\"{name}\" value=\"{value}\"/>")).as_bytes()).unwrap()
        };
        assert!(with("mission_guid", "g").own_guid().unwrap_err().to_string().contains("\"g\" is no guid"));
        assert!(with("create_time", "x").number("create_time").unwrap_err().to_string().contains("create_time \"x\""));
        assert!(with("password_hash", "secret").password().unwrap_err().to_string().contains("argon2id"));
        assert_eq!(with("password_hash", "").password().unwrap(), None);
    }
}
