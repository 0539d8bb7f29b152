//! Intermediate CAs made here, the federation profile, the device's uid as an alternative name (identity.md 3.2). Checked
//! by openssl where it is there.
use rustls::server::danger::ClientCertVerifier;

use super::{
    tests::{config, openssl},
    *,
};

/// Does a handshake take this leaf, sent alone as ATAK does?
fn good(authority: &Arc<Authority>, pem: &str) -> bool {
    let hot = Hot::new(Arc::new(arc_swap::ArcSwapOption::new(Some(authority.clone()))), true);
    let leaf = parse::certificates(pem)[0].clone();
    hot.verify_client_cert(&leaf.into(), &[], rustls::pki_types::UnixTime::now()).is_ok()
}

fn names(authority: &Authority) -> Vec<String> {
    authority.authorities().map(|f| f.common_name.clone()).collect()
}

#[test]
fn id3_2_an_intermediate_ca_signs_and_the_key_of_its_root_may_go() {
    let dir = tempfile::tempdir().unwrap();
    let here = config(dir.path(), &["tls.ca_name=\"Field CA\""]);
    let root = Arc::new(Authority::open(&here).unwrap());
    let at = dir.path();
    std::fs::write(at.join("root.pem"), root.chain_pem()).unwrap();
    let before = root.issue(&here, &Profile::client("before"), "x").unwrap();
    let (below, key) = root.intermediate(&here, None).unwrap();
    let below = Arc::new(below);
    assert_eq!(names(&below), ["Field CA Intermediate", "Field CA"]);
    assert_eq!((below.chain().count(), parse::certificates(&below.anchors_pem()).len()), (2, 2), "each once");
    let life = below.chain.links[0].facts.not_after - OffsetDateTime::now_utc().unix_timestamp();
    assert!((life / 86_400 - 1_825).abs() <= 1, "{life}");
    let after = below.issue(&here, &Profile::client("after"), "x").unwrap();
    assert!(good(&below, &before.cert_pem) && good(&below, &after.cert_pem) && !good(&root, &after.cert_pem));
    below.write_crl(&here.tls, &[]).unwrap();
    assert_eq!(crl::of_pem(&std::fs::read(&here.tls.crl).unwrap()).len(), 2, "the root goes on saying what it revokes");
    if openssl(at, "version").is_some() {
        std::fs::write(at.join("after.pem"), &after.cert_pem).unwrap();
        let (_, text) = openssl(at, "x509 -in certs/ca.pem -noout -text").unwrap();
        assert!(text.contains("CA:TRUE, pathlen:0") && text.contains("Certificate Sign, CRL Sign"), "{text}");
        for verify in ["certs/server.pem certs/server.pem", "certs/ca.pem after.pem"] {
            let (ok, said) = openssl(at, &format!("verify -CAfile root.pem -untrusted {verify}")).unwrap();
            assert!(ok, "who knows the root only: {said}");
        }
    }
    // Nothing is to be finished: the CA above is no earlier one.
    assert_eq!(below.earlier().count(), 0);
    // The key goes into a safe; everything is as before.
    let safe = at.join("safe.key");
    std::fs::rename(&key, &safe).unwrap();
    let again = Arc::new(Authority::open(&here).unwrap());
    assert_eq!(again.ca(), below.ca());
    assert!(good(&again, &before.cert_pem) && good(&again, &after.cert_pem));
    let refused = again.intermediate(&here, None).err().unwrap().to_string();
    assert!(refused.contains("retired") && refused.contains("put it back"), "{refused}");
    // Back for another one; then the first intermediate is an earlier CA, and can be ended without the root.
    std::fs::rename(&safe, &key).unwrap();
    let second = Authority::open(&here).unwrap().intermediate(&here, None).unwrap().0;
    assert_eq!(second.chain().count(), 2, "of the root, not of the one before");
    let mut all = names(&second);
    all.sort();
    assert_eq!(all, ["Field CA", "Field CA Intermediate", "Field CA Intermediate 2"]);
    assert_eq!(second.earlier().map(|f| f.common_name.as_str()).collect::<Vec<_>>(), ["Field CA Intermediate"]);
    let (last, gone) = second.finish_rotation(&here, None).unwrap();
    let last = Arc::new(last);
    assert_eq!((gone, key.exists()), (1, true));
    assert!(good(&last, &before.cert_pem) && !good(&last, &after.cert_pem));
}

