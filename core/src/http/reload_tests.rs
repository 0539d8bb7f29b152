//! Reload as the mux sees it: parked requests, replaced routes, calls under way.
use std::{sync::Arc, time::Duration};

use axum::http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http::{
    answer::Answer,
    auth::Identity,
    bed::{Bed, demo, limits, narrow, route, says, until},
    serve::tests::gated,
};

#[tokio::test]
async fn parked_requests_wait_for_the_new_generation() {
    let bed = Arc::new(Bed::new().await);
    bed.stage([says("/x", "old"), says("/old", "old")]).unwrap();
    bed.mux.park(&demo());
    let waiting: Vec<_> = ["/x", "/x", "/old"].map(|path| bed.begin(path)).into();
    // Each request holds a receiver of changes while it waits.
    until("three wait", || bed.mux.changed.receiver_count() == 3).await;
    bed.mux.register(crate::http::route::Owner::Core, says("/core", "core")).unwrap();
    assert_eq!(bed.get("/core").await.0, 200);
    assert!(waiting.iter().all(|w| !w.is_finished()));
    bed.stage([says("/x", "new")]).unwrap();
    let mut answers = Vec::new();
    for one in waiting {
        answers.push(one.await.unwrap());
    }
    assert_eq!(answers[0], (200, "new".into()));
    assert_eq!(answers[1], (200, "new".into()));
    assert_eq!(answers[2].0, 404, "the new one has it no more");
}

#[tokio::test]
async fn unparked_requests_go_on_with_the_old_generation() {
    let bed = Arc::new(Bed::new().await);
    bed.add(says("/x", "old"));
    bed.mux.park(&demo());
    let waiting = bed.begin("/x");
    until("it waits", || bed.mux.changed.receiver_count() == 1).await;
    bed.mux.unpark(&demo());
    assert_eq!(waiting.await.unwrap(), (200, "old".into()));
}

#[tokio::test]
async fn a_reload_that_takes_too_long_is_503() {
    let bed = Bed::with(|mux, _| mux.parked = Duration::from_millis(10), Identity::nobody()).await;
    bed.add(says("/x", "old"));
    bed.mux.park(&demo());
    let reply = bed.ask("GET", "/x", &[], "").await;
    assert_eq!((reply.status(), reply.header("retry-after")), (503, "5"));
    assert_eq!(reply.text(), r#"{"message":"demo is being reloaded; try again"}"#);
}

#[tokio::test]
async fn who_waits_for_a_slot_of_the_old_generation_gets_the_new_one() {
    let bed = Arc::new(Bed::new().await);
    let limits = narrow(1, 10);
    let (old, gate) = gated("/x", &limits);
    bed.add(old);
    let running = bed.begin("/x");
    let gate = gate.entered().await;
    let waiting = bed.begin("/x");
    until("one waits", || limits.waiting() == 1).await;
    bed.stage([says("/x", "new")]).unwrap();
    gate.open.send("old").unwrap();
    assert_eq!(running.await.unwrap(), (200, "old".into()));
    assert_eq!(waiting.await.unwrap(), (200, "new".into()));
}

#[tokio::test]
async fn a_body_on_its_way_during_a_reload_reaches_the_new_generation() {
    let bed = Bed::new().await;
    let answer = |text| route(Method::PUT, "/x", &limits(), move |_| Ok(Answer::bytes("text/plain", text)));
    bed.add(answer("old"));
    let mut sender = bed
        .raw("PUT /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n")
        .await;
    let mut asked = [0; 25];
    sender.read_exact(&mut asked).await.unwrap();
    bed.stage([answer("new")]).unwrap();
    sender.write_all(b"x").await.unwrap();
    let mut reply = String::new();
    sender.read_to_string(&mut reply).await.unwrap();
    assert!(reply.ends_with("\r\n\r\nnew"), "{reply}");
}

#[tokio::test]
async fn drain_waits_for_calls_under_way_and_tells_what_is_left() {
    let bed = Arc::new(Bed::new().await);
    let (slow, gate) = gated("/x", &limits());
    bed.add(slow);
    assert_eq!(bed.mux.drain(&demo(), Duration::ZERO).await, 0);
    let running = bed.begin("/x");
    let gate = gate.entered().await;
    bed.mux.park(&demo());
    assert_eq!(bed.mux.drain(&demo(), Duration::from_millis(10)).await, 1);
    let mux = bed.mux.clone();
    let drained = tokio::spawn(async move { mux.drain(&demo(), Duration::from_secs(20)).await });
    gate.open.send("done").unwrap();
    assert_eq!(drained.await.unwrap(), 0);
    assert_eq!(running.await.unwrap(), (200, "done".into()));
}
