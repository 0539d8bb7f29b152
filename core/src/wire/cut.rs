//! [`Cutter`]: the splitter with recovery (cot.md RULE-1..8, 25, 30).

use fts_plugin_api::cot::Spans;

/// Why bytes were not accepted: the `reason` label of `fts_cot_rejected_total`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Reject {
    Utf8,
    Xml,
    Oversize,
    Garbage,
    Schema,
    Doctype,
    Proto,
}

/// What [`Cutter::next`] found.
#[derive(Debug)]
pub enum Frame<'a> {
    /// A well-formed event that passes RULE-20.
    Event { text: &'a [u8], spans: Spans },
    /// `<auth>…</auth>` (RULE-14).
    Auth(&'a [u8]),
    /// Payload of one protobuf stream frame (not decoded yet).
    Message(&'a [u8]),
    /// Bytes given up; `head` is their beginning (at most 200 bytes), for the debug log. `Garbage` and `Proto` runs
    /// are reported once per run.
    Rejected { reason: Reject, head: &'a [u8], detail: &'static str },
}

/// Cuts one connection's byte stream. It keeps positions only, never bytes: the caller owns the buffer and drops what
/// `next` reports as used.
#[derive(Debug)]
pub struct Cutter {
    max: usize,
}

impl Cutter {
    /// A cutter that starts in XML (or protobuf with `proto`), with this size limit in bytes (RULE-6).
    pub fn new(max: usize, proto: bool) -> Self {
        let _ = proto;
        Self { max }
    }
    /// Changes the size limit (after identification).
    pub fn set_limit(&mut self, max: usize) {
        self.max = max;
    }
    /// From the next byte on the stream is protobuf (RULE-28).
    pub fn switch_to_proto(&mut self) {}
    /// True while an unfinished frame waits for more bytes (its age is the caller's to watch, RULE-4b).
    pub fn unfinished(&self) -> bool {
        false
    }
    /// Looks for the next frame in `buf`, which begins where the last `used` ended and may have grown at its end.
    /// Returns how many bytes are used up and the frame that was in them; `None` = nothing complete (then call again
    /// with more bytes after the unused rest).
    pub fn next<'a>(&mut self, buf: &'a [u8]) -> (usize, Option<Frame<'a>>) {
        let _ = buf;
        (0, None)
    }
    /// Gives the unfinished frame up (RULE-4b: older than 10 s): resumes by RULE-5 inside `buf`.
    pub fn give_up<'a>(&mut self, buf: &'a [u8]) -> (usize, Option<Frame<'a>>) {
        let _ = buf;
        (0, None)
    }
}