#[test]
fn a_rotation_behind_an_intermediate_ca_is_trusted_by_who_knows_the_old_root() {
    let dir = tempfile::tempdir().unwrap();
    let here = config(dir.path(), &["tls.ca_name=\"Field CA\""]);
    let root = Authority::open(&here).unwrap();
    let at = dir.path();
    std::fs::write(at.join("root.pem"), root.chain_pem()).unwrap();
    let new = root.intermediate(&here, None).unwrap().0.rotate(&here, None).unwrap();
    assert_eq!(names(&new)[0], "Field CA 2");
    std::fs::write(at.join("new.pem"), new.chain_pem()).unwrap();
    // And an intermediate one below the new root: its chain and the cross certificate are sent.
    let below = new.intermediate(&here, None).unwrap().0;
    assert_eq!(below.chain().count(), 2);
    if openssl(at, "version").is_some() {
        for trusted in ["root.pem", "new.pem"] {
            let verify = format!("verify -CAfile {trusted} -untrusted certs/server.pem certs/server.pem");
            let (ok, said) = openssl(at, &verify).unwrap();
            assert!(ok, "{trusted}: {said}");
        }
    }
}

#[test]
fn id3_2_a_federation_certificate_dials_and_is_dialled() {
    let dir = tempfile::tempdir().unwrap();
    let here = config(dir.path(), &[]);
    let authority = Authority::open(&here).unwrap();
    let profile =
        Profile::Federation { cn: "north".into(), names: vec!["north.example.org".into(), "192.0.2.7".into()] };
    assert_eq!(profile.kind(), "federation");
    let issued = authority.issue(&here, &profile, "x").unwrap();
    let days = (issued.not_after_ms / 1_000 - OffsetDateTime::now_utc().unix_timestamp()) / 86_400;
    assert!((729..=730).contains(&days), "{days}");
    std::fs::write(dir.path().join("f.pem"), &issued.cert_pem).unwrap();
    let Some((ok, text)) = openssl(dir.path(), "x509 -in f.pem -noout -text") else { return };
    for part in [
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "Digital Signature, Key Encipherment",
        "DNS:north.example.org, IP Address:192.0.2.7",
        "CN = north",
    ] {
        assert!(ok && text.replace("CN=", "CN = ").contains(part), "{part} in {text}");
    }
}

#[test]
fn id3_2_the_uid_of_a_device_is_an_alternative_name_where_that_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let named = |set: &[&str], uid: &str| {
        let here = config(dir.path(), set);
        let profile = Profile::Client { cn: "alice".into(), channels: false, until: None, uid: uid.into() };
        let issued = Authority::open(&here).unwrap().issue(&here, &profile, "x").unwrap();
        let der = parse::certificates(&issued.cert_pem)[0].clone();
        let (_, cert) = x509_parser::parse_x509_certificate(&der).unwrap();
        let san = cert.subject_alternative_name().unwrap();
        san.map(|s| format!("{:?}", s.value.general_names)).unwrap_or_default()
    };
    let on = ["enrollment.uid_in_san=true"];
    assert_eq!(named(&on, "ANDROID-1f2e"), "[RFC822Name(\"ANDROID-1f2e\")]");
    assert_eq!(named(&[], "ANDROID-1f2e"), "", "not unless it is wanted");
    for odd in ["", "ž-1", "a b", &"x".repeat(257)] {
        assert_eq!(named(&on, odd), "", "{odd:?} cannot stand there, and the certificate is good without it");
    }
}
