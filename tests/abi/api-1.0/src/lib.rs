//! What fts plugins are built on.
//!
//! Who writes a plugin begins with the guide (module `guide`) and uses [`sdk`], [`cot`] and, in tests, `testkit`.
//!
//! [`cot`] is the event model, shared with the server's hot path; [`sdk`] is what an author uses; [`abi`] is the frozen
//! interface below it, [`message`] what crosses it as bytes, [`shim`] what keeps panics on their side.
pub mod abi;
pub mod cot;
// Its examples run in the mock.
#[cfg(any(feature = "testkit", all(doc, not(doctest))))]
pub mod guide;
pub mod message;
pub mod sdk;
pub mod shim;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use tracing;
