//! TLS: who is believed, and what is known of the peer.
use super::*;
use crate::{
    config::{MinVersion, Sources, load},
    identity::Authority,
};

/// Dials `server` with `client`; the outcome on both sides.
fn meet(rig: &Rig, server: &Profile, client: &Profile) -> (Result<Peer, End>, Result<Peer, End>) {
    let (a, b) = (rig.side("a"), rig.side("b"));
    let (_, at) = a.listen(server);
    b.dial(at, client);
    let here = match a.next() {
        LinkEvent::Accepted { peer, .. } => Ok(peer),
        LinkEvent::Rejected { why, .. } => Err(why),
        other => panic!("{other:?}"),
    };
    let there = match b.next() {
        LinkEvent::Up { peer, .. } if here.is_ok() => Ok(peer),
        // TLS 1.3: the dialling side is done before the other has seen its certificate.
        LinkEvent::Up { .. } => Err(b.closed()),
        LinkEvent::Closed { why, .. } => Err(why),
        other => panic!("{other:?}"),
    };
    (here, there)
}

fn with(profile: &Profile, change: impl FnOnce(&mut TlsProfile)) -> Profile {
    let mut profile = profile.clone();
    change(profile.tls.as_mut().unwrap());
    profile
}

fn refused<T: std::fmt::Debug>(result: Result<T, End>, with: &str) {
    let Err(End::Refused(why)) = result else { panic!("refused, not {result:?}") };
    assert!(why.contains(with), "{why}");
}

#[test]
fn certificates_on_both_sides_are_seen() {
    let rig = rig();
    let ca = rig.ca("ca");
    for version in [MinVersion::V12, MinVersion::V13] {
        let server = tls(ca.issue("server"), ca.trust(), ClientCert::Required);
        let client = with(&tls(ca.issue("client"), ca.trust(), ClientCert::None), |t| t.min_version = version);
        let (Ok(here), Ok(there)) = meet(&rig, &server, &client) else { panic!("they trust each other") };
        assert_eq!((here.common_name.as_deref(), there.common_name.as_deref()), (Some("client"), Some("server")));
        let leaf = CertificateDer::from_pem_file(rig.dir.path().join("server.crt.pem")).unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &leaf);
        let hex: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        assert!(there.tls && there.chain == [leaf.to_vec()] && there.fingerprint == Some(hex));
    }
}

#[test]
fn without_a_certificate_only_where_none_is_demanded() {
    let rig = rig();
    let ca = rig.ca("ca");
    let server = |wanted| tls(ca.issue("server"), ca.trust(), wanted);
    let client = tls(Identity::None, ca.trust(), ClientCert::None);
    let (here, there) = meet(&rig, &server(ClientCert::Required), &client);
    refused(here, "no certificates");
    refused(there, "CertificateRequired");
    let (here, there) = meet(&rig, &server(ClientCert::Optional), &client);
    assert!(here.unwrap().fingerprint.is_none() && there.is_ok());
    assert!(meet(&rig, &server(ClientCert::None), &client).0.is_ok());
    let other = rig.ca("other");
    let foreign = tls(other.issue("foreign"), ca.trust(), ClientCert::None);
    for wanted in [ClientCert::Required, ClientCert::Optional] {
        let (here, there) = meet(&rig, &server(wanted), &foreign);
        refused(here, "UnknownIssuer");
        assert!(matches!(there, Err(End::Refused(_))), "{there:?}");
    }
    let any = with(&server(ClientCert::Required), |t| t.trust = Trust::DangerousAny);
    let seen = meet(&rig, &any, &foreign).0.unwrap();
    assert_eq!((seen.common_name.as_deref(), seen.chain.len()), (Some("foreign"), 1));
}

