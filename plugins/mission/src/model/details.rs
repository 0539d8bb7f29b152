//! [`Details`]: what a change or a uid item says of its event (mission.md 1.4), taken from the event once, when it is stored.
use fts_plugin_api::cot::{Cot, PointAttr};
use serde::{Deserialize, Serialize};

/// See the file's head. Absent keys are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Details {
    /// Event type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// As shown on the map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callsign: Option<String>,
    /// Of an event that has one instead of a callsign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Icon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iconset_path: Option<String>,
    /// ARGB as a signed number, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// Hashes of files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<String>,
    /// Of a vehicle model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of a vehicle model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Absent at 0/0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// Degrees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
}

impl Details {
    /// Of an event.
    pub fn of(cot: &Cot) -> Self {
        let text = |element: &str, names: &[&str]| -> Option<String> {
            let element = cot.detail(element)?;
            let value = names.iter().find_map(|name| element.attr(name))?;
            (!value.is_empty()).then(|| value.into_owned())
        };
        let title = text("title", &["title"]);
        let location = match (cot.point(PointAttr::Lat), cot.point(PointAttr::Lon)) {
            (Some(lat), Some(lon)) if lat != 0.0 && lon != 0.0 => Some(Location { lat, lon }),
            _ => None,
        };
        let model = cot.kind() == "u-d-v-m";
        Self {
            kind: Some(cot.kind().to_owned()),
            callsign: text("_medevac_", &["title"])
                .or_else(|| text("contact", &["callsign"]))
                .or_else(|| title.clone()),
            title,
            iconset_path: text("usericon", &["iconsetpath", "iconsetPath"]),
            color: color(cot).or_else(|| {
                let named = text("color", &["argb", "value"]).or_else(|| text("strokeColor", &["value"]));
                named.or_else(|| text("link_attr", &["color"]))
            }),
            attachments: attachments(cot),
            name: text("model", &["name"]).filter(|_| model),
            category: text("model", &["category"]).filter(|_| model),
            location,
        }
    }

    /// As the database keeps it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A bullseye has its colour by its direction.
fn color(cot: &Cot) -> Option<String> {
    if cot.kind() != "u-r-b-bullseye" {
        return None;
    }
    let direction = cot.detail("bullseye")?.attr("edgeToCenter")?.into_owned();
    Some(if direction == "true" { "-65536" } else { "-16711936" }.to_owned())
}

fn attachments(cot: &Cot) -> Vec<String> {
    let hashes = cot.detail("attachment_list").and_then(|list| list.attr("hashes").map(|h| h.into_owned()));
    hashes.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use fts_plugin_api::cot::Builder;

    use super::*;

    fn details(kind: &str, lat: f64, xml: &str) -> serde_json::Value {
        let cot = Builder::new(kind, 0).point(lat, -63.5, 0.0, 1.0, 1.0).detail_xml(xml).build().unwrap();
        serde_json::to_value(Details::of(&cot)).unwrap()
    }

    #[test]
    fn everything_is_optional_and_taken_in_the_order_of_the_book() {
        assert_eq!(details("a-f-G", 0.0, ""), serde_json::json!({"type": "a-f-G"}));
        let full = r#"<contact callsign="Alpha"/><usericon iconsetpath="COT/x"/><color argb="-1"/>
            <strokeColor value="5"/><attachment_list hashes='["h1","h2"]'/>"#;
        assert_eq!(
            details("a-f-G", 44.5, full),
            serde_json::json!({"type": "a-f-G", "callsign": "Alpha", "iconsetPath": "COT/x", "color": "-1",
                "attachments": ["h1", "h2"], "location": {"lat": 44.5, "lon": -63.5}})
        );
        let medevac = r#"<title title="T"/><_medevac_ title="M"/><contact callsign="C"/><link_attr color="7"/>"#;
        let found = details("b-r-f-h-c", 0.0, medevac);
        assert_eq!((&found["callsign"], &found["title"], &found["color"]), (&"M".into(), &"T".into(), &"7".into()));
        assert_eq!(details("x", 0.0, r#"<title title="T"/>"#)["callsign"], "T");
        assert_eq!(details("u-r-b-bullseye", 0.0, r#"<bullseye edgeToCenter="true"/>"#)["color"], "-65536");
        let model = r#"<model name="N" category="K"/>"#;
        assert_eq!(details("u-d-v-m", 0.0, model)["category"], "K");
        assert!(details("a-f-G", 0.0, model).get("name").is_none());
    }
}
