//! Without TLS: frames, echo, connecting.
use super::*;

#[test]
fn raw_bytes_both_ways_and_a_clean_end() {
    let rig = rig();
    let (a, b) = (rig.side("a"), rig.side("b"));
    let (_, at) = a.listen(&Profile::default());
    let link = b.dial(at, &Profile::default());
    assert_eq!(b.set.write(link, b"before it is up"), Ok(()));
    assert_eq!(b.up().address, at);
    let (there, peer) = a.accepted();
    assert!(peer.address.ip().is_loopback() && !peer.tls && peer.chain.is_empty());
    assert_eq!(a.bytes(15), b"before it is up");
    a.set.write(there, b"back").unwrap();
    assert_eq!(b.bytes(4), b"back");
    b.set.write(link, b"last words").unwrap();
    b.set.close(link);
    assert_eq!(b.set.write(link, b"more"), Err(WriteError::Gone));
    assert_eq!(a.bytes(10), b"last words");
    assert_eq!((a.closed(), b.closed()), (End::Clean, End::Local));
    a.quiet();
    assert_eq!((a.set.write(there, b"x"), a.set.count(), b.set.count()), (Err(WriteError::Gone), 0, 0));
}

#[test]
fn u32_frames_however_they_are_written() {
    let rig = rig();
    let side = rig.side("a");
    let (_, at) = side.listen(&framed(Frames::U32Length { max: 100_000 }));
    let mut peer = stranger(at);
    let (link, _) = side.accepted();
    peer.write_all(&[0, 0]).unwrap();
    peer.write_all(&[0, 3, b'a']).unwrap();
    peer.write_all(b"bc\0\0\0\0\0\0\0\x02de").unwrap();
    assert_eq!([side.frame(), side.frame(), side.frame()], [b"abc".to_vec(), vec![], b"de".to_vec()]);
    let large = vec![7; 100_000];
    peer.write_all(&100_000_u32.to_be_bytes()).unwrap();
    peer.write_all(&large).unwrap();
    assert_eq!(side.frame(), large);
    side.set.write(link, b"xyz").unwrap();
    side.set.write(link, b"").unwrap();
    assert_eq!(read_exact(&mut peer, 11), b"\0\0\0\x03xyz\0\0\0\0");
    assert_eq!(side.set.write(link, &[0; 100_001]), Err(WriteError::TooLong { max: 100_000 }));
    peer.write_all(&100_001_u32.to_be_bytes()).unwrap();
    let End::Protocol(why) = side.closed() else { panic!("an oversize frame is a broken rule") };
    assert!(why.contains("100001") && why.contains("100000"), "{why}");
}

#[test]
fn lines() {
    let rig = rig();
    let side = rig.side("a");
    let (_, at) = side.listen(&framed(Frames::Line { max: 8 }));
    let mut peer = stranger(at);
    let (link, _) = side.accepted();
    peer.write_all(b"one\r\ntw").unwrap();
    peer.write_all(b"o\n\n").unwrap();
    assert_eq!([side.frame(), side.frame(), side.frame()], [b"one".to_vec(), b"two".to_vec(), vec![]]);
    side.set.write(link, b"hello\r").unwrap();
    assert_eq!(side.set.write(link, b"a\nb"), Err(WriteError::NotALine));
    assert_eq!(read_exact(&mut peer, 7), b"hello\r\n");
    peer.write_all(b"far too long").unwrap();
    assert!(matches!(side.closed(), End::Protocol(_)));
}

#[test]
fn frames_much_larger_than_a_read() {
    let rig = rig();
    let (a, b) = (rig.side("a"), rig.side("b"));
    let profile = framed(Frames::U32Length { max: 16 << 20 });
    let (_, at) = a.listen(&profile);
    let link = b.dial(at, &profile);
    b.up();
    a.accepted();
    // Larger than the queue: goes when nothing else waits.
    let large: Vec<u8> = (0..6 << 20).map(|n| n as u8).collect();
    b.set.write(link, &large).unwrap();
    assert!(a.frame() == large);
}

#[test]
fn who_cannot_be_reached_is_named() {
    let rig = rig();
    let side = rig.side("a");
    let nobody = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    side.set.dial("127.0.0.1", nobody.port(), &Profile::default(), &side.sink).unwrap();
    let End::Refused(why) = side.closed() else { panic!("refused") };
    assert!(why.contains(&nobody.to_string()), "{why}");
    side.set.dial("no-such-host.invalid", 1, &Profile::default(), &side.sink).unwrap();
    let End::Refused(why) = side.closed() else { panic!("refused") };
    assert!(why.contains("no-such-host.invalid"), "{why}");
    let Err(error) = side.set.listen("localhost", 0, &Profile::default(), &side.sink) else { panic!("not an address") };
    assert!(matches!(error, LinkError::Bind(_)) && error.to_string().contains("localhost"), "{error}");
    assert_eq!(side.set.count(), 0);
}

#[test]
fn a_closed_listener_takes_nobody_and_keeps_who_is_there() {
    let rig = rig();
    let side = rig.side("a");
    let (listener, at) = side.listen(&Profile::default());
    let mut first = stranger(at);
    let (link, _) = side.accepted();
    side.set.close_listener(listener);
    side.set.write(link, b"still").unwrap();
    assert_eq!(read_exact(&mut first, 5), b"still");
    // The task lets the port go in its own time.
    let until = std::time::Instant::now() + LONG;
    while TcpStream::connect(at).is_ok() {
        assert!(std::time::Instant::now() < until, "the port is still open");
        std::thread::yield_now();
    }
}
