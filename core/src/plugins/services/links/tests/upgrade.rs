//! STARTTLS: the order that works, and plaintext that comes too early.
use super::*;

fn starting(ca: &Ca, identity: Identity) -> Profile {
    let mut profile = tls(identity, ca.trust(), ClientCert::None);
    profile.frames = Frames::Line { max: 100 };
    if let Some(tls) = &mut profile.tls {
        tls.starttls = true;
    }
    profile
}

#[test]
fn plain_first_then_tls() {
    let rig = rig();
    let ca = rig.ca("ca");
    let (a, b) = (rig.side("a"), rig.side("b"));
    let (_, at) = a.listen(&starting(&ca, ca.issue("server")));
    let client = b.dial(at, &starting(&ca, Identity::None));
    assert!(!b.up().tls);
    let (server, peer) = a.accepted();
    assert!(!peer.tls);
    b.set.write(client, b"starttls").unwrap();
    assert_eq!(a.frame(), b"starttls");
    a.set.starttls(server, b"proceed", 1).unwrap();
    assert_eq!(b.frame(), b"proceed");
    b.set.starttls(client, b"", 1).unwrap();
    b.set.write(client, b"written before the handshake").unwrap();
    assert!(matches!(b.set.starttls(client, b"", 1), Err(LinkError::NoStartTls)));
    let LinkEvent::Secured { peer, .. } = b.next() else { panic!("secured") };
    assert_eq!((peer.tls, peer.common_name.as_deref()), (true, Some("server")));
    assert!(matches!(a.next(), LinkEvent::Secured { peer, .. } if peer.tls));
    assert_eq!(a.frame(), b"written before the handshake");
    a.set.write(server, b"welcome").unwrap();
    assert_eq!(b.frame(), b"welcome");
    b.set.close(client);
    assert_eq!((a.closed(), b.closed()), (End::Clean, End::Local));
}

#[test]
fn plaintext_behind_it_ends_the_link() {
    let rig = rig();
    let ca = rig.ca("ca");
    let side = rig.side("a");
    let (_, at) = side.listen(&starting(&ca, ca.issue("server")));
    let early = |why: End| assert!(matches!(&why, End::Protocol(why) if why.contains("STARTTLS")), "{why:?}");

    // A whole line behind: the plugin has it, or will.
    let mut peer = stranger(at);
    peer.write_all(b"starttls\nevil\n").unwrap();
    let (link, _) = side.accepted();
    assert_eq!((side.frame(), side.frame()), (b"starttls".to_vec(), b"evil".to_vec()));
    assert!(matches!(side.set.starttls(link, b"proceed", 1), Err(LinkError::EarlyPlaintext)));
    early(side.closed());
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "the answer was not sent: {rest:?}");

    // The beginning of one.
    let mut peer = stranger(at);
    peer.write_all(b"starttls\nevi").unwrap();
    let (link, _) = side.accepted();
    assert_eq!(side.frame(), b"starttls");
    side.set.starttls(link, b"proceed", 1).unwrap();
    early(side.closed());

    // Behind the answer: it is not TLS.
    let mut peer = stranger(at);
    peer.write_all(b"starttls\n").unwrap();
    let (link, _) = side.accepted();
    assert_eq!(side.frame(), b"starttls");
    side.set.starttls(link, b"proceed", 1).unwrap();
    assert_eq!(read_exact(&mut peer, 8), b"proceed\n");
    peer.write_all(b"evil evil evil\n").unwrap();
    assert!(matches!(side.closed(), End::Refused(_)));
    side.quiet();
}

#[test]
fn only_where_the_profile_has_it_and_nothing_secret_goes_out_in_plain() {
    let rig = rig();
    let ca = rig.ca("ca");
    let side = rig.side("a");
    let (_, plain) = side.listen(&Profile::default());
    let _peer = stranger(plain);
    let (link, _) = side.accepted();
    assert!(matches!(side.set.starttls(link, b"", 0), Err(LinkError::NoStartTls)));
    let (_, at) = side.listen(&starting(&ca, ca.issue("server")));
    let mut peer = stranger(at);
    let (link, _) = side.accepted();
    side.set.starttls(link, b"proceed", 0).unwrap();
    side.set.write(link, b"secret").unwrap();
    side.set.close(link);
    assert_eq!(side.closed(), End::Local);
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    assert!(got.is_empty() || got == b"proceed\n", "{got:?}");
}
