//! Stream frames of the TAK protocol: `0xBF`, varint length, payload (cot.md 3.1, RULE-25).

/// What begins the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A whole payload; the frame ends with it.
    Payload {
        /// Its first byte.
        from: usize,
        /// One past its last.
        to: usize,
    },
    /// Bytes that begin no frame.
    Garbage(usize),
    /// Not enough bytes yet.
    Wait,
}

const MARK: u8 = 0xBF;
/// A longer varint is no length.
const VARINT: usize = 5;

/// Looks at the beginning of `buf`. A length of 0 or over `max` makes its mark garbage.
pub fn next(buf: &[u8], max: usize) -> Next {
    match buf.first() {
        None => return Next::Wait,
        Some(&MARK) => {}
        Some(_) => return Next::Garbage(memchr::memchr(MARK, buf).unwrap_or(buf.len())),
    }
    let mut length = 0_u64;
    for n in 0..VARINT {
        let Some(byte) = buf.get(1 + n) else { return Next::Wait };
        length |= u64::from(byte & 0x7F) << (7 * n);
        if byte & 0x80 == 0 {
            let from = n + 2;
            return match usize::try_from(length) {
                Ok(len) if len > 0 && len <= max => {
                    if buf.len() - from < len {
                        Next::Wait
                    } else {
                        Next::Payload { from, to: from + len }
                    }
                }
                _ => Next::Garbage(1),
            };
        }
    }
    Next::Garbage(1)
}

/// The header of a payload of this length.
pub fn header(length: usize) -> impl Iterator<Item = u8> {
    let mut left = Some(length);
    std::iter::once(MARK).chain(std::iter::from_fn(move || {
        let now = left?;
        left = (now > 0x7F).then_some(now >> 7);
        Some((now & 0x7F) as u8 | if now > 0x7F { 0x80 } else { 0 })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_25_lengths() {
        assert_eq!(next(&[MARK, 2, 1, 2, 9], 10), Next::Payload { from: 2, to: 4 });
        assert_eq!(next(&[MARK, 0x80, 0x01], 200), Next::Wait);
        assert_eq!(next(&[MARK, 0], 10), Next::Garbage(1));
        assert_eq!(next(&[MARK, 11], 10), Next::Garbage(1));
        assert_eq!(next(&[MARK, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1], usize::MAX), Next::Garbage(1));
        assert_eq!(next(&[1, 2, MARK], 10), Next::Garbage(2));
        assert_eq!(header(300).collect::<Vec<_>>(), [MARK, 0xAC, 0x02]);
    }
}
