//! Framing over real sockets (cot.md 17, lines 1 to 13, and RULE-1 to 14): what stands between events, cuts anywhere,
//! broken events that cost only themselves, limits, `<auth>`, the `TEST` probe.
//!
//! A broken event is always followed by a good one on the same connection: it must arrive, and `sync` shows that the
//! connection is open. That the server writes nothing between events (RULE-11) is asserted by the harness at every
//! event it cuts. The sample files of lines 10 and 11 are in `samples.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    net::TcpStream,
    thread::sleep,
    time::{Duration, Instant},
};

use fts_tests::{Client, Server, event, fence, join_all, marker, marker_to};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// alice and bob, who know each other.
fn pair(server: &Server) -> [Client; 2] {
    join_all(server, [("A", "ALICE"), ("B", "BOB")])
}

/// A server that relays byte for byte, so that what arrives can be compared with what was sent.
fn exact() -> Server {
    Server::build().set("cot.flow_tags", "false").start()
}

fn rejected(server: &Server, reason: &str) -> f64 {
    server.metric("fts_cot_rejected_total", &[&format!("reason=\"{reason}\"")])
}

/// Each of these bytes costs only itself: the next event arrives, the connection stays, `reason` is counted once each.
fn costs_only_itself(broken: &[(&str, Vec<u8>)], reason: &str) {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    for (n, (what, bytes)) in broken.iter().enumerate() {
        let good = marker(&format!("after-{n}"));
        alice.send_bytes(bytes);
        alice.send(&good);
        assert_eq!(bob.next().text(), good, "{what}");
        alice.sync();
        assert_eq!(rejected(&server, reason), (n + 1) as f64, "{what} is counted as {reason}");
    }
    assert_eq!(server.metric("fts_cot_rejected_total", &[]), broken.len() as f64);
}

#[test]
fn line_01_an_event_byte_by_byte_is_one_event() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    let text = marker("bytes");
    for byte in text.as_bytes() {
        alice.send_bytes(&[*byte]);
        // Not to synchronise: each byte shall be a segment of its own.
        sleep(Duration::from_millis(1));
    }
    assert_eq!(bob.next().text(), text);
    fence(&mut alice, &mut [&mut bob]);
}

#[test]
fn line_02_what_may_stand_between_events_is_skipped() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    let declaration = "<?xml version='1.0' encoding='UTF-8'?>\n";
    let comment = "<!-- <event uid='no'/> & between -->";
    for (n, between) in
        ["", "\n", "\r\n", "\t ", "\u{feff}", "\0", declaration, comment, "<?other thing?>", "\n\0\u{feff}"]
            .iter()
            .enumerate()
    {
        let sent: Vec<String> = (0..3).map(|i| marker(&format!("{n}-{i}"))).collect();
        alice.send(&sent.iter().map(|text| format!("{between}{text}")).collect::<String>());
        sent.iter().for_each(|text| assert_eq!(bob.next().text(), text, "{between:?}"));
    }
    assert_eq!(server.metric("fts_cot_rejected_total", &[]), 0.0);
}

#[test]
fn line_03_multi_byte_characters_cut_inside() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    let text = event("utf8", "b-m-p-s-m", "<remarks>Žluť 漢字 😀</remarks>");
    for cut in (1..text.len()).filter(|n| !text.is_char_boundary(*n)) {
        alice.send_bytes(&text.as_bytes()[..cut]);
        // The first part has been read when the server has answered somebody who came later.
        bob.sync();
        alice.send_bytes(&text.as_bytes()[cut..]);
        assert_eq!(bob.next().text(), text);
    }
}

#[test]
fn line_04_a_broken_event_costs_only_itself() {
    let broken = br#"<event version="2.0" uid="x" <broken></event>"#.to_vec();
    costs_only_itself(&[("a tag in a tag", broken)], "xml");
}

