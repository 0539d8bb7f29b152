//! What happens by itself, a slice at a time so that no writer waits long: what deleted missions left behind goes, and
//! history beyond `change_history` (mission.md 7.4); figures are shown.
//!
//! What must not happen: a change is forgotten that says that a mission was made or deleted, or that is the newest of its
//! item by its author (the squashed history needs it); the newest event of an item goes.
use fts_plugin_api::sdk::Result;

use crate::{
    desk::Desk,
    store::{changes, cot, logs, missions},
};

/// Slices of one tick: about a tenth of a second.
const SLICES: usize = 20;
/// Rows that one slice looks at.
const SLICE: i64 = 500;

/// Where the walk through the history is.
#[derive(Debug, Default)]
pub struct Upkeep {
    change: i64,
    cot: i64,
}

impl Upkeep {
    /// One tick.
    ///
    /// # Errors
    /// The database; the next tick tries again.
    pub fn tick(&mut self, desk: &Desk) -> Result<()> {
        let sql = desk.host.sql();
        for _ in 0..SLICES {
            if sql.tx(|tx| Ok(missions::sweep(tx)? + logs::sweep(tx, SLICE)?))? == 0 {
                break;
            }
        }
        let keep = desk.config.change_history.ms();
        if keep > 0 {
            let before = desk.host.now().saturating_sub(keep);
            for _ in 0..SLICES {
                self.change = sql.tx(|tx| changes::prune(tx, self.change, before, SLICE))?;
                self.cot = sql.tx(|tx| cot::prune(tx, self.cot, before, SLICE))?;
                if self.change == 0 && self.cot == 0 {
                    break;
                }
            }
        }
        desk.gauges()
    }
}
