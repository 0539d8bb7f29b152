//! Events of our own: every attribute ATAK demands is there (RULE-18), times in one form (RULE-22).

use super::{Cot, Millis, escape_attr, format_time};

/// Makes one event. Defaults: `version="2.0"`, `how="h-g-i-g-o"`, a fresh v4 uid, point 0/0 with unknown hae, ce and
/// le, start = time, stale = time + 20 s, an empty detail.
#[derive(Clone, Debug)]
pub struct Builder {
    kind: String,
    uid: Option<String>,
    how: String,
    time: Millis,
    stale_ms: i64,
    point: Option<[f64; 5]>,
    detail: String,
}

impl Builder {
    /// An event of this type made at `now` (ms UTC).
    pub fn new(kind: impl Into<String>, now: Millis) -> Self {
        Self {
            kind: kind.into(),
            uid: None,
            how: "h-g-i-g-o".into(),
            time: now,
            stale_ms: 20_000,
            point: None,
            detail: String::new(),
        }
    }
    /// The uid instead of a fresh one.
    pub fn uid(mut self, uid: impl Into<String>) -> Self {
        self.uid = Some(uid.into());
        self
    }
    /// `how` instead of `h-g-i-g-o`.
    pub fn how(mut self, how: impl Into<String>) -> Self {
        self.how = how.into();
        self
    }
    /// Life in milliseconds: stale = time + this.
    pub fn stale_after(mut self, ms: i64) -> Self {
        self.stale_ms = ms;
        self
    }
    /// lat, lon (degrees), hae, ce, le (metres; 9999999 = unknown).
    pub fn point(mut self, lat: f64, lon: f64, hae: f64, ce: f64, le: f64) -> Self {
        self.point = Some([lat, lon, hae, ce, le]);
        self
    }
    /// Appends a child element to detail: name, attributes (plain values, escaped here) and inner XML (as is).
    pub fn child(mut self, name: &str, attrs: &[(&str, &str)], inner_xml: &str) -> Self {
        self.detail.push('<');
        self.detail.push_str(name);
        for (attr, value) in attrs {
            self.detail.push_str(&format!(" {attr}=\"{}\"", escape_attr(value)));
        }
        if inner_xml.is_empty() {
            self.detail.push_str("/>");
        } else {
            self.detail.push_str(&format!(">{inner_xml}</{name}>"));
        }
        self
    }
    /// Appends XML to detail as is; it must be well-formed.
    pub fn detail_xml(mut self, xml: &str) -> Self {
        self.detail.push_str(xml);
        self
    }
    /// The event's text, not scanned.
    pub fn to_text(&self) -> Vec<u8> {
        let fresh = || uuid::Uuid::new_v4().to_string();
        let uid = self.uid.clone().unwrap_or_else(fresh);
        let (time, stale) = (format_time(self.time), format_time(self.time.saturating_add(self.stale_ms)));
        let [lat, lon, hae, ce, le] = self.point.unwrap_or([0.0, 0.0, UNKNOWN, UNKNOWN, UNKNOWN]);
        // `{:?}` writes the shortest decimal that reads back as the same number.
        format!(
            "<event version=\"2.0\" uid=\"{}\" type=\"{}\" how=\"{}\" time=\"{time}\" start=\"{time}\" stale=\"{stale}\">\
             <point lat=\"{lat:?}\" lon=\"{lon:?}\" hae=\"{hae:?}\" ce=\"{ce:?}\" le=\"{le:?}\"/><detail>{}</detail></event>",
            escape_attr(&uid),
            escape_attr(&self.kind),
            escape_attr(&self.how),
            self.detail
        )
        .into_bytes()
    }
    /// The event.
    ///
    /// # Errors
    /// [`super::Fault`] when `detail_xml` or `inner_xml` was not well-formed.
    pub fn build(self) -> Result<Cot, super::Fault> {
        Cot::parse(self.to_text())
    }
}

/// Unknown height or error, metres.
const UNKNOWN: f64 = 9_999_999.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cot::{Attr, PointAttr, Splices, check};

    #[test]
    fn rule_18_a_built_event_has_everything_and_needs_no_repair() {
        let cot = Builder::new("b-t-f", 1_700_000_000_000)
            .uid("a\"<&>'")
            .child("__chat", &[("id", "x\n\"y\"")], "")
            .build()
            .unwrap();
        assert_eq!((cot.uid().as_ref(), cot.kind(), cot.raw(Attr::How)), ("a\"<&>'", "b-t-f", "h-g-i-g-o"));
        assert_eq!(cot.time(Attr::Stale), Some(1_700_000_020_000));
        assert_eq!(cot.point(PointAttr::Ce), Some(9_999_999.0));
        assert_eq!(cot.detail("__chat").unwrap().attr("id").unwrap(), "x\n\"y\"");
        assert!(!check(cot.text(), cot.spans(), 0, &mut Splices::new()).unwrap().changed);
    }
}
