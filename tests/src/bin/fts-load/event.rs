//! The events the generator sends: real ATAK position reports, chats and markers, as XML or as protobuf frames, made
//! once per client and patched in place for every send.
//!
//! Each carries a [`Mark`] in the `opex` attribute (`s-<name>` = a named simulation): sender, sequence number, time of
//! sending. XML relays that attribute byte for byte and protobuf has a string field for it, so a receiver finds the
//! mark by one search for `s-FL.` whatever the format. What must not happen: a send that allocates or formats numbers.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// What every mark begins with.
pub const BEGIN: &[u8] = b"s-FL.";
/// Length of a whole mark: `s-FL.SSSSS.NNNNNNNN.TTTTTTTTTTTT.K`.
pub const LEN: usize = 34;

/// Position reports: a receiver that is too slow may get only the newest.
pub const POSITION: u8 = b'P';
/// Chats and markers: never lost.
pub const RELIABLE: u8 = b'R';

/// What a receiver reads from an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Number of the sending client.
    pub sender: u32,
    /// Counts from 1 per sender and kind.
    pub seq: u32,
    /// Microseconds since the generator began.
    pub sent_us: u64,
    /// [`POSITION`] or [`RELIABLE`].
    pub kind: u8,
}

impl Mark {
    /// Reads a mark of exactly [`LEN`] bytes; None when it is damaged.
    pub fn read(text: &[u8]) -> Option<Self> {
        let text: &[u8; LEN] = text.try_into().ok()?;
        let mark = Self {
            sender: digits(&text[5..10])? as u32,
            seq: digits(&text[11..19])? as u32,
            sent_us: digits(&text[20..32])?,
            kind: text[33],
        };
        (text[10] == b'.' && text[19] == b'.' && text[32] == b'.').then_some(mark)
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')))
}

fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The wall clock in the forms events need, made once per turn of the loop.
#[derive(Clone, Debug)]
pub struct Stamp {
    now: [u8; 24],
    stale: [u8; 24],
    now_ms: u64,
}

const STALE_MS: u64 = 75_000;

impl Stamp {
    /// The clock at this moment.
    pub fn now() -> Self {
        let now_ms = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(0));
        Self { now: text(now_ms), stale: text(now_ms + STALE_MS), now_ms }
    }

    /// Made anew when the millisecond has changed.
    pub fn refresh(&mut self) {
        let fresh = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(0));
        if fresh != self.now_ms {
            *self = Self { now: text(fresh), stale: text(fresh + STALE_MS), now_ms: fresh };
        }
    }
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`.
fn text(ms: u64) -> [u8; 24] {
    let mut out = *b"2000-01-01T00:00:00.000Z";
    let second = i64::try_from(ms / 1_000).unwrap_or(0);
    if let Ok(time) = OffsetDateTime::from_unix_timestamp(second)
        && let Ok(written) = time.format(&Rfc3339)
        && let Some(whole) = written.as_bytes().get(..19)
    {
        out[..19].copy_from_slice(whole);
    }
    write_digits(&mut out[20..23], ms % 1_000);
    out
}

/// One event of one client, ready but for its mark and its times.
#[derive(Clone, Debug)]
pub struct Template {
    pub(super) bytes: Vec<u8>,
    /// Where the mark begins.
    pub(super) mark: usize,
    /// Where time, start and stale begin.
    pub(super) times: [usize; 3],
    /// Times are 6-byte varints of milliseconds instead of text.
    pub(super) varints: bool,
    /// Eight digits that make a uid or message id unique: patched with the sequence number.
    pub(super) numbers: Vec<usize>,
    /// They begin again at 0 after so many: things that are sent again and again.
    pub(super) things: u32,
    /// Eight digits of the whole sequence number.
    pub(super) serials: Vec<usize>,
}

impl Template {
    /// Finds the places in a finished XML text.
    pub(super) fn of_xml(text: String) -> Self {
        let place = |what: &str| text.find(what).map_or(0, |n| n + what.len());
        let times = [place(" time=\""), place(" start=\""), place(" stale=\"")];
        let places = |what: &str| text.match_indices(what).map(|(n, _)| n).collect();
        let (numbers, serials) = (places(NUMBER), places(SERIAL));
        let mark = place(" opex=\"");
        Self { bytes: text.into_bytes(), mark, times, varints: false, numbers, things: u32::MAX, serials }
    }

    /// So many things that take turns, instead of a new one each time.
    pub(super) fn of_things(self, things: u32) -> Self {
        Self { things: things.max(1), ..self }
    }

    /// The event as it is sent now.
    pub fn stamp(&mut self, seq: u32, sent_us: u64, stamp: &Stamp) -> &[u8] {
        let mark = self.mark;
        write_digits(&mut self.bytes[mark + 11..mark + 19], u64::from(seq));
        write_digits(&mut self.bytes[mark + 20..mark + 32], sent_us);
        for &place in &self.numbers {
            write_digits(&mut self.bytes[place..place + NUMBER.len()], u64::from(seq % self.things));
        }
        for &place in &self.serials {
            write_digits(&mut self.bytes[place..place + SERIAL.len()], u64::from(seq));
        }
        for (n, &place) in self.times.iter().enumerate() {
            if self.varints {
                let ms = if n == 2 { stamp.now_ms + STALE_MS } else { stamp.now_ms };
                self.bytes[place..place + 6].copy_from_slice(&varint6(ms));
            } else {
                let text = if n == 2 { &stamp.stale } else { &stamp.now };
                self.bytes[place..place + 24].copy_from_slice(text);
            }
        }
        &self.bytes
    }

    /// Length on the wire.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Stands where eight digits of the sequence number go besides the mark.
pub(super) const NUMBER: &str = "#NUMBER#";
/// The same where things take turns, but never beginning again.
pub(super) const SERIAL: &str = "#SERIAL#";

/// A varint of exactly six bytes, enough for milliseconds until the year 2109.
pub(super) fn varint6(mut ms: u64) -> [u8; 6] {
    let mut out = [0x80; 6];
    for byte in &mut out {
        *byte |= (ms & 0x7f) as u8;
        ms >>= 7;
    }
    out[5] &= 0x7f;
    out
}

/// The mark of a sender with nothing filled in.
pub(super) fn blank_mark(sender: usize, kind: u8) -> String {
    format!("s-FL.{sender:05}.00000000.000000000000.{}", char::from(kind))
}

/// What a client is called.
pub fn uid(sender: usize) -> String {
    format!("ANDROID-f75{sender:05}")
}

/// What people call it.
pub fn callsign(sender: usize) -> String {
    format!("LOAD-{sender:05}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_in_both_formats() {
        for mut template in [super::super::texts::position(7, 900), super::super::frames::position(7, 900)] {
            let mark = template.mark;
            let stamp = Stamp::now();
            let text = template.stamp(123, 456_789, &stamp).to_vec();
            let read = Mark::read(&text[mark..mark + LEN]);
            assert_eq!(read, Some(Mark { sender: 7, seq: 123, sent_us: 456_789, kind: POSITION }));
        }
    }

    #[test]
    fn times_are_in_the_form_atak_reads() {
        assert_eq!(&text(1_700_000_000_123), b"2023-11-14T22:13:20.123Z");
        assert_eq!(varint6(1_700_000_000_000), [0x80, 0xd0, 0x95, 0xff, 0xbc, 0x31]);
    }
}
