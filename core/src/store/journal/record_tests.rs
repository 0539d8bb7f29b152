//! What is written is read again, and no bytes make the reader panic.
use proptest::{collection::vec, prelude::*};

use super::*;

fn any_record() -> impl Strategy<Value = Record> {
    let text = || ".{0,20}";
    let kind = prop::sample::select(vec![Kind::Client, Kind::Datagram, Kind::Server, Kind::Plugin, Kind::Link]);
    let origin = (any::<u64>(), kind, any::<u8>(), text(), text(), text(), text(), vec(text(), 0..4)).prop_map(
        |(conn, kind, hop, user, uid, callsign, plugin, groups)| Origin {
            conn,
            kind,
            hop,
            user,
            uid,
            callsign,
            plugin,
            groups,
        },
    );
    let dest = (text(), text()).prop_map(|(kind, name)| Dest { kind, name });
    (any::<u64>(), any::<i64>(), origin, vec(dest, 0..4), vec(text(), 0..4), vec(any::<u8>(), 0..2_000)).prop_map(
        |(id, received_ms, origin, dests, consumers, bytes)| Record {
            id,
            received_ms,
            origin,
            dests,
            consumers: consumers.into_iter().map(Arc::from).collect(),
            bytes: bytes.into(),
        },
    )
}

fn framed(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    frame(record.id, record, &mut out);
    out
}

proptest! {
    #[test]
    fn a_record_comes_back_as_it_was(record in any_record()) {
        let out = framed(&record);
        let Frame::Good(body) = unframe(&out) else { panic!("not readable") };
        prop_assert_eq!(body.len() + HEAD, out.len());
        prop_assert_eq!(decode(body), Ok(record));
    }

    #[test]
    fn one_flipped_bit_is_noticed(record in any_record(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut out = framed(&record);
        let at = at.index(out.len());
        out[at] ^= 1 << bit;
        prop_assert!(!matches!(unframe(&out), Frame::Good(_)));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(mut bytes in vec(any::<u8>(), 0..200), valid in any::<bool>()) {
        if valid && let Some(first) = bytes.first_mut() {
            *first = VERSION;
        }
        let _ = (decode(&bytes), unframe(&bytes));
    }

    #[test]
    fn a_body_that_is_cut_is_short_or_loses_event_bytes_only(record in any_record(), cut in any::<prop::sample::Index>()) {
        let mut body = Vec::new();
        encode(record.id, &record, &mut body);
        body.truncate(cut.index(body.len()));
        match decode(&body) {
            Ok(read) => prop_assert_eq!(read.bytes.as_ref(), &record.bytes[..read.bytes.len()]),
            Err(why) => prop_assert_eq!(why, Malformed::Short),
        }
    }
}

#[test]
fn a_false_count_allocates_nothing_and_says_short() {
    let mut body = Vec::new();
    encode(1, &Record::default(), &mut body);
    let groups = body.len() - 3;
    body.truncate(groups);
    body.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(decode(&body), Err(Malformed::Short));
    *body.last_mut().unwrap() = 0x7f;
    assert_eq!(decode(&body), Err(Malformed::Length));
}

#[test]
fn zeroes_are_the_end_and_no_record() {
    assert_eq!(unframe(&[0; 64]), Frame::End);
    assert_eq!(unframe(&[0; 3]), Frame::End);
    assert_eq!(unframe(&[]), Frame::End);
    assert_eq!(unframe(&[1, 0]), Frame::Bad { claims: 2, why: Malformed::Short });
}
