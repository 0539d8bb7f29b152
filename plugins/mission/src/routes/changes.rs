//! M-21: the history of a mission, newest first, page by page: a million lines cost no more memory than two hundred.
//!
//! Squashed (the default), one query says which lines still mean something, and pages are read by their numbers. The whole
//! history is read backwards from the newest line there was when the request came. No snapshot stays open while a slow
//! client reads. A file that was taken out of the mission is described as long as the server has it.
use fts_plugin_api::sdk::{Host, Result};

use crate::{
    answer::{self, Answer},
    model::{Change, ChangeView, Resource, Subject},
    params,
    part::{self, Part, Pieces},
    store::changes,
    visit::Visit,
    window::Window,
};

/// Lines of one page.
const PAGE: usize = 200;

/// GET `{m}/changes`.
pub fn list(visit: &mut Visit<'_>) -> Answer {
    let desk = visit.desk;
    let window = Window::of(visit.request, desk.host.now())?;
    let sql = desk.host.sql();
    let left = if params::flag(visit.request, "squashed", true)? {
        let mut ids = changes::squashed(&sql, visit.mission.id, window)?;
        ids.reverse();
        Left::Numbers(ids)
    } else {
        Left::Before(changes::newest(&sql)?.saturating_add(1))
    };
    let pages = Pages { host: desk.host.clone(), mission: visit.mission.id, window, left };
    let (lines, filling) = Part::later(desk.host.uuid(), pages.lines());
    answer::filled(desk, answer::CHANGE, lines, vec![filling])
}

/// All changes of a mission in the window up to the number `newest`, newest first, read while they are sent.
pub fn whole(host: &Host, mission: i64, window: Window, newest: i64) -> Pieces {
    Pages { host: host.clone(), mission, window, left: Left::Before(newest.saturating_add(1)) }.lines()
}

enum Left {
    /// Numbers, the next one last.
    Numbers(Vec<i64>),
    /// Everything older than this number.
    Before(i64),
}

struct Pages {
    host: Host,
    mission: i64,
    window: Window,
    left: Left,
}

impl Iterator for Pages {
    type Item = std::result::Result<Vec<Change>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.page() {
            Ok(page) if page.is_empty() => None,
            Ok(page) => Some(Ok(page)),
            Err(error) => {
                // What was sent cannot be taken back: the answer ends here, cut short, and the next call is the end.
                self.left = Left::Numbers(Vec::new());
                Some(Err(error.to_string()))
            }
        }
    }
}

impl Pages {
    fn lines(self) -> Pieces {
        let views = self.map(|page| page.map(|all| all.into_iter().map(Change::into_view).collect()));
        Box::new(part::joined::<ChangeView>(views))
    }

    fn page(&mut self) -> Result<Vec<Change>> {
        let sql = self.host.sql();
        let mut page = match &mut self.left {
            Left::Numbers(ids) if ids.is_empty() => return Ok(Vec::new()),
            Left::Numbers(ids) => {
                let next = ids.split_off(ids.len().saturating_sub(PAGE));
                changes::numbered(&sql, &next)?
            }
            Left::Before(before) => {
                let page = changes::page(&sql, self.mission, self.window, *before, PAGE as i64)?;
                *before = page.last().map_or(*before, |change| change.id);
                page
            }
        };
        for change in &mut page {
            describe(&self.host, change)?;
        }
        Ok(page)
    }
}

/// A file that is not in the mission any more, but in the store.
fn describe(host: &Host, change: &mut Change) -> Result<()> {
    if let Subject::Content(file) = &mut change.subject
        && file.known.is_none()
        && let Some(known) = host.files().get(&file.hash)?
    {
        *file = Resource::from(&known);
    }
    Ok(())
}
