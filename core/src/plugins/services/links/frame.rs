//! Bytes to frames and back. [`Decoder`] takes whole frames from the front of a buffer and keeps nothing of its own but
//! how far it has looked; a length is believed only as far as its limit, and no memory is set aside for it.
use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{WriteError, profile::Frames};

/// The largest raw piece.
pub(super) const RAW: usize = 64 * 1024;
/// Below this a frame is copied, so that it does not keep a whole read buffer alive.
const COPY: usize = 4 * 1024;
const LENGTH: usize = 4;

/// Cuts frames.
#[derive(Debug)]
pub(super) struct Decoder {
    frames: Frames,
    /// Bytes of the buffer known to hold no line feed.
    searched: usize,
}

impl Decoder {
    pub fn new(frames: Frames) -> Self {
        Self { frames, searched: 0 }
    }

    /// The next whole frame, None = more bytes are needed.
    ///
    /// # Errors
    /// The text says which limit the peer broke; the link must end.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, String> {
        match self.frames {
            Frames::Raw if buffer.is_empty() => Ok(None),
            Frames::Raw => Ok(Some(cut(buffer, buffer.len().min(RAW)))),
            Frames::U32Length { max } => {
                let Some(length) = buffer.first_chunk::<LENGTH>().map(|l| u32::from_be_bytes(*l)) else {
                    return Ok(None);
                };
                if length > max {
                    return Err(format!("the peer sent a frame of {length} bytes, the limit is {max}"));
                }
                if buffer.len() - LENGTH < length as usize {
                    return Ok(None);
                }
                buffer.advance(LENGTH);
                Ok(Some(cut(buffer, length as usize)))
            }
            Frames::Line { max } => self.line(buffer, max),
        }
    }

    fn line(&mut self, buffer: &mut BytesMut, max: usize) -> Result<Option<Bytes>, String> {
        let too_long = || Err(format!("the peer sent a line of more than {max} bytes"));
        let Some(end) = memchr::memchr(b'\n', &buffer[self.searched..]).map(|n| n + self.searched) else {
            self.searched = buffer.len();
            // One more for the carriage return.
            return if buffer.len() > max.saturating_add(1) { too_long() } else { Ok(None) };
        };
        let length = end - usize::from(end > 0 && buffer[end - 1] == b'\r');
        if length > max {
            return too_long();
        }
        self.searched = 0;
        let mut line = cut(buffer, end + 1);
        line.truncate(length);
        Ok(Some(line))
    }
}

fn cut(buffer: &mut BytesMut, length: usize) -> Bytes {
    if length < COPY {
        let copy = Bytes::copy_from_slice(&buffer[..length]);
        buffer.advance(length);
        return copy;
    }
    buffer.split_to(length).freeze()
}

/// One frame with what goes around it.
pub(super) fn encode(frames: Frames, bytes: &[u8], queue: usize) -> Result<Bytes, WriteError> {
    let limit = |max: usize| if bytes.len() > max { Err(WriteError::TooLong { max }) } else { Ok(()) };
    let mut out = BytesMut::with_capacity(bytes.len() + LENGTH);
    match frames {
        Frames::Raw => limit(queue)?,
        Frames::U32Length { max } => {
            limit(max as usize)?;
            out.put_u32(bytes.len() as u32);
        }
        Frames::Line { max } => {
            limit(max)?;
            // A second line in it would be a second command.
            if memchr::memchr(b'\n', bytes).is_some() {
                return Err(WriteError::NotALine);
            }
        }
    }
    out.put_slice(bytes);
    if matches!(frames, Frames::Line { .. }) {
        out.put_u8(b'\n');
    }
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(frames: Frames, pieces: &[&[u8]]) -> Result<(Vec<Bytes>, usize), String> {
        let (mut decoder, mut buffer, mut out) = (Decoder::new(frames), BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let Some(frame) = decoder.next(&mut buffer)? {
                out.push(frame);
            }
        }
        Ok((out, buffer.len()))
    }

    #[test]
    fn lengths_wherever_the_pieces_end() {
        let whole = b"\0\0\0\x03abc\0\0\0\0\0\0\0\x01d\0\0";
        for size in 1..whole.len() {
            let pieces: Vec<&[u8]> = whole.chunks(size).collect();
            let (frames, left) = all(Frames::U32Length { max: 3 }, &pieces).unwrap();
            assert_eq!(
                (frames, left),
                (vec![Bytes::from("abc"), Bytes::new(), Bytes::from("d")], 2),
                "pieces of {size}"
            );
        }
        let error = all(Frames::U32Length { max: 3 }, &[b"\0\0\0\x04"]).unwrap_err();
        assert!(error.contains("4 bytes") && error.contains('3'), "{error}");
        assert!(all(Frames::U32Length { max: u32::MAX }, &[b"\xff\xff\xff\xffx"]).unwrap().0.is_empty());
    }

    #[test]
    fn lines_with_and_without_carriage_return() {
        let whole = b"one\r\n\ntwo\nthr";
        for size in 1..whole.len() {
            let pieces: Vec<&[u8]> = whole.chunks(size).collect();
            let (frames, left) = all(Frames::Line { max: 3 }, &pieces).unwrap();
            assert_eq!(
                (frames, left),
                (vec![Bytes::from("one"), Bytes::new(), Bytes::from("two")], 3),
                "pieces of {size}"
            );
        }
        assert!(all(Frames::Line { max: 3 }, &[b"four\n"]).is_err());
        assert!(all(Frames::Line { max: 3 }, &[b"four", b"five"]).is_err(), "without waiting for its end");
    }

    #[test]
    fn written_frames_are_read_as_they_were() {
        for frames in [Frames::Raw, Frames::U32Length { max: 10 }, Frames::Line { max: 10 }] {
            let bytes = encode(frames, b"something", 10).unwrap();
            assert_eq!(all(frames, &[&bytes]).unwrap().0, [Bytes::from("something")]);
            assert!(matches!(encode(frames, b"more than ten", 10), Err(WriteError::TooLong { max: 10 })));
        }
        assert!(matches!(encode(Frames::Line { max: 10 }, b"a\nb", 10), Err(WriteError::NotALine)));
    }
}
