//! [`Search`]: which rows somebody is looking for (marti-http.md 6.6). What is exact is asked of the database; patterns are
//! compared here: a text contains the pattern in any case, or matches it as a regular expression where it is one. The
//! engine takes linear time and limited memory, so no pattern can stop the server.
use regex::{Regex, RegexBuilder};

use super::{
    Files, Resource, Sight,
    error::FileError,
    resource::{ANONYMOUS, COLUMNS, PRIVATE, SEEN},
    text,
};
use crate::{observe::clock, store::rows::Value};

/// Bytes a compiled pattern may take.
const SIZE: usize = 1 << 18;
/// Characters of a pattern; a longer one matches only as it stands.
const LONG: usize = 1_000;
/// Rows looked at per question.
const PAGE: i64 = 2_000;

/// Text that is looked for.
#[derive(Clone, Debug)]
pub struct Pattern {
    exact: String,
    lower: String,
    regex: Option<Regex>,
}

impl Pattern {
    /// None for "", which asks for nothing.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let build =
            || RegexBuilder::new(text).case_insensitive(true).size_limit(SIZE).dfa_size_limit(SIZE).build().ok();
        let regex = if text.len() <= LONG { build() } else { None };
        (!text.is_empty()).then(|| Self { exact: text.to_owned(), lower: text.to_lowercase(), regex })
    }

    /// Of a list with commas.
    pub fn list<'a>(values: impl Iterator<Item = &'a str>) -> Vec<Self> {
        values.flat_map(|v| v.split(',')).filter_map(|v| Self::new(v.trim())).collect()
    }

    fn matches(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.lower) || self.regex.as_ref().is_some_and(|r| r.is_match(text))
    }
}

/// A part of the earth.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Area {
    /// Degrees; west may be east of east: then it goes over the date line.
    Box { west: f64, south: f64, east: f64, north: f64 },
    /// Degrees and metres.
    Circle { lon: f64, lat: f64, radius: f64 },
}

impl Area {
    /// `west,south,east,north`.
    #[must_use]
    pub fn of_box(text: &str) -> Option<Self> {
        let [west, south, east, north] = numbers(text)?;
        Some(Self::Box { west, south, east, north })
    }

    /// `lon,lat,radius`.
    #[must_use]
    pub fn of_circle(text: &str) -> Option<Self> {
        let [lon, lat, radius] = numbers(text)?;
        Some(Self::Circle { lon, lat, radius })
    }

    fn has(&self, lat: f64, lon: f64) -> bool {
        match *self {
            Self::Box { west, south, east, north } => {
                let across = if west <= east { (west..=east).contains(&lon) } else { lon >= west || lon <= east };
                (south..=north).contains(&lat) && across
            }
            Self::Circle { lon: at_lon, lat: at_lat, radius } => distance((at_lat, at_lon), (lat, lon)) <= radius,
        }
    }
}

fn numbers<const N: usize>(text: &str) -> Option<[f64; N]> {
    let numbers: Option<Vec<f64>> =
        text.split(',').map(|n| n.trim().parse::<f64>().ok().filter(|n| n.is_finite())).collect();
    numbers?.try_into().ok()
}

/// Metres on a sphere (haversine).
fn distance(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (lat, lon) = ((to.0 - from.0).to_radians() / 2.0, (to.1 - from.1).to_radians() / 2.0);
    let a = lat.sin().powi(2) + from.0.to_radians().cos() * to.0.to_radians().cos() * lon.sin().powi(2);
    2.0 * 6_371_008.8 * a.sqrt().min(1.0).asin()
}

/// See the file's head. Everything is ANDed; None and empty ask for nothing.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Search {
    /// Any keyword matches any of them.
    pub keywords: Vec<Pattern>,
    pub permissions: Vec<Pattern>,
    pub name: Option<Pattern>,
    pub filename: Option<Pattern>,
    pub mime_type: Option<Pattern>,
    pub submitter: Option<Pattern>,
    pub creator_uid: Option<Pattern>,
    pub remarks: Option<Pattern>,
    /// Exactly, or as a pattern.
    pub uid: Option<Pattern>,
    /// Exact.
    pub hash: Option<String>,
    pub primary_key: Option<String>,
    pub tool: Option<String>,
    /// ms UTC.
    pub from: Option<i64>,
    pub to: Option<i64>,
    /// Metres.
    pub min_altitude: Option<f64>,
    pub max_altitude: Option<f64>,
    pub area: Option<Area>,
    /// Who asks: private rows are shown to who stored them.
    pub asker: String,
    /// Private rows of anybody are shown where they are asked for.
    pub admin: bool,
}

