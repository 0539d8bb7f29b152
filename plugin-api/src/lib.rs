//! What fts plugins are built on.
//!
//! [`cot`] is the event model, shared with the server's hot path; [`sdk`] is what an author uses; [`abi`] is the frozen
//! interface below it, [`message`] what crosses it as bytes, [`shim`] what keeps panics on their side.
pub mod abi;
pub mod cot;
pub mod message;
pub mod sdk;
pub mod shim;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use tracing;
