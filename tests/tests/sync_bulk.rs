//! 400 MB up and down by ten clients at once (issue 4): memory bounded, hashes right, and fast enough compared with a plain
//! copy and hash of the same file on the same machine in the same run. Large and slow, so only CI asks for it:
//! `cargo test -p fts-tests --release --test all -- --ignored --nocapture sync_bulk::`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::sync_bed;

use std::{
    io::Read,
    sync::{Arc, Barrier},
    time::Instant,
};

use fts_tests::{Server, Web};
use sync_bed::{Framing, Noise, Repeated, copy_and_hash, fetch, peak, reset_peak, rss, stream};

const CLIENTS: u64 = 10;
const LEN: u64 = 400_000_000;
const GROWTH: u64 = 32 << 20;

/// All clients at once; how long until the last was done, and by how much the server's memory grew.
fn together(server: &Server, work: impl Fn(u64) + Sync) -> (f64, u64) {
    reset_peak(server.pid());
    let before = rss(server.pid());
    let start = Barrier::new(CLIENTS as usize + 1);
    let took = std::thread::scope(|scope| {
        for n in 0..CLIENTS {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(n);
            });
        }
        start.wait();
        Instant::now()
    })
    .elapsed()
    .as_secs_f64();
    (took, peak(server.pid()).saturating_sub(before))
}

#[test]
#[ignore = "4 GB up and 4 GB down"]
fn ten_clients_with_400_megabytes_each() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    // Everything that is made once is there before it is measured.
    let warm =
        stream(&web, "/Marti/sync/upload?name=warm", false, Framing::Length, 2_000_000, &mut Noise::new(9, 2_000_000));
    warm.0.expect(200);
    // Clients and server share the machine: what the clients send is made and hashed before the clock runs.
    let mut block = vec![0; 4 << 20];
    Noise::new(1, block.len() as u64).read_exact(&mut block).unwrap();
    let block: Arc<[u8]> = block.into();
    let source = |n: u64| Repeated::new(n, block.clone(), LEN);
    let hashes: Vec<String> = (0..CLIENTS).map(|n| source(n).sha256()).collect();
    let plain = copy_and_hash(server.dir(), LEN);
    let (up, grown_up) = together(&server, |n| {
        let path = format!("/Marti/sync/missionupload?filename=bulk-{n}.zip");
        let (reply, took) = stream(&web, &path, n % 2 == 0, Framing::Length, LEN, &mut source(n));
        assert!(reply.expect(200).text().ends_with(&hashes[n as usize]));
        println!("client {n}: answered {took:.2} s after the last byte");
    });
    let (down, grown_down) = together(&server, |n| {
        let hash = &hashes[n as usize];
        assert_eq!(fetch(&web, &format!("/Marti/sync/content?hash={hash}")), (200, LEN, hash.clone()));
    });
    let rate = |bytes: u64, took: f64| bytes as f64 / took / 1e6;
    let (copy, up_rate, down_rate) = (rate(LEN, plain), rate(LEN * CLIENTS, up), rate(LEN * CLIENTS, down));
    println!(
        "copy and hash {copy:.0} MB/s; up {up_rate:.0} MB/s, memory +{} MiB; down {down_rate:.0} MB/s, memory +{} MiB",
        grown_up >> 20,
        grown_down >> 20
    );
    assert!(grown_up < GROWTH, "memory grew by {grown_up} bytes during uploads");
    assert!(grown_down < GROWTH, "memory grew by {grown_down} bytes during downloads");
    assert!(up_rate >= 0.7 * copy, "{up_rate:.0} MB/s up, a copy makes {copy:.0} MB/s");
    assert!(down_rate >= 0.7 * copy, "{down_rate:.0} MB/s down, a copy makes {copy:.0} MB/s");
}
