//! Packages as they are made and looked at. The PKI here is made with rcgen alone, so that what is tested is the package.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey, PrivateKeyChain,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::pki_types::UnixTime;

use super::{
    inspect::inspect,
    keystore::Bags,
    manifest::Manifest,
    preferences::{APP, Preferences, STREAMS},
    rules::{Finding, Verdict},
    *,
};

/// A CA and a client's key and certificate from it.
pub struct Made {
    ca: CertificateParams,
    ca_key: KeyPair,
    pub ca_der: Vec<u8>,
}

pub struct Own {
    key: Vec<u8>,
    cert: Vec<u8>,
}

impl Made {
    pub fn ca(name: &str) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, name);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_der = ca.self_signed(&ca_key).unwrap().der().to_vec();
        Self { ca, ca_key, ca_der }
    }

    pub fn own(&self, change: impl FnOnce(&mut CertificateParams)) -> Own {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "alice");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let issuer = Issuer::from_params(&self.ca, &self.ca_key);
        let cert = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Own { key: key.serialized_der().to_vec(), cert }
    }
}

fn p12(entries: Vec<(&str, KeyStoreEntry)>, password: &str) -> Vec<u8> {
    let mut store = KeyStore::new();
    entries.into_iter().for_each(|(alias, entry)| store.add_entry(alias, entry));
    let writer = store.writer(password).encryption_algorithm(EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc);
    writer.mac_algorithm(MacAlgorithm::HmacSha1).encryption_iterations(1).mac_iterations(1).write().unwrap()
}

pub fn trust(cas: &[&[u8]], password: &str) -> Vec<u8> {
    let names: Vec<_> = (0..cas.len()).map(|n| format!("ca{n}")).collect();
    let entry = |der: &&[u8]| KeyStoreEntry::Certificate(Certificate::from_der(der).unwrap());
    p12(names.iter().map(String::as_str).zip(cas.iter().map(entry)).collect(), password)
}

pub fn own(own: &Own, password: &str) -> Vec<u8> {
    let chain = [Certificate::from_der(&own.cert).unwrap()];
    let entry = PrivateKeyChain::new(b"1".to_vec(), PrivateKey::from_der(&own.key).unwrap(), chain);
    p12(vec![("alice", KeyStoreEntry::PrivateKeyChain(entry))], password)
}

fn contents<'a>(truststore: &'a [u8], keystore: &'a [u8]) -> Contents<'a> {
    Contents {
        server_id: "node1",
        server_name: "FTS",
        cn: "alice",
        host: "tak.example.org",
        ports: Ports::default(),
        truststore,
        keystore,
        password: "atakatak",
    }
}

/// The rules that failed, by name.
fn failed(bytes: &[u8]) -> Vec<&'static str> {
    let seen = inspect(bytes, UnixTime::now());
    seen.findings.iter().filter(|f| f.verdict == Verdict::Fail).map(|f| f.rule).collect()
}

fn good() -> (Made, Vec<u8>, Vec<u8>) {
    let made = Made::ca("FTS-CA-1");
    let (truststore, keystore) = (trust(&[&made.ca_der], "atakatak"), own(&made.own(|_| {}), "atakatak"));
    (made, truststore, keystore)
}

