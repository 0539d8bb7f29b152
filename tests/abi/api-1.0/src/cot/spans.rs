//! [`Spans`]: where things are in the text of one event. Offsets only, never text: an event is its bytes and this table.
//! [`Span`] and [`Child`] cross to plugins as they are, so their layout is part of the interface (`abi`).

use smallvec::SmallVec;

/// Half-open byte range into an event's text. `start == 0` never is a value's place, so `Span::NONE` means absent.
#[repr(C)]
#[derive(abi_stable::StableAbi, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Absent.
    pub const NONE: Span = Span { start: 0, end: 0 };
    /// True when there is a value (it may be empty text).
    pub fn is_some(self) -> bool {
        self.start != 0
    }
    /// The bytes of this span.
    pub fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or(&[])
    }
    /// Length in bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }
    /// True when there is no text in it.
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

/// The attributes of `<event>` that are noted, in the order of [`Spans::attrs`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
#[allow(missing_docs)]
pub enum Attr {
    Version,
    Uid,
    Type,
    How,
    Time,
    Start,
    Stale,
    Access,
    Qos,
    Opex,
    Caveat,
    ReleasableTo,
}

/// The attributes of `<point>`, in the order of [`Spans::point`]. lat/lon in degrees, hae/ce/le in metres.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
#[allow(missing_docs)]
pub enum PointAttr {
    Lat,
    Lon,
    Hae,
    Ce,
    Le,
}

/// A direct child of `<detail>`.
#[repr(C)]
#[derive(abi_stable::StableAbi, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Child {
    /// The element's name as written (prefix included).
    pub name: Span,
    /// From its `<` to one past its last `>`.
    pub whole: Span,
}

/// Where things are in the text of one event. All offsets are relative to the first byte of the text, which is the `<`
/// of `<event`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Spans {
    /// Values of the event's attributes without their quotes, indexed by [`Attr`].
    pub attrs: [Span; 12],
    /// Where a further attribute of `<event` can be inserted (just after the name `event`).
    pub event_insert: u32,
    /// Values of the first `<point>` child's attributes, indexed by [`PointAttr`].
    pub point: [Span; 5],
    /// Where a further attribute of `<point` can be inserted (just after its name); 0 = there is no point.
    pub point_insert: u32,
    /// The first `<detail>` from `<` to one past the last `>`; NONE when absent.
    pub detail: Span,
    /// What is between `<detail …>` and `</detail>`; NONE when the detail is absent or `<detail/>`.
    pub detail_inner: Span,
    /// Direct children of the first detail, in document order.
    pub children: SmallVec<[Child; 12]>,
    /// Offset of the `</event` end tag (or of `/>` for an empty element).
    pub end_tag: u32,
}

impl Attr {
    /// The attribute of `<event>` with this name, if it is one that is noted.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"version" => Attr::Version,
            b"uid" => Attr::Uid,
            b"type" => Attr::Type,
            b"how" => Attr::How,
            b"time" => Attr::Time,
            b"start" => Attr::Start,
            b"stale" => Attr::Stale,
            b"access" => Attr::Access,
            b"qos" => Attr::Qos,
            b"opex" => Attr::Opex,
            b"caveat" => Attr::Caveat,
            b"releasableTo" => Attr::ReleasableTo,
            _ => return None,
        })
    }
}

impl PointAttr {
    /// The attribute of `<point>` with this name.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"lat" => PointAttr::Lat,
            b"lon" => PointAttr::Lon,
            b"hae" => PointAttr::Hae,
            b"ce" => PointAttr::Ce,
            b"le" => PointAttr::Le,
            _ => return None,
        })
    }
}
