//! Is a well-formed frame a valid event (RULE-20), and what must be repaired so that receivers take it (RULE-19, 21)?

use super::{Millis, Spans, Splices};

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

/// Checks RULE-20 and adds the splices of RULE-19 and 21 to `splices`. `now` is the receive time.
///
/// # Errors
/// [`Invalid`] with the rule broken; then `splices` may hold some edits that must be thrown away.
pub fn check(text: &[u8], spans: &Spans, now: Millis, splices: &mut Splices) -> Result<Repairs, Invalid> {
    let _ = (text, spans, now, splices);
    Err(Invalid("not written"))
}
