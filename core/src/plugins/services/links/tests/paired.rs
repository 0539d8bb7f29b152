//! Links as socket pairs.
use std::os::unix::net::UnixStream;

use super::*;

fn paired(profile: Profile) -> Profile {
    Profile { pair: true, ..profile }
}

/// The plugin's end, driven without a runtime here.
fn end(side: &Side, link: LinkId) -> UnixStream {
    let end = UnixStream::from(side.set.pair(link).unwrap());
    end.set_nonblocking(false).unwrap();
    end.set_read_timeout(Some(LONG)).unwrap();
    end
}

#[test]
fn both_ways_and_closing_the_end_says_good_bye() {
    let rig = rig();
    let ca = rig.ca("ca");
    let (a, b) = (rig.side("a"), rig.side("b"));
    let (_, at) = a.listen(&tls(ca.issue("server"), ca.trust(), ClientCert::None));
    let link = b.dial(at, &paired(tls(Identity::None, ca.trust(), ClientCert::None)));
    let mut end = end(&b, link);
    assert!(matches!(b.set.pair(link), Err(LinkError::NoPair)), "once");
    end.write_all(b"hello").unwrap();
    b.up();
    let (there, _) = a.accepted();
    assert_eq!(a.bytes(5), b"hello");
    let much: Vec<u8> = (0..1 << 20).map(|n| n as u8).collect();
    a.set.write(there, &much).unwrap();
    assert!(read_exact(&mut end, much.len()) == much);
    assert_eq!(b.set.write(link, b"x"), Err(WriteError::Paired));
    end.write_all(b"bye").unwrap();
    drop(end);
    assert_eq!(a.bytes(3), b"bye");
    assert_eq!((a.closed(), b.closed()), (End::Clean, End::Local));
    b.quiet();
}

#[test]
fn the_peers_end_is_an_end_and_closed_tells_which() {
    let rig = rig();
    let ca = rig.ca("ca");
    let side = rig.side("a");
    let (_, at) = side.listen(&paired(tls(ca.issue("server"), ca.trust(), ClientCert::None)));
    for polite in [true, false] {
        let mut peer = tls_stranger(at, &ca.file);
        let (link, _) = side.accepted();
        let mut end = end(&side, link);
        assert_eq!(read_exact(&mut end, 5), b"hello");
        if polite {
            peer.conn.send_close_notify();
            peer.flush().unwrap();
            assert_eq!(end.read(&mut [0; 8]).unwrap(), 0);
            end.write_all(b"half open").unwrap();
            assert_eq!(read_exact(&mut peer, 9), b"half open");
            drop(end);
            assert_eq!(side.closed(), End::Clean);
            assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0, "close_notify");
        } else {
            drop(peer);
            assert_eq!(end.read(&mut [0; 8]).unwrap(), 0);
            assert_eq!(side.closed(), End::Truncated("TLS ended without close_notify"));
        }
    }
}

#[test]
fn a_plugin_that_ends_its_direction_still_hears_the_answer() {
    let rig = rig();
    let (a, b) = (rig.side("a"), rig.side("b"));
    let (_, at) = a.listen(&paired(Profile::default()));
    let link = b.dial(at, &paired(Profile::default()));
    b.up();
    let (there, _) = a.accepted();
    let (mut asks, mut answers) = (end(&b, link), end(&a, there));
    asks.write_all(b"question").unwrap();
    asks.shutdown(std::net::Shutdown::Write).unwrap();
    let mut all = Vec::new();
    answers.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"question");
    answers.write_all(b"answer").unwrap();
    drop(answers);
    assert_eq!(read_exact(&mut asks, 6), b"answer");
    assert_eq!(asks.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!((a.closed(), b.closed()), (End::Clean, End::Local), "who ended first");
}

#[test]
fn closing_the_link_sends_what_its_end_has_written() {
    let rig = rig();
    let ca = rig.ca("ca");
    let (a, b) = (rig.side("a"), rig.side("b"));
    let (_, at) = a.listen(&tls(ca.issue("server"), ca.trust(), ClientCert::None));
    let link = b.dial(at, &paired(tls(Identity::None, ca.trust(), ClientCert::None)));
    let mut end = end(&b, link);
    b.up();
    a.accepted();
    end.write_all(b"last words").unwrap();
    b.set.close_all();
    assert_eq!(a.bytes(10), b"last words");
    assert_eq!((a.closed(), b.closed()), (End::Clean, End::Local));
    assert_eq!(end.read(&mut [0; 8]).unwrap(), 0);
    assert!(end.write_all(b"more").is_err());
}

#[test]
fn a_pair_nobody_takes_can_be_closed_and_others_have_none() {
    let rig = rig();
    let side = rig.side("a");
    let (_, at) = side.listen(&paired(Profile::default()));
    let _peer = stranger(at);
    let (link, _) = side.accepted();
    side.set.close(link);
    assert_eq!(side.closed(), End::Local);
    assert!(matches!(side.set.pair(link), Err(LinkError::Gone)));
    let (_, at) = side.listen(&Profile::default());
    let _peer = stranger(at);
    let (link, _) = side.accepted();
    assert!(matches!(side.set.pair(link), Err(LinkError::NoPair)));
}

#[test]
fn starttls_in_frames_then_a_pair() {
    let rig = rig();
    let ca = rig.ca("ca");
    let (a, b) = (rig.side("a"), rig.side("b"));
    let starting = |identity| {
        let mut profile = paired(tls(identity, ca.trust(), ClientCert::None));
        profile.frames = Frames::Line { max: 100 };
        profile.tls.as_mut().unwrap().starttls = true;
        profile
    };
    let (_, at) = a.listen(&starting(ca.issue("server")));
    let client = b.dial(at, &starting(Identity::None));
    b.up();
    let (server, _) = a.accepted();
    assert!(matches!(b.set.pair(client), Err(LinkError::NoPair)), "not before TLS");
    b.set.write(client, b"starttls").unwrap();
    assert_eq!(a.frame(), b"starttls");
    a.set.starttls(server, b"proceed", 1).unwrap();
    assert_eq!(b.frame(), b"proceed");
    b.set.starttls(client, b"", 1).unwrap();
    assert!(matches!((a.next(), b.next()), (LinkEvent::Secured { .. }, LinkEvent::Secured { .. })));
    let (mut here, mut there) = (end(&a, server), end(&b, client));
    there.write_all(b"<stream>").unwrap();
    assert_eq!(read_exact(&mut here, 8), b"<stream>");
}