#[test]
fn names_count_when_they_are_checked() {
    let rig = rig();
    let (ca, other) = (rig.ca("ca"), rig.ca("other"));
    let elsewhere = |ca: &Ca, cn: &str| ca.issue_for(cn, "elsewhere.example", &[ExtendedKeyUsagePurpose::ServerAuth]);
    let server = tls(elsewhere(&ca, "far"), ca.trust(), ClientCert::None);
    let client = tls(Identity::None, ca.trust(), ClientCert::None);
    refused(meet(&rig, &server, &client).1, "not valid for name");
    let unchecked = with(&client, |t| t.check_name = false);
    assert!(meet(&rig, &server, &unchecked).1.is_ok(), "a server's certificate, any name");
    let named = with(&client, |t| t.server_name = Some("elsewhere.example".into()));
    assert!(meet(&rig, &server, &named).1.is_ok());
    // No name to check is no leave to come from anywhere.
    let stranger = tls(elsewhere(&other, "strange"), ca.trust(), ClientCert::None);
    refused(meet(&rig, &stranger, &unchecked).1, "UnknownIssuer");
    let for_clients = ca.issue_for("hub", "elsewhere.example", &[ExtendedKeyUsagePurpose::ClientAuth]);
    assert!(meet(&rig, &tls(for_clients.clone(), ca.trust(), ClientCert::None), &unchecked).1.is_ok());
    let (here, _) = meet(
        &rig,
        &tls(ca.issue("s"), ca.trust(), ClientCert::Required),
        &with(&client, |t| {
            t.identity = elsewhere(&ca, "fts");
        }),
    );
    assert_eq!(here.unwrap().common_name.as_deref(), Some("fts"), "a server's certificate shown by a client");
}

#[test]
fn a_pin_is_exactly_one_certificate() {
    let rig = rig();
    let ca = rig.ca("ca");
    let server = tls(ca.issue("server"), ca.trust(), ClientCert::None);
    let any = tls(Identity::None, Trust::DangerousAny, ClientCert::None);
    let seen = meet(&rig, &server, &any).1.unwrap().fingerprint.unwrap();
    let pinned = |text: &str| with(&any, |t| t.trust = Trust::Pinned(pin(text).unwrap()));
    assert!(meet(&rig, &server, &pinned(&seen)).1.is_ok());
    let colons: Vec<String> = seen.as_bytes().chunks(2).map(|c| String::from_utf8_lossy(c).to_uppercase()).collect();
    assert!(meet(&rig, &server, &pinned(&colons.join(":"))).1.is_ok());
    refused(meet(&rig, &server, &pinned(&"0".repeat(64))).1, &format!("fingerprint {seen}"));
    for bad in ["", "abc", &"g".repeat(64), &"0".repeat(66)] {
        assert!(matches!(pin(bad), Err(ProfileError::Pin { .. })), "{bad:?}");
    }
}

#[test]
fn alpn_is_agreed_on_or_refused() {
    let rig = rig();
    let ca = rig.ca("ca");
    let server = with(&tls(ca.issue("server"), ca.trust(), ClientCert::None), |t| t.alpn = vec!["h2".into()]);
    let client = tls(Identity::None, ca.trust(), ClientCert::None);
    let offer = |names: &[&str]| with(&client, |t| t.alpn = names.iter().map(ToString::to_string).collect());
    let (here, there) = meet(&rig, &server, &offer(&["grpc-exp", "h2"]));
    assert_eq!((here.unwrap().alpn.as_deref(), there.unwrap().alpn.as_deref()), (Some("h2"), Some("h2")));
    assert_eq!(meet(&rig, &server, &client).1.unwrap().alpn, None);
    refused(meet(&rig, &server, &offer(&["xmpp-client"])).1, "NoApplicationProtocol");
}

#[test]
fn the_servers_own_certificate_and_ca() {
    let rig = rig();
    let dir = rig.dir.path().to_owned();
    let sources = Sources {
        data_dir: Some(dir.clone()),
        set: vec!["tls.key_type=\"p256\"".into()],
        cwd: dir,
        ..Sources::default()
    };
    let config = load(&sources).unwrap().config;
    let authority = Authority::open(&config).unwrap();
    let shown = format!("{:?}", Own::of(&authority, &config));
    assert!(!shown.contains("PRIVATE") && !shown.contains("BEGIN"), "{shown}");
    let own: OwnLookup = Arc::new(move || Some(Own::of(&authority, &config)));
    let side = rig.side_with("a", own);
    let profile = tls(Identity::Server, Trust::Ca, ClientCert::Required);
    let (_, at) = side.listen(&profile);
    side.dial(at, &profile);
    let mut names = [side.next(), side.next()].map(|event| match event {
        LinkEvent::Up { peer, .. } | LinkEvent::Accepted { peer, .. } => peer.common_name,
        other => panic!("{other:?}"),
    });
    assert_eq!(names[0].take(), names[1].take());
    let none = rig.side("b").set.check(&profile, true).unwrap_err();
    assert!(matches!(none, ProfileError::NoOwn), "{none}");
}

