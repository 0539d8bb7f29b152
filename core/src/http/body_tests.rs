use axum::http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::http::{
    answer::Answer,
    auth::Identity,
    bed::{Bed, limits, narrow, route, says, until},
};

/// Answers with what it knows of the body: length, hash, where it is, and what all ways of reading it give.
fn about(call: crate::http::call::Call) -> Result<Answer, crate::http::answer::HandlerError> {
    let mut body = call.body;
    let (mut read, mut part) = (Vec::new(), [0; 10_000]);
    while let n @ 1.. = body.read(&mut part).unwrap() {
        read.extend_from_slice(&part[..n]);
    }
    assert_eq!(body.bytes(u64::MAX).unwrap(), read);
    let refused = body.bytes(body.len() - 1).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    let hash: String = body.sha256().iter().map(|b| format!("{b:02x}")).collect();
    let place = body.path().map_or("memory", |p| if p.exists() { "file" } else { "gone" });
    Ok(Answer::bytes("text/plain", format!("{} {place} {hash}", body.len())))
}

#[tokio::test]
async fn a_body_is_whole_hashed_and_spooled_over_the_limit() {
    let bed = Bed::new().await;
    bed.add(route(Method::PUT, "/files", &limits(), about));
    let small = bed.ask("PUT", "/files", &[], "abc").await;
    assert_eq!(small.text(), "3 memory ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (len, place) in [(1 << 20, "memory"), ((1 << 20) + 1, "file"), (5 << 20, "file")] {
        let bytes: Vec<u8> = (0..len).map(|n: u32| (n % 251) as u8).collect();
        let digest = digest::digest(&digest::SHA256, &bytes);
        let hash: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(bed.ask("PUT", "/files", &[], bytes).await.text(), format!("{len} {place} {hash}"));
    }
    assert_eq!(std::fs::read_dir(bed.dir.path()).unwrap().count(), 0, "files go with their bodies");
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_by_its_length_and_by_its_bytes() {
    let bed = Bed::with(|_, body| body.max = 1_000, Identity::nobody()).await;
    bed.add(route(Method::PUT, "/files", &limits(), about));
    bed.add(route(Method::PUT, "/small", &limits(), about).body_limit(10));
    let answer = bed.ask("PUT", "/files", &[], vec![0; 1_001]).await;
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.text(), r#"{"message":"the body is longer than 1000 bytes"}"#);
    assert_eq!(bed.ask("PUT", "/files", &[], vec![0; 1_000]).await.status(), 200);
    assert_eq!(bed.ask("PUT", "/small", &[], vec![0; 11]).await.status(), 413);
    let head = "PUT /files HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut counted = bed.raw(&format!("{head}3e8\r\n{}\r\n1\r\nx\r\n", "y".repeat(1_000))).await;
    let mut answer = [0; 12];
    counted.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_sender_below_the_minimum_rate_is_408() {
    let slow = |_: &mut _, body: &mut BodyLimits| {
        body.window = Duration::from_millis(40);
        body.min_rate = 100;
    };
    let bed = Bed::with(slow, Identity::nobody()).await;
    bed.add(route(Method::PUT, "/files", &limits(), about));
    let mut sender = bed.raw("PUT /files HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc").await;
    let mut answer = [0; 12];
    sender.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn sixty_four_slow_senders_take_no_slot() {
    let bed = Bed::new().await;
    let limits = narrow(16, 0);
    bed.add(route(Method::PUT, "/files", &limits, about));
    bed.add(route(Method::GET, "/quick", &limits, |_| Ok(Answer::bytes("text/plain", "here"))));
    let mut senders = Vec::new();
    for _ in 0..64 {
        senders.push(
            bed.raw("PUT /files HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 64\r\n\r\n").await,
        );
    }
    // The server asks for the body: each of them is being received now.
    for sender in &mut senders {
        let mut asked = [0; 25];
        sender.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        sender.write_all(b"x").await.unwrap();
    }
    for _ in 0..100 {
        assert_eq!(bed.get("/quick").await, (200, "here".into()));
    }
    assert_eq!((limits.free(), limits.waiting()), (16, 0));
    // And they are served when they are done.
    let mut last = senders.pop().unwrap();
    last.write_all(&[b'y'; 63]).await.unwrap();
    let mut answer = [0; 12];
    last.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn a_sender_that_goes_leaves_no_file() {
    let bed = Bed::with(|_, body| body.memory = 10, Identity::nobody()).await;
    bed.add(route(Method::PUT, "/files", &limits(), about));
    bed.add(says("/quick", "here"));
    let count = || std::fs::read_dir(bed.dir.path()).unwrap().count();
    let sender = bed.raw("PUT /files HTTP/1.1\r\nhost: x\r\ncontent-length: 64\r\n\r\n0123456789abcdef").await;
    until("a file", || count() == 1).await;
    drop(sender);
    until("no file", || count() == 0).await;
    assert_eq!(bed.get("/quick").await.0, 200);
}

#[test]
fn a_body_gets_its_place_and_leaves_nothing_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let (tmp, to) = (dir.path().join("tmp"), dir.path().join("place"));
    std::fs::create_dir(&tmp).unwrap();
    let names = |at: &std::path::Path| std::fs::read_dir(at).unwrap().count();
    Body::from(Bytes::from_static(b"from memory")).persist(&to).unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), b"from memory");
    let mut body = Body::from(Bytes::from_static(b"spooled"));
    let mut three = [0; 3];
    assert_eq!(body.read(&mut three).unwrap(), 3);
    assert!(body.spool(&tmp).unwrap().starts_with(&tmp));
    body.sync().unwrap();
    let mut rest = [0; 9];
    assert_eq!((body.read(&mut rest).unwrap(), &rest[..4]), (4, &b"oled"[..]));
    assert_eq!(&body.bytes(9).unwrap()[..], b"spooled");
    body.persist(&to).unwrap();
    assert_eq!((std::fs::read(&to).unwrap(), names(&tmp)), (b"spooled".to_vec(), 0));
    let mut gone = Body::from(Bytes::from_static(b"x"));
    gone.spool(&tmp).unwrap();
    drop(gone);
    assert_eq!(names(&tmp), 0);
    assert!(Body::from(Bytes::new()).persist(&dir.path().join("no/such/place")).is_err());
}
