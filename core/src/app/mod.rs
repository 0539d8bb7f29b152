//! Boot order, phases, signals, shutdown: the table of contents of the program.
pub mod canary;
pub mod node;
