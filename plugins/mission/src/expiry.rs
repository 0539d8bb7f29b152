//! [`Expiry`]: missions end by themselves at their `expiration`, or when they are older than `plugins.mission.ttl`
//! (mission.md 3.2 M-15, 7.8).
//!
//! Once a second, first right after the start: those whose time has come (one look into an index) are ended as an owner
//! would with `deepDelete`: archive, rows, change, `t-x-m-d`. The transaction looks again, so a mission that was given
//! more time in between goes on. What must not happen: the seeded missions end; one that cannot be ended keeps the others
//! from ending, or fills the log.
use fts_plugin_api::{sdk::Result, tracing};

use crate::{desk::Desk, model::Mission, refusal::Refusal, routes::delete, store::missions};

/// Missions of one tick; the rest has the next one.
const MOST: i64 = 20;
/// After a failure, ms.
const PAUSE: i64 = 60_000;

/// See the file's head.
#[derive(Debug, Default)]
pub struct Expiry {
    /// Nothing is tried before, ms UTC.
    not_before: i64,
}

impl Expiry {
    /// One tick.
    ///
    /// # Errors
    /// The database; the next tick tries again.
    pub fn tick(&mut self, desk: &Desk) -> Result<()> {
        let now = desk.host.now();
        if now < self.not_before {
            return Ok(());
        }
        for mission in missions::ended(&desk.host.sql(), now, made_by(desk, now), MOST)? {
            // Somebody else has ended it, or has given it more time.
            if let Err(Refusal::Host(error)) = end(desk, &mission) {
                self.not_before = now.saturating_add(PAUSE);
                tracing::error!(
                    event = "mission.not_ended", mission = %mission.guid,
                    "the mission {:?} has expired but cannot be ended, the next try is in a minute: {error}", mission.name
                );
            }
        }
        Ok(())
    }
}

/// Whoever was made by then is too old, ms UTC.
fn made_by(desk: &Desk, now: i64) -> Option<i64> {
    let ttl = desk.config.ttl.ms();
    (ttl > 0).then(|| now.saturating_sub(ttl))
}

/// Is its time over?
fn is_over(desk: &Desk, mission: &Mission) -> bool {
    let now = desk.host.now();
    let expired = mission.expiration >= 0 && mission.expiration <= now.div_euclid(1_000);
    expired || made_by(desk, now).is_some_and(|by| mission.create_time <= by)
}

fn end(desk: &Desk, mission: &Mission) -> std::result::Result<(), Refusal> {
    delete::end_when(desk, mission, "", true, |mission| is_over(desk, mission))?;
    tracing::info!(event = "mission.expired", mission = %mission.guid, "the mission {:?} has expired", mission.name);
    Ok(())
}
