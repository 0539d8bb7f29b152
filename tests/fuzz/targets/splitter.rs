//! The splitter: however a stream is cut it gives the same frames, and a broken event costs nothing but its neighbour.
//!
//! Input: one byte for the size limit, four sizes of pieces, then the stream. After the stream two good events are sent:
//! whatever came before, the second must arrive (RULE-4b, 5); the first may be lost with what did not end.
#![no_main]

use fts_fuzz::{
    feed::{Out, feed},
    wire::{Cutter, Reject},
};
use libfuzzer_sys::fuzz_target;

const GOOD: [&str; 2] = [
    r#"<event uid="good-1" type="a-f-G"><point lat="1" lon="2"/></event>"#,
    r#"<event uid="good-2" type="a-f-G"><point lat="1" lon="2"/></event>"#,
];

fuzz_target!(|data: &[u8]| {
    let [limit, a, b, c, d, stream @ ..] = data else { return };
    let limit = 80 + usize::from(*limit) * 8;
    let run = |proto: bool, stream: &[u8], pieces: &[u8]| {
        feed(&mut Cutter::new(limit, proto), limit, stream, pieces, |_, _| {})
    };
    for proto in [false, true] {
        let whole = run(proto, stream, &[0]);
        for pieces in [&[*a, *b, *c, *d][..], &[1]] {
            assert_eq!(run(proto, stream, pieces), whole, "cut {pieces:?}, protobuf {proto}");
        }
        // No byte is delivered twice, and what is delivered lies in the stream in this order.
        let mut rest = stream;
        for out in &whole {
            if let Out::Event(text) | Out::Auth(text) | Out::Message(text) = out {
                assert!(text.len() <= limit.max(4_096));
                let at = memchr::memmem::find(rest, text).expect("in the stream, behind the one before");
                rest = &rest[at + text.len()..];
            }
        }
    }
    let followed = [stream, GOOD[0].as_bytes(), GOOD[1].as_bytes()].concat();
    let out = run(false, &followed, &[0]);
    assert_eq!(out.last(), Some(&Out::Event(GOOD[1].into())), "the stream did not recover: {:?}", tail(&out));
    assert!(!out.iter().any(|o| matches!(o, Out::Rejected(Reject::Proto) | Out::Message(_))));
});

fn tail(out: &[Out]) -> &[Out] {
    &out[out.len().saturating_sub(4)..]
}
