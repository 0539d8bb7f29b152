//! Where an event came from and went to; asked of the host only when a handler wants to know.
use std::cell::OnceCell;

use crate::{
    abi::{ObservedRef, RVec, SourceRef},
    message::{self, RouteInfo, SourceInfo},
};

// The objects of the interface have lifetimes that cannot be shortened; behind these traits they can.
trait From {
    fn conn(&self) -> u64;
    fn describe(&self) -> RVec<u8>;
}

impl From for SourceRef<'_> {
    fn conn(&self) -> u64 {
        SourceRef::conn(self)
    }
    fn describe(&self) -> RVec<u8> {
        SourceRef::describe(self)
    }
}

trait Passed {
    fn journal_id(&self, index: usize) -> u64;
    fn route(&self, index: usize) -> RVec<u8>;
}

impl Passed for ObservedRef<'_> {
    fn journal_id(&self, index: usize) -> u64 {
        ObservedRef::journal_id(self, index)
    }
    fn route(&self, index: usize) -> RVec<u8> {
        ObservedRef::route(self, index)
    }
}

/// Where an intercepted event came from.
pub struct Source<'a> {
    raw: &'a (dyn From + 'a),
    info: OnceCell<SourceInfo>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(raw: &'a SourceRef<'_>) -> Self {
        Self { raw, info: OnceCell::new() }
    }

    /// The connection; 0 = none.
    pub fn conn(&self) -> u64 {
        self.raw.conn()
    }
}

impl std::ops::Deref for Source<'_> {
    type Target = SourceInfo;
    fn deref(&self) -> &SourceInfo {
        self.info.get_or_init(|| message::unpack(self.raw.describe().as_slice()).unwrap_or_default())
    }
}

/// What became of an observed event.
pub struct Route<'a> {
    raw: &'a (dyn Passed + 'a),
    index: usize,
    info: OnceCell<RouteInfo>,
}

impl<'a> Route<'a> {
    pub(crate) fn new(raw: &'a ObservedRef<'_>, index: usize) -> Self {
        Self { raw, index, info: OnceCell::new() }
    }

    /// The event's number in the journal; the same again when it is given a second time. 0 = it is not there (state).
    pub fn journal_id(&self) -> u64 {
        self.raw.journal_id(self.index)
    }
}

impl std::ops::Deref for Route<'_> {
    type Target = RouteInfo;
    fn deref(&self) -> &RouteInfo {
        self.info.get_or_init(|| message::unpack(self.raw.route(self.index).as_slice()).unwrap_or_default())
    }
}
