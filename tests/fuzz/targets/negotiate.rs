//! Negotiation: a stream that begins in XML and switches to protobuf at the byte after an accepted request (RULE-28).
//!
//! Input: four sizes of pieces, then the stream. The switch happens inside of one read or between reads; the frames must
//! be the same. Whatever uid a request has, the answer and the announcement are events and carry it.
#![no_main]

use fts_fuzz::{
    feed::{Out, feed},
    wire::{Cutter, negotiate, proto},
};
use fts_plugin_api::cot::Cot;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 2_048;

fuzz_target!(|data: &[u8]| {
    let [a, b, c, d, stream @ ..] = data else { return };
    let whole = run(stream, &[0]);
    for pieces in [&[*a, *b, *c, *d][..], &[1]] {
        assert_eq!(run(stream, pieces), whole, "cut {pieces:?}");
    }
    if let Ok(version) = std::str::from_utf8(stream) {
        let announced = Cot::parse(negotiate::announcement(version, 1_700_000_000_000)).expect("well-formed");
        assert_eq!(announced.kind(), "t-x-takp-v");
        assert!(!negotiate::asks_for_v1(&announced));
        let answered = Cot::parse(negotiate::answer(version, false, 1_700_000_000_000)).expect("well-formed");
        assert!(proto::encode_stream(&answered).is_ok() || version.len() > 10_000);
    }
});

fn run(stream: &[u8], pieces: &[u8]) -> Vec<Out> {
    feed(&mut Cutter::new(LIMIT, false), LIMIT, stream, pieces, |out, cutter| match out {
        Out::Event(text) => {
            let event = Cot::parse(text.clone()).expect("scanned already");
            if event.kind() == "t-x-takp-q" {
                let accepted = negotiate::asks_for_v1(&event);
                let answer = Cot::parse(negotiate::answer(&event.uid(), accepted, 0)).expect("well-formed");
                assert_eq!((answer.uid(), answer.kind()), (event.uid(), "t-x-takp-r"));
                if accepted {
                    cutter.switch_to_proto();
                }
            }
        }
        Out::Message(payload) => drop(proto::decode(payload)),
        Out::Auth(_) | Out::Rejected(_) => {}
    })
}