#[test]
fn id12_15_layouts_are_those_the_clients_want_and_every_listed_entry_exists() {
    let (_, truststore, keystore) = good();
    let contents = contents(&truststore, &keystore);
    let names = |bytes: &[u8]| zip::read(bytes).unwrap().into_keys().collect::<Vec<_>>();
    let wintak = Flavour::Wintak.package(&contents).unwrap();
    assert_eq!(names(&wintak), ["80b828699e074a239066d454a76284eb/alice.zip", "MANIFEST/manifest.xml"]);
    let inner = &zip::read(&wintak).unwrap()["80b828699e074a239066d454a76284eb/alice.zip"];
    let folder = "5c2bfcae3d98c9f4d262172df99ebac5";
    let wanted = ["alice.p12", "fts.pref", "truststore.p12"].map(|f| format!("{folder}/{f}"));
    assert_eq!(names(inner), [wanted.as_slice(), &["MANIFEST/manifest.xml".to_owned()]].concat());
    let itak = Flavour::Itak.package(&contents).unwrap();
    assert_eq!(names(&itak), ["alice.p12", "config.pref", "truststore.p12"]);
    let atak = Flavour::Atak.package(&contents).unwrap();
    let wanted = ["MANIFEST/manifest.xml", "certs/alice.p12", "certs/server.pref", "certs/truststore.p12"];
    assert_eq!(names(&atak), wanted);
    let enroll = Flavour::Enroll.package(&contents).unwrap();
    assert_eq!(names(&enroll), ["MANIFEST/manifest.xml", "certs/server.pref", "certs/truststore.p12"]);
    let mut uids = std::collections::BTreeSet::new();
    for package in [&wintak, inner, &atak, &enroll] {
        let files = zip::read(package).unwrap();
        let manifest = Manifest::parse(&files["MANIFEST/manifest.xml"]).unwrap();
        assert!(manifest.on_receive_import && manifest.on_receive_delete && manifest.name == "FTS_tak.example.org");
        assert_eq!(manifest.entries.len(), files.len() - 1);
        assert!(manifest.entries.iter().all(|e| files.contains_key(e)), "{manifest:?}");
        assert_eq!(uuid::Uuid::parse_str(&manifest.uid).unwrap().get_version_num(), 5);
        uids.insert(manifest.uid);
    }
    assert_eq!(uids.len(), 4);
    assert_eq!(uid("node1", "alice", "atak"), uid("node1", "alice", "atak"));
    assert_ne!(uid("node1", "alice", "atak"), uid("node2", "alice", "atak"));
}

#[test]
fn preferences_are_those_of_the_specification() {
    let (_, truststore, keystore) = good();
    let contents = contents(&truststore, &keystore);
    let prefs = |flavour: Flavour, file: &str| {
        let files = zip::read(&flavour.package(&contents).unwrap()).unwrap();
        Preferences::parse(&files[file]).unwrap()
    };
    let atak = prefs(Flavour::Atak, "certs/server.pref");
    for (key, value) in [
        ("count", "1"),
        ("description0", "tak.example.org"),
        ("enabled0", "true"),
        ("connectString0", "tak.example.org:8089:ssl"),
        ("caLocation0", "cert/truststore.p12"),
        ("caPassword0", "atakatak"),
        ("certificateLocation0", "cert/alice.p12"),
        ("clientPassword0", "atakatak"),
    ] {
        assert_eq!(atak.get(STREAMS, key), Some(value), "{key}");
    }
    assert_eq!(atak.get(APP, "certificateLocation"), Some("cert/alice.p12"));
    assert_eq!(atak.get(APP, "displayServerConnectionWidget"), Some("true"));
    let itak = prefs(Flavour::Itak, "config.pref");
    assert_eq!((itak.get(STREAMS, "caLocation0"), itak.get(APP, "caLocation")), (None, Some("cert/truststore.p12")));
    let enroll = prefs(Flavour::Enroll, "certs/server.pref");
    assert_eq!(enroll.get(STREAMS, "enrollForCertificateWithTrust0"), Some("true"));
    assert_eq!(enroll.get(STREAMS, "useAuth0"), Some("true"));
    assert_eq!((enroll.of(0, "certificateLocation"), enroll.of(0, "clientPassword")), (None, None));
}

#[test]
fn only_other_ports_than_the_usual_ones_are_written() {
    let (_, truststore, keystore) = good();
    let prefs = |ports: Ports| {
        let contents = Contents { ports, ..contents(&truststore, &keystore) };
        let files = zip::read(&Flavour::Atak.package(&contents).unwrap()).unwrap();
        Preferences::parse(&files["certs/server.pref"]).unwrap()
    };
    let keys = ["apiSecureServerPort", "apiUnsecureServerPort", "apiCertEnrollmentPort"];
    let usual = prefs(Ports::default());
    assert!(keys.iter().all(|key| usual.get(APP, key).is_none()));
    let other = prefs(Ports { stream: 9089, https: 9443, http: 0, enrollment: 9446 });
    assert_eq!(keys.map(|key| other.get(APP, key)), [Some("9443"), None, Some("9446")]);
    assert_eq!(other.get(STREAMS, "connectString0"), Some("tak.example.org:9089:ssl"));
}

