//! The service on a database of its own: who gets a certificate, what a revocation does, what a start brings into line.
use std::{collections::BTreeSet, path::Path};

use arc_swap::{ArcSwap, ArcSwapOption};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::{
    config::{Sources, load},
    directory::Directory,
    identity::{
        Revoke,
        enroll::{Asker, Device},
        inventory::State,
    },
    store,
};

struct Here {
    certificates: Arc<Certificates>,
    by: Actor,
    dir: TempDir,
}

fn here(set: &[&str]) -> Here {
    in_dir(tempfile::tempdir().unwrap(), store::core::temporary().unwrap(), set)
}

fn in_dir(dir: TempDir, db: Database, set: &[&str]) -> Here {
    let mut all = vec!["tls.key_type=\"p256\"".to_owned()];
    all.extend(set.iter().map(ToString::to_string));
    let at = dir.path().to_owned();
    let sources = Sources { data_dir: Some(at.clone()), set: all, cwd: at, ..Sources::default() };
    let running = Arc::new(ArcSwap::from_pointee(load(&sources).unwrap().config));
    let router = Arc::new(Router::new(Arc::new(Directory::default()), running.load_full()));
    let authority = Arc::new(ArcSwapOption::new(Some(Arc::new(Authority::open(&running.load()).unwrap()))));
    let audit = Arc::new(Audit::new(db.clone()));
    let certificates = Certificates::new(db, running, authority, audit, router);
    certificates.start().unwrap();
    Here { certificates, by: Actor::local(), dir }
}

/// A request with this name, signed with SHA-256.
fn request(names: &[(DnType, &str)]) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in names {
        params.distinguished_name.push(kind.clone(), *value);
    }
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    params.serialize_request(&key).unwrap().pem().unwrap()
}

fn by_cn(cn: &str) -> String {
    use DnType::*;
    request(&[(OrganizationalUnitName, "fts"), (CommonName, cn), (OrganizationName, "FreeTAKServer")])
}

impl Here {
    fn asker<'a>(&'a self, name: &'a str, uid: &'a str) -> Asker<'a> {
        let device = Device { uid, version: Some("4.6.0.5") };
        Asker { name, user_id: None, admin: false, token: None, device, by: &self.by }
    }

    fn enroll(&self, cn: &str, uid: &str) -> Result<Vec<u8>, CertError> {
        self.certificates.enroll(by_cn(cn).as_bytes(), &self.asker(cn, uid)).map(|e| e.signed)
    }

    fn rows(&self, state: State) -> Vec<Record> {
        self.certificates.list(&Filter { state, ..Filter::default() }).unwrap()
    }

    fn user(&self, name: &str) {
        let sql = "INSERT INTO user (uid, name, created_at) VALUES (?1, ?1, 0)";
        self.certificates.db.exec(sql, &[name.to_owned().into()]).unwrap();
    }

    fn audited(&self, action: &str) -> usize {
        let sql = "SELECT detail FROM audit WHERE action = ?";
        self.certificates.db.query(sql, &[action.to_owned().into()]).unwrap().rows.len()
    }
}

