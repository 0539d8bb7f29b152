//! What fts plugins are built on.
//!
//! [`cot`] is the event model: attribute spans over the received bytes, access to `<detail>`, edits that keep every
//! byte they do not touch, and a builder for events of one's own. It is pure (no I/O, no clock of its own, no global
//! state) and shared with the server's hot path. The stable interface (`abi`, `sdk`, `shim`, `testkit`) arrives with
//! the plugin host.
pub mod cot;
