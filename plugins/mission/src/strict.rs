//! [`Strict`]: the uids of all items of missions, kept while `strict_uid_membership` is on: an event of such a uid that
//! names no mission goes nowhere, whoever sends it (mission.md 5.3). That it names another mission is seen where it is
//! stored ([`crate::items`]).
//!
//! Asked on the sender's task about every event, so it is memory: made from the rows at start, changed behind each commit
//! by what the transaction noted ([`Moves`]). Counted, because the option may be younger than the items: a uid may be in two
//! missions. What must not happen: memory that says other than the rows; the plugin's own notices and releases are dropped
//! (they pass by its own intercepts).
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{PoisonError, RwLock},
};

use fts_plugin_api::sdk::{Event, Result, Verdict};

use crate::store::{Db, uids};

/// Why an event is dropped: what the operator switched on.
const WHY: &str = "strict_uid_membership";
/// Of a destination: who has one of these is no mission, whatever else it has (5.1).
const OTHERS: [&str; 3] = ["callsign", "publish", "uid"];
/// Uids read at a time.
const PAGE: i64 = 10_000;

/// See the file's head.
#[derive(Debug, Default)]
pub struct Strict(RwLock<HashMap<String, usize>>);

impl Strict {
    /// As the rows say.
    ///
    /// # Errors
    /// The database.
    pub fn load(db: &impl Db) -> Result<Self> {
        let mut all: HashMap<String, usize> = HashMap::new();
        let mut last = String::new();
        loop {
            let page = uids::counts(db, &last, PAGE)?;
            let Some((uid, _)) = page.last() else { return Ok(Self(RwLock::new(all))) };
            last.clone_from(uid);
            all.extend(page);
        }
    }

    /// On the sender's task.
    pub fn judge(&self, event: &Event<'_>) -> Verdict {
        match self.holds(&event.uid()) && !names_mission(event) {
            true => Verdict::Drop(WHY),
            false => Verdict::Pass,
        }
    }

    fn holds(&self, uid: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(uid)
    }

    /// What a transaction noted is committed.
    pub fn settle(&self, moves: Moves) {
        let Some(moves) = moves.0.filter(|moves| !moves.is_empty()) else { return };
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (uid, came) in moves {
            match all.entry(uid) {
                Entry::Vacant(none) if came => drop(none.insert(1)),
                Entry::Vacant(_) => {}
                Entry::Occupied(mut held) if came => *held.get_mut() += 1,
                Entry::Occupied(held) if *held.get() <= 1 => drop(held.remove()),
                Entry::Occupied(mut held) => *held.get_mut() -= 1,
            }
        }
    }
}

/// Does it name one, whether that is there or not? The router decides about the rest.
fn names_mission(event: &Event<'_>) -> bool {
    event.details("marti").flat_map(|m| m.children().filter(|e| e.name() == "dest")).any(|dest| {
        let filled = |name: &str| dest.attr(name).is_some_and(|value| !value.is_empty());
        OTHERS.iter().all(|other| dest.attr(other).is_none()) && (filled("mission") || filled("mission-guid"))
    })
}

/// Items that came into missions (true) and went out of them in one transaction, in order; None = nobody wants to know.
#[derive(Debug)]
pub struct Moves(Option<Vec<(String, bool)>>);

impl Moves {
    /// Nothing moved yet.
    pub fn of(strict: Option<&Strict>) -> Self {
        Self(strict.map(|_| Vec::new()))
    }

    /// A new row.
    pub fn came(&mut self, uid: &str) {
        self.note(uid, true);
    }

    /// A row less.
    pub fn went(&mut self, uid: &str) {
        self.note(uid, false);
    }

    fn note(&mut self, uid: &str, came: bool) {
        if let Some(moves) = &mut self.0 {
            moves.push((uid.to_owned(), came));
        }
    }

    /// All items that a new mission has.
    ///
    /// # Errors
    /// The database.
    pub fn all_came(&mut self, db: &impl Db, mission: i64) -> Result<()> {
        self.note_all(db, mission, true)
    }

    /// All items of a mission that is about to be deleted.
    ///
    /// # Errors
    /// The database.
    pub fn all_went(&mut self, db: &impl Db, mission: i64) -> Result<()> {
        self.note_all(db, mission, false)
    }

    fn note_all(&mut self, db: &impl Db, mission: i64, came: bool) -> Result<()> {
        if let Some(moves) = &mut self.0 {
            moves.extend(uids::names(db, mission)?.into_iter().map(|uid| (uid, came)));
        }
        Ok(())
    }
}