fn refusal<T>(done: Result<T, CertError>) -> String {
    match done {
        Err(error @ CertError::Refused(_)) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[test]
fn a_request_becomes_a_certificate_with_its_row_and_file() {
    let here = here(&[]);
    let enrolled = here.certificates.enroll(by_cn("ALICE").as_bytes(), &here.asker("alice", "ANDROID-1")).unwrap();
    let facts = parse::Facts::of(&enrolled.signed).unwrap();
    assert_eq!(facts.common_name, "alice", "the user's name as it is stored");
    let [row] = &here.rows(State::Active)[..] else { panic!("one row") };
    assert_eq!((&row.facts, &*row.user, &*row.client_uid), (&facts, "alice", "ANDROID-1"));
    assert_eq!((&*row.client_version, &*row.via, &*row.kind), ("4.6.0.5", "enroll", "client"));
    let file = here.dir.path().join("certs/clients").join(format!("{}.pem", facts.serial));
    assert_eq!(std::fs::read_to_string(file).unwrap(), row.pem);
    assert_eq!(here.audited("cert.issued"), 1);
    let (_, cert) = x509_parser::parse_x509_certificate(&enrolled.signed).unwrap();
    let purposes = &cert.extended_key_usage().unwrap().unwrap().value;
    let other: Vec<_> = purposes.other.iter().map(|oid| oid.to_id_string()).collect();
    assert!(purposes.client_auth && !purposes.server_auth && other == ["1.2.840.113549.1.9.7"], "{purposes:?}");
    assert!(cert.subject_alternative_name().unwrap().is_none());
    assert_eq!(enrolled.chain().count(), 1);
    // Who says no version does not understand channels.
    let device = Device { uid: "x", version: None };
    let silent = Asker { device, ..here.asker("alice", "x") };
    let silent = here.certificates.enroll(by_cn("alice").as_bytes(), &silent).unwrap();
    let (_, cert) = x509_parser::parse_x509_certificate(&silent.signed).unwrap();
    assert!(cert.extended_key_usage().unwrap().unwrap().value.other.is_empty());
}

#[test]
fn id12_04_another_name_is_refused_and_nothing_is_stored() {
    let here = here(&[]);
    let asker = here.asker("alice", "A");
    let said = refusal(here.certificates.enroll(by_cn("bob").as_bytes(), &asker));
    assert!(said.contains("bob"), "{said}");
    use DnType::*;
    for names in [
        &[(CommonName, "alice")][..],
        &[(CommonName, "alice"), (OrganizationName, "Other"), (OrganizationalUnitName, "fts")],
        &[
            (CommonName, "alice"),
            (OrganizationName, "FreeTAKServer"),
            (OrganizationalUnitName, "fts"),
            (LocalityName, "x"),
        ],
    ] {
        let said = refusal(here.certificates.enroll(request(names).as_bytes(), &asker));
        assert!(said.contains("O=FreeTAKServer, OU=fts"), "{said}");
    }
    assert_eq!((here.rows(State::Any).len(), here.audited("cert.issued")), (0, 0));
    assert!(!here.dir.path().join("certs/clients").exists());
    // An administrator may, and bob's is bob's.
    here.user("Bob");
    let admin = Asker { admin: true, ..asker };
    here.certificates.enroll(by_cn("bob").as_bytes(), &admin).unwrap();
    assert_eq!(here.rows(State::Any)[0].user, "Bob");
}

#[test]
fn without_strict_dn_what_is_too_much_is_dropped() {
    let here = here(&["enrollment.strict_dn=false"]);
    use DnType::*;
    let odd = request(&[(CommonName, "alice"), (LocalityName, "x")]);
    let signed = here.certificates.enroll(odd.as_bytes(), &here.asker("alice", "A")).unwrap().signed;
    assert_eq!(parse::Facts::of(&signed).unwrap().subject, "CN=alice, O=FreeTAKServer, OU=fts");
}

#[test]
fn a_device_has_one_certificate_and_a_user_so_many_devices() {
    let here = here(&["enrollment.max_devices=2"]);
    here.enroll("alice", "A").unwrap();
    here.enroll("alice", "B").unwrap();
    here.enroll("alice", "A").unwrap();
    assert_eq!((here.rows(State::Active).len(), here.rows(State::Replaced).len()), (2, 1));
    assert!(refusal(here.enroll("alice", "C")).contains("2 are allowed"));
    here.enroll("bob", "C").unwrap();
    let revoke = Revoke { user: Some("ALICE".into()), ..Revoke::default() };
    assert_eq!(here.certificates.revoke(&revoke, &here.by).unwrap().len(), 3, "replaced ones, too");
    here.enroll("alice", "C").unwrap();
}

#[test]
fn a_replaced_certificate_stays_good_unless_it_is_to_be_revoked() {
    let keeping = here(&[]);
    let first = keeping.enroll("alice", "A").unwrap();
    keeping.enroll("alice", "A").unwrap();
    let has = |here: &Here, der: &[u8]| here.certificates.authority().unwrap().revoked().has(der);
    assert!(!has(&keeping, &first));
    // No uid names no device.
    keeping.enroll("alice", "").unwrap();
    keeping.enroll("alice", "").unwrap();
    assert_eq!(keeping.rows(State::Replaced).len(), 1);
    let strict = here(&["enrollment.revoke_replaced=true"]);
    let first = strict.enroll("alice", "A").unwrap();
    let second = strict.enroll("alice", "A").unwrap();
    assert!(has(&strict, &first) && !has(&strict, &second));
    assert_eq!(strict.rows(State::Revoked)[0].revoke_reason.as_deref(), Some("superseded"));
}

#[test]
fn id12_08_an_enrolment_token_is_used_up_by_certificates() {
    let here = here(&["enrollment.use_token_expiration=true"]);
    here.user("alice");
    let ends = clock::now_ms() + 3_600_000;
    let sql = "INSERT INTO enrollment_token (user_id, hash, expires_at, max_uses, created_at) VALUES (1, 'h', ?, 1, 0)";
    here.certificates.db.exec(sql, &[ends.into()]).unwrap();
    let asker = Asker { token: Some((1, Some(ends))), ..here.asker("alice", "A") };
    // A request that is refused uses nothing up.
    refusal(here.certificates.enroll(by_cn("bob").as_bytes(), &asker));
    let signed = here.certificates.enroll(by_cn("alice").as_bytes(), &asker).unwrap().signed;
    assert_eq!(parse::Facts::of(&signed).unwrap().not_after, ends / 1_000);
    let again = here.certificates.enroll(by_cn("alice").as_bytes(), &asker);
    assert!(matches!(again, Err(CertError::TokenSpent)));
    assert_eq!(here.rows(State::Any).len(), 1);
}

#[test]
fn nobody_gets_certificates_in_a_circle() {
    let here = here(&[]);
    let mut made = 0;
    let wait = loop {
        match here.enroll("alice", "A") {
            Ok(_) => made += 1,
            Err(CertError::TooMany(seconds)) => break seconds,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(made == 10 && (1..=60).contains(&wait), "{made} {wait}");
    here.enroll("bob", "B").unwrap();
}

#[test]
fn what_is_revoked_is_in_the_table_in_the_crl_and_at_the_door() {
    let here = here(&[]);
    let [a, b, c] = ["alice", "alice", "bob"].map(|user| {
        let order = Order { profile: &Profile::client(user), user, client_uid: "", client_version: "", via: "cli" };
        let issued = here.certificates.issue(&order, "x", &here.by).unwrap();
        parse::certificates(&issued.cert_pem)[0].clone()
    });
    let serial = |der: &[u8]| parse::Facts::of(der).unwrap().serial;
    let certs = here.certificates.clone();
    let good = |der: &[u8]| !certs.authority().unwrap().revoked().has(der);
    let revoke = |revoke: Revoke| certs.revoke(&revoke, &here.by).map(|list| list.len());
    // As openssl prints it: upper case, colons.
    let upper = serial(&a).to_uppercase();
    let colons: Vec<_> = (0..upper.len()).step_by(2).map(|n| &upper[n..n + 2]).collect();
    let by_serial =
        Revoke { serial: Some(colons.join(":")), reason: Some("KEYcompromise".into()), ..Revoke::default() };
    assert_eq!(revoke(by_serial.clone()).unwrap(), 1);
    assert!(!good(&a) && good(&b) && good(&c));
    let tls = certs.config().tls.clone();
    let on_disk = |()| -> BTreeSet<String> {
        let crl = certs.authority().unwrap().crl(&tls).unwrap();
        super::super::ca::revocations(&crl).unwrap().into_iter().map(|r| r.serial).collect()
    };
    assert_eq!(on_disk(()), [serial(&a)].into());
    assert!(matches!(revoke(by_serial), Err(CertError::Unknown(why)) if why.contains("already")));
    assert_eq!(revoke(Revoke { cn: Some("BOB".into()), ..Revoke::default() }).unwrap(), 1);
    assert!(matches!(revoke(Revoke { cn: Some("carol".into()), ..Revoke::default() }), Err(CertError::Unknown(_))));
    assert!(matches!(revoke(Revoke::default()), Err(CertError::Refused(_))));
    assert!(matches!(
        revoke(Revoke { user: Some("alice".into()), reason: Some("because".into()), ..Revoke::default() }),
        Err(CertError::Refused(_))
    ));
    let before = Revoke { issued_before: Some(clock::now_ms() + 1), ..Revoke::default() };
    assert_eq!(revoke(before).unwrap(), 1, "the other one of alice");
    assert_eq!(on_disk(()), [&a, &b, &c].map(|der| serial(der)).into());
    // One this server never saw.
    let unknown = Revoke { serial: Some("0badcafe".into()), ..Revoke::default() };
    assert!(matches!(revoke(unknown.clone()), Err(CertError::Unknown(why)) if why.contains("--force")));
    assert_eq!(revoke(Revoke { force: true, ..unknown }).unwrap(), 1);
    assert!(on_disk(()).contains("0badcafe"));
    assert_eq!(here.audited("cert.revoked"), 4);
    assert_eq!(here.rows(State::Revoked)[0].revoke_reason.as_deref(), Some("keyCompromise"));
}

#[test]
fn connections_end_with_their_certificate_and_late_ones_at_once() {
    let here = here(&[]);
    let cert = |name: &str| {
        let order =
            Order { profile: &Profile::client(name), user: name, client_uid: "", client_version: "", via: "cli" };
        let issued = here.certificates.issue(&order, "x", &here.by).unwrap();
        let facts = parse::Facts::of(&parse::certificates(&issued.cert_pem)[0]).unwrap();
        PeerCert { common_name: name.into(), serial_hex: facts.serial, sha256: facts.sha256 }
    };
    let (alice, bob) = (cert("alice"), cert("bob"));
    let (a, b) = (here.certificates.enter(&alice), here.certificates.enter(&bob));
    here.certificates.revoke(&Revoke { user: Some("alice".into()), ..Revoke::default() }, &here.by).unwrap();
    assert!(a.revoked.is_cancelled() && !b.revoked.is_cancelled());
    assert!(here.certificates.enter(&alice).revoked.is_cancelled(), "it shook hands before, and comes now");
    assert!(here.certificates.is_revoked(&alice) && !here.certificates.is_revoked(&bob));
}

fn crl_names(dir: &Path) -> usize {
    let text = std::fs::read(dir.join("certs/crl.pem")).unwrap();
    let lists = super::super::ca::crls(&String::from_utf8(text).unwrap());
    lists.iter().map(|der| super::super::ca::revocations(der).unwrap().len()).sum()
}

#[test]
fn a_start_brings_table_files_and_crl_into_line() {
    let first = here(&[]);
    let kept = first.enroll("alice", "A").unwrap();
    let gone = first.enroll("bob", "B").unwrap();
    first.certificates.revoke(&Revoke { user: Some("bob".into()), ..Revoke::default() }, &first.by).unwrap();
    let crl = std::fs::read(first.dir.path().join("certs/crl.pem")).unwrap();
    let Here { certificates, dir, .. } = first;
    let db = certificates.db.clone();
    drop(certificates);
    // The same again: nothing is written.
    let again = in_dir(dir, db, &[]);
    assert_eq!(std::fs::read(again.dir.path().join("certs/crl.pem")).unwrap(), crl);
    assert!(again.certificates.authority().unwrap().revoked().has(&gone));
    // The CRL file is gone: the table knows.
    std::fs::remove_file(again.dir.path().join("certs/crl.pem")).unwrap();
    let Here { certificates, dir, .. } = again;
    let db = certificates.db.clone();
    drop(certificates);
    let again = in_dir(dir, db, &[]);
    assert_eq!(crl_names(again.dir.path()), 1);
    assert!(again.certificates.authority().unwrap().revoked().has(&gone));
    // The table is gone: files and CRL know.
    let Here { certificates, dir, .. } = again;
    drop(certificates);
    let fresh = in_dir(dir, store::core::temporary().unwrap(), &[]);
    let authority = fresh.certificates.authority().unwrap();
    assert!(authority.revoked().has(&gone) && !authority.revoked().has(&kept));
    assert_eq!((fresh.rows(State::Active).len(), fresh.rows(State::Revoked).len()), (1, 1));
    assert_eq!(fresh.rows(State::Revoked)[0].facts.common_name, "bob", "the file said whose it was");
    assert_eq!(crl_names(fresh.dir.path()), 1);
}

#[test]
fn renewing_leaves_the_ca_and_a_rotation_what_was_revoked() {
    let here = here(&[]);
    let gone = here.enroll("bob", "B").unwrap();
    let kept = here.enroll("alice", "A").unwrap();
    here.certificates.revoke(&Revoke { user: Some("bob".into()), ..Revoke::default() }, &here.by).unwrap();
    let before = here.certificates.authority().unwrap();
    let renewed = here.certificates.renew(&here.by).unwrap();
    assert!(renewed.ca() == before.ca() && renewed.server_identity() != before.server_identity());
    assert!(renewed.revoked().has(&gone));
    let rotated = here.certificates.rotate(&here.by).unwrap();
    assert!(rotated.ca() != before.ca() && rotated.revoked().has(&gone) && !rotated.revoked().has(&kept));
    assert_eq!(crl_names(here.dir.path()), 1, "in the list of the old CA");
    let after = here.enroll("carol", "C").unwrap();
    here.certificates.revoke(&Revoke { user: Some("carol".into()), ..Revoke::default() }, &here.by).unwrap();
    assert_eq!(crl_names(here.dir.path()), 2);
    assert!(here.certificates.authority().unwrap().revoked().has(&after));
    assert_eq!(here.certificates.finish_rotation(&here.by).unwrap(), 1);
    assert_eq!(here.certificates.finish_rotation(&here.by).unwrap(), 0);
}

#[test]
fn a_round_renews_what_is_due_and_a_full_disk_keeps_nobody_in() {
    let here = here(&[]);
    let before = here.certificates.authority().unwrap();
    here.certificates.round().unwrap();
    assert!(Arc::ptr_eq(&before, &here.certificates.authority().unwrap()), "nothing to do");
    let mut config = (*here.certificates.config()).clone();
    config.server.public_names = vec!["another.example.org".into()];
    here.certificates.running.store(Arc::new(config.clone()));
    here.certificates.round().unwrap();
    let after = here.certificates.authority().unwrap();
    assert_ne!(before.server_identity(), after.server_identity());
    assert_eq!(here.audited("cert.renewed"), 1);
    // The CRL cannot be written: its place is a directory.
    let gone = here.enroll("alice", "A").unwrap();
    config.tls.crl = here.dir.path().join("certs/clients");
    here.certificates.running.store(Arc::new(config));
    here.certificates.revoke(&Revoke { user: Some("alice".into()), ..Revoke::default() }, &here.by).unwrap();
    assert!(here.certificates.authority().unwrap().revoked().has(&gone));
}

#[test]
fn forgetting_takes_only_what_has_ended() {
    let here = here(&[]);
    here.enroll("alice", "A").unwrap();
    here.enroll("bob", "B").unwrap();
    here.certificates.db.exec("UPDATE certificate SET not_after = 1000 WHERE user_name = 'bob'", &[]).unwrap();
    let ids: Vec<_> = here.rows(State::Any).iter().map(|r| r.id).collect();
    assert_eq!(here.rows(State::Expired).len(), 1);
    here.certificates.forget(&ids, &here.by).unwrap();
    let [left] = &here.rows(State::Any)[..] else { panic!("one is left") };
    assert!(left.user == "alice" && left.revoked_at.is_some());
}