#[test]
fn every_fresh_package_is_good_and_two_cas_are_trusted_after_a_rotation() {
    let (made, _, keystore) = good();
    let old = Made::ca("FTS-CA-0");
    let truststore = trust(&[&made.ca_der, &old.ca_der], "atakatak");
    for flavour in Flavour::ALL {
        let package = flavour.package(&contents(&truststore, &keystore)).unwrap();
        let seen = inspect(&package, UnixTime::now());
        assert!(seen.good(), "{flavour:?}: {:?}", seen.findings);
        assert_eq!(seen.links.len(), 1);
        let link = &seen.links[0];
        assert_eq!((link.to.host.as_str(), link.to.port, link.https), ("tak.example.org", 8089, 8443));
        assert_eq!((link.roots.len(), link.own.is_some(), link.to.enrolls), (2, flavour.has_key(), !flavour.has_key()));
    }
}

#[test]
fn id12_14_no_truststore_in_any_package_holds_a_key() {
    let (_, truststore, keystore) = good();
    for flavour in Flavour::ALL {
        let mut files = zip::read(&flavour.package(&contents(&truststore, &keystore)).unwrap()).unwrap();
        if let Some(inner) = files.iter().find(|(name, _)| name.ends_with(".zip")).map(|(_, b)| zip::read(b).unwrap()) {
            files.extend(inner);
        }
        let mut stores = 0;
        for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".p12")) {
            let keys = Bags::open(bytes, "atakatak").unwrap().keys();
            assert_eq!(keys, usize::from(!name.ends_with("truststore.p12")), "{flavour:?} {name}");
            stores += 1;
        }
        assert_eq!(stores, if flavour.has_key() { 2 } else { 1 });
    }
}

