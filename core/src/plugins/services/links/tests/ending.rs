//! How a link ends, and that it is told once.
use super::*;

#[test]
fn a_peer_that_vanishes_inside_a_frame() {
    let rig = rig();
    let side = rig.side("a");
    for (frames, part) in [(Frames::U32Length { max: 9 }, &b"\0\0\0\x05ab"[..]), (Frames::Line { max: 9 }, b"ab")] {
        let (_, at) = side.listen(&framed(frames));
        let mut peer = stranger(at);
        side.accepted();
        peer.write_all(part).unwrap();
        drop(peer);
        assert_eq!(side.closed(), End::Truncated("inside a frame"));
    }
}

#[test]
fn tls_without_close_notify_is_truncated_and_with_it_clean() {
    let rig = rig();
    let ca = rig.ca("ca");
    let side = rig.side("a");
    let (_, at) = side.listen(&tls(ca.issue("server"), ca.trust(), ClientCert::None));
    let silent = tls_stranger(at, &ca.file);
    side.accepted();
    assert_eq!(side.bytes(5), b"hello");
    drop(silent);
    assert_eq!(side.closed(), End::Truncated("TLS ended without close_notify"));
    let mut polite = tls_stranger(at, &ca.file);
    let (link, _) = side.accepted();
    assert_eq!(side.bytes(5), b"hello");
    side.set.write(link, b"bye").unwrap();
    assert_eq!(read_exact(&mut polite, 3), b"bye");
    polite.conn.send_close_notify();
    polite.flush().unwrap();
    assert_eq!(side.closed(), End::Clean);
    assert_eq!(polite.read(&mut [0; 8]).unwrap(), 0, "our close_notify came too");
}

#[test]
fn a_reset_is_one() {
    let rig = rig();
    let side = rig.side("a");
    let (_, at) = side.listen(&Profile::default());
    let peer = stranger(at);
    side.accepted();
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    assert_eq!(side.closed(), End::Reset);
}

#[test]
fn closing_sends_what_waits_and_close_notify() {
    let rig = rig();
    let ca = rig.ca("ca");
    let side = rig.side("a");
    let (_, at) = side.listen(&tls(ca.issue("server"), ca.trust(), ClientCert::None));
    let mut peer = tls_stranger(at, &ca.file);
    let (link, _) = side.accepted();
    assert_eq!(side.bytes(5), b"hello");
    let much = vec![5; 3 << 20];
    side.set.write(link, &much).unwrap();
    side.set.close(link);
    let mut got = Vec::new();
    peer.read_to_end(&mut got).expect("close_notify at the end");
    assert!(got == much);
    assert_eq!(side.closed(), End::Local);
}

#[test]
fn a_handshake_that_does_not_come() {
    let rig = rig();
    let ca = rig.ca("ca");
    let side = rig.side("a");
    let mut profile = tls(ca.issue("server"), ca.trust(), ClientCert::Required);
    profile.handshake_timeout = Duration::from_millis(30);
    let (_, at) = side.listen(&profile);
    let _silent = stranger(at);
    assert_eq!(side.rejected(), End::TimedOut("TLS handshake"));
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    side.set.dial("127.0.0.1", mute.local_addr().unwrap().port(), &profile, &side.sink).unwrap();
    assert_eq!(side.closed(), End::TimedOut("TLS handshake"));
    let plain = stranger(at);
    (&plain).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(matches!(side.rejected(), End::Refused(_)));
}

#[test]
fn a_dial_closed_on_the_way() {
    let rig = rig();
    let ca = rig.ca("ca");
    let side = rig.side("a");
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let link = side.dial(mute.local_addr().unwrap(), &tls(Identity::None, ca.trust(), ClientCert::None));
    side.set.close(link);
    assert_eq!(side.closed(), End::Local);
    side.quiet();
}

#[test]
fn close_all_ends_everything_once_and_for_good() {
    let rig = rig();
    let ca = rig.ca("ca");
    let (a, b) = (rig.side("a"), rig.side("b"));
    let (_, at) = a.listen(&tls(ca.issue("server"), ca.trust(), ClientCert::None));
    let client = tls(Identity::None, ca.trust(), ClientCert::None);
    for _ in 0..3 {
        b.dial(at, &client);
        b.up();
        a.accepted();
    }
    a.set.close_all();
    for _ in 0..3 {
        assert_eq!((a.closed(), b.closed()), (End::Local, End::Clean));
    }
    rig.runtime.block_on(async { tokio::time::timeout(LONG, a.set.drained()).await }).unwrap();
    assert_eq!((a.set.count(), b.set.count()), (0, 0));
    let refused = [
        a.set.dial("127.0.0.1", at.port(), &client, &a.sink).err(),
        a.set.listen("127.0.0.1", 0, &Profile::default(), &a.sink).err(),
    ];
    assert!(refused.iter().all(|e| matches!(e, Some(LinkError::Ended))), "{refused:?}");
    assert!(TcpStream::connect(at).is_err(), "nobody listens any more");
    a.quiet();
}

#[test]
fn a_runtime_that_stops_tells_the_end_too() {
    let rig = rig();
    let side = rig.side("a");
    let (_, at) = side.listen(&Profile::default());
    let _peer = stranger(at);
    side.accepted();
    rig.runtime.shutdown_timeout(LONG);
    assert_eq!(side.closed(), End::Local);
}
