//! Checked by openssl where it is there.
use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use super::*;
use crate::config::{Sources, load};

pub(super) fn config(dir: &Path, set: &[&str]) -> Config {
    let mut all = vec!["tls.key_type=\"p256\"".to_owned()];
    all.extend(set.iter().map(ToString::to_string));
    let sources = Sources { data_dir: Some(dir.to_owned()), set: all, cwd: dir.to_owned(), ..Sources::default() };
    load(&sources).unwrap().config
}

pub(super) fn openssl(dir: &Path, args: &str) -> Option<(bool, String)> {
    let Ok(out) = Command::new("openssl").args(args.split(' ')).current_dir(dir).output() else {
        eprintln!("skipped: no openssl on this machine");
        return None;
    };
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    Some((out.status.success(), text))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn id12_09_first_start_makes_files_and_the_second_leaves_them() {
    let dir = tempfile::tempdir().unwrap();
    let certs = dir.path().join("certs");
    // As everybody has it: RSA.
    let rsa = "tls.key_type=\"rsa2048\"";
    let here = config(dir.path(), &["server.public_host=\"tak.example.org\"", rsa]);
    Authority::open(&here).unwrap();
    let bytes = |name: &str| std::fs::read(certs.join(name)).unwrap();
    let names = ["ca.pem", "ca.key", "server.pem", "server.key", "crl.pem", "ca-trust.p12"];
    let first: Vec<_> = names.iter().map(|n| bytes(n)).collect();
    let modes = ["", "ca.key", "server.key", "ca.pem"].map(|n| mode(&certs.join(n)));
    assert_eq!(modes, [0o700, 0o600, 0o600, 0o644]);
    Authority::open(&here).unwrap();
    assert!(names.iter().zip(&first).all(|(n, b)| bytes(n) == *b), "a second start changes nothing");
    let moved = config(dir.path(), &["server.public_host=\"other.example.org\"", rsa]);
    Authority::open(&moved).unwrap();
    let changed: Vec<_> = names.iter().zip(&first).filter(|(n, b)| bytes(n) != **b).map(|(n, _)| *n).collect();
    assert_eq!(changed, ["server.pem", "server.key"], "other names: only the server certificate is made anew");
    let Some((ok, text)) = openssl(&certs, "x509 -in server.pem -noout -text") else { return };
    for part in [
        "DNS:other.example.org",
        "IP Address:127.0.0.1",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier",
        "X509v3 Key Usage: critical\n                Digital Signature, Key Encipherment",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "sha256WithRSAEncryption",
    ] {
        assert!(ok && text.contains(part), "{part} in {text}");
    }
    let (_, ca) = openssl(&certs, "x509 -in ca.pem -noout -text").unwrap();
    for part in
        ["X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign", "CA:TRUE", "Subject Key Identifier"]
    {
        assert!(ca.contains(part), "{part} in {ca}");
    }
    assert!(openssl(&certs, "verify -CAfile ca.pem server.pem").unwrap().0);
    let crl = openssl(&certs, "crl -in crl.pem -noout -text").unwrap();
    assert!(crl.0 && crl.1.contains("Version 2"), "{}", crl.1);
}

#[test]
fn issued_certificates_open_everywhere_and_truststores_hold_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &[]);
    let authority = Authority::open(&config).unwrap();
    let issued = authority.issue(&config, &Profile::client("alice"), "atakatak").unwrap();
    let at = dir.path();
    std::fs::write(at.join("a.pem"), &issued.cert_pem).unwrap();
    std::fs::write(at.join("a.p12"), &issued.p12).unwrap();
    let Some((ok, text)) = openssl(at, "verify -purpose sslclient -CAfile certs/ca.pem a.pem") else { return };
    assert!(ok, "{text}");
    // Not -legacy: OpenSSL 3 must open it as it is.
    let (ok, text) = openssl(at, "pkcs12 -in a.p12 -passin pass:atakatak -nodes").unwrap();
    assert!(ok && text.contains("BEGIN PRIVATE KEY") && text.matches("BEGIN CERTIFICATE").count() == 2, "{text}");
    let (ok, text) = openssl(at, "pkcs12 -in certs/ca-trust.p12 -passin pass:atakatak -nodes").unwrap();
    assert!(ok && !text.contains("PRIVATE KEY") && text.matches("BEGIN CERTIFICATE").count() == 1, "{text}");
    let (_, info) = openssl(at, "pkcs12 -in a.p12 -passin pass:atakatak -info -noout").unwrap();
    assert!(info.contains("pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048") && info.contains("MAC: sha1"), "{info}");
    let (_, text) = openssl(at, "x509 -in a.pem -noout -text -dates").unwrap();
    let early = (OffsetDateTime::now_utc() - profile::EARLIER).unix_timestamp();
    let begins = Facts::of(&parse::certificates(&issued.cert_pem)[0]).unwrap().not_before;
    assert!((begins - early).abs() < 60, "begins twelve hours ago: {text}");
}

