//! [`Row`]: a row of an FTS database. Older databases miss columns, and SQLAlchemy's types came out of Python: a flag is
//! text (`'0'`, `'False'`, `'None'`), a time is `2024-05-01 10:00:00.123456` without a zone, nothing may be `'None'`.
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::read_time;

/// See the file's head. A column that is missing, NULL or of another type reads as nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Row(Map<String, Value>);

impl Row {
    /// Text, trimmed; "" = nothing.
    pub fn text(&self, column: &str) -> String {
        match self.0.get(column) {
            Some(Value::String(text)) if text.trim() != "None" => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(flag)) => flag.to_string(),
            _ => String::new(),
        }
    }

    /// Text as it was written, blanks and all.
    pub fn verbatim(&self, column: &str) -> &str {
        self.0.get(column).and_then(Value::as_str).unwrap_or_default()
    }

    /// Yes or no.
    pub fn flag(&self, column: &str) -> bool {
        !matches!(self.text(column).to_lowercase().as_str(), "" | "0" | "false" | "null")
    }

    /// A whole number.
    pub fn number(&self, column: &str) -> Option<i64> {
        self.text(column).parse().ok()
    }

    /// ms UTC.
    pub fn time(&self, column: &str) -> Option<i64> {
        read_time(&self.text(column).replacen(' ', "T", 1))
    }

    /// A list that was kept as JSON.
    pub fn list(&self, column: &str) -> Vec<String> {
        serde_json::from_str(&self.text(column)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_wrote_is_understood() {
        let row: Row = serde_json::from_str(
            r#"{"a": " x ", "none": "None", "null": null, "n": 7, "zero": "0", "no": "False", "yes": "True", "one": "1",
                "at": "2026-03-01 10:00:00.123456", "iso": "2026-03-01T10:00:00Z", "list": "[\"k\"]", "broken": "[k"}"#,
        )
        .unwrap();
        assert_eq!(
            (row.text("a"), row.text("none"), row.text("null"), row.text("n")),
            ("x".into(), "".into(), "".into(), "7".into())
        );
        assert_eq!((row.verbatim("a"), row.verbatim("gone")), (" x ", ""));
        assert_eq!(
            ["none", "null", "zero", "no", "yes", "one", "gone"].map(|c| row.flag(c)),
            [false, false, false, false, true, true, false]
        );
        assert_eq!(
            (row.time("at"), row.time("iso"), row.time("a")),
            (Some(1_772_359_200_123), Some(1_772_359_200_000), None)
        );
        assert_eq!((row.number("n"), row.number("zero"), row.number("a")), (Some(7), Some(0), None));
        assert_eq!((row.list("list"), row.list("broken")), (vec!["k".to_owned()], vec![]));
    }
}
