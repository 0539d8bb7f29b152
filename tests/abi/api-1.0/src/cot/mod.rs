//! The Cursor-on-Target event: its text as received, where things are in it, and edits as splices.
//!
//! Order of things: [`scan`] checks one complete frame (strict XML 1.0, cot.md RULE-7/8) and notes spans; [`Cot`] keeps
//! text and spans together; [`check`] says whether it is a valid event (RULE-20) and what it must be repaired for
//! (RULE-19, 21); [`Splices`] applies repairs, tags and removals in one copy; [`Builder`] makes events of our own
//! (RULE-18, 22). What must not happen: nothing here re-serialises a received event (RULE-10).
mod build;
mod chars;
mod check;
mod detail;
mod edit;
mod event;
mod scan;
mod spans;
mod time;

pub use build::Builder;
pub use check::{Invalid, Repairs, check};
pub use detail::{Attributes, Element, unescape};
pub use edit::{Splices, escape_attr, escape_text};
pub use event::{Class, Cot};
pub use scan::{Fault, scan};
pub use spans::{Attr, Child, PointAttr, Span, Spans};
pub use time::{Millis, TimeForm, format_time, parse_time, write_time};

#[cfg(test)]
mod prop_tests;