#[test]
fn a_ca_that_is_there_is_adopted_and_half_of_one_is_refused() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Authority::open(&config(old.path(), &["tls.ca_name=\"Old CA\""])).unwrap();
    let certs = new.path().join("certs");
    std::fs::create_dir(&certs).unwrap();
    // FreeTAKServer appends its CRL to the certificate.
    let old_file = |name: &str| std::fs::read_to_string(old.path().join("certs").join(name)).unwrap();
    let appended = format!("{}{}", old_file("ca.pem"), old_file("crl.pem"));
    std::fs::write(certs.join("ca.pem"), &appended).unwrap();
    let here = config(new.path(), &[]);
    let error = Authority::open(&here).err().unwrap().to_string();
    assert!(error.contains("ca.pem") && error.contains("belong together"), "{error}");
    // The key of another one.
    let other = key::make(here.tls.key_type).unwrap();
    std::fs::write(certs.join("ca.key"), other.serialize_pem()).unwrap();
    let error = Authority::open(&here).err().unwrap().to_string();
    assert!(error.contains("ca.pem") && error.contains("belong together"), "{error}");
    std::fs::copy(old.path().join("certs/ca.key"), certs.join("ca.key")).unwrap();
    Authority::open(&here).unwrap();
    assert_eq!(std::fs::read_to_string(certs.join("ca.pem")).unwrap(), appended);
    if let Some((ok, text)) = openssl(&certs, "verify -CAfile ca.pem server.pem") {
        assert!(ok, "{text}");
    }
}

#[test]
fn the_ca_key_may_be_encrypted_and_only_its_passphrase_opens_it() {
    let dir = tempfile::tempdir().unwrap();
    let here = config(dir.path(), &[]);
    let pass = Passphrase::new("correct horse");
    let first = Authority::open_with(&here, Some(&pass)).unwrap();
    let text = std::fs::read_to_string(&here.tls.ca_key).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{text}");
    let again = Authority::open_with(&here, Some(&pass)).unwrap();
    assert_eq!(first.ca(), again.ca());
    assert_eq!(std::fs::read_to_string(&here.tls.ca_key).unwrap(), text, "what is there stays");
    for (pass, says) in [(None, "FTS_CA_KEY_PASSWORD"), (Some(Passphrase::new("wrong")), "does not open")] {
        let error = Authority::open_with(&here, pass.as_ref()).err().unwrap().to_string();
        assert!(error.contains("ca.key") && error.contains(says), "{error}");
    }
    assert_eq!(format!("{pass:?}"), "***");
    // What openssl writes is read, too, and what we write is read by openssl.
    let at = dir.path();
    std::fs::write(at.join("pw"), "correct horse").unwrap();
    let Some((ok, said)) = openssl(at, "pkcs8 -in certs/ca.key -passin file:pw -out plain.key") else { return };
    assert!(ok, "{said}");
    let (ok, said) = openssl(at, "pkcs8 -topk8 -in plain.key -passout file:pw -out certs/ca.key").unwrap();
    assert!(ok, "{said}");
    assert_eq!(Authority::open_with(&here, Some(&pass)).unwrap().ca(), first.ca());
}

