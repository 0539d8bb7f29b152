//! Feeds a stream to a [`Cutter`] in pieces and notes what came out, checking what every caller relies on.
//!
//! Order in each round: append a piece, take frames until there is none, drop what was used. At the end the unfinished
//! frame is given up again and again, as the session does after 10 s (RULE-4b). What must not happen: a used count
//! beyond the buffer, a frame from no bytes, or a rest that grows beyond the limit.
use fts_plugin_api::cot::scan;

use crate::wire::{Cutter, Frame, Reject};

/// What came out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// An event's text.
    Event(Vec<u8>),
    /// `<auth>…</auth>`.
    Auth(Vec<u8>),
    /// A protobuf payload.
    Message(Vec<u8>),
    /// Bytes given up.
    Rejected(Reject),
}

/// An `<auth>` may wait for its end this long, whatever the limit (RULE-14).
const AUTH_MOST: usize = 4_096;

/// Feeds `stream` in pieces of these sizes, repeated (0 = all that is left). `on` sees each frame as it is found.
pub fn feed(
    cutter: &mut Cutter,
    limit: usize,
    stream: &[u8],
    pieces: &[u8],
    mut on: impl FnMut(&Out, &mut Cutter),
) -> Vec<Out> {
    let (mut out, mut from, mut to) = (Vec::new(), 0, 0);
    for piece in pieces.iter().cycle() {
        let piece = if *piece == 0 { stream.len() } else { usize::from(*piece) };
        to = stream.len().min(to + piece);
        from += drain(cutter, limit, &stream[from..to], &mut out, &mut on);
        if to == stream.len() {
            break;
        }
    }
    // Giving up comes when everything has arrived, or it would depend on the cuts what is given up.
    while from < stream.len() {
        let (used, frame) = cutter.give_up(&stream[from..]);
        assert!(used > 0 && used <= stream.len() - from, "give_up used {used} of {}", stream.len() - from);
        assert!(frame.is_some(), "bytes given up without a word");
        note(frame, &mut out, cutter, &mut on);
        from += used;
        from += drain(cutter, limit, &stream[from..], &mut out, &mut on);
    }
    out
}

/// Takes frames until there is none; how many bytes they used.
fn drain(
    cutter: &mut Cutter,
    limit: usize,
    buf: &[u8],
    out: &mut Vec<Out>,
    on: &mut impl FnMut(&Out, &mut Cutter),
) -> usize {
    let mut at = 0;
    loop {
        let (used, frame) = cutter.next(&buf[at..]);
        assert!(used <= buf.len() - at, "used {used} of {}", buf.len() - at);
        at += used;
        match frame {
            None => {
                let rest = buf.len() - at;
                assert!(rest <= limit.max(AUTH_MOST) + 8, "{rest} bytes wait at a limit of {limit}");
                assert_eq!(cutter.unfinished(), rest > 0);
                let (more, again) = cutter.next(&buf[at..]);
                assert!(more == 0 && again.is_none(), "something complete was left: {more} {again:?}");
                return at;
            }
            some => {
                assert!(used > 0, "a frame from no bytes");
                note(some, out, cutter, on);
            }
        }
    }
}

fn note(frame: Option<Frame<'_>>, out: &mut Vec<Out>, cutter: &mut Cutter, on: &mut impl FnMut(&Out, &mut Cutter)) {
    let one = match frame {
        None => return,
        Some(Frame::Event { text, spans }) => {
            assert_eq!(Ok(spans), scan(text), "spans of another text");
            Out::Event(text.to_vec())
        }
        Some(Frame::Auth(text)) => Out::Auth(text.to_vec()),
        Some(Frame::Message(payload)) => Out::Message(payload.to_vec()),
        Some(Frame::Rejected { reason, head, .. }) => {
            assert!(head.len() <= 200);
            Out::Rejected(reason)
        }
    };
    on(&one, cutter);
    out.push(one);
}
