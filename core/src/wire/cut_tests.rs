use proptest::prelude::*;

use super::*;

fn good(uid: &str) -> String {
    format!(
        r#"<event version="2.0" uid="{uid}" type="a-f-G" how="m-g" time="2023-11-14T22:13:20Z" start="2023-11-14T22:13:20Z" stale="2023-11-14T22:19:35Z"><point lat="1" lon="2" hae="3" ce="4" le="5"/><detail><remarks>ž 漢 &lt;/event&gt; <![CDATA[</event>]]></remarks></detail></event>"#
    )
}

/// Feeds the stream in pieces; what came out, as text.
fn cut(stream: &[u8], pieces: impl Iterator<Item = usize>, max: usize) -> Vec<String> {
    let mut cutter = Cutter::new(max, false);
    let (mut rest, mut out, mut from) = (Vec::new(), Vec::new(), 0);
    for to in pieces.chain([stream.len()]) {
        let to = to.min(stream.len());
        if to < from {
            continue;
        }
        rest.extend_from_slice(&stream[from..to]);
        from = to;
        let mut at = 0;
        loop {
            let (used, frame) = cutter.next(&rest[at..]);
            at += used;
            match frame {
                None => break,
                Some(Frame::Event { text, spans }) => {
                    assert_eq!(spans, scan(text).unwrap());
                    out.push(String::from_utf8_lossy(text).into_owned());
                }
                Some(Frame::Auth(text)) => out.push(String::from_utf8_lossy(text).into_owned()),
                Some(Frame::Rejected { reason, .. }) => out.push(format!("{reason:?}")),
                Some(Frame::Message(_)) => panic!("protobuf"),
            }
        }
        rest.drain(..at);
    }
    out
}

fn whole(stream: &str) -> Vec<String> {
    cut(stream.as_bytes(), std::iter::empty(), 1 << 20)
}

/// Events that arrive, by their uid.
fn uids(frames: &[String]) -> Vec<&str> {
    frames.iter().filter(|f| f.starts_with("<event")).map(|f| f.split('"').nth(3).unwrap()).collect()
}

#[test]
fn rule_2_what_may_stand_between_frames() {
    for between in [
        "",
        "\n",
        "\r\n",
        "\u{feff}",
        "\0",
        r#"<?xml version="1.0"?>"#,
        "<?xml version='1.0' encoding='utf-16'?>\n",
        "<!-- c <event -->",
        " \t<?x?><!----> ",
    ] {
        let stream = format!("{between}{}{between}{}{between}{}", good("1"), good("2"), good("3"));
        assert_eq!(whole(&stream), [good("1"), good("2"), good("3")], "{between:?}");
    }
}

#[test]
fn rule_3_and_7_garbage_costs_nothing_else() {
    let stream = format!("</event><events><eventually/>junk{}\u{1}\u{2}x<event/>{}", good("1"), good("2"));
    assert_eq!(uids(&whole(&stream)), ["1", "2"]);
    assert_eq!(whole(&format!("abc<x>def{}", good("1")))[0], "Garbage");
}

