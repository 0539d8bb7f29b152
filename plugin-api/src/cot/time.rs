//! CoT times: read leniently (RULE-21), written in one form (RULE-22).

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// Whether a received time text can stay as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeForm {
    /// In the form ATAK's parser takes: relayed byte for byte.
    Atak,
    /// Understood, but must be rewritten with [`format_time`] on relay.
    Other,
}

/// Reads a CoT time. None when it cannot be understood (then it counts as missing, RULE-19).
pub fn parse_time(text: &str) -> Option<(Millis, TimeForm)> {
    let _ = text;
    None
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`, always 24 bytes for years 1900–9999 (values outside are clamped).
pub fn format_time(at: Millis) -> String {
    let _ = at;
    String::new()
}