#[test]
fn line_05_the_text_of_an_end_tag_inside_of_an_event_is_no_end() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    for (uid, detail) in [
        ("cdata", "<remarks><![CDATA[a ]]&gt; b </event> <event uid='no'> & ]] >]]></remarks>"),
        ("attribute", r#"<link line="&lt;event>&lt;/event&gt;" point='1,2'/>"#),
        ("comment", "<!-- </event> --><remarks/>"),
        ("nested", "<event note='not one of CoT'><event/></event><remarks/>"),
        ("instruction", "<?note </event> ?><remarks/>"),
    ] {
        let text = event(uid, "u-d-f-m", detail);
        alice.send(&text);
        assert_eq!(bob.next().text(), text);
    }
    // White space may stand in the end tag. The test client knows only the plain one, so both come as one piece.
    let both = marker("blank").replace("</event>", "</event \n>") + &marker("behind");
    alice.send(&both);
    assert_eq!(bob.next().text(), both);
    assert_eq!(server.metric("fts_cot_rejected_total", &[]), 0.0);
}

#[test]
fn line_06_an_unclosed_quote_does_not_eat_what_follows() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    let broken = marker("broken").replacen("uid=\"broken\"", "uid=\"broken", 1);
    let good: Vec<String> = (0..5).map(|n| marker(&format!("good-{n}"))).collect();
    alice.send(&(broken + &good.concat()));
    good.iter().for_each(|text| assert_eq!(bob.next().text(), text));
    alice.sync();
    // All of it in single bytes: the same result.
    let broken = marker("again").replacen("lat=\"45.5\"", "lat='45.5", 1);
    (broken + &good.concat()).bytes().for_each(|byte| alice.send_bytes(&[byte]));
    good.iter().for_each(|text| assert_eq!(bob.next().text(), text));
    fence(&mut alice, &mut [&mut bob]);
}

#[test]
fn line_07_garbage_is_skipped_and_counted_once_per_run() {
    let mut binary = Vec::new();
    for seed in 0..20 {
        let mut random = StdRng::seed_from_u64(seed);
        let bytes = (0..10_000).map(|_| random.random::<u8>()).filter(|b| *b != 0xBF).collect();
        binary.push(("random bytes", bytes));
    }
    costs_only_itself(&binary, "garbage");
    let names = ["</event>", "<events>", "<eventually uid='x'/>", "<x><y>z</y></x>", "some text"];
    costs_only_itself(&names.map(|text| (text, text.into())), "garbage");
    costs_only_itself(&[("an empty element", b"<event/>".to_vec())], "schema");
}

#[test]
fn line_08_an_event_of_two_mebibytes_is_dropped_and_takes_no_memory() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    let big = event("big", "b-m-p-s-m", &format!("<remarks>{}</remarks>", "x".repeat(2 << 20)));
    let status = || fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let kib = |name: &str| -> u64 {
        let line = status().lines().find(|l| l.starts_with(name)).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    // The peak counts, not what is left: 5 resets it.
    fs::write(format!("/proc/{}/clear_refs", server.pid()), "5").unwrap();
    let before = kib("VmRSS:");
    let good = marker("next");
    alice.send(&(big + &good));
    assert_eq!(bob.next().text(), good);
    let grown = kib("VmHWM:") - before;
    assert!(grown < 4 * 1_024, "{grown} KiB");
    alice.sync();
    assert_eq!(rejected(&server, "oversize"), 1.0);
}

#[test]
fn line_09_a_dtd_is_refused_at_once() {
    let bomb: String = (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let bomb = format!("<!DOCTYPE event [<!ENTITY l0 \"lol\">{bomb}]>");
    let inside = marker("bomb").replace("<point", &format!("{bomb}<remarks>&l9;</remarks><point"));
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    let time = |alice: &mut Client| {
        let began = Instant::now();
        alice.send(&inside);
        alice.sync();
        began.elapsed()
    };
    // The fastest of a few: the machine may be busy.
    let fastest = (0..10).map(|_| time(&mut alice)).min().unwrap();
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
    assert_eq!(rejected(&server, "doctype"), 10.0);
    // In front of the event it is garbage, and its entities are unknown.
    alice.send(&(bomb + &event("outside", "b-m-p-s-m", "<remarks>&l9;</remarks>")));
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(rejected(&server, "xml"), 1.0);
}

#[test]
fn line_10_a_wrong_encoding_in_the_declaration_is_ignored() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    let text = event("utf16", "b-m-p-s-m", "<remarks>漢字</remarks>");
    alice.send(&format!("<?xml version=\"1.0\" encoding=\"utf-16\" standalone=\"yes\"?>\r\n{text}"));
    assert_eq!(bob.next().text(), text);
}