#[test]
fn rule_4b_and_5_a_broken_event_costs_only_itself() {
    for broken in [
        r#"<event version="2.0" uid="x" <broken></event>"#,
        r#"<event version="2.0" uid="x type="a-f-G"><point lat="1" lon="2"/></event>"#,
        r#"<event version="2.0" uid="x" type="a"><point lat="1" lon="2"/><detail><remarks>&nbsp;</remarks></detail></event>"#,
        r#"<event version="2.0" uid="x" type="a"><point lat="1" lon="2"/><detail>"#,
        r#"<event version="2.0" uid="x" type="a"><1/></event>"#,
        r#"<event version="2.0" uid="x" type="a"></event>"#,
        r#"<event version="2.0" uid="x" type="a"><!DOCTYPE a [<!ENTITY b "c">]><point lat="1" lon="2"/></event>"#,
        r#"<event version="2.0" uid="x" type="a"><point lat="95" lon="2"/></event>"#,
        r#"<event version="2.0" uid="x" type="a"/>"#,
        "<event version=\"2.0\" uid=\"x\" type=\"a\"><point lat=\"1\" lon=\"2\"/><detail>\u{1}</detail></event>",
    ] {
        let stream = format!("{broken}{}{}", good("1"), good("2"));
        let frames = whole(&stream);
        assert_eq!(uids(&frames), ["1", "2"], "{broken}: {frames:?}");
        assert!(frames.len() >= 3, "the broken one is reported: {frames:?}");
    }
    let declared = format!(r#"<?xml version="1.0"?><event uid="x" type="a"><point <?xml version="1.0"?>{}"#, good("1"));
    assert_eq!(uids(&whole(&declared)), ["1"]);
    let open = format!(r#"<event uid="x" type="a"><point lat="1" lon="2"/><?xml version="1.0"?>{}"#, good("1"));
    assert_eq!(uids(&whole(&open)), ["1"]);
}

#[test]
fn not_utf_8_is_dropped_alone() {
    let mut stream = good("1").replace('ž', "Z").into_bytes();
    let at = stream.iter().position(|b| *b == b'Z').unwrap();
    let last = stream.iter().rposition(|b| *b == b'r').unwrap();
    stream[last] = b'r';
    let place = memmem::find(&stream, b"<remarks>Z").unwrap() + 9;
    stream[place] = 0xFF;
    assert!(at > 0);
    stream.extend(good("2").bytes());
    let frames = cut(&stream, std::iter::empty(), 1 << 20);
    assert_eq!((frames[0].as_str(), uids(&frames)), ("Utf8", vec!["2"]));
}

#[test]
fn rule_6_an_event_over_the_limit_is_dropped_alone() {
    let big = good("big").replace("ž", &"x".repeat(5_000));
    let stream = format!("{big}{}", good("1"));
    for step in [1, 7, 1_000, 10_000] {
        let frames = cut(stream.as_bytes(), (0..stream.len()).step_by(step), 2_000);
        assert_eq!(frames, ["Oversize".to_owned(), good("1")], "step {step}");
    }
}

#[test]
fn rule_14_auth_is_a_frame_and_bytes_behind_it_belong_to_the_stream() {
    let auth = r#"<auth><cot username="a" password="b&amp;c" uid="u"/></auth>"#;
    assert_eq!(whole(&format!("<?xml version=\"1.0\"?>\n{auth}{}", good("1"))), [auth.to_owned(), good("1")]);
    let endless = format!("<auth>{}{}", "x".repeat(5_000), good("1"));
    assert_eq!(uids(&whole(&endless)), ["1"]);
}

#[test]
fn an_unfinished_frame_can_be_given_up() {
    let mut cutter = Cutter::new(1 << 20, false);
    let comment = format!("<event uid=\"x\" type=\"a\"><!-- no end </event>{}", good("1"));
    let (used, frame) = cutter.next(comment.as_bytes());
    assert!(used == 0 && frame.is_none() && cutter.unfinished());
    let (used, frame) = cutter.give_up(comment.as_bytes());
    assert!(matches!(frame, Some(Frame::Rejected { reason: Reject::Xml, .. })));
    let (more, frame) = cutter.next(&comment.as_bytes()[used..]);
    assert!(matches!(frame, Some(Frame::Event { .. })), "{frame:?}");
    assert_eq!(used + more, comment.len());
}

#[test]
fn protobuf_frames_with_garbage_between() {
    let mut cutter = Cutter::new(1_000, true);
    let stream = [&[0, 1, 2, 0xBF, 3][..], b"abc", &[0], &[0xBF, 2], b"de", &[0xBF, 0, 0xBF, 1, 7]].concat();
    let (mut at, mut payloads, mut garbage) = (0, Vec::new(), 0);
    loop {
        let (used, frame) = cutter.next(&stream[at..]);
        at += used;
        match frame {
            Some(Frame::Message(payload)) => payloads.push(payload.to_vec()),
            Some(Frame::Rejected { reason: Reject::Garbage, .. }) => garbage += 1,
            None if used == 0 => break,
            None => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(payloads, [b"abc".to_vec(), b"de".to_vec(), vec![7]]);
    assert_eq!(garbage, 3);
}

#[test]
fn rule_25_garbage_in_several_pieces_holds_no_frame_back() {
    let mut cutter = Cutter::new(1_000, true);
    // Two marks that begin no frame, then a whole frame in the same read.
    let stream = b"\0\xBF\0\xBF\0\xBF\x03abc";
    let (used, frame) = cutter.next(stream);
    assert!(matches!(frame, Some(Frame::Rejected { reason: Reject::Garbage, .. })), "{frame:?}");
    let (more, frame) = cutter.next(&stream[used..]);
    assert!(matches!(frame, Some(Frame::Message(b"abc"))), "{frame:?}");
    assert_eq!(used + more, stream.len());
}

#[test]
fn half_a_bom_in_garbage_is_garbage_however_it_is_cut() {
    let mut cutter = Cutter::new(1_000, false);
    let (used, frame) = cutter.next(b"junk");
    assert!(used == 4 && matches!(frame, Some(Frame::Rejected { reason: Reject::Garbage, .. })));
    assert!(matches!(cutter.next(b"\xEF"), (1, None)) && !cutter.unfinished(), "nothing to give up after 10 s");
}

#[test]
fn a_comment_in_many_pieces_is_not_read_anew_with_each() {
    // 300 KiB byte by byte would be 45 GiB to look at.
    let stream = format!("<!-- {} <event -->{}", "-".repeat(300 * 1024), good("1"));
    let began = std::time::Instant::now();
    let mut cutter = Cutter::new(1 << 20, false);
    let comment = stream.len() - good("1").len();
    for end in 1..comment {
        assert!(matches!(cutter.next(&stream.as_bytes()[..end]), (0, None)), "at {end}");
    }
    let (used, frame) = cutter.next(stream.as_bytes());
    assert!(used == stream.len() && matches!(frame, Some(Frame::Event { .. })));
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

/// Pieces that streams are made of: good events and everything that disturbs them.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => (0..100_u32).prop_map(|n| good(&n.to_string())),
        1 => Just("\n".to_owned()),
        1 => Just(r#"<?xml version="1.0"?>"#.to_owned()),
        1 => Just("<!-- x -->".to_owned()),
        1 => Just("<!-- <event ".to_owned()),
        1 => Just(r#"<event uid="x" type="a"><point lat="1"#.to_owned()),
        1 => Just(r#"<event uid="x" type="a"><!-- "#.to_owned()),
        1 => Just(r#"<event uid="x" type="a"><![CDATA["#.to_owned()),
        1 => Just("</event>".to_owned()),
        1 => Just("<event>".to_owned()),
        1 => Just("<event/>".to_owned()),
        1 => Just("<auth>x</auth>".to_owned()),
        1 => Just("<?".to_owned()),
        1 => "[ -~]{0,30}",
        1 => Just(good("big").replace('ž', &"y".repeat(1_500))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_cut_of_any_stream_gives_the_same_frames(pieces in prop::collection::vec(piece(), 0..12), mut cuts in prop::collection::vec(0..6_000_usize, 0..40)) {
        let stream = pieces.concat();
        cuts.sort_unstable();
        let uncut = cut(stream.as_bytes(), std::iter::empty(), 1_000);
        prop_assert_eq!(&cut(stream.as_bytes(), cuts.into_iter(), 1_000), &uncut);
        prop_assert_eq!(cut(stream.as_bytes(), 0..stream.len(), 1_000), uncut);
    }

    #[test]
    fn bytes_never_panic_and_are_used_up_or_waited_for(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        cut(&bytes, 0..bytes.len(), 100);
    }
}
