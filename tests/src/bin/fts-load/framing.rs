//! [`Framing`]: the strict look at one received stream: every byte belongs to a whole event, and nothing stands between
//! two of them (RULE-11, RULE-49). XML until the answer to the protobuf request, frames of `0xBF` + length from then on.

use memchr::memmem;

/// See the file's head.
#[derive(Clone, Debug, Default)]
pub struct Framing {
    rest: Vec<u8>,
    protobuf: bool,
    /// Whole events.
    pub events: u64,
    /// The first thing that was wrong, with the bytes in question.
    pub torn: Option<String>,
}

enum Cut {
    /// A whole event of this length.
    Whole(usize),
    More,
    Torn(&'static str),
}

impl Framing {
    /// Looks at what was read. After the first fault nothing is looked at any more.
    pub fn feed(&mut self, data: &[u8]) {
        if self.torn.is_some() {
            return;
        }
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(data);
        let mut at = 0;
        while at < rest.len() {
            let bytes = &rest[at..];
            match if self.protobuf { frame(bytes) } else { text(bytes) } {
                Cut::Whole(n) => {
                    self.events += 1;
                    self.protobuf |= memmem::find(&bytes[..n], br#"TakResponse status="true""#).is_some();
                    at += n;
                }
                Cut::More => break,
                Cut::Torn(what) => {
                    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]);
                    self.torn = Some(format!("{what} after {} events: {head:?}", self.events));
                    return;
                }
            }
        }
        rest.drain(..at);
        self.rest = rest;
    }
}

const END: &[u8] = b"</event>";

fn text(bytes: &[u8]) -> Cut {
    const DECLARATION: &[u8] = b"<?xml";
    const EVENT: &[u8] = b"<event ";
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(a, b)| a == b);
    if !begins(EVENT) && !begins(DECLARATION) {
        return Cut::Torn("no event begins where one should");
    }
    match memmem::find(bytes, END) {
        None => Cut::More,
        Some(end) if memmem::find(&bytes[1..end], EVENT).is_some() && !begins(DECLARATION) => {
            Cut::Torn("an event begins inside another")
        }
        Some(end) => Cut::Whole(end + END.len()),
    }
}

fn frame(bytes: &[u8]) -> Cut {
    if bytes.first() != Some(&0xBF) {
        return Cut::Torn("no frame begins where one should");
    }
    let mut length = 0;
    for (n, byte) in bytes.iter().skip(1).take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            let whole = 2 + n + length;
            return match bytes.get(2 + n) {
                _ if length == 0 || length > 65_536 => Cut::Torn("a frame of forbidden length"),
                // A TakMessage begins with its event (field 2) here.
                Some(key) if *key != 0x12 => Cut::Torn("a frame without an event"),
                _ if whole <= bytes.len() => Cut::Whole(whole),
                _ => Cut::More,
            };
        }
    }
    if bytes.len() > 5 { Cut::Torn("a length of more than five bytes") } else { Cut::More }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Stamp, frames, texts};

    fn feed(stream: &[u8], piece: usize) -> Framing {
        let mut framing = Framing::default();
        stream.chunks(piece).for_each(|data| framing.feed(data));
        framing
    }

    #[test]
    fn whole_streams_pass_in_any_pieces_and_a_torn_one_does_not() {
        let stamp = Stamp::now();
        let mut stream = texts::position(1, 900).stamp(1, 1, &stamp).to_vec();
        stream.extend_from_slice(br#"<event uid="x"><detail><TakResponse status="true"/></detail></event>"#);
        stream.extend_from_slice(frames::chat(2).stamp(1, 1, &stamp));
        stream.extend_from_slice(frames::position(3, 900).stamp(1, 1, &stamp));
        for piece in [1, 3, 100, stream.len()] {
            let framing = feed(&stream, piece);
            assert_eq!((framing.events, framing.torn), (4, None), "pieces of {piece}");
        }
        stream.drain(892..900);
        assert!(feed(&stream, 64).torn.is_some(), "the end tag of the first is missing");
    }
}
