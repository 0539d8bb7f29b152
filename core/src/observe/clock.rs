//! The two clocks of the server: wall time for what people and clients read, ticks for ages.

use std::{
    sync::OnceLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use fts_plugin_api::cot::Millis;

/// Wall time, ms UTC.
pub fn now_ms() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as Millis)
}

/// Milliseconds since the process began, from 1 on; never goes back. Wraps after 49 days: compare with `wrapping_sub`.
pub fn tick() -> u32 {
    static START: OnceLock<Instant> = OnceLock::new();
    (START.get_or_init(Instant::now).elapsed().as_millis() as u32).wrapping_add(1)
}

/// Wall time of a tick that lies in the past.
pub fn tick_to_ms(at: u32) -> Millis {
    now_ms() - Millis::from(tick().wrapping_sub(at))
}