#[test]
fn an_intermediate_ca_signs_and_its_root_stays_away() {
    let dir = tempfile::tempdir().unwrap();
    let here = config(dir.path(), &[]);
    let certs = dir.path().join("certs");
    std::fs::create_dir(&certs).unwrap();
    let root_key = key::make(here.tls.key_type).unwrap();
    let root = profile::authority("Root", &here, false).unwrap().self_signed(&root_key).unwrap();
    let root = load::of_text(&root.pem(), root_key).unwrap();
    let key = key::make(here.tls.key_type).unwrap();
    let below = profile::authority("Below", &here, true).unwrap().signed_by(&key, &root.issuer).unwrap();
    // Text, a stranger and the chain in one file: the chain is found.
    let stranger = Authority::open(&config(tempfile::tempdir().unwrap().path(), &[])).unwrap();
    let text = format!("Our CA\n{}{}{}", below.pem(), stranger.chain_pem(), root.links[0].pem());
    std::fs::write(&here.tls.ca_cert, text).unwrap();
    std::fs::write(&here.tls.ca_key, key.serialize_pem()).unwrap();
    let authority = Authority::open(&here).unwrap();
    assert_eq!(authority.chain().count(), 2);
    let issued = authority.issue(&here, &Profile::client("alice"), "x").unwrap();
    assert_eq!(parse::certificates(&issued.chain_pem).len(), 2);
    // The leaf alone, as ATAK sends it, against the handshake's own verifier.
    let leaf = parse::certificates(&issued.cert_pem)[0].clone();
    let hot = Hot::new(Arc::new(arc_swap::ArcSwapOption::new(Some(Arc::new(authority)))), true);
    use rustls::server::danger::ClientCertVerifier;
    let now = rustls::pki_types::UnixTime::now();
    assert!(hot.verify_client_cert(&leaf.clone().into(), &[], now).is_ok());
    assert!(hot.root_hint_subjects().is_empty() && hot.client_auth_mandatory());
    let other = stranger.issue(&here, &Profile::client("alice"), "x").unwrap();
    let other = parse::certificates(&other.cert_pem)[0].clone();
    assert!(hot.verify_client_cert(&other.into(), &[], now).is_err());
    std::fs::write(dir.path().join("a.pem"), &issued.cert_pem).unwrap();
    std::fs::write(dir.path().join("root.pem"), root.links[0].pem()).unwrap();
    if let Some((ok, said)) = openssl(dir.path(), "verify -CAfile root.pem -untrusted certs/ca.pem a.pem") {
        assert!(ok, "{said}");
        let (ok, said) =
            openssl(dir.path(), "verify -CAfile root.pem -untrusted certs/server.pem certs/server.pem").unwrap();
        assert!(ok, "the server sends what is between: {said}");
    }
}

#[test]
fn certificates_of_free_tak_server_have_no_extensions_and_are_good() {
    use rustls::server::danger::ClientCertVerifier;
    let dir = tempfile::tempdir().unwrap();
    let here = config(dir.path(), &[]);
    let authority = Authority::open(&here).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = name::leaf("Clientc0ffee", &here).unwrap();
    // Any 64 bits, also with the first one set.
    params.serial_number = Some(rcgen::SerialNumber::from(0xF123_4567_89AB_CDEF_u64));
    params.not_before = OffsetDateTime::now_utc();
    params.not_after = OffsetDateTime::now_utc() + time::Duration::days(365);
    let leaf = params.signed_by(&key::make(here.tls.key_type).unwrap(), &authority.chain.issuer).unwrap();
    let (_, cert) = x509_parser::parse_x509_certificate(leaf.der()).unwrap();
    assert!(cert.extensions().is_empty() && cert.version().0 == 2);
    let hot = Hot::new(Arc::new(arc_swap::ArcSwapOption::new(Some(Arc::new(authority)))), true);
    hot.verify_client_cert(leaf.der(), &[], rustls::pki_types::UnixTime::now()).unwrap();
}

