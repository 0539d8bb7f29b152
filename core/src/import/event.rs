//! The event of a uid as XML: as FTS kept it with the mission, else put together from the tables of
//! `CoTManagementRecords.db`, else from those of `FTSDataBase.db` (operations.md 7.3).
//!
//! The detail is kept as text, which may be missing or cut off; then it is made from the tables beside it. What must not
//! happen: an event is made that is no XML; a value gets out of its attribute.
use fts_plugin_api::cot::{Cot, escape_attr, escape_text, format_time, parse_time};
use serde_json::Value;

use super::{
    Refused,
    source::{Source, text},
};
use crate::store::foreign::{Fields, Foreign};

/// Life of an event of which no end is known, ms.
const YEAR: i64 = 365 * 86_400_000;
/// Of what is not known, metres.
const UNKNOWN: f64 = 9_999_999.0;
/// Beside a detail of `CoTManagementRecords.db`: table, element.
const NEWER: &[(&str, &str)] = &[("Contact", "contact"), ("Usericon", "usericon")];
/// Beside one of `FTSDataBase.db`.
const OLDER: &[(&str, &str)] = &[
    ("Contact", "contact"),
    ("Usericon", "usericon"),
    ("Archive", "archive"),
    ("Chat", "__chat"),
    ("Color", "color"),
    ("Emergency", "emergency"),
    ("Link", "link"),
    ("Precisionlocation", "precisionlocation"),
    ("Remarks", "remarks"),
    ("Sensor", "sensor"),
    ("Serverdestination", "__serverdestination"),
    ("Status", "status"),
    ("Summary", "summary"),
    ("Takv", "takv"),
    ("Track", "track"),
    ("Uid", "uid"),
    ("_Group", "__group"),
    ("_Video", "__video"),
];
/// Columns that are no attributes: keys, and text of the element.
const NOT_ATTRIBUTES: [&str; 3] = ["PrimaryKey", "INTAG", "uid"];

/// The event of a row of `MissionCoT`; None = nobody has it.
///
/// # Errors
/// A database.
pub fn of(source: &Source, row: &Fields) -> Result<Option<String>, Refused> {
    let (uid, kept) = (text(row, "uid"), text(row, "xml_content"));
    // There may be a declaration before it.
    let kept = kept.find("<event").map_or("", |at| kept[at..].trim_end());
    if Cot::parse(kept.to_owned()).is_ok() {
        return Ok(Some(kept.to_owned()));
    }
    if let Some(cot) = &source.cot
        && let Some(xml) = built(cot, uid, ("uid", "xml_content"), NEWER)?
    {
        return Ok(Some(xml));
    }
    match &source.main {
        Some(main) => built(main, uid, ("PrimaryKey", "xmlString"), OLDER),
        None => Ok(None),
    }
}

/// From the tables of one database: the column that refers to the event, the one with the detail as text, tables beside it.
fn built(
    db: &Foreign,
    uid: &str,
    (key, kept): (&str, &str),
    beside: &[(&str, &str)],
) -> Result<Option<String>, Refused> {
    let rows = |table: &str, key: &str| -> Result<Option<Fields>, Refused> {
        if !db.has(table)? {
            return Ok(None);
        }
        Ok(db.query(&format!("SELECT * FROM \"{table}\" WHERE \"{key}\" = ?1"), &[uid])?.into_iter().next())
    };
    let Some(event) = rows("Event", "uid")? else { return Ok(None) };
    let point = rows("Point", key)?.unwrap_or_default();
    let detail = rows("Detail", key)?.unwrap_or_default();
    let whole = |detail: &str| format!("{}{detail}</event>", head(&event, &point, uid));
    let kept = wrapped(text(&detail, kept)).map(|detail| whole(&detail));
    if let Some(kept) = kept.filter(|xml| Cot::parse(xml.clone()).is_ok()) {
        return Ok(Some(kept));
    }
    let mut made = String::from("<detail>");
    for (table, name) in beside {
        if let Some(fields) = rows(table, key)? {
            made += &element(name, &fields);
        }
    }
    let made = whole(&(made + "</detail>"));
    Ok(Some(made).filter(|xml| Cot::parse(xml.clone()).is_ok()))
}

