//! The only SQLite of the process, and the journal: what must survive.
//!
//! [`database`] is one file with one writer and readers on snapshots; the core and every plugin have their own.
//! [`journal`] keeps reliable events until whoever must have them says so (fanout.md 2.7). Nothing here knows routing.
pub mod backup;
pub mod check;
mod confine;
mod connection;
pub mod core;
pub mod cursor;
pub mod database;
pub mod devices;
pub mod error;
pub mod export;
pub mod foreign;
mod group;
pub mod history;
pub mod journal;
pub mod migrate;
pub mod probe;
mod readers;
pub mod rows;
pub mod setting;
mod settle;
pub mod snapshot;
pub mod transaction;
mod writer;