#[test]
fn after_a_rotation_old_and_new_trust_the_server_and_are_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let here = config(dir.path(), &["tls.ca_name=\"Field CA\""]);
    let old = Authority::open(&here).unwrap();
    let at = dir.path();
    std::fs::write(at.join("old.pem"), old.chain_pem()).unwrap();
    let before = old.issue(&here, &Profile::client("before"), "x").unwrap();
    let new = old.rotate(&here, None).unwrap();
    assert_ne!(new.ca(), old.ca());
    let names: Vec<_> = new.authorities().map(|f| f.common_name.clone()).collect();
    assert_eq!(names, ["Field CA 2", "Field CA"]);
    assert_eq!(parse::certificates(&new.anchors_pem()).len(), 2);
    assert_eq!(mode(&at.join("certs/retired")), 0o700);
    // The same after a restart, and nothing is made again.
    let server = std::fs::read(&here.tls.server_cert).unwrap();
    let again = Authority::open(&here).unwrap();
    assert_eq!((again.ca(), std::fs::read(&here.tls.server_cert).unwrap()), (new.ca(), server));
    assert_eq!(crl::of_pem(&std::fs::read(&here.tls.crl).unwrap()).len(), 1, "the CRL is the keeper's business");
    let list: Vec<Revocation> = Vec::new();
    again.write_crl(&here.tls, &list).unwrap();
    assert_eq!(crl::of_pem(&std::fs::read(&here.tls.crl).unwrap()).len(), 2, "one of each CA");
    let after = again.issue(&here, &Profile::client("after"), "x").unwrap();
    let cell = Arc::new(arc_swap::ArcSwapOption::new(Some(Arc::new(again))));
    let hot = Hot::new(cell.clone(), true);
    use rustls::server::danger::ClientCertVerifier;
    let good = |pem: &str| {
        let leaf = parse::certificates(pem)[0].clone();
        hot.verify_client_cert(&leaf.into(), &[], rustls::pki_types::UnixTime::now()).is_ok()
    };
    assert!(good(&before.cert_pem) && good(&after.cert_pem));
    if openssl(at, "version").is_some() {
        for trusted in ["old.pem", "certs/ca.pem"] {
            let verify = format!("verify -CAfile {trusted} -untrusted certs/server.pem certs/server.pem");
            let (ok, said) = openssl(at, &verify).unwrap();
            assert!(ok, "{trusted}: {said}");
        }
        let (ok, said) = openssl(at, "pkcs12 -in certs/ca-trust.p12 -passin pass:atakatak -nokeys").unwrap();
        assert!(ok && said.matches("BEGIN CERTIFICATE").count() == 2, "{said}");
    }
    let (last, gone) = cell.load_full().unwrap().finish_rotation(&here, None).unwrap();
    assert_eq!((gone, last.authorities().count()), (1, 1));
    cell.store(Some(Arc::new(last)));
    assert!(!good(&before.cert_pem) && good(&after.cert_pem));
}

#[test]
fn a_crash_in_a_rotation_leaves_one_ca_or_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let here = config(dir.path(), &[]);
    let old = Authority::open(&here).unwrap();
    let key = key::make(here.tls.key_type).unwrap();
    let next = load::next_key(&here.tls);
    // Before ca.pem is there.
    std::fs::write(&next, key.serialize_pem()).unwrap();
    assert_eq!(Authority::open(&here).unwrap().ca(), old.ca());
    assert!(!next.exists());
    // After it.
    let pem = profile::authority("Next", &here, false).unwrap().self_signed(&key).unwrap().pem();
    std::fs::write(&next, key.serialize_pem()).unwrap();
    std::fs::write(&here.tls.ca_cert, pem).unwrap();
    assert_eq!(Authority::open(&here).unwrap().authorities().next().unwrap().common_name, "Next");
    assert!(!next.exists());
}

#[test]
fn crls_are_version_2_with_growing_numbers_and_say_what_is_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let here = config(dir.path(), &[]);
    let authority = Authority::open(&here).unwrap();
    let leaf = authority.issue(&here, &Profile::client("alice"), "x").unwrap();
    let facts = Facts::of(&parse::certificates(&leaf.cert_pem)[0]).unwrap();
    let entry = Revocation {
        serial: facts.serial.clone(),
        issuer: facts.issuer.clone(),
        sha256: facts.sha256.clone(),
        at: 1_700_000_000,
        reason: Some("keyCompromise".into()),
    };
    let number = |a: &Authority| crl::number(&a.crl(&here.tls).unwrap()).unwrap();
    let first = number(&authority);
    assert!(authority.crl_due(&here.tls, std::slice::from_ref(&entry)) && !authority.crl_due(&here.tls, &[]));
    let revoking = authority.knowing(&here, std::slice::from_ref(&entry)).unwrap();
    revoking.write_crl(&here.tls, std::slice::from_ref(&entry)).unwrap();
    assert!(!revoking.crl_due(&here.tls, std::slice::from_ref(&entry)));
    assert!(number(&revoking) > first);
    let listed = revocations(&revoking.crl(&here.tls).unwrap()).unwrap();
    assert_eq!(listed, [Revocation { sha256: String::new(), ..entry.clone() }]);
    assert!(revoking.revoked().has(&parse::certificates(&leaf.cert_pem)[0]));
    assert!(!authority.revoked().has(&parse::certificates(&leaf.cert_pem)[0]));
    // Opened without the table the file is enough.
    assert!(Authority::open(&here).unwrap().revoked().has(&parse::certificates(&leaf.cert_pem)[0]));
    let Some((ok, text)) = openssl(&dir.path().join("certs"), "crl -in crl.pem -noout -text") else { return };
    assert!(ok && text.contains("Key Compromise") && text.contains("Version 2"), "{text}");
    std::fs::write(dir.path().join("a.pem"), &leaf.cert_pem).unwrap();
    let check = "verify -CAfile certs/ca.pem -crl_check -CRLfile certs/crl.pem a.pem";
    let (ok, said) = openssl(dir.path(), check).unwrap();
    assert!(!ok && said.contains("certificate revoked"), "{said}");
}