#[test]
fn who_is_on_the_revocation_list_is_out() {
    let rig = rig();
    let ca = rig.ca("ca");
    let (server, client) = (ca.issue("server"), ca.issue("client"));
    let Identity::Files { cert, key } = &server else { panic!("files") };
    let now = time::OffsetDateTime::now_utc();
    let list = rcgen::CertificateRevocationListParams {
        this_update: now - time::Duration::hours(1),
        next_update: now + time::Duration::days(1),
        crl_number: rcgen::SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![rcgen::RevokedCertParams {
            serial_number: rcgen::SerialNumber::from(7),
            revocation_time: now - time::Duration::hours(1),
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    let crl = rig.dir.path().join("crl.pem");
    std::fs::write(&crl, list.signed_by(&ca.issuer).unwrap().pem().unwrap()).unwrap();
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let (chain_pem, key_pem, cert, ca_der) = (read(cert), read(key), cert.clone(), ca.der.clone());
    let own: OwnLookup = Arc::new(move || {
        Some(Own {
            chain_pem: chain_pem.clone(),
            key_pem: key_pem.clone(),
            ca_der: ca_der.clone(),
            cert: cert.clone(),
            crl: crl.clone(),
        })
    });
    let (a, b) = (rig.side_with("a", own), rig.side("b"));
    let (_, at) = a.listen(&tls(Identity::Server, Trust::Ca, ClientCert::Required));
    b.dial(at, &tls(client, ca.trust(), ClientCert::None));
    let why = a.rejected().to_string();
    assert!(why.contains("Revoked"), "{why}");
}

#[test]
fn profiles_that_cannot_work_name_the_file() {
    let rig = rig();
    let side = rig.side("a");
    let ca = rig.ca("ca");
    let (one, two) = (ca.issue("one"), ca.issue("two"));
    let (Identity::Files { cert, .. }, Identity::Files { key, .. }) = (&one, &two) else { panic!("files") };
    let empty = rig.dir.path().join("trusted");
    std::fs::create_dir(&empty).unwrap();
    let junk = rig.dir.path().join("junk.pem");
    std::fs::write(&junk, "nothing here").unwrap();
    let files = |cert: &Path, key: &Path| Identity::Files { cert: cert.to_owned(), key: key.to_owned() };
    let missing = Path::new("/nowhere/key.pem");
    let cases = [
        (files(cert, key), ca.trust(), "one.crt.pem: certificate and key do not belong together"),
        (files(cert, missing), ca.trust(), "/nowhere/key.pem: No such file"),
        (files(cert, cert), ca.trust(), "one.crt.pem: no private key"),
        (files(&junk, key), ca.trust(), "junk.pem: no certificate in it"),
        (one.clone(), Trust::Dir(empty.clone()), "trusted: no certificate (*.pem"),
        (one.clone(), Trust::Files(vec![junk.clone()]), "junk.pem: no certificate in it"),
        (one.clone(), Trust::Files(Vec::new()), "names no file"),
        (Identity::None, ca.trust(), "needs a certificate"),
    ];
    for (identity, trust, text) in cases {
        let profile = tls(identity, trust, ClientCert::Required);
        let error = side.set.listen("127.0.0.1", 0, &profile, &side.sink).unwrap_err().to_string();
        assert!(error.contains(text) && !error.contains("BEGIN"), "{error}");
    }
    let profile = tls(Identity::None, ca.trust(), ClientCert::None);
    let error = side.set.dial("not a host", 1, &profile, &side.sink).unwrap_err().to_string();
    assert!(error.contains("not a host"), "{error}");
    std::fs::copy(&ca.file, empty.join("peers.crt")).unwrap();
    side.set.check(&tls(one, Trust::Dir(empty), ClientCert::Required), true).unwrap();
}
