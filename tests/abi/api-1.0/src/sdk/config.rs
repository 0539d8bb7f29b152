//! The plugin's table, strictly; and values as operators write them.
use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::abi::{Failure, failure};

/// Decodes the table. Every key must be known, whether or not the type says so.
pub(crate) fn decode<T: de::DeserializeOwned>(json: &str) -> Result<T, Failure> {
    let wrong = |message: String, place: String| Failure {
        code: failure::CONFIG,
        message: message.into(),
        place: place.into(),
    };
    let mut unknown = None;
    let mut track = serde_path_to_error::Track::new();
    let reader = &mut serde_json::Deserializer::from_str(json);
    let reader = serde_path_to_error::Deserializer::new(reader, &mut track);
    let found = serde_ignored::deserialize(reader, |path: serde_ignored::Path<'_>| {
        unknown.get_or_insert_with(|| path.to_string());
    });
    match (found, unknown) {
        (Ok(_), Some(key)) => Err(wrong("unknown key".into(), key)),
        (Ok(config), None) => Ok(config),
        (Err(error), _) => {
            let text = error.to_string();
            // The text has no lines of its own.
            let text = text.split(" at line ").next().unwrap_or(&text).to_owned();
            let place = track.path().to_string();
            Err(wrong(text, if place == "." { String::new() } else { place }))
        }
    }
}

/// The configuration of a plugin that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoConfig {}

/// A duration as operators write it: `"10s"`, `"24h"`, `"2ms"`, `"30d"`; `0` is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

impl Period {
    /// Whole milliseconds.
    pub fn ms(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }

    /// So many seconds.
    pub const fn seconds(s: u64) -> Self {
        Self(Duration::from_secs(s))
    }
}

/// `"2ms"`, `"20s"`, `"30d"`; a bare 0 is zero.
pub fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..at].parse().ok().filter(|n: &f64| n.is_finite())?;
    let seconds = match text[at..].trim() {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        "" if number == 0.0 => 0.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        match ms {
            0 => f.write_str("0"),
            _ if !ms.is_multiple_of(1000) => write!(f, "{ms}ms"),
            _ if ms.is_multiple_of(86_400_000) && ms > 86_400_000 => write!(f, "{}d", ms / 86_400_000),
            _ if ms.is_multiple_of(3_600_000) => write!(f, "{}h", ms / 3_600_000),
            _ if ms.is_multiple_of(60_000) => write!(f, "{}m", ms / 60_000),
            _ => write!(f, "{}s", ms / 1000),
        }
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct AsWritten;
        impl de::Visitor<'_> for AsWritten {
            type Value = Period;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration like \"10s\", \"5m\", \"24h\", \"30d\", or 0")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Period, E> {
                duration(text).map(Period).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Period, E> {
                if n == 0 {
                    return Ok(Period::default());
                }
                Err(E::invalid_value(de::Unexpected::Unsigned(n), &self))
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Period, E> {
                if n == 0 {
                    return Ok(Period::default());
                }
                Err(E::invalid_value(de::Unexpected::Signed(n), &self))
            }
        }
        from.deserialize_any(AsWritten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize, Serialize, PartialEq)]
    #[serde(default)]
    struct Table {
        n: u32,
        every: Period,
        deep: Deep,
    }

    #[derive(Debug, Default, Deserialize, Serialize, PartialEq)]
    #[serde(default)]
    struct Deep {
        list: Vec<u8>,
    }

    #[test]
    fn the_table_is_read_strictly_and_errors_name_the_key() {
        let table: Table = decode(r#"{"n": 3, "every": "90s"}"#).unwrap();
        assert_eq!(table, Table { n: 3, every: Period::seconds(90), deep: Deep::default() });
        assert_eq!(decode::<Table>(r#"{"every": 0}"#).unwrap().every, Period::default());
        let wrong = |json: &str| {
            let failure = decode::<Table>(json).unwrap_err();
            (failure.place.into_string(), failure.message.into_string())
        };
        assert_eq!(wrong(r#"{"nn": 3}"#), ("nn".into(), "unknown key".into()));
        assert_eq!(wrong(r#"{"deep": {"lost": 1}}"#), ("deep.lost".into(), "unknown key".into()));
        let (place, text) = wrong(r#"{"n": "ten"}"#);
        assert_eq!((place.as_str(), text.as_str()), ("n", "invalid type: string \"ten\", expected u32"));
        assert_eq!(wrong(r#"{"deep": {"list": [1, 300]}}"#).0, "deep.list[1]");
        assert!(wrong(r#"{"every": "ten"}"#).1.contains("a duration like"));
    }

    #[test]
    fn durations_write_as_they_read() {
        for text in ["10s", "24h", "90m", "250ms", "90d", "0"] {
            assert_eq!(Period(duration(text).unwrap()).to_string(), text);
        }
        assert_eq!(serde_json::to_string(&Period::seconds(15)).unwrap(), "\"15s\"");
    }
}
