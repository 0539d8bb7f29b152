//! Logs, metrics, health: everything an operator can see.
pub mod clock;
pub mod linked;
pub mod log;
pub mod meters;
pub mod metrics;
pub mod names;
mod roll;
