//! Requests as openssl makes them, SHA-1 included, and as they must not be.
use std::process::Command;

use super::*;

/// None = no openssl here.
fn request(subject: &str, more: &[&str]) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let mut args = vec!["req", "-new", "-nodes", "-keyout", "k", "-subj", subject];
    args.extend(more);
    let out = Command::new("openssl").args(args).current_dir(dir.path()).output();
    let Ok(out) = out else {
        eprintln!("skipped: no openssl on this machine");
        return None;
    };
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8(out.stdout).unwrap())
}

fn bare(pem: &str) -> String {
    pem.lines().filter(|l| !l.starts_with("-----")).collect::<Vec<_>>().join("\n")
}

fn entries() -> Vec<name::Entry> {
    vec![("O", "Org".to_owned()), ("OU", "Unit".to_owned())]
}

#[test]
fn id12_02_sha1_and_any_order_of_the_name() {
    const RSA: &[&str] = &["-newkey", "rsa:2048"];
    for (subject, digest) in [
        ("/CN=alice/O=Org/OU=Unit", "-sha1"),
        ("/OU=Unit/CN=alice/O=Org", "-sha1"),
        ("/OU=unit/O=ORG/CN=alice", "-sha256"),
        ("/O=Org/OU=Unit/CN=alice", "-sha384"),
        ("/O=Org/OU=Unit/CN=alice", "-sha512"),
    ] {
        let Some(pem) = request(subject, &[RSA, &[digest]].concat()) else { return };
        // Bare with line breaks, in one line, PEM, and PEM under its older name.
        let one_line: String = bare(&pem).split_whitespace().collect();
        let newer = pem.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
        for body in [bare(&pem), bare(&pem).replace('\n', "\r\n"), one_line, pem.clone(), newer] {
            let request = Request::read(body.as_bytes()).unwrap();
            assert_eq!(request.cn, "alice");
            assert!(request.has_exactly(&entries()), "{subject}: {:?}", request.rest);
        }
    }
}

#[test]
fn keys_on_curves_are_taken_and_weak_ones_are_not() {
    for (curve, good) in [("P-256", true), ("P-384", true), ("P-521", false)] {
        let option = format!("ec_paramgen_curve:{curve}");
        let Some(pem) = request("/CN=alice", &["-newkey", "ec", "-pkeyopt", &option]) else { return };
        assert_eq!(Request::read(pem.as_bytes()).is_ok(), good, "{curve}");
    }
    let Some(weak) = request("/CN=alice", &["-newkey", "rsa:1024", "-sha1"]) else { return };
    let error = Request::read(weak.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("1024 bits"), "{error}");
    let Some(other) = request("/CN=alice", &["-newkey", "ed25519"]) else { return };
    assert!(Request::read(other.as_bytes()).is_err());
}

#[test]
fn id12_04_a_signature_that_is_wrong() {
    let Some(pem) = request("/CN=alice/O=Org/OU=Unit", &["-newkey", "rsa:2048", "-sha1"]) else { return };
    let mut der = der(pem.as_bytes()).unwrap();
    assert!(Request::of_der(&der).is_ok());
    // The last byte is of the signature; a letter of the name is signed.
    let at = der.windows(5).position(|w| w == b"alice").unwrap();
    for place in [der.len() - 1, at] {
        der[place] ^= 1;
        let error = Request::of_der(&der).unwrap_err().to_string();
        assert!(error.contains("signature"), "{error}");
        der[place] ^= 1;
    }
    der.push(0);
    assert!(Request::of_der(&der).unwrap_err().to_string().contains("behind"));
}

#[test]
fn names_are_compared_as_sets() {
    let request = |rest: &[(&str, &str)]| Request {
        cn: "alice".into(),
        rest: rest.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        key: Vec::new(),
    };
    assert!(request(&[("OU", "UNIT"), ("O", "org")]).has_exactly(&entries()));
    for wrong in [
        &[("O", "Org")][..],
        &[("O", "Org"), ("OU", "Other")],
        &[("O", "Org"), ("OU", "Unit"), ("OU", "Unit")],
        &[("O", "Org"), ("OU", "Unit"), ("2.5.4.46", "x")],
        &[],
    ] {
        assert!(!request(wrong).has_exactly(&entries()), "{wrong:?}");
    }
}

#[test]
fn what_is_no_request() {
    for body in
        ["", "   ", "hello", "aGVsbG8=", "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----", "\u{fffd}"]
    {
        assert!(matches!(Request::read(body.as_bytes()), Err(CertError::Refused(_))), "{body:?}");
    }
    assert!(matches!(Request::read(&[0xFF, 0xFE]), Err(CertError::Refused(_))));
    let Some(two) = request("/CN=alice/CN=bob", &["-newkey", "rsa:2048"]) else { return };
    assert!(Request::read(two.as_bytes()).unwrap_err().to_string().contains("exactly one"));
    let Some(none) = request("/O=Org", &["-newkey", "rsa:2048"]) else { return };
    assert!(Request::read(none.as_bytes()).unwrap_err().to_string().contains("exactly one"));
}
