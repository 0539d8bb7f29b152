//! The XML inside notices (mission.md 4.3 to 4.5): elements in the order TAK Server writes them: by name, `details` last,
//! the uid of external data first.
use fts_plugin_api::cot::{escape_attr, escape_text};
use serde_json::Value;

use crate::model::{Change, Details, External, Known, Layer, Mission, Resource, Role, Stamp, Subject};

/// The element `<mission>`. An empty author is left out; `guid` and `tool` are always there.
pub fn mission(kind: &str, mission: &Mission, author: &str, token: Option<&str>, inner: &str) -> String {
    let mut out = format!("<mission type=\"{kind}\"");
    attr(&mut out, "tool", &mission.tool);
    attr(&mut out, "name", &mission.name);
    attr(&mut out, "guid", &mission.guid);
    if !author.is_empty() {
        attr(&mut out, "authorUid", author);
    }
    if let Some(token) = token {
        attr(&mut out, "token", token);
    }
    if inner.is_empty() {
        out.push_str("/>");
    } else {
        out.push_str(&format!(">{inner}</mission>"));
    }
    out
}

/// `<role>` with its permissions.
pub fn role(role: Role) -> String {
    let all: String = role.permissions().iter().map(|p| format!("<permission type=\"{}\"/>", p.name())).collect();
    format!("<role type=\"{}\"><permissions>{all}</permissions></role>", role.name())
}

/// `<MissionChanges>` with one change.
pub fn changes(change: &Change, content_hash: bool) -> String {
    changes_with(change, content_hash, "")
}

/// The same with further XML at the end of the change, well-formed.
pub fn changes_with(change: &Change, content_hash: bool, inside: &str) -> String {
    let mut out = String::from("<MissionChanges><MissionChange>");
    let mut details = String::new();
    match &change.subject {
        Subject::Content(file) => {
            if content_hash {
                element(&mut out, "contentHash", &file.hash);
            }
            resource(&mut out, file);
        }
        Subject::Uid(uid, known) => {
            element(&mut out, "contentUid", uid);
            details = known.as_ref().map(details_xml).unwrap_or_default();
        }
        _ => {}
    }
    element(&mut out, "creatorUid", &change.creator_uid);
    if let Subject::External(external, token) = &change.subject {
        external_data(&mut out, &external.with_token(token));
    }
    element(&mut out, "isFederatedChange", if change.federated { "true" } else { "false" });
    if let Subject::MapLayer(layer) = &change.subject {
        object(&mut out, "mapLayer", layer);
    }
    if let Subject::Feed(feed) = &change.subject {
        object(&mut out, "missionFeed", feed);
    }
    element(&mut out, "missionGuid", &change.mission_guid);
    element(&mut out, "missionName", &change.mission_name);
    element(&mut out, "timestamp", &Stamp(change.timestamp).to_string());
    element(&mut out, "type", change.kind.name());
    out.push_str(&details);
    out.push_str(inside);
    out.push_str("</MissionChange></MissionChanges>");
    out
}

fn resource(out: &mut String, file: &Resource) {
    out.push_str("<contentResource>");
    let known = file.known.as_ref();
    let some = |out: &mut String, name: &str, value: &dyn Fn(&Known) -> String| {
        if let Some(known) = known {
            element(out, name, &value(known));
        }
    };
    some(out, "creatorUid", &|k| k.creator_uid.clone());
    some(out, "expiration", &|k| k.expiration.to_string());
    if known.is_some_and(|k| !k.filename.is_empty()) {
        some(out, "filename", &|k| k.filename.clone());
    }
    // The true vector tells which groups there are (4.3).
    some(out, "groupVector", &|_| "0".to_owned());
    element(out, "hash", &file.hash);
    for keyword in known.iter().flat_map(|k| &k.keywords) {
        element(out, "keywords", keyword);
    }
    some(out, "mimeType", &|k| k.mime_type.clone());
    some(out, "name", &|k| k.name.clone());
    some(out, "size", &|k| k.size.to_string());
    some(out, "submissionTime", &|k| k.submission_time.to_string());
    some(out, "submitter", &|k| k.submitter.clone());
    if known.is_some_and(|k| !k.tool.is_empty()) {
        some(out, "tool", &|k| k.tool.clone());
    }
    some(out, "uid", &|k| k.uid.clone());
    out.push_str("</contentResource>");
}

fn details_xml(details: &Details) -> String {
    let mut out = String::from("<details");
    for (name, value) in [
        ("type", &details.kind),
        ("callsign", &details.callsign),
        ("title", &details.title),
        ("iconsetPath", &details.iconset_path),
        ("color", &details.color),
        ("name", &details.name),
        ("category", &details.category),
    ] {
        if let Some(value) = value {
            attr(&mut out, name, value);
        }
    }
    out.push('>');
    if let Some(location) = details.location {
        out.push_str(&format!("<location lat=\"{:?}\" lon=\"{:?}\"/>", location.lat, location.lon));
    }
    for hash in &details.attachments {
        element(&mut out, "attachment", hash);
    }
    out.push_str("</details>");
    out
}

fn external_data(out: &mut String, external: &External) {
    let External { uid, name, notes, tool, url_data, url_view } = external;
    out.push_str("<externalData>");
    for (field, value) in
        [("uid", uid), ("name", name), ("notes", notes), ("tool", tool), ("urlData", url_data), ("urlView", url_view)]
    {
        element(out, field, value);
    }
    out.push_str("</externalData>");
}

/// A flat JSON object as an element with one child per value, in the order of the names.
fn object(out: &mut String, name: &str, value: &impl serde::Serialize) {
    let Ok(Value::Object(fields)) = serde_json::to_value(value) else { return };
    let mut fields: Vec<_> = fields.into_iter().collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    out.push_str(&format!("<{name}>"));
    for (field, value) in &fields {
        match value {
            // A name a client made up must not break the event.
            _ if !field.chars().all(|c| c.is_ascii_alphanumeric())
                || field.starts_with(|c: char| c.is_ascii_digit()) => {}
            Value::Null | Value::Object(_) => {}
            Value::String(text) => element(out, field, text),
            Value::Array(all) => all.iter().filter_map(Value::as_str).for_each(|text| element(out, field, text)),
            other => element(out, field, &other.to_string()),
        }
    }
    out.push_str(&format!("</{name}>"));
}

/// `<missionLayer>`: a folder, or an item in one.
pub fn layer(layer: &Layer) -> String {
    let mut out = String::from("<missionLayer>");
    for (name, value) in [("after", &layer.after), ("name", &layer.name), ("parentUid", &layer.parent_uid)] {
        if let Some(value) = value {
            element(&mut out, name, value);
        }
    }
    element(&mut out, "type", layer.kind.name());
    element(&mut out, "uid", &layer.uid);
    out.push_str("</missionLayer>");
    out
}

/// ` name="value"`, escaped.
pub fn attr(out: &mut String, name: &str, value: &str) {
    out.push_str(&format!(" {name}=\"{}\"", escape_attr(value)));
}

/// `<name>value</name>`, escaped.
pub fn element(out: &mut String, name: &str, value: &str) {
    out.push_str(&format!("<{name}>{}</{name}>", escape_text(value)));
}
