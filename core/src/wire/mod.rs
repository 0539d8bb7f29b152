//! Bytes become events and events become bytes: XML splitter, TAK-protocol frames, negotiation.
//!
//! Order: [`Cutter`] finds frames in a byte stream and checks them; [`proto`] converts between XML and protobuf, once
//! per event and form; [`negotiate`] makes and reads `t-x-takp-*`. Nothing here knows connections, clocks or config.
pub mod cut;
mod event;
mod framed;
pub mod negotiate;
pub mod proto;
mod xml;

pub use cut::{Cutter, Frame, Reject};
pub use event::{Event, Head};