#[test]
fn names_clients_do_not_know_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let of = |set: &str| name::entries(&config(dir.path(), &[set])).unwrap();
    let entries = of("enrollment.name_entries=[[\"O\",\"Org\"],[\"ou\",\"Unit\"]]");
    assert_eq!(entries, [("O", "Org".to_owned()), ("OU", "Unit".to_owned())]);
    assert_eq!(of("tls.ca_name=\"x\"").len(), 2, "tls.subject");
    for (bad, says) in [
        ("enrollment.name_entries=[[\"X\",\"a\"],[\"O\",\"b\"]]", "is not a name clients know"),
        ("enrollment.name_entries=[[\"O\",\"a\"],[\"O\",\"b\"]]", "twice"),
        ("enrollment.name_entries=[[\"C\",\"abc\"],[\"O\",\"b\"]]", "two letters"),
    ] {
        let at = dir.path().to_owned();
        let sources = Sources { data_dir: Some(at.clone()), set: vec![bad.into()], cwd: at, ..Sources::default() };
        let error = load(&sources).unwrap_err().to_string();
        assert!(error.contains("enrollment.name_entries") && error.contains(says), "{error}");
    }
}

#[test]
fn nothing_has_the_name_of_the_ca() {
    let dir = tempfile::tempdir().unwrap();
    let here = config(dir.path(), &["tls.ca_name=\"tak\""]);
    let authority = Authority::open(&here).unwrap();
    assert!(matches!(authority.issue(&here, &Profile::client("TAK"), "x"), Err(CertError::Refused(_))));
    authority.issue(&here, &Profile::client("tak2"), "x").unwrap();
}

#[test]
fn a_server_certificate_is_not_made_anew_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let here = config(dir.path(), &[]);
    let authority = Authority::open(&here).unwrap();
    assert!(!authority.renewal_due(&here));
    // Longer than it lives.
    assert!(!authority.renewal_due(&config(dir.path(), &["tls.renew_before=\"2000d\""])));
    // A CA that ends soon: its server certificate ends with it.
    let key = key::make(here.tls.key_type).unwrap();
    let mut params = profile::authority("Old", &here, false).unwrap();
    params.not_after = OffsetDateTime::now_utc() + time::Duration::hours(36);
    std::fs::write(&here.tls.ca_cert, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&here.tls.ca_key, key.serialize_pem()).unwrap();
    let authority = Authority::open(&here).unwrap();
    assert_eq!(authority.days_left(), (1, 1));
    assert!(!authority.renewal_due(&here));
    // So little left of two years: due, unless the CA ends with it.
    let soon = OffsetDateTime::from_unix_timestamp(authority.chain.links[0].facts.not_after).unwrap();
    let mut params =
        Profile::Server { cn: "x".into(), names: server::names(&here) }.params(&here, i64::MAX / 4).unwrap();
    (params.not_before, params.not_after) = (soon - time::Duration::days(730), soon);
    let leaf = params.signed_by(&key::make(here.tls.key_type).unwrap(), &authority.chain.issuer).unwrap();
    let later = {
        let mut params = profile::authority("Old", &here, false).unwrap();
        params.not_after = OffsetDateTime::now_utc() + time::Duration::days(900);
        Link::of(params.self_signed(authority.chain.issuer.key()).unwrap().der().to_vec()).unwrap()
    };
    assert!(server::still_good(leaf.der(), &authority.chain.links[0], &server::names(&here), &here));
    assert!(!server::still_good(leaf.der(), &later, &server::names(&here), &here));
}
