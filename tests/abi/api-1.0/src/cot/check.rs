//! Is a well-formed frame a valid event (RULE-20), and what must be repaired so that receivers take it (RULE-19, 21)?
//!
//! An event that needs no repair costs no allocation and no copy here.

use super::{Attr, Millis, PointAttr, Spans, Splices, TimeForm, format_time, parse_time, unescape};

/// Why a well-formed frame is no valid event (reason `schema`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);

/// What [`check`] found out on the way; ms UTC, degrees.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Repairs {
    /// The event's `time` after repair.
    pub time: Millis,
    /// The event's `stale` after repair.
    pub stale: Millis,
    /// Degrees, clamped into [-90, 90].
    pub lat: f64,
    /// Degrees, clamped into [-180, 180].
    pub lon: f64,
    /// How many time attributes could not be read and were replaced.
    pub bad_times: u8,
    /// True when at least one splice was added.
    pub changed: bool,
}

/// Longest uid in bytes.
const UID_MOST: usize = 1_024;
/// How far a coordinate may be out and still be taken as the limit.
const SLACK: f64 = 0.000_1;
/// Life of an event without `stale`.
const DEFAULT_STALE_MS: i64 = 300_000;
const UNKNOWN: &str = "9999999.0";

/// Checks RULE-20 and adds the splices of RULE-19 and 21 to `splices`. `now` is the receive time.
///
/// # Errors
/// [`Invalid`] with the rule broken; then `splices` may hold some edits that must be thrown away.
pub fn check(text: &[u8], spans: &Spans, now: Millis, splices: &mut Splices) -> Result<Repairs, Invalid> {
    let raw = |attr: Attr| std::str::from_utf8(spans.attrs[attr as usize].of(text)).unwrap_or("");
    let before = splices.len();
    let uid = unescape(raw(Attr::Uid));
    if uid.trim().is_empty() {
        return Err(Invalid("no uid"));
    }
    if uid.len() > UID_MOST || uid.chars().any(char::is_control) {
        return Err(Invalid("a uid over 1024 bytes or with control characters"));
    }
    if raw(Attr::Type).trim().is_empty() {
        return Err(Invalid("no type"));
    }
    if spans.point_insert == 0 {
        return Err(Invalid("no point"));
    }
    let mut repairs = Repairs {
        lat: coordinate(text, spans, PointAttr::Lat, 90.0, splices)?,
        lon: coordinate(text, spans, PointAttr::Lon, 180.0, splices)?,
        ..Repairs::default()
    };
    for attr in [PointAttr::Hae, PointAttr::Ce, PointAttr::Le] {
        if number(text, spans, attr).is_none() {
            splices.set_point(spans, attr, UNKNOWN);
        }
    }
    if !spans.attrs[Attr::How as usize].is_some() {
        splices.set_attr(spans, Attr::How, "m-g");
    }
    let mut times = |attr: Attr, missing: Millis| {
        let span = spans.attrs[attr as usize];
        match parse_time(&unescape(raw(attr))) {
            Some((ms, TimeForm::Atak)) => ms,
            Some((ms, TimeForm::Other)) => {
                splices.set_attr(spans, attr, &format_time(ms));
                ms
            }
            None => {
                repairs.bad_times += u8::from(span.is_some());
                splices.set_attr(spans, attr, &format_time(missing));
                missing
            }
        }
    };
    let time = times(Attr::Time, now);
    times(Attr::Start, time);
    let stale = times(Attr::Stale, time.saturating_add(DEFAULT_STALE_MS));
    (repairs.time, repairs.stale) = (time, stale);
    repairs.changed = splices.len() > before;
    Ok(repairs)
}

fn number(text: &[u8], spans: &Spans, attr: PointAttr) -> Option<f64> {
    let raw = std::str::from_utf8(spans.point[attr as usize].of(text)).ok()?.trim();
    // The parser of the standard library takes words like `infinity`, which no client reads.
    let plain = raw.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    raw.parse().ok().filter(|n: &f64| plain && n.is_finite())
}

fn coordinate(text: &[u8], spans: &Spans, attr: PointAttr, most: f64, splices: &mut Splices) -> Result<f64, Invalid> {
    let value = number(text, spans, attr).ok_or(Invalid("lat or lon missing or not a number"))?;
    if value.abs() <= most {
        return Ok(value);
    }
    if value.abs() > most + SLACK {
        return Err(Invalid("lat or lon out of range"));
    }
    let clamped = most.copysign(value);
    splices.set_point(spans, attr, &format!("{clamped:?}"));
    Ok(clamped)
}

#[cfg(test)]
mod tests {
    use super::super::scan;
    use super::*;

    fn repaired(event: &str) -> Result<String, Invalid> {
        let spans = scan(event.as_bytes()).unwrap();
        let mut splices = Splices::new();
        check(event.as_bytes(), &spans, 1_700_000_000_000, &mut splices)?;
        let mut out = Vec::new();
        let after = splices.apply(event.as_bytes(), &spans, &mut out);
        assert_eq!(after, scan(&out).unwrap());
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn rule_19_adds_what_receivers_demand() {
        let bare = r#"<event uid="u" type="a-f-G"><point lat="1" lon="2"/></event>"#;
        let full = repaired(bare).unwrap();
        for part in [
            r#"how="m-g""#,
            r#"time="2023-11-14T22:13:20.000Z""#,
            r#"start="2023-11-14T22:13:20.000Z""#,
            r#"stale="2023-11-14T22:18:20.000Z""#,
            r#"hae="9999999.0""#,
            r#"ce="9999999.0""#,
            r#"le="9999999.0""#,
        ] {
            assert!(full.contains(part), "{part} in {full}");
        }
        assert_eq!(repaired(&full).unwrap(), full, "a good event stays byte for byte");
    }

    #[test]
    fn rule_20_and_21_rewrite_numbers_and_times() {
        let odd = r#"<event uid='u' type='a' how='h-e' time='2023-11-15T00:13:20+02:00' start='2023-11-14T22:13:20Z' stale='2023-11-14T22:13:20Z'><point lat='90.00005' lon='2' hae='1' ce='nan' le='NaN'/></event>"#;
        let good = repaired(odd).unwrap();
        assert!(
            good.contains("time='2023-11-14T22:13:20.000Z'")
                && good.contains("lat='90.0'")
                && good.contains("ce='9999999.0'"),
            "{good}"
        );
    }

    #[test]
    fn rule_20_refuses() {
        let point = r#"<point lat="1" lon="2"/>"#;
        for (event, why) in [
            (format!(r#"<event type="a">{point}</event>"#), "no uid"),
            (format!(r#"<event uid="u">{point}</event>"#), "no type"),
            (r#"<event uid="u" type="a"/>"#.to_owned(), "no point"),
            (r#"<event uid="u" type="a"><point lat="95" lon="2"/></event>"#.to_owned(), "lat or lon out of range"),
            (
                r#"<event uid="u" type="a"><point lat="NaN" lon="2"/></event>"#.to_owned(),
                "lat or lon missing or not a number",
            ),
            (
                format!("<event uid=\"{}\" type=\"a\">{point}</event>", "x".repeat(1025)),
                "a uid over 1024 bytes or with control characters",
            ),
            (
                format!(r#"<event uid="a&#10;b" type="a">{point}</event>"#),
                "a uid over 1024 bytes or with control characters",
            ),
        ] {
            assert_eq!(repaired(&event), Err(Invalid(why)));
        }
    }
}
