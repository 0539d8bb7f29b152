//! Cost of one event in the scanner, the checks and the edits every event gets.
#![allow(clippy::expect_used)] // A benchmark of a text that does not parse is no benchmark.
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fts_plugin_api::cot::{Cot, Splices, check, scan};

/// A position as ATAK sends it, about 800 bytes.
pub const SA: &str = r#"<event version="2.0" uid="ANDROID-589520ccfcd20f01" type="a-f-G-U-C" how="m-g" time="2026-01-31T10:00:00.123Z" start="2026-01-31T10:00:00.123Z" stale="2026-01-31T10:06:15.123Z"><point lat="45.512345" lon="-75.254321" hae="70.5" ce="10.0" le="9999999.0"/><detail><takv os="34" version="5.2.0.12 (abcdef12).1700000000-CIV" device="GOOGLE PIXEL 8" platform="ATAK-CIV"/><contact endpoint="*:-1:stcp" callsign="VIPER"/><uid Droid="VIPER"/><precisionlocation altsrc="GPS" geopointsrc="GPS"/><__group role="Team Member" name="Cyan"/><status battery="87"/><track course="90.12345678901234" speed="1.5"/><remarks>on the way to the second checkpoint, all is quiet so far, water is running low</remarks></detail></event>"#;

fn cost(c: &mut Criterion) {
    let text = SA.as_bytes();
    let spans = scan(text).expect("well-formed");
    let mut group = c.benchmark_group("event");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("scan", |b| b.iter(|| scan(std::hint::black_box(text))));
    group.bench_function("check", |b| {
        let mut splices = Splices::new();
        b.iter(|| check(std::hint::black_box(text), &spans, 0, &mut splices))
    });
    group.bench_function("tag", |b| {
        let mut out = Vec::with_capacity(4096);
        b.iter(|| {
            out.clear();
            let mut splices = Splices::new();
            splices.flow_tag(text, &spans, "TAK-Server-0123456789abcdef0123456789abcdef", "2026-01-31T10:00:00.123Z");
            splices.apply(text, &spans, &mut out)
        })
    });
    let cot = Cot::parse(text).expect("well-formed");
    group.bench_function("class", |b| b.iter(|| std::hint::black_box(&cot).class()));
    group.bench_function("is_sa", |b| b.iter(|| std::hint::black_box(&cot).is_sa()));
    group.finish();
}

criterion_group!(benches, cost);
criterion_main!(benches);
