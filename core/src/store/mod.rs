//! The only SQLite of the process, and the journal: what must survive.
//!
//! [`database`] is one file with one writer and readers on snapshots; the core and every plugin have their own.
//! [`journal`] keeps reliable events until whoever must have them says so (fanout.md 2.7). Nothing here knows routing.
pub mod database;
pub mod journal;
