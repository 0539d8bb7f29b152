//! [`Manifest`]: `MANIFEST/manifest.xml` of an archive of a mission (mission.md 4.8).
//!
//! What must not happen: the hash of the password in an archive that somebody is handed (so it is asked for by name); a
//! server's name that is none, like `:8443:ssl`.
use crate::{
    model::Mission,
    notice_xml::{attr, element},
};

/// Where it is in the archive.
pub const MANIFEST: &str = "MANIFEST/manifest.xml";

/// One file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the archive.
    pub name: String,
    /// Of an event: its uid.
    pub uid: Option<String>,
}

/// See the file's head.
pub struct Manifest<'a> {
    /// Whose archive it is.
    pub mission: &'a Mission,
    /// Of the archive itself, random.
    pub uid: &'a str,
    /// By which clients reach the server; "" = not known.
    pub host: &'a str,
    /// Those the reader may be told.
    pub groups: &'a [String],
    /// The server's own archive: it has the hash of the password.
    pub secret: bool,
    /// Files, in order.
    pub entries: &'a [Entry],
}

impl Manifest<'_> {
    /// The document.
    pub fn xml(&self) -> String {
        let mut out = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<MissionPackageManifest version=\"2\"><Configuration>",
        );
        for (name, value) in self.parameters() {
            parameter(&mut out, name, &value);
        }
        out.push_str("</Configuration><Contents>");
        for entry in self.entries {
            out.push_str("<Content");
            attr(&mut out, "zipEntry", &entry.name);
            attr(&mut out, "ignore", "false");
            match &entry.uid {
                None => out.push_str("/>"),
                Some(uid) => {
                    out.push('>');
                    parameter(&mut out, "uid", uid);
                    out.push_str("</Content>");
                }
            }
        }
        out.push_str("</Contents><Groups>");
        for group in self.groups {
            named(&mut out, "Group", group);
            out.push_str("/>");
        }
        out.push_str("</Groups>");
        let role = self.mission.default_role();
        named(&mut out, "Role", role.name());
        out.push('>');
        for permission in role.permissions() {
            named(&mut out, "Permission", permission.name());
            out.push_str("/>");
        }
        out.push_str("</Role>");
        for keyword in &self.mission.keywords {
            element(&mut out, "Keyword", keyword);
        }
        out.push_str("</MissionPackageManifest>");
        out
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        let m = self.mission;
        let mut all = vec![
            ("uid", self.uid.to_owned()),
            ("name", m.name.clone()),
            ("mission_guid", m.guid.clone()),
            ("creatorUid", m.creator_uid.clone()),
            ("create_time", m.create_time.to_string()),
            ("expiration", m.expiration.to_string()),
            ("chatroom", m.chat_room.clone()),
            ("description", m.description.clone()),
            ("tool", m.tool.clone()),
            ("onReceiveImport", "true".to_owned()),
            ("onReceiveDelete", "false".to_owned()),
            ("mission_name", m.name.clone()),
            ("mission_label", m.name.clone()),
        ];
        // Without a host a client would connect to nowhere: it asks which server it is then.
        if !self.host.is_empty() {
            all.push(("mission_uid", format!("{}-8443-ssl-{}", self.host, m.name)));
            all.push(("mission_server", format!("{}:8443:ssl", self.host)));
        }
        if let (Some(hash), true) = (&m.password, self.secret) {
            all.push(("password_hash", hash.reveal().to_owned()));
        }
        all
    }
}

fn parameter(out: &mut String, name: &str, value: &str) {
    named(out, "Parameter", name);
    attr(out, "value", value);
    out.push_str("/>");
}

/// `<what name="…"`, not closed.
fn named(out: &mut String, what: &str, name: &str) {
    out.push_str(&format!("<{what}"));
    attr(out, "name", name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PasswordHash;

    #[test]
    fn the_hash_of_the_password_is_only_in_the_servers_own_archive() {
        let mut mission = Mission::new("g-1".into(), "Flood & \"North\"".into(), 7);
        mission.password = Some(PasswordHash::stored("$2b$10$x".into()));
        let entries = [
            Entry { name: "cot/m-1.cot".into(), uid: Some("m-1".into()) },
            Entry { name: "contents/0_a.jpg".into(), uid: None },
        ];
        let groups = ["Blue".to_owned()];
        let made = |secret| {
            Manifest { mission: &mission, uid: "u", host: "h", groups: &groups, secret, entries: &entries }.xml()
        };
        let open = made(false);
        assert!(
            !open.contains("password") && made(true).contains("<Parameter name=\"password_hash\" value=\"$2b$10$x\"/>")
        );
        for part in [
            "<Parameter name=\"mission_guid\" value=\"g-1\"/>",
            "<Parameter name=\"create_time\" value=\"7\"/>",
            "<Content zipEntry=\"cot/m-1.cot\" ignore=\"false\"><Parameter name=\"uid\" value=\"m-1\"/></Content>",
            "<Content zipEntry=\"contents/0_a.jpg\" ignore=\"false\"/>",
            "<Groups><Group name=\"Blue\"/></Groups>",
            "<Role name=\"MISSION_SUBSCRIBER\"><Permission name=\"MISSION_READ\"/>",
            "value=\"h-8443-ssl-Flood &amp; &quot;North&quot;\"",
        ] {
            assert!(open.contains(part), "{part}: {open}");
        }
    }

    #[test]
    fn a_server_that_does_not_know_its_name_is_not_named() {
        let mission = Mission::new("g-1".into(), "Flood".into(), 7);
        let on = |host| Manifest { mission: &mission, uid: "u", host, groups: &[], secret: true, entries: &[] }.xml();
        assert!(on("h").contains("<Parameter name=\"mission_server\" value=\"h:8443:ssl\"/>"));
        assert!(!on("").contains("mission_server") && !on("").contains("mission_uid") && !on("").contains("8443"));
    }
}
