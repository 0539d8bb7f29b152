//! What the server asks a plugin ([`Registrar`]): events it keeps, whether files may go or be had, imports, how it fares.
//!
//! Asked on the plugin's request pool or a thread of its own, because the worker may be busy; within 2 s, and never about a
//! call the same plugin made.
use super::{Deletion, Error, HistoryAsk, MayRead, Registrar, Result, StoredEvent};
use crate::message::{self, CallerKind, Status};

impl Registrar<'_> {
    /// Events of a uid that the plugin keeps itself. It answers what the asker may see: the server does not know.
    pub fn history_source<F>(&mut self, f: F)
    where
        F: Fn(&HistoryAsk) -> Result<Vec<StoredEvent>> + Send + Sync + 'static,
    {
        self.call(CallerKind::HistorySource, "history source", move |ask: HistoryAsk| f(&ask));
    }

    /// A stored file (SHA-256, hex) is about to go; Some = it must stay, and why.
    pub fn before_delete<F>(&mut self, f: F)
    where
        F: Fn(&str) -> Option<String> + Send + Sync + 'static,
    {
        self.call(CallerKind::BeforeDelete, "before delete", move |hash: String| Ok::<_, String>(f(&hash)));
    }

    /// As [`Registrar::before_delete`], with who wants it to go: a plugin may let go of what somebody deletes, and keep what
    /// has only expired. It has 2 s, on a thread of its own.
    pub fn deletion<F>(&mut self, f: F)
    where
        F: Fn(&Deletion) -> Option<String> + Send + Sync + 'static,
    {
        self.call(CallerKind::Deletion, "deletion", move |deletion: Deletion| Ok::<_, String>(f(&deletion)));
    }

    /// Rows of another server's databases, a FreeTAKServer's: (section, rows) → report. Sections and rows are those of the kind the
    /// plugin owns (operations.md 8). The report is an object, whose members may be left out: `imported` and `skipped` (table
    /// → number of rows), `failed` (a list of `table`, `key`, `why`), `notes` (a list of texts), `guid`. The operator is shown
    /// them. Ten minutes are given, not 2 s; the next rows come when these are done. The same rows may come again: what
    /// is there already is skipped.
    pub fn import<F>(&mut self, f: F)
    where
        F: Fn(&str, serde_json::Value) -> Result<serde_json::Value> + Send + Sync + 'static,
    {
        self.call(CallerKind::Import, "import", move |(section, rows): (String, String)| {
            let parsed = serde_json::from_str(&rows)?;
            // They may be large: one form of them at a time.
            drop(rows);
            Ok::<_, Error>(f(&section, parsed)?.to_string())
        });
    }

    /// How it fares, asked for `/readyz`.
    pub fn health<F>(&mut self, f: F)
    where
        F: Fn() -> (message::Level, String) + Send + Sync + 'static,
    {
        self.call(CallerKind::Health, "health", move |()| {
            let (level, text) = f();
            Ok::<_, String>(Status { level, text })
        });
    }

    /// Somebody fetches a file whose groups it receives none of: true = it may have it all the same.
    pub fn file_reader<F>(&mut self, f: F)
    where
        F: Fn(&MayRead) -> Result<bool> + Send + Sync + 'static,
    {
        self.call(CallerKind::MayRead, "file reader", move |ask: MayRead| f(&ask));
    }
}
