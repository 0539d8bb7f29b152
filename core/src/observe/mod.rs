//! Logs, metrics, health: everything an operator can see.
pub mod clock;
pub mod meters;
