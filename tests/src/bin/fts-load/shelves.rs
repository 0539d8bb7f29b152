//! [`Shelves`]: latencies of a mission, kept apart from those of ordinary traffic.
//!
//! Reliable events are the mission's. Positions are ordinary traffic; those that members receive share a queue with all
//! that the mission sends them, so they are kept by themselves.

use hdrhistogram::Histogram;

use crate::{
    event::{Mark, RELIABLE},
    fault::Fault,
};

/// Latencies up to a minute.
const LONGEST_US: u64 = 60_000_000;

/// See the file's head. Microseconds.
#[derive(Clone, Debug)]
pub struct Shelves {
    /// The first so many clients are members of a mission.
    members: usize,
    /// Of reliable events.
    pub mission: Histogram<u64>,
    /// Of positions at members.
    pub inside: Histogram<u64>,
}

impl Shelves {
    /// Empty ones; the first `members` clients are members.
    ///
    /// # Errors
    /// As [`histogram`].
    pub fn new(members: usize) -> Result<Self, Fault> {
        Ok(Self { members, mission: histogram()?, inside: histogram()? })
    }

    /// Where this mark belongs; None = ordinary traffic.
    pub fn of(&mut self, receiver: usize, mark: &Mark) -> Option<&mut Histogram<u64>> {
        if mark.kind == RELIABLE {
            return Some(&mut self.mission);
        }
        (receiver < self.members).then_some(&mut self.inside)
    }
}

/// An empty one.
///
/// # Errors
/// None in practice: the bounds are constant.
pub fn histogram() -> Result<Histogram<u64>, Fault> {
    Histogram::new_with_bounds(1, LONGEST_US, 3).map_err(|e| Fault::Talk(e.to_string()))
}
