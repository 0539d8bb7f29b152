//! `kill -9` under load (operations.md 13 line 16, fanout.md 7): what anybody had received is in the history afterwards,
//! once, and the database is whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use fts_tests::{Client, DEADLINE, Server, Web, chat, marker, sa};

/// Rounds; the specification's twenty are a matter of patience (`FTS_ROUNDS`).
fn rounds() -> u32 {
    std::env::var("FTS_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3)
}

/// Which of these the server has, in portions it takes.
fn stored(web: &Web, wanted: &BTreeSet<String>) -> (usize, BTreeSet<String>) {
    let all: Vec<&String> = wanted.iter().collect();
    let (mut events, mut found) = (0, BTreeSet::new());
    for some in all.chunks(500) {
        let body = serde_json::to_vec(&some).unwrap();
        let text = web.post("/Marti/api/cot", "application/json", &body).expect(200).text();
        for tag in text.split("<event ").skip(1) {
            events += 1;
            found.insert(tag.split("uid=\"").nth(1).unwrap().split('"').next().unwrap().to_owned());
        }
    }
    (events, found)
}

#[test]
fn op13_16_what_somebody_received_survives_kill_9() {
    let build = || Server::build().listener("in", "cot_submit", "");
    let mut server = build().start();
    let mut received: BTreeSet<String> = BTreeSet::new();
    for round in 0..rounds() {
        let mut bob = Client::join(&server, "B", "BOB");
        let came = Arc::new(AtomicUsize::new(0));
        let reader = thread::spawn({
            let came = came.clone();
            // The last event may be torn: it was never received.
            let next = move || {
                bob.next_within(DEADLINE).ok().inspect(|_| {
                    came.fetch_add(1, Relaxed);
                })
            };
            move || std::iter::from_fn(next).collect::<Vec<_>>()
        });
        let senders: Vec<_> = (0..2)
            .map(|s| {
                // One way: who only sends need not read what others send.
                let mut sender = Client::to(server.address("in"), "sender");
                let from = (format!("S{s}"), format!("SENDER-{s}"));
                thread::spawn(move || {
                    for n in 0.. {
                        let name = format!("{round}-{s}-{n}");
                        let text = marker(&format!("m-{name}"))
                            + &chat(
                                (&from.0, &from.1),
                                "All Chat Rooms",
                                "All Chat Rooms",
                                "RootContactGroup",
                                &name,
                                "",
                            )
                            + &chat(
                                (&from.0, &from.1),
                                "B",
                                "BOB",
                                "RootContactGroup",
                                &format!("d-{name}"),
                                r#"<dest callsign="BOB"/>"#,
                            )
                            + &sa(&from.0, &from.1);
                        if sender.try_send(text.as_bytes()).is_err() {
                            return;
                        }
                    }
                })
            })
            .collect();
        // In the middle of it: some batches are written, some are not.
        let batches = server.metric("fts_db_write_batch_rows_count", &[]);
        server.eventually("traffic flows", || {
            came.load(Relaxed) > 500 && server.metric("fts_db_write_batch_rows_count", &[]) > batches + 2.0
        });
        server.kill();
        senders.into_iter().for_each(|s| s.join().unwrap());
        let events = reader.join().unwrap();
        let reliable = events.iter().filter(|e| e.kind() != "a-f-G-U-C" && e.kind() != "t-x-d-d");
        let new: BTreeSet<String> = reliable.map(|e| e.uid().to_owned()).collect();
        assert!(new.len() > 100, "only {} events came", new.len());
        received.extend(new);
        server = build().again(&server).start();
        let check = server.cli_json(&["db", "check"]);
        assert_eq!(check["ok"], true, "{check}");
        let (_, found) = stored(&Web::plain(&server, "marti_http"), &received);
        let missing: Vec<_> = received.difference(&found).collect();
        assert!(
            missing.is_empty(),
            "round {round}: {} of {} are missing: {:?}",
            missing.len(),
            received.len(),
            &missing[..missing.len().min(5)]
        );
    }
    // Once: every uid was sent once, and none has a second row.
    let web = Web::plain(&server, "marti_http");
    for uid in received.iter().filter(|u| u.starts_with("m-")).step_by(50) {
        assert_eq!(
            web.get(&format!("/Marti/api/cot/xml/{uid}/all")).expect(200).text().matches("<event ").count(),
            1,
            "{uid}"
        );
    }
}