#[test]
fn line_12_a_thousand_silent_connections_delay_nobody() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    let silent: Vec<TcpStream> = (0..1_000).map(|_| TcpStream::connect(server.address("cot_tcp")).unwrap()).collect();
    // Directed, so that it is their silence that is measured and not the fan-out to them.
    let mut times: Vec<Duration> = (0..101)
        .map(|n| {
            let began = Instant::now();
            alice.send(&marker_to(&format!("{n}"), r#"<dest uid="B"/>"#));
            bob.expect(&format!("{n}"));
            began.elapsed()
        })
        .collect();
    times.sort();
    assert!(times[50] < Duration::from_millis(100), "{:?}", times[50]);
    server.eventually("all of them are accepted", || {
        server.metric("fts_client_connections_total", &["cot_tcp"]) >= 2.0 + silent.len() as f64
    });
}

#[test]
fn line_13_the_test_probe_gets_its_answer_and_nothing_else() {
    let server = Server::build().set("compat.legacy_test_probe", "true").start();
    let [_alice, mut bob] = pair(&server);
    let mut probe = Client::to(server.address("cot_tcp"), "probe");
    probe.send_bytes(b"TEST");
    assert_eq!(probe.bytes_until_close(), b"success");
    let mut slowly = Client::to(server.address("cot_tcp"), "probe");
    let received = || server.metric("fts_cot_bytes_total", &[r#"direction="in""#]);
    let before = received();
    slowly.send_bytes(b"TE");
    server.eventually("the first half is read alone", || received() >= before + 2.0);
    slowly.send_bytes(b"ST");
    assert_eq!(slowly.bytes_until_close(), b"success", "in two segments");
    // Others are not told, and four other bytes are no probe.
    let mut no_probe = Client::connect(&server);
    no_probe.send("TSET");
    fence(&mut no_probe, &mut [&mut bob]);
}

#[test]
fn rule_01_bytes_that_are_no_utf8_cost_their_event() {
    let latin1 = marker("latin").replace("spot", "sp\u{f8}t").into_bytes();
    let at = latin1.windows(2).position(|w| w == [0xC3, 0xB8]).unwrap();
    let cut = [&latin1[..at + 1], &latin1[at + 2..]].concat();
    costs_only_itself(&[("a character cut short", cut)], "utf8");
}

#[test]
fn rule_04b_a_lost_end_does_not_eat_the_next_event() {
    let without_end = |uid: &str| marker(uid).replace("</detail></event>", "").into_bytes();
    let declared = |uid: &str| [&without_end(uid)[..], b"<?xml version='1.0'?>\n"].concat();
    costs_only_itself(
        &[
            ("no end tags", without_end("x")),
            ("no end tags and a declaration", declared("y")),
            ("no </event>", marker("z").replace("</event>", "").into_bytes()),
        ],
        "xml",
    );
}

#[test]
fn rule_04b_an_unfinished_event_is_given_up_after_ten_seconds() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    let good = marker("after");
    let began = Instant::now();
    alice.send(&(marker("open").replace("<contact", "<!-- <contact") + &good));
    assert_eq!(bob.next().text(), good);
    let waited = began.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(15)).contains(&waited), "{waited:?}");
    alice.sync();
    assert_eq!(rejected(&server, "xml"), 1.0);
}

#[test]
fn rule_06_limits_before_identification_and_of_a_listener() {
    let server =
        Server::build().set("cot.flow_tags", "false").listener("narrow", "cot_tcp", "max_event_bytes = 65536").start();
    let sized = |uid: &str, bytes: usize| {
        let around = event(uid, "b-m-p-s-m", "<remarks></remarks>").len();
        event(uid, "b-m-p-s-m", &format!("<remarks>{}</remarks>", "x".repeat(bytes - around)))
    };
    let [mut bob] = join_all(&server, [("B", "BOB")]);
    let mut check = |sender: &mut Client, limit: usize| {
        let exactly = sized("exactly", limit);
        sender.send(&exactly);
        // The positions by which the senders identify come before it.
        assert_eq!(bob.until(|e| e.uid() == "exactly").0.text(), exactly);
        let before = rejected(&server, "oversize");
        sender.send(&sized("over", limit + 1));
        fence(sender, &mut [&mut bob]);
        assert_eq!(rejected(&server, "oversize"), before + 1.0);
    };
    let mut alice = Client::connect(&server);
    check(&mut alice, 262_144);
    let mut narrow = Client::connect_to(&server, "narrow");
    check(&mut narrow, 65_536);
    let mut alice = alice.identify("A", "ALICE");
    let mut narrow = narrow.identify("N", "NARROW");
    check(&mut alice, 1_048_576);
    check(&mut narrow, 65_536);
}