#[test]
fn what_is_wrong_is_named_by_its_rule() {
    let (made, truststore, keystore) = good();
    let package = |truststore: &[u8], keystore: &[u8]| Flavour::Atak.package(&contents(truststore, keystore)).unwrap();
    assert_eq!(failed(b"nonsense"), ["zip"]);
    assert_eq!(failed(&package(&trust(&[&made.ca_der], "other"), &keystore)), ["truststore", "chain"]);
    assert_eq!(failed(&package(&truststore, &own(&made.own(|_| {}), "other"))), ["certificate"]);
    let expired = made.own(|p| p.not_after = date_time_ymd(2020, 1, 1));
    assert_eq!(failed(&package(&truststore, &own(&expired, "atakatak"))), ["dates"]);
    let early = made.own(|p| p.not_before = date_time_ymd(2099, 1, 1));
    assert_eq!(failed(&package(&truststore, &own(&early, "atakatak"))), ["dates"]);
    let server = made.own(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert_eq!(failed(&package(&truststore, &own(&server, "atakatak"))), ["eku"]);
    let stranger = own(&Made::ca("Elsewhere").own(|_| {}), "atakatak");
    assert_eq!(failed(&package(&truststore, &stranger)), ["chain"]);
    // The same name, another key: the signature decides.
    let twin = own(&Made::ca("FTS-CA-1").own(|_| {}), "atakatak");
    assert_eq!(failed(&package(&truststore, &twin)), ["chain"]);
    assert_eq!(failed(&package(&keystore, &keystore)), ["truststore", "chain"]);
    let leaf = made.own(|_| {});
    assert_eq!(failed(&package(&trust(&[&leaf.cert], "atakatak"), &keystore)), ["truststore", "chain"]);
    assert_eq!(failed(&package(&truststore, &truststore)), ["certificate"]);
}

#[test]
fn a_certificate_without_extended_key_usage_is_as_good() {
    let (made, truststore, _) = good();
    let keystore = own(&made.own(|p| p.extended_key_usages.clear()), "atakatak");
    assert_eq!(failed(&Flavour::Atak.package(&contents(&truststore, &keystore)).unwrap()), [""; 0]);
}

#[test]
fn manifests_that_do_not_fit_the_zip_are_named() {
    let (_, truststore, keystore) = good();
    let files = zip::read(&Flavour::Atak.package(&contents(&truststore, &keystore)).unwrap()).unwrap();
    let with = |change: &dyn Fn(&mut zip::Entries)| {
        let mut files = files.clone();
        change(&mut files);
        failed(&zip::write(&files.into_iter().collect::<Vec<_>>()).unwrap())
    };
    assert_eq!(with(&|f| drop(f.remove("MANIFEST/manifest.xml"))), ["manifest"]);
    assert_eq!(with(&|f| drop(f.insert("certs/more.p12".into(), keystore.clone()))), ["manifest"]);
    assert_eq!(with(&|f| drop(f.remove("certs/alice.p12"))), ["manifest", "certificate"]);
    assert_eq!(with(&|f| drop(f.remove("certs/server.pref"))), ["manifest", "preferences"]);
    assert_eq!(with(&|f| drop(f.insert("certs/server.pref".into(), b"<x".to_vec()))), ["preferences"]);
    let backslash = |f: &mut zip::Entries| {
        let text = f.remove("MANIFEST/manifest.xml").unwrap();
        f.insert("MANIFEST\\manifest.xml".into(), text);
    };
    assert_eq!(with(&backslash), ["manifest"]);
}

#[test]
fn names_and_hosts_are_restricted() {
    for name in ["alice", "a", "A.b_c@d-e", "1x", &"n".repeat(64)] {
        check_name(name).unwrap();
    }
    for name in ["", ".a", "-a", "@a", "_a", "a/b", "a b", "ä", "a+b", "..", &"n".repeat(65)] {
        assert!(check_name(name).is_err(), "{name}");
    }
    for host in ["localhost", "10.0.0.1", "tak.example.org", "TAK-1.local", "tak.example.org."] {
        check_host(host).unwrap();
    }
    for host in ["", "::1", "[::1]", "a b", "a/b", "-a", "a-", "a..b", "tak.example.org:8089", &"h".repeat(64)] {
        assert!(check_host(host).is_err(), "{host}");
    }
}

#[test]
fn a_package_is_kept_for_the_server_alone_and_forgotten_by_name() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let sources = crate::config::Sources { data_dir: Some(dir.path().to_owned()), ..crate::config::Sources::default() };
    let config = crate::config::load(&sources).unwrap().config;
    let path = keep(&config, "alice", None, b"one").unwrap();
    assert_eq!(path, dir.path().join("packages/alice.zip"));
    keep(&config, "alice", None, b"two").unwrap();
    keep(&config, "alice", Some(Flavour::Itak), b"three").unwrap();
    assert!(keep(&config, "../up", None, b"").is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(forget(&config, "alice"), 2);
    assert_eq!(forget(&config, "../alice"), 0);
    assert_eq!(std::fs::read_dir(dir.path().join("packages")).unwrap().count(), 0);
}

#[test]
fn the_host_must_stand_in_the_certificate_of_the_server() {
    use rcgen::SanType;
    let made = Made::ca("FTS-CA-1");
    let server = made.own(|p| {
        p.subject_alt_names =
            vec![SanType::DnsName("tak.example.org".try_into().unwrap()), SanType::IpAddress([10, 0, 0, 1].into())];
    });
    let verdict = |host: &str| rules::san(&server.cert, host).verdict;
    assert_eq!([verdict("TAK.example.org"), verdict("10.0.0.1")], [Verdict::Ok; 2]);
    let Finding { rule, verdict, seen, advice } = rules::san(&server.cert, "10.0.0.2");
    assert_eq!((rule, verdict), ("san", Verdict::Fail));
    assert!(seen.contains("tak.example.org, 10.0.0.1") && advice.contains("server.public_names"), "{seen} {advice}");
}
