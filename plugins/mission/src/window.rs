//! [`Window`]: `secago`, `start`, `end` of a request as times (mission.md 3.4, M-21): used for changes, logs and events.
use fts_plugin_api::sdk::Request;

use crate::{model::read_time, params, refusal::Refusal};

/// Server times, ms UTC, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Not before.
    pub from: i64,
    /// Not after.
    pub to: i64,
}

impl Window {
    /// As the request says; `secago` above 0 overrides `start`.
    ///
    /// # Errors
    /// 400: unreadable, or `start` is not before `end`.
    pub fn of(request: &Request, now: i64) -> Result<Self, Refusal> {
        let time = |name: &str| -> Result<Option<i64>, Refusal> {
            let Some(text) = params::filled(request, name) else { return Ok(None) };
            let wrong = || Refusal::Bad(format!("{name}={text}: a time like 2026-03-01T10:00:00.000Z is expected"));
            read_time(text).map(Some).ok_or_else(wrong)
        };
        let ago = params::number(request, "secago")?.filter(|s| *s > 0);
        let (start, end) = (time("start")?, time("end")?);
        let start = ago.map(|s| now.saturating_sub(s.saturating_mul(1_000))).or(start);
        let window = Self { from: start.unwrap_or(i64::MIN), to: end.unwrap_or(i64::MAX) };
        if window.from >= window.to {
            return Err(Refusal::Bad("start must be before end".into()));
        }
        Ok(window)
    }
}
