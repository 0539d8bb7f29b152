//! Plugins that keep events themselves ([`Sources`], plugins.md 1.2 item 7), and the merge of theirs with ours by time.
//!
//! The plugin is told who asks and answers for its own events: the core does not know who may see them.
use std::sync::Arc;

use fts_plugin_api::message::{HistoryAsk, StoredEvent};

use super::{
    History,
    query::{Pages, Search, Window},
    sets::Reach,
};
use crate::store::error::StoreError;

/// Whoever else keeps events.
pub trait Sources: Send + Sync {
    /// Their events of a uid. `but` = a plugin that asks itself: it is not asked.
    fn events(&self, ask: &HistoryAsk, but: Option<&str>) -> Vec<StoredEvent>;
}

/// Events answered for one uid at most (RULE-85).
pub const MOST: usize = 10_000;

/// All events of a uid, newest first, a page at a time: ours and those of plugins.
pub struct Merged {
    ours: Pages,
    ahead: Vec<StoredEvent>,
    theirs: Vec<StoredEvent>,
    left: usize,
    /// There are more than are answered.
    pub truncated: bool,
}

impl History {
    /// What plugins keep of a uid, newest first.
    pub fn kept_elsewhere(&self, uid: &str, window: Window, reach: &Reach, but: Option<&str>) -> Vec<StoredEvent> {
        let Some(sources) = self.sources.get() else { return Vec::new() };
        let ask = HistoryAsk {
            uid: uid.to_owned(),
            from: window.from,
            to: window.to,
            groups: reach.groups.clone(),
            user: reach.user.clone(),
        };
        let mut all = sources.events(&ask, but);
        all.retain(|e| (window.from..=window.to).contains(&e.received));
        all.sort_by_key(|e| std::cmp::Reverse(e.received));
        all
    }

    /// The newest event of a uid, whoever keeps it.
    ///
    /// # Errors
    /// The database's.
    pub fn newest(&self, uid: &str, reach: &Reach, but: Option<&str>) -> Result<Option<StoredEvent>, StoreError> {
        let ours = self.latest(uid, reach)?;
        let theirs = self.kept_elsewhere(uid, Window::ALL, reach, but).into_iter().next();
        Ok(match (ours, theirs) {
            (Some(ours), Some(theirs)) if theirs.received > ours.received => Some(theirs),
            (Some(ours), _) => Some(ours),
            (None, theirs) => theirs,
        })
    }

    /// All events of a uid.
    ///
    /// # Errors
    /// The database's.
    pub fn all(
        self: &Arc<Self>,
        uid: &str,
        window: Window,
        reach: &Reach,
        but: Option<&str>,
    ) -> Result<Merged, StoreError> {
        let theirs = self.kept_elsewhere(uid, window, reach, but);
        let count = self.count(uid, window, reach, MOST + 1)? + theirs.len();
        let search = Search {
            uid: Some(uid.to_owned()),
            window,
            area: None,
            types: Vec::new(),
            chat: false,
            listed: false,
            reach: reach.clone(),
        };
        let ours = self.search(search);
        Ok(Merged { ours, ahead: Vec::new(), theirs, left: MOST.min(count), truncated: count > MOST })
    }
}

impl Merged {
    /// How many events come.
    pub fn len(&self) -> usize {
        self.left
    }

    /// None come.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The next events; empty = no more.
    ///
    /// # Errors
    /// The database's.
    pub fn page(&mut self) -> Result<Vec<StoredEvent>, StoreError> {
        if self.left == 0 {
            return Ok(Vec::new());
        }
        if self.ahead.is_empty() {
            self.ahead = self.ours.page()?;
        }
        let ours = std::mem::take(&mut self.ahead);
        // What is older than this page's oldest waits for the next one.
        let oldest = ours.last().map_or(i64::MIN, |e| e.received);
        let split = self.theirs.partition_point(|e| e.received >= oldest);
        let rest = self.theirs.split_off(split);
        let mut page = std::mem::replace(&mut self.theirs, rest);
        page.extend(ours);
        page.sort_by_key(|e| std::cmp::Reverse(e.received));
        page.truncate(self.left);
        self.left = if page.is_empty() { 0 } else { self.left - page.len() };
        Ok(page)
    }
}
