//! Events too big for a frame and for ATAK's buffer (RULE-12): cot.md 17 line 25 as decision 115 has it for a server
//! without HTTP. XML clients get the event, protobuf clients do not, the drop has its reason, and `fts why` names it.
//! `cot.oversize` does what config/fts.toml says of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fts_tests::{Client, Server, event, fence, join_all};

#[test]
fn line_25_and_decision_115_an_event_too_big_for_a_frame() {
    // (value, do XML clients get it)
    for (value, sent) in [("auto", true), ("filetransfer", true), ("send", true), ("drop", false)] {
        let without_http = Server::build().set("listeners.marti_http.enabled", "false");
        let server = without_http.set("cot.oversize", &format!("\"{value}\"")).start();
        let [mut xml, proto] = join_all(&server, [("X", "XML"), ("P", "PROTO")]);
        let mut proto = proto.negotiate();
        let mut alice = Client::connect(&server);
        let big = event("big", "u-d-f", &format!("<remarks>{}</remarks>", "x".repeat(70_000)));
        alice.send(&big);
        if sent {
            assert_eq!(xml.expect("big").detail("remarks").unwrap().text().len(), 70_000);
        }
        alice.send(&big);
        if sent {
            xml.expect("big");
        }
        fence(&mut alice, &mut [&mut xml, &mut proto]);
        let why = server.cli_json(&["why", "--event", "big", "--to", "PROTO"]);
        if sent {
            assert_eq!(server.metric("fts_cot_dropped_total", &[r#"reason="oversize_proto""#]), 2.0, "{value}");
            let to = &why[0]["clients"][0];
            assert_eq!((&to["outcome"], &to["rule"]), (&"not_delivered".into(), &"oversize".into()), "{value}: {why}");
            let warned = server.logs().iter().filter(|l| l["event"] == "cot.oversize" && l["uid"] == "big").count();
            assert_eq!(warned, 1, "a warning once per uid");
        } else {
            assert_eq!(server.metric("fts_cot_rejected_total", &[r#"reason="oversize""#]), 2.0);
            assert_eq!(why[0]["decision"], "refused: oversize", "{why}");
        }
        // Up to the limit everybody gets it.
        let fits = event("fits", "u-d-f", &format!("<remarks>{}</remarks>", "x".repeat(65_000)));
        alice.send(&fits);
        assert!(xml.expect("fits").raw.len() <= 65_536 && proto.expect("fits").raw.len() <= 65_536);
    }
}
