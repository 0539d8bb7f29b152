//! Checked by openssl where it is there.
use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use super::*;
use crate::config::{Config, Sources, load};

pub(crate) fn config(dir: &Path, set: &[&str]) -> Config {
    let set = set.iter().map(ToString::to_string).collect();
    load(&Sources { data_dir: Some(dir.to_owned()), set, cwd: dir.to_owned(), ..Sources::default() }).unwrap().config
}

fn openssl(dir: &Path, args: &str) -> Option<(bool, String)> {
    let Ok(out) = Command::new("openssl").args(args.split(' ')).current_dir(dir).output() else {
        eprintln!("skipped: no openssl on this machine");
        return None;
    };
    Some((
        out.status.success(),
        format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)),
    ))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn id12_09_first_start_makes_files_and_the_second_leaves_them() {
    let dir = tempfile::tempdir().unwrap();
    let certs = dir.path().join("certs");
    let here = config(dir.path(), &["server.public_host=\"tak.example.org\""]);
    Authority::open(&here).unwrap();
    let bytes = |name: &str| std::fs::read(certs.join(name)).unwrap();
    let names = ["ca.pem", "ca.key", "server.pem", "server.key", "crl.pem", "ca-trust.p12"];
    let first: Vec<_> = names.iter().map(|n| bytes(n)).collect();
    assert_eq!(
        (mode(&certs), mode(&certs.join("ca.key")), mode(&certs.join("server.key")), mode(&certs.join("ca.pem"))),
        (0o700, 0o600, 0o600, 0o644)
    );
    Authority::open(&here).unwrap();
    assert!(names.iter().zip(&first).all(|(n, b)| bytes(n) == *b), "a second start changes nothing");
    let moved = config(dir.path(), &["server.public_host=\"other.example.org\""]);
    Authority::open(&moved).unwrap();
    assert!(
        bytes("server.pem") != first[2] && bytes("ca.pem") == first[0],
        "other names: only the server certificate is made anew"
    );
    if let Some((ok, text)) = openssl(&certs, "x509 -in server.pem -noout -text") {
        assert!(
            ok && text.contains("DNS:other.example.org")
                && text.contains("IP Address:127.0.0.1")
                && text.contains("TLS Web Server Authentication"),
            "{text}"
        );
        assert!(openssl(&certs, "verify -CAfile ca.pem server.pem").unwrap().0);
        let crl = openssl(&certs, "crl -in crl.pem -noout -text").unwrap();
        assert!(crl.0 && crl.1.contains("Version 2"), "{}", crl.1);
    }
}

#[test]
fn issued_certificates_open_everywhere_and_truststores_hold_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &[]);
    let authority = Authority::open(&config).unwrap();
    let issued = authority.issue(&config, &Subject::Client { cn: "alice".into() }, "atakatak").unwrap();
    let at = dir.path();
    std::fs::write(at.join("a.pem"), &issued.cert_pem).unwrap();
    std::fs::write(at.join("a.p12"), &issued.p12).unwrap();
    assert!(at.join("certs/clients").join(format!("{}.pem", issued.serial_hex)).exists());
    let Some((ok, text)) = openssl(at, "verify -purpose sslclient -CAfile certs/ca.pem a.pem") else { return };
    assert!(ok, "{text}");
    // Not -legacy: OpenSSL 3 must open it as it is.
    let (ok, text) = openssl(at, "pkcs12 -in a.p12 -passin pass:atakatak -nodes").unwrap();
    assert!(ok && text.contains("BEGIN PRIVATE KEY") && text.matches("BEGIN CERTIFICATE").count() == 2, "{text}");
    let (ok, text) = openssl(at, "pkcs12 -in certs/ca-trust.p12 -passin pass:atakatak -nodes").unwrap();
    assert!(ok && !text.contains("PRIVATE KEY") && text.matches("BEGIN CERTIFICATE").count() == 1, "{text}");
    let (_, info) = openssl(at, "pkcs12 -in a.p12 -passin pass:atakatak -info -noout").unwrap();
    assert!(info.contains("pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048") && info.contains("MAC: sha1"), "{info}");
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
    std::fs::copy(old.path().join("certs/ca.key"), certs.join("ca.key")).unwrap();
    Authority::open(&here).unwrap();
    assert_eq!(std::fs::read_to_string(certs.join("ca.pem")).unwrap(), appended);
    if let Some((ok, text)) = openssl(&certs, "verify -CAfile ca.pem server.pem") {
        assert!(ok, "{text}");
    }
}
