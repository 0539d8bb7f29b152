//! How events are seen across the boundary: borrowed for the length of one call, nothing copied.
use abi_stable::{
    StableAbi, sabi_trait,
    sabi_types::RRef,
    std_types::{RSlice, RVec},
};

use crate::cot::{Child, Span};

/// One event. Empty `attrs` = the receiver scans the text itself.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct EventView<'a> {
    /// The text of `<event>…</event>`.
    pub text: RSlice<'a, u8>,
    /// As `Spans::attrs`.
    pub attrs: RSlice<'a, Span>,
    /// As `Spans::point`.
    pub point: RSlice<'a, Span>,
    /// As `Spans::children`.
    pub children: RSlice<'a, Child>,
    /// event_insert, point_insert, end_tag, detail start and end, detail_inner start and end.
    pub marks: [u32; 7],
}

/// Where an event came from. Asked only by handlers that want to know.
#[sabi_trait]
pub trait Source {
    /// The connection; 0 = none.
    fn conn(&self) -> u64;
    /// A [`crate::message::SourceInfo`].
    #[sabi(last_prefix_field)]
    fn describe(&self) -> RVec<u8>;
}

/// A borrowed [`Source`].
pub type SourceRef<'a> = Source_TO<'a, RRef<'a, ()>>;

/// Events for an observer or a holder, in order.
#[sabi_trait]
pub trait Observed {
    /// How many.
    fn len(&self) -> usize;
    /// One of them.
    fn event(&self, index: usize) -> EventView<'_>;
    /// Its number in the journal; 0 = it is not there.
    fn journal_id(&self, index: usize) -> u64;
    /// A [`crate::message::RouteInfo`].
    fn route(&self, index: usize) -> RVec<u8>;
    /// Called before each event: what the handler sends from now on answers this one. False = skip it.
    #[sabi(last_prefix_field)]
    fn begin(&self, index: usize) -> bool;
}

/// A borrowed [`Observed`].
pub type ObservedRef<'a> = Observed_TO<'a, RRef<'a, ()>>;
