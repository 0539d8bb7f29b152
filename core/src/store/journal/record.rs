//! One record of the journal and its form on disk.
//!
//! A frame is `length u32 | CRC-32C u32 | body`, little endian; the checksum covers length and body, the length counts
//! the body. The body is `version, id, received, connection, kind, hop, user, uid, callsign, plugin, groups, dests,
//! consumers, bytes`; texts and lists carry their length as a varint, the event's bytes are the rest. Length 0 is the
//! untouched part of a preallocated segment.
//!
//! Whatever the bytes are, reading them does not panic and allocates no more than a small multiple of their number.
use std::sync::Arc;

use bytes::Bytes;

/// Bytes in front of a body.
pub(super) const HEAD: usize = 8;
const VERSION: u8 = 1;

/// What the event came through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Kind {
    #[default]
    Client = 0,
    Datagram = 1,
    Server = 2,
    Plugin = 3,
    Link = 4,
}

/// Where an event came from, as far as a consumer after a restart must know it. Empty texts mean "none".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Number of the connection in the process that wrote the record.
    pub conn: u64,
    /// What it came through.
    pub kind: Kind,
    /// Hops from plugin to plugin (plugins.md 1.2 item 1).
    pub hop: u8,
    /// Login name.
    pub user: String,
    /// The sender's own uid.
    pub uid: String,
    /// Its callsign.
    pub callsign: String,
    /// Name of the plugin that made the event or owns the link.
    pub plugin: String,
    /// Groups the sender may send into, at that time.
    pub groups: Vec<String>,
}

/// One destination: its kind (`mission`, `callsign`, `uid`, …) and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Dest {
    pub kind: String,
    pub name: String,
}

/// One event that must survive until all its consumers are done with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Given by [`super::Journal::append`]; what the caller puts in is ignored there.
    pub id: u64,
    /// When the event was received, ms UTC.
    pub received_ms: i64,
    /// Who sent it.
    pub origin: Origin,
    /// Whom it was addressed to.
    pub dests: Vec<Dest>,
    /// Who must be done with it before it may go (`core`, `observe:mission`, `hold:mission`). Nobody: not kept at all.
    pub consumers: Vec<Arc<str>>,
    /// The event as received.
    pub bytes: Bytes,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A length points behind the end.
    #[error("it ends too early")]
    Short,
    /// Written by a later version.
    #[error("format version {0} is not known")]
    Version(u8),
    /// A number that means no [`Kind`].
    #[error("origin kind {0} is not known")]
    Kind(u8),
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// A varint of more than 32 bits.
    #[error("a length is too large")]
    Length,
    /// The checksum does not fit.
    #[error("checksum mismatch")]
    Checksum,
}

/// What stands at one place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// Nothing was written here yet.
    End,
    /// A body whose checksum fits.
    Good(&'a [u8]),
    /// Torn or damaged; the length is what its head claims.
    Bad { claims: usize, why: Malformed },
}

/// Appends the frame of `record` with the number `id`.
pub(super) fn frame(id: u64, record: &Record, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    encode(id, record, out);
    // An event is limited to a few MiB long before it comes here, and the writer refuses what exceeds a segment.
    let length = ((out.len() - start - HEAD) as u32).to_le_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&length), &out[start + HEAD..]);
    out[start..start + 4].copy_from_slice(&length);
    out[start + 4..start + HEAD].copy_from_slice(&crc.to_le_bytes());
}

/// Looks at the frame at the beginning of `bytes`.
pub(super) fn unframe(bytes: &[u8]) -> Frame<'_> {
    let word = |at: usize| bytes.get(at..at + 4).and_then(|w| w.try_into().ok()).map(u32::from_le_bytes);
    let (Some(length), Some(crc)) = (word(0), word(4)) else {
        return match bytes.iter().any(|b| *b != 0) {
            true => Frame::Bad { claims: bytes.len(), why: Malformed::Short },
            false => Frame::End,
        };
    };
    if length == 0 {
        return Frame::End;
    }
    let claims = HEAD + length as usize;
    match bytes.get(HEAD..claims) {
        None => Frame::Bad { claims, why: Malformed::Short },
        Some(body) if crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), body) != crc => {
            Frame::Bad { claims, why: Malformed::Checksum }
        }
        Some(body) => Frame::Good(body),
    }
}

/// Appends the body of `record` with the number `id`.
pub fn encode(id: u64, record: &Record, out: &mut Vec<u8>) {
    let origin = &record.origin;
    out.push(VERSION);
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&record.received_ms.to_le_bytes());
    out.extend_from_slice(&origin.conn.to_le_bytes());
    out.push(origin.kind as u8);
    out.push(origin.hop);
    for text in [&origin.user, &origin.uid, &origin.callsign, &origin.plugin] {
        put_text(text, out);
    }
    put_number(origin.groups.len(), out);
    origin.groups.iter().for_each(|g| put_text(g, out));
    put_number(record.dests.len(), out);
    for dest in &record.dests {
        put_text(&dest.kind, out);
        put_text(&dest.name, out);
    }
    put_number(record.consumers.len(), out);
    record.consumers.iter().for_each(|c| put_text(c, out));
    out.extend_from_slice(&record.bytes);
}

/// Reads a body.
///
/// # Errors
/// Says what is wrong with bytes that are no body of this version.
pub fn decode(body: &[u8]) -> Result<Record, Malformed> {
    let mut rest = Reader(body);
    match rest.byte()? {
        VERSION => {}
        other => return Err(Malformed::Version(other)),
    }
    let mut record =
        Record { id: rest.word()?, received_ms: i64::from_le_bytes(rest.word()?.to_le_bytes()), ..Record::default() };
    let origin = &mut record.origin;
    origin.conn = rest.word()?;
    origin.kind = match rest.byte()? {
        0 => Kind::Client,
        1 => Kind::Datagram,
        2 => Kind::Server,
        3 => Kind::Plugin,
        4 => Kind::Link,
        other => return Err(Malformed::Kind(other)),
    };
    origin.hop = rest.byte()?;
    for text in [&mut origin.user, &mut origin.uid, &mut origin.callsign, &mut origin.plugin] {
        *text = rest.text()?.to_owned();
    }
    origin.groups = rest.list(|r| r.text().map(ToOwned::to_owned))?;
    record.dests = rest.list(|r| Ok(Dest { kind: r.text()?.to_owned(), name: r.text()?.to_owned() }))?;
    record.consumers = rest.list(|r| r.text().map(Arc::from))?;
    record.bytes = Bytes::copy_from_slice(rest.0);
    Ok(record)
}

fn put_number(number: usize, out: &mut Vec<u8>) {
    let mut left = number;
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put_number(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }
    fn byte(&mut self) -> Result<u8, Malformed> {
        self.take(1)?.first().copied().ok_or(Malformed::Short)
    }
    fn word(&mut self) -> Result<u64, Malformed> {
        self.take(8)?.try_into().map(u64::from_le_bytes).map_err(|_| Malformed::Short)
    }
    fn number(&mut self) -> Result<usize, Malformed> {
        let mut number = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(number).map(|n| n as usize).map_err(|_| Malformed::Length);
            }
        }
        Err(Malformed::Length)
    }
    fn text(&mut self) -> Result<&'a str, Malformed> {
        let n = self.number()?;
        std::str::from_utf8(self.take(n)?).map_err(|_| Malformed::Text)
    }
    /// Every item takes at least one byte, so a false count ends with the bytes.
    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
        (0..self.number()?).map(|_| item(self)).collect()
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