impl Search {
    fn wants(&self, r: &Resource) -> bool {
        let one = |pattern: &Option<Pattern>, text: &str| pattern.as_ref().is_none_or(|p| p.matches(text));
        let any = |patterns: &[Pattern], list: &[String]| {
            patterns.is_empty() || list.iter().any(|text| patterns.iter().any(|p| p.matches(text)))
        };
        let in_range = |value: Option<f64>| match (self.min_altitude, self.max_altitude) {
            (None, None) => true,
            (min, max) => value.is_some_and(|v| min.is_none_or(|m| v >= m) && max.is_none_or(|m| v <= m)),
        };
        let inside = |area: &Area| r.latitude.zip(r.longitude).is_some_and(|(lat, lon)| area.has(lat, lon));
        self.may_see(r)
            && any(&self.keywords, &r.keywords)
            && any(&self.permissions, &r.permissions)
            && one(&self.name, &r.name)
            && one(&self.filename, &r.download_path)
            && one(&self.mime_type, &r.mime_type)
            && one(&self.submitter, &r.submitter)
            && one(&self.creator_uid, &r.creator_uid)
            && one(&self.remarks, &r.remarks)
            && one(&self.uid, &r.uid)
            && self.primary_key.as_ref().is_none_or(|key| *key == r.id.to_string())
            && in_range(r.altitude)
            && self.area.as_ref().is_none_or(inside)
    }

    /// Private rows are found by who stored them, or by who knows exactly what to ask for (marti-http.md 6.6).
    fn may_see(&self, r: &Resource) -> bool {
        // Nobody in particular stored nothing in particular: on a listener without names private files would be public.
        let own = r.submitter == self.asker && self.asker != ANONYMOUS;
        let asked = self.tool.as_deref() == Some(PRIVATE) && (self.admin || own);
        let known = self.uid.as_ref().is_some_and(|uid| uid.exact == r.uid)
            || self.hash.as_ref().is_some_and(|hash| hash.eq_ignore_ascii_case(r.hash.as_str()));
        r.tool != PRIVATE || asked || known
    }
}

impl Files {
    /// Rows somebody looks for, sorted by uid, those of one uid by time.
    ///
    /// # Errors
    /// The database.
    pub fn search(&self, search: &Search, sight: &Sight) -> Result<Vec<Resource>, FileError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM resource r WHERE {SEEN} AND r.id > ?2 AND (r.expiration < 0 OR r.expiration >= ?3) \
             AND (?4 IS NULL OR r.hash = ?4) AND (?5 IS NULL OR r.tool = ?5) \
             AND (?6 IS NULL OR r.submission_time >= ?6) AND (?7 IS NULL OR r.submission_time <= ?7) ORDER BY r.id LIMIT ?8"
        );
        let opt = |value: Option<&str>| value.map_or(Value::Null, text);
        let int = |value: Option<i64>| value.map_or(Value::Null, Value::Integer);
        let hash = search.hash.as_ref().map(|h| h.trim().to_ascii_lowercase());
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let values = [
                sight.param(),
                Value::Integer(after),
                Value::Integer(clock::now_ms() / 1_000),
                opt(hash.as_deref()),
                opt(search.tool.as_deref()),
                int(search.from),
                int(search.to),
                Value::Integer(PAGE),
            ];
            let rows = self.db.query(&sql, &values)?;
            let Some(last) = rows.iter().last().map(|r| r.int("id")) else { break };
            found.extend(rows.iter().filter_map(|r| Resource::of_row(&r)).filter(|r| search.wants(r)));
            after = last;
        }
        found.sort_by(|a, b| (&a.uid, a.submission_time, a.id).cmp(&(&b.uid, b.submission_time, b.id)));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_texts_and_expressions() {
        let matches = |pattern: &str, text: &str| Pattern::new(pattern).unwrap().matches(text);
        assert!(matches("mp-", "x MP-ALPHA.zip") && matches("^x.*zip$", "x a.ZIP") && matches("a(1)", "a(1).zip"));
        assert!(matches("(", "a(") && !matches("(", "a") && !matches("^zip", "a.zip"));
        // Would take for ever, or all memory, elsewhere.
        let long = "a".repeat(20_000);
        assert!(!matches("(a+)+$b", &long) && !matches("((a{1,500}){1,500}){1,500}", &long));
        assert!(Pattern::new("").is_none());
        assert_eq!(Pattern::list(["a, b", "", "c"].into_iter()).len(), 3);
    }

    #[test]
    fn areas() {
        let pacific = Area::of_box("170,-10,-170,10").unwrap();
        assert!(
            pacific.has(0.0, 179.0) && pacific.has(0.0, -179.0) && !pacific.has(0.0, 0.0) && !pacific.has(20.0, 179.0)
        );
        let berlin = Area::of_circle("13.4, 52.5, 10000").unwrap();
        assert!(berlin.has(52.55, 13.4) && !berlin.has(52.7, 13.4));
        for bad in ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,NaN,4"] {
            assert_eq!(Area::of_box(bad), None, "{bad}");
        }
    }
}
