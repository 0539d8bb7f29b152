//! [`Draft`]: what a PUT or POST of a mission says about it (mission.md 3.2.1): query parameters, overridden by the members
//! of a JSON body. WinTAK sends the body, ATAK the query.
use fts_plugin_api::sdk::Request;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    model::{Feed, MapLayer, Role, Seen},
    params,
    refusal::Refusal,
};

/// Fields that are blank when absent, and those that are left alone then (None).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    pub description: String,
    pub chat_room: String,
    pub base_layer: String,
    pub bbox: String,
    pub bounding_polygon: Option<String>,
    pub path: String,
    pub classification: String,
    pub tool: Option<String>,
    pub password: Option<String>,
    pub default_role: Option<Role>,
    pub expiration: Option<i64>,
    pub invite_only: Option<bool>,
    /// None = none is named.
    pub groups: Option<Vec<String>>,
    pub service_uri: Option<String>,
    pub keywords: Option<Vec<String>>,
    pub map_layers: Option<Vec<MapLayer>>,
    pub feeds: Option<Vec<Feed>>,
}

/// Unknown members, among them `createTime` (of year 1 from WinTAK), are not looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body {
    description: Option<String>,
    chat_room: Option<String>,
    base_layer: Option<String>,
    bbox: Option<String>,
    bounding_polygon: Option<String>,
    path: Option<String>,
    classification: Option<String>,
    tool: Option<String>,
    default_role: Option<Role>,
    expiration: Option<Value>,
    groups: Option<Vec<String>>,
    invite_only: Option<bool>,
    service_uri: Option<String>,
    keywords: Option<Vec<String>>,
    map_layers: Option<Vec<MapLayer>>,
    feeds: Option<Vec<Feed>>,
}

impl Draft {
    /// Of a request.
    ///
    /// # Errors
    /// 400: a parameter or the body cannot be read.
    pub fn of(request: &mut Request) -> Result<Self, Refusal> {
        let body = match params::is_json(request) && request.body_len() > 0 {
            true => request.json::<Body>()?,
            false => Body::default(),
        };
        let text = |name: &str, own: Option<String>| {
            own.unwrap_or_else(|| params::text(request, name).unwrap_or_default().to_owned())
        };
        // An empty list names none: the query or the default counts.
        let named = |groups: Vec<String>| Some(groups).filter(|all| all.iter().any(|g| !g.trim().is_empty()));
        let groups = body.groups.and_then(named).or_else(|| named(params::list(request, "group")));
        Ok(Self {
            description: text("description", body.description),
            chat_room: text("chatRoom", body.chat_room),
            base_layer: text("baseLayer", body.base_layer),
            bbox: text("bbox", body.bbox),
            bounding_polygon: body.bounding_polygon.or_else(|| polygon(&params::repeated(request, "boundingPolygon"))),
            path: text("path", body.path),
            classification: text("classification", body.classification),
            tool: body.tool.or_else(|| params::filled(request, "tool").map(str::to_owned)),
            password: params::filled(request, "password").map(str::to_owned),
            default_role: body.default_role.map_or_else(|| params::role(request, "defaultRole"), |r| Ok(Some(r)))?,
            expiration: body.expiration.as_ref().map_or_else(|| params::number(request, "expiration"), epoch)?,
            invite_only: match (body.invite_only, params::filled(request, "inviteOnly")) {
                (None, Some(_)) => Some(params::flag(request, "inviteOnly", false)?),
                (sent, _) => sent,
            },
            groups,
            service_uri: body.service_uri,
            keywords: body.keywords,
            map_layers: body.map_layers,
            feeds: body
                .feeds
                .map(|all| all.into_iter().map(|f| Feed { seen: Seen::by(request.identity()), ..f }).collect()),
        })
    }

    /// Is the body something else than JSON: a mission package?
    pub fn has_package(request: &Request) -> bool {
        request.body_len() > 0 && !params::is_json(request)
    }
}

/// A number, as some clients write it a text; below -1 there is nothing.
fn epoch(value: &Value) -> Result<Option<i64>, Refusal> {
    let number = match value {
        Value::Null => return Ok(None),
        Value::Number(n) => n.as_i64(),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|n| *n >= -1).map(Some).ok_or_else(|| Refusal::Bad("expiration is a time in seconds, or -1".into()))
}

/// `x,y` points as `x y,x y`, closed; None when fewer than three can be read.
fn polygon(points: &[String]) -> Option<String> {
    let read = |point: &String| -> Option<(String, String)> {
        let (x, y) = point.split_once(',')?;
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
        (number(x).is_some() && number(y).is_some()).then(|| (x.trim().to_owned(), y.trim().to_owned()))
    };
    let mut all: Vec<_> = points.iter().map(read).collect::<Option<_>>()?;
    if all.len() < 3 {
        return None;
    }
    if all.first() != all.last() {
        all.push(all[0].clone());
    }
    Some(all.iter().map(|(x, y)| format!("{x} {y}")).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_closed_and_too_few_or_unreadable_points_are_ignored() {
        let points = |all: &[&str]| polygon(&all.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        assert_eq!(points(&["1,2", "3,4", "5, 6"]).unwrap(), "1 2,3 4,5 6,1 2");
        assert_eq!(points(&["1,2", "3,4", "1,2"]).unwrap(), "1 2,3 4,1 2");
        for bad in [&["1,2", "3,4"][..], &["1,2", "3,4", "x,y"], &["1,2", "3,4", "5"], &["1,2", "3,4", "inf,1"]] {
            assert_eq!(points(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn expirations_are_numbers_or_texts_of_numbers() {
        for (value, wanted) in [(Value::from(5), Some(5)), (Value::from("-1"), Some(-1)), (Value::Null, None)] {
            assert_eq!(epoch(&value).unwrap(), wanted);
        }
        assert!(epoch(&Value::from(-2)).is_err() && epoch(&Value::from("soon")).is_err());
    }
}