/// In a `<detail>`, where it is not one. None = there is nothing.
fn wrapped(detail: &str) -> Option<String> {
    match detail.trim() {
        "" => None,
        detail if detail.starts_with("<detail") => Some(detail.to_owned()),
        children => Some(format!("<detail>{children}</detail>")),
    }
}

fn head(event: &Fields, point: &Fields, uid: &str) -> String {
    let time = |column: &str| time(text(event, column));
    let begin = time("time").or_else(|| time("start")).unwrap_or_default();
    let number = |column: &str, other: f64| number(point.get(column)).filter(|n| n.is_finite()).unwrap_or(other);
    let or = |column: &str, other: &'static str| match text(event, column) {
        "" => other.to_owned(),
        said => escape_attr(said).into_owned(),
    };
    format!(
        "<event version=\"2.0\" uid=\"{}\" type=\"{}\" how=\"{}\" time=\"{}\" start=\"{}\" stale=\"{}\">\
         <point lat=\"{}\" lon=\"{}\" hae=\"{}\" ce=\"{}\" le=\"{}\"/>",
        escape_attr(uid),
        or("type", "a-u-G"),
        or("how", "h-g-i-g-o"),
        format_time(begin),
        format_time(time("start").unwrap_or(begin)),
        format_time(time("stale").unwrap_or(begin + YEAR)),
        number("lat", 0.0),
        number("lon", 0.0),
        number("hae", UNKNOWN),
        number("ce", UNKNOWN),
        number("le", UNKNOWN),
    )
}

/// Both forms: as events have it, and as SQLAlchemy writes it, in UTC.
fn time(text: &str) -> Option<i64> {
    Some(parse_time(&text.trim().replacen(' ', "T", 1))?.0)
}

fn number(value: Option<&Value>) -> Option<f64> {
    let value = value?;
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn element(name: &str, fields: &Fields) -> String {
    let said = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let attributes = fields.iter().filter(|(column, _)| !NOT_ATTRIBUTES.contains(&column.as_str()));
    let attributes: String =
        attributes.map(|(column, value)| format!(" {column}=\"{}\"", escape_attr(&said(value)))).collect();
    match text(fields, "INTAG") {
        "" if attributes.is_empty() && name != "archive" => String::new(),
        inner => format!("<{name}{attributes}>{}</{name}>", escape_text(inner)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_head_has_all_that_clients_demand() {
        let event = fields(json!({"type": "a-f-G\"", "time": "2026-03-01 10:00:00.5", "stale": "no time"}));
        let xml = head(&event, &fields(json!({"lat": "1.5", "lon": 2})), "u&1") + "<detail/></event>";
        let cot = Cot::parse(xml).unwrap();
        assert_eq!((cot.uid().as_ref(), cot.raw(fts_plugin_api::cot::Attr::Time)), ("u&1", "2026-03-01T10:00:00.500Z"));
        assert_eq!(cot.raw(fts_plugin_api::cot::Attr::Stale), "2027-03-01T10:00:00.500Z");
        let point = [fts_plugin_api::cot::PointAttr::Lat, fts_plugin_api::cot::PointAttr::Ce].map(|a| cot.point(a));
        assert_eq!(point, [Some(1.5), Some(UNKNOWN)]);
    }

    #[test]
    fn elements_are_made_of_columns() {
        let remarks = fields(json!({"PrimaryKey": "u", "INTAG": "a < b", "source": "x\"y"}));
        assert_eq!(element("remarks", &remarks), "<remarks source=\"x&quot;y\">a &lt; b</remarks>");
        assert_eq!(
            element("track", &fields(json!({"PrimaryKey": "u", "course": 1.5}))),
            "<track course=\"1.5\"></track>"
        );
        assert_eq!(element("track", &fields(json!({"PrimaryKey": "u"}))), "");
        assert_eq!(element("archive", &Fields::new()), "<archive></archive>");
        let wrapped = ["<detail/>", "<a/>", " "].map(wrapped);
        assert_eq!(wrapped, [Some("<detail/>".into()), Some("<detail><a/></detail>".into()), None]);
    }
}
