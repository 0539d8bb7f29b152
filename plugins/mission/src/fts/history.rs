//! [`History`]: FTS's changes of a mission, by what they are about: when something was added, and by whom. FTS leaves the
//! author of most of them empty.
use std::{collections::HashMap, ops::RangeInclusive};

use super::{Row, Rows};

/// See the file's head.
pub struct History<'r> {
    changes: HashMap<(&'static str, String), &'r Row>,
    /// From when the mission was made to now, ms UTC.
    life: RangeInclusive<i64>,
}

impl<'r> History<'r> {
    /// The first change of each.
    pub fn of(rows: &'r Rows, life: RangeInclusive<i64>) -> Self {
        let mut all = HashMap::new();
        for change in &rows.mission_change {
            for column in ["content_resource_uid", "cot_detail_uid", "external_data_uid"] {
                let about = change.text(column);
                if !about.is_empty() {
                    all.entry((column, about)).or_insert(change);
                }
            }
            // Some versions name what was added here.
            let about = change.text("content_uid");
            if !about.is_empty() {
                for column in ["content_resource_uid", "cot_detail_uid"] {
                    all.entry((column, about.clone())).or_insert(change);
                }
            }
        }
        Self { changes: all, life }
    }

    pub fn find(&self, column: &'static str, keys: &[&str]) -> Option<&'r Row> {
        keys.iter().find_map(|key| self.changes.get(&(column, (*key).to_owned()))).copied()
    }

    /// The time nearest to this in the life of the mission.
    pub fn within(&self, at: i64) -> i64 {
        at.clamp(*self.life.start(), *self.life.end())
    }

    /// When it was added, and by whom.
    pub fn of_row(&self, row: &Row, column: &'static str, keys: &[&str]) -> (i64, String) {
        let change = self.find(column, keys);
        let at = change.and_then(|c| c.time("server_time").or_else(|| c.time("timestamp")));
        let said = change.map(|c| c.text("creator_uid")).filter(|uid| !uid.is_empty());
        (at.map_or(*self.life.start(), |at| self.within(at)), said.unwrap_or_else(|| row.text("creator_uid")))
    }
}
