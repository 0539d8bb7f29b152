//! Logs, metrics, health: everything an operator can see.
pub mod meters;
