//! Peers that do not read, plugins that do not, and too many of everything.
use super::*;

#[test]
fn a_peer_that_stops_reading_fills_its_own_queue_only() {
    let rig = rig();
    let side = rig.side("a");
    let (_, at) = side.listen(&Profile::default());
    let mut dead = stranger(at);
    let (slow, _) = side.accepted();
    let mut lively = stranger(at);
    let (quick, _) = side.accepted();
    let piece = vec![1; 60_000];
    let mut sent = 0;
    let fill = |sent: &mut usize| {
        loop {
            match side.set.write(slow, &piece) {
                Ok(()) => *sent += piece.len(),
                Err(error) => break assert_eq!(error, WriteError::Full),
            }
        }
    };
    fill(&mut sent);
    assert!(sent + piece.len() > 4 << 20, "{sent}");
    assert_eq!(side.set.write(slow, b"x"), Err(WriteError::Full), "small ones neither: order is kept");
    for n in 0..100_u8 {
        lively.write_all(&[n]).unwrap();
        loop {
            match side.next() {
                LinkEvent::Frame { link, bytes, .. } if link == quick => break side.set.write(quick, &bytes).unwrap(),
                // The kernel takes some of what the slow one has.
                LinkEvent::Writable { link } if link == slow => fill(&mut sent),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(read_exact(&mut lively, 1), [n]);
        side.set.processed(quick, 1);
    }
    let reading = std::thread::spawn(move || {
        let count = read_exact(&mut dead, sent).len();
        (count, dead)
    });
    assert!(matches!(side.next(), LinkEvent::Writable { link } if link == slow));
    let (count, _dead) = reading.join().unwrap();
    assert_eq!(count, sent, "nothing is lost");
    side.quiet();
    assert_eq!(side.set.write(slow, b"again"), Ok(()));
}

#[test]
fn reading_pauses_while_64_frames_are_out() {
    let rig = rig();
    let side = rig.side("a");
    let (_, at) = side.listen(&framed(Frames::U32Length { max: 9 }));
    let mut peer = stranger(at);
    let (link, _) = side.accepted();
    for n in 0..200_u8 {
        peer.write_all(&[0, 0, 0, 1, n]).unwrap();
    }
    drop(peer);
    let take = |from: u8, to: u8| {
        for n in from..to {
            let LinkEvent::Frame { number, bytes, .. } = side.next() else { panic!("frame {n}") };
            assert_eq!((number, &bytes[..]), (u64::from(n) + 1, &[n][..]));
        }
    };
    take(0, 64);
    side.quiet();
    side.set.processed(link, 10);
    take(64, 74);
    side.quiet();
    side.set.processed(link, 64);
    take(74, 138);
    side.set.processed(link, 64);
    take(138, 200);
    assert_eq!(side.closed(), End::Clean, "the end comes after the last frame");
}

#[test]
fn four_mebibytes_pause_it_too() {
    let rig = rig();
    let (a, b) = (rig.side("a"), rig.side("b"));
    let profile = framed(Frames::U32Length { max: 3 << 20 });
    let (_, at) = a.listen(&profile);
    let link = b.dial(at, &profile);
    b.up();
    let (there, _) = a.accepted();
    let large = vec![3; 3 << 20];
    b.set.write(link, &large).unwrap();
    for _ in 0..2 {
        let LinkEvent::Frame { bytes, .. } = a.next() else { panic!("a frame") };
        assert_eq!(bytes.len(), large.len());
        while b.set.write(link, &large).is_err() {
            assert!(matches!(b.next(), LinkEvent::Writable { .. }));
        }
    }
    a.quiet();
    a.set.processed(there, 1);
    assert!(matches!(a.next(), LinkEvent::Frame { .. }));
}

#[test]
fn two_hundred_and_fifty_six_links() {
    let rig = rig();
    let (a, b, c) = (rig.side("a"), rig.side("b"), rig.side("c"));
    let (_, at) = a.listen(&Profile::default());
    for _ in 0..MAX_LINKS {
        b.dial(at, &Profile::default());
    }
    let Err(error) = b.set.dial("127.0.0.1", at.port(), &Profile::default(), &b.sink) else { panic!("257 links") };
    assert!(matches!(error, LinkError::TooMany) && error.to_string().contains("256"), "{error}");
    for _ in 0..MAX_LINKS {
        b.up();
        a.accepted();
    }
    c.dial(at, &Profile::default());
    let End::Refused(why) = a.rejected() else { panic!("refused") };
    assert!(why.contains("256"), "{why}");
    c.up();
    assert!(matches!(c.closed(), End::Clean | End::Reset));
    b.set.close_all();
    for _ in 0..MAX_LINKS {
        assert_eq!((a.closed(), b.closed()), (End::Clean, End::Local));
    }
    c.dial(at, &Profile::default());
    a.accepted();
}

#[test]
fn both_sides_write_more_than_fits_and_nobody_waits_for_ever() {
    const FRAMES: u32 = 400;
    let rig = rig();
    let ca = rig.ca("ca");
    let (a, b) = (rig.side("a"), rig.side("b"));
    let mut profile = tls(ca.issue("server"), ca.trust(), ClientCert::Required);
    profile.frames = Frames::U32Length { max: 1 << 20 };
    let (_, at) = a.listen(&profile);
    let link = b.dial(at, &profile);
    b.up();
    let (there, _) = a.accepted();
    let run = |side: Side, link: LinkId| {
        let (mut sent, mut got) = (0, 0);
        loop {
            while sent < FRAMES && side.set.write(link, &sent.to_be_bytes().repeat(16_384)).is_ok() {
                sent += 1;
            }
            if got == FRAMES && sent == FRAMES {
                return side;
            }
            match side.next() {
                LinkEvent::Frame { bytes, .. } => {
                    assert!(bytes.len() == 65_536 && bytes[65_532..] == got.to_be_bytes(), "frame {got}");
                    got += 1;
                    side.set.processed(link, 1);
                }
                LinkEvent::Writable { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    };
    std::thread::scope(|s| {
        let (one, two) = (s.spawn(|| run(a, there)), s.spawn(|| run(b, link)));
        // Kept until both are through.
        let _sides = (one.join().unwrap(), two.join().unwrap());
    });
}

#[test]
fn silent_peers_make_room_for_new_ones() {
    let rig = rig();
    let ca = rig.ca("ca");
    let side = rig.side("a");
    let (_, at) = side.listen(&tls(ca.issue("server"), ca.trust(), ClientCert::None));
    let _silent: Vec<_> = (0..128).map(|_| stranger(at)).collect();
    let peer = tls_stranger(at, &ca.file);
    let End::Refused(why) = side.rejected() else { panic!("refused") };
    assert!(why.contains("longest"), "{why}");
    side.accepted();
    drop(peer);
}

#[test]
fn what_happens_is_counted() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let rig = rig();
    let side = metrics::with_local_recorder(&recorder, || rig.side("fed"));
    let (_, at) = side.listen(&framed(Frames::U32Length { max: 64 << 20 }));
    let _peer = stranger(at);
    let (link, _) = side.accepted();
    // Far more than the kernel takes for somebody who does not read.
    let much = vec![0; 64 << 20];
    side.set.write(link, &much).unwrap();
    assert_eq!(side.set.write(link, &much), Err(WriteError::Full));
    assert_eq!(side.set.write(link, &much), Err(WriteError::Full));
    side.set.close(link);
    assert_eq!(side.closed(), End::TimedOut("what waited could not be sent before closing"));
    let text = recorder.handle().render();
    for name in ["up", "closed", "full"] {
        assert!(text.contains(&format!("fts_link_{name}_total{{plugin=\"fed\"}} 1")), "{name}: {text}");
    }
}
