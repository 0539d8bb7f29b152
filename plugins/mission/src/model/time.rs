//! [`Stamp`]: a time in JSON and in notices (mission.md 1.2): UTC, three fraction digits, `Z`. Rows keep ms UTC.
use fts_plugin_api::cot::{format_time, parse_time};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// ms UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub i64);

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&format_time(self.0))
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format_time(self.0))
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        read_time(&text)
            .map(Stamp)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is no time like 2026-03-01T10:00:00.000Z")))
    }
}

/// An ISO 8601 date and time: up to nine fraction digits, `Z` or an offset; ms UTC. None when it cannot be understood.
pub fn read_time(text: &str) -> Option<i64> {
    parse_time(text.trim()).map(|(ms, _)| ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_z() {
        assert_eq!(serde_json::to_string(&Stamp(1_772_359_200_040)).unwrap(), "\"2026-03-01T10:00:00.040Z\"");
        for text in ["2026-03-01T10:00:00.04Z", "2026-03-01T11:00:00.040123456+01:00", "2026-03-01T10:00:00.04"] {
            assert_eq!(read_time(text), Some(1_772_359_200_040), "{text}");
        }
        assert_eq!(read_time("2026-03-01"), None);
    }
}