#[test]
fn rule_07_depth_and_number_of_attributes_are_limited() {
    // event and detail are two of the 64.
    let deep = |n: usize| format!("{}{}", "<d>".repeat(n), "</d>".repeat(n));
    let wide = |n: usize| format!("<w {}/>", (0..n).map(|i| format!("a{i}=''")).collect::<Vec<_>>().join(" "));
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    for detail in [deep(62), wide(256)] {
        let text = event("most", "b-m-p-s-m", &detail);
        alice.send(&text);
        assert_eq!(bob.next().text(), text);
    }
    let over = |detail: String| event("over", "b-m-p-s-m", &detail).into_bytes();
    costs_only_itself(&[("65 deep", over(deep(63))), ("257 attributes", over(wide(257)))], "xml");
}

#[test]
fn rule_08_what_is_not_well_formed_costs_only_itself() {
    let bad = |detail: &str| event("bad", "b-m-p-s-m", detail).into_bytes();
    costs_only_itself(
        &[
            ("a name that begins with a digit", bad("<1x/>")),
            ("a comment in a tag", bad("<x <!-- no --> y='1'/>")),
            ("an attribute without quotes", bad("<x y=1/>")),
            ("an attribute without value", bad("<x y/>")),
            ("an attribute twice", bad("<x y='1' y='2'/>")),
            ("no white space between attributes", bad("<x y='1'z='2'/>")),
            ("a raw < in an attribute", bad("<x y='</event>'/>")),
            ("a bare &", bad("<x>a & b</x>")),
            ("an unknown entity", bad("<x>&nbsp;</x>")),
            ("a character that is none", bad("<x>&#0;</x>")),
            ("a control character", bad("<x>\u{1}</x>")),
            ("]]> in text", bad("<x>]]></x>")),
            ("-- in a comment", bad("<!-- a -- b -->")),
            ("end tags crossed", bad("<x><y></x></y>")),
            ("a declaration inside", bad("<?xml version='1.0'?>")),
        ],
        "xml",
    );
}

#[test]
fn rule_08_too_many_invalid_events_end_the_connection() {
    let server = Server::build().set("stream.limits.max_invalid_events", "3").start();
    let [mut alice, mut bob] = pair(&server);
    let invalid = marker("x").replace("lat=\"45.5\"", "lat=\"95\"");
    alice.send(&invalid.repeat(3));
    fence(&mut alice, &mut [&mut bob]);
    alice.send(&invalid);
    alice.expect_close();
    let line = server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "A");
    assert_eq!(line["reason"], "too-many-invalid");
    let patient = Server::build().set("stream.limits.max_invalid_events", "0").start();
    let [mut alice, mut bob] = pair(&patient);
    alice.send(&invalid.repeat(500));
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(rejected(&patient, "schema"), 500.0);
}

#[test]
fn rule_14_auth_is_skipped_silently_while_no_listener_asks_for_it() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    let auth =
        r#"<?xml version="1.0"?><auth><cot username="carol" password="s3&amp;cret" uid="C" callsign="C"/></auth>"#;
    let mut carol = Client::connect(&server);
    let good = marker("behind-auth");
    carol.send(&format!("{auth}{good}"));
    assert_eq!(bob.next().text(), good);
    assert_eq!(alice.next().text(), good);
    // In pieces and in other case of the end tag.
    let auth = auth.replace("</auth>", "</AUTH>");
    auth.bytes().for_each(|byte| carol.send_bytes(&[byte]));
    fence(&mut carol, &mut [&mut alice, &mut bob]);
    assert_eq!(server.metric("fts_cot_rejected_total", &[]), 0.0);
    assert!(!server.logs().iter().any(|l| l.to_string().contains("s3")), "no password in the log");
    // Without an end within 4096 bytes it is garbage, and only that.
    carol.send(&format!("<auth>{}", "x".repeat(5_000)));
    fence(&mut carol, &mut [&mut alice, &mut bob]);
    assert_eq!(rejected(&server, "garbage"), 1.0);
}
