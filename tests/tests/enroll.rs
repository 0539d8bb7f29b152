//! Enrolment as phones do it (identity.md 5, 12): configuration, request, certificate, and what is not signed. Requests are
//! made by openssl, SHA-1 included, because ATAK signs so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use fts_tests::{Client, DEADLINE, Pki, Server, Web};
use rustls::ALL_VERSIONS;

const PASSWORD: &str = "correct horse battery";
const NAMES: &str = "enrollment.name_entries";
const ENTRIES: &str = "[[\"O\",\"Org\"],[\"OU\",\"Unit\"]]";

fn server() -> Server {
    with_users(Server::build().secure().set(NAMES, ENTRIES).start())
}

fn with_users(server: Server) -> Server {
    for name in ["alice", "bob"] {
        let out = server.cli(&["user", "add", name, "--password", PASSWORD]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    server
}

fn door(server: &Server) -> Web {
    Web::tls(server, "enrollment", None)
}

fn alice(server: &Server) -> Web {
    door(server).basic("alice", PASSWORD)
}

/// Runs openssl in a directory; what it printed, and whether it was content.
fn openssl(dir: &Path, args: &str) -> (bool, String) {
    let out = Command::new("openssl").args(args.split(' ')).current_dir(dir).output().expect("openssl is needed here");
    (out.status.success(), format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)))
}

/// A request with its key in `<name>.key`, PEM.
fn request(dir: &Path, name: &str, subject: &str, key: &str) -> String {
    let (ok, said) = openssl(dir, &format!("req -new -nodes {key} -keyout {name}.key -out {name}.csr -subj {subject}"));
    assert!(ok, "{said}");
    fs::read_to_string(dir.join(format!("{name}.csr"))).unwrap()
}

/// As ATAK sends it: base64 with line breaks, without the PEM lines.
fn bare(pem: &str) -> Vec<u8> {
    pem.lines().filter(|l| !l.starts_with("-----")).map(|l| format!("{l}\r\n")).collect::<String>().into_bytes()
}

const SIGN: &str = "/Marti/api/tls/signClient";

fn certificates(server: &Server) -> usize {
    server.cli_json(&["cert", "list"]).as_array().unwrap().len()
}

#[test]
fn id12_01_the_configuration_and_who_may_ask_for_it() {
    let server = server();
    let reply = alice(&server).get("/Marti/api/tls/config").expect(200);
    assert_eq!(reply.header("content-type"), Some("application/xml; charset=utf-8"));
    assert_eq!(
        reply.text(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<ns2:certificateConfig \
         xmlns=\"http://bbn.com/marti/xml/config\" xmlns:ns2=\"com.bbn.marti.config\"><nameEntries><nameEntry name=\"O\" \
         value=\"Org\"/><nameEntry name=\"OU\" value=\"Unit\"/></nameEntries></ns2:certificateConfig>"
    );
    alice(&server).get("/Marti/api/tls/config/").expect(200);
    for nobody in [door(&server), door(&server).basic("alice", "wrong"), door(&server).basic("nobody", PASSWORD)] {
        let reply = nobody.get("/Marti/api/tls/config").expect(401);
        assert_eq!(reply.header("www-authenticate"), Some("Basic realm=\"tak\""));
    }
    // Nowhere else.
    let pki = Pki::issue(&server, "alice");
    Web::tls(&server, "marti_https", Some(&pki)).get("/Marti/api/tls/config").expect(404);
    // Even a subject with one entry is told as two: CloudTAK cannot read a single one.
    let short = with_users(Server::build().secure().toml("[tls.subject]\nO = \"A & B\"\nOU = \"x\"").start());
    let text = alice(&short).get("/Marti/api/tls/config").expect(200).text();
    assert!(text.matches("<nameEntry ").count() == 2 && text.contains("value=\"A &amp; B\""), "{text}");
}

#[test]
fn id12_02_an_rsa_4096_request_signed_with_sha1_is_answered_as_atak_reads_it() {
    let server = server();
    let dir = server.dir();
    let pem = request(dir, "phone", "/OU=Unit/CN=alice/O=Org", "-newkey rsa:4096 -sha1");
    let path = format!("{SIGN}?clientUid=ANDROID-1&version=4.6");
    let reply = alice(&server).post(&path, "text/plain; charset=ISO-8859-1", &bare(&pem)).expect(200);
    assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
    fs::write(dir.join("r.p12"), &reply.body).unwrap();
    // OpenSSL 3 without -legacy.
    let (ok, text) = openssl(dir, "pkcs12 -in r.p12 -passin pass:atakatak -nokeys -nodes");
    assert!(ok && text.contains("friendlyName: signedCert") && text.contains("friendlyName: ca0"), "{text}");
    assert!(!text.contains("ca1") && text.matches("BEGIN CERTIFICATE").count() == 2, "{text}");
    let (_, all) = openssl(dir, "pkcs12 -in r.p12 -passin pass:atakatak -nodes");
    assert!(!all.contains("PRIVATE KEY"), "no key was there to give");
    if let Ok(out) = Command::new("keytool")
        .args(["-list", "-storetype", "PKCS12", "-storepass", "atakatak", "-keystore", "r.p12"])
        .current_dir(dir)
        .output()
    {
        let text = String::from_utf8_lossy(&out.stdout).to_lowercase();
        assert!(text.matches("trustedcertentry").count() == 2 && text.contains("signedcert"), "{text}");
    }
    let cert = certificate(&text, "signedCert");
    fs::write(dir.join("phone.pem"), &cert).unwrap();
    let (ok, said) = openssl(dir, "verify -purpose sslclient -CAfile data/certs/ca.pem phone.pem");
    assert!(ok, "{said}");
    let (_, said) = openssl(dir, "x509 -in phone.pem -noout -text");
    assert!(said.contains("TLS Web Client Authentication, challengePassword"), "{said}");
    assert!(
        said.contains("Subject: CN = alice, O = Org, OU = Unit") || said.contains("Subject: CN=alice, O=Org, OU=Unit"),
        "{said}"
    );
    let listed = server.cli_json(&["cert", "list"]);
    let row = &listed[0];
    assert_eq!((row["user"].as_str(), row["client_uid"].as_str()), (Some("alice"), Some("ANDROID-1")));
    assert_eq!((row["client_version"].as_str(), row["via"].as_str()), (Some("4.6"), Some("enroll")));
    let line = server.wait_log(|l| l["event"] == "cert.issued" && l["via"] == "enroll");
    assert_eq!((&line["user"], &line["serial"]), (&"alice".into(), &row["serial"]));
}

#[test]
fn id12_05_the_certificate_opens_the_stream_and_one_of_another_ca_does_not() {
    let server = server();
    let dir = server.dir();
    let pem = request(dir, "phone", "/OU=Unit/CN=alice/O=Org", "-newkey rsa:2048 -sha1");
    let path = format!("{SIGN}?clientUid=ANDROID-1&version=4.6");
    let reply = alice(&server).post(&path, "text/plain", &bare(&pem)).expect(200);
    fs::write(dir.join("r.p12"), &reply.body).unwrap();
    let (ok, text) = openssl(dir, "pkcs12 -in r.p12 -passin pass:atakatak -nokeys -nodes");
    assert!(ok, "{text}");
    fs::write(dir.join("phone.pem"), certificate(&text, "signedCert")).unwrap();
    let phone = Pki { name: "phone".into(), dir: dir.to_owned() };
    let ca = server.data_dir().join("certs/ca.pem");
    let mut client = Client::tls(&server, "cot_tls", phone.client(&ca, ALL_VERSIONS)).unwrap().greeted();
    client.sync();
    // One of another CA does not.
    let elsewhere = Server::build().tls().start();
    let foreign = Pki::issue(&elsewhere, "alice").client(&ca, ALL_VERSIONS);
    let shut = match Client::tls(&server, "cot_tls", foreign) {
        Err(_) => true,
        Ok(mut client) => client.next_within(DEADLINE).is_err_and(|why| !why.starts_with("timeout")),
    };
    assert!(shut);
}

/// The PEM of the certificate behind this friendly name, in what `openssl pkcs12` prints.
fn certificate(text: &str, name: &str) -> String {
    let bag = text.split("Bag Attributes").find(|bag| bag.contains(&format!("friendlyName: {name}"))).unwrap();
    let from = bag.find("-----BEGIN CERTIFICATE-----").unwrap();
    let end = bag.find("-----END CERTIFICATE-----").unwrap();
    format!("{}-----END CERTIFICATE-----\n", &bag[from..end])
}

#[test]
fn id12_03_version_2_in_the_form_that_is_accepted() {
    let server = server();
    let pem = request(server.dir(), "phone", "/CN=alice/O=Org/OU=Unit", "-newkey rsa:2048 -sha256");
    let ask = |accept: Option<&str>, uid: &str| {
        let headers: Vec<_> = accept.iter().map(|a| ("accept", *a)).collect();
        let path = format!("{SIGN}/v2?clientUID={uid}&version=3");
        alice(&server).send("POST", &path, &headers, pem.as_bytes())
    };
    let whole = |value: &str| {
        assert!(value.lines().all(|l| l.len() <= 64) && !value.contains("BEGIN") && !value.ends_with('\n'), "{value}");
        STANDARD.decode(value.replace('\n', "")).unwrap()
    };
    let ca = fs::read_to_string(server.data_dir().join("certs/ca.pem")).unwrap();
    let ca = STANDARD.decode(ca.lines().filter(|l| !l.starts_with("---")).collect::<String>()).unwrap();
    for (accept, kind) in [
        (None, "application/json"),
        (Some("*/*"), "application/json"),
        (Some("application/json"), "application/json"),
        (Some("text/plain"), "text/plain"),
    ] {
        let reply = ask(accept, "A").expect(200);
        assert_eq!(reply.header("content-type"), Some(kind));
        let answer = reply.json();
        let keys: Vec<_> = answer.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys.len(), 3, "{keys:?}");
        assert_eq!(
            (whole(answer["ca0"].as_str().unwrap()), answer["ca0"].clone()),
            (ca.clone(), answer["ca1"].clone())
        );
        fs::write(server.dir().join("s.der"), whole(answer["signedCert"].as_str().unwrap())).unwrap();
        let (ok, said) = openssl(server.dir(), "x509 -inform der -in s.der -noout -subject -nameopt RFC2253");
        assert!(ok && said.contains("CN=alice"), "{said}");
    }
    for accept in ["application/xml", "text/xml"] {
        let reply = ask(Some(accept), "B").expect(200);
        assert_eq!(reply.header("content-type"), Some("application/xml"));
        let text = reply.text();
        let begins = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><enrollment><signedCert>MII";
        assert!(text.starts_with(begins) && text.ends_with("</ca></enrollment>"), "{text}");
        assert_eq!(text.matches("<ca>").count(), 1);
    }
    let before = certificates(&server);
    let reply = ask(Some("image/png"), "C").expect(400);
    assert_eq!(reply.json()["status"], "BAD_REQUEST");
    assert_eq!(certificates(&server), before, "nothing was signed for an answer nobody can read");
}

#[test]
fn id12_04_what_is_not_signed() {
    let server = server();
    let dir = server.dir();
    let sign = |body: &[u8]| alice(&server).post(&format!("{SIGN}?clientUid=A"), "text/plain", body);
    let bob = request(dir, "bob", "/CN=bob/O=Org/OU=Unit", "-newkey rsa:2048 -sha1");
    let refused = sign(&bare(&bob)).expect(400).json();
    assert_eq!((refused["status"].as_str(), refused["code"].as_i64()), (Some("BAD_REQUEST"), Some(2)));
    assert!(refused["message"].as_str().unwrap().contains("bob"), "{refused}");
    let good = request(dir, "good", "/CN=Alice/O=ORG/OU=unit", "-newkey rsa:2048 -sha1");
    let mut der =
        STANDARD.decode(bare(&good).iter().filter(|b| !b.is_ascii_whitespace()).copied().collect::<Vec<_>>()).unwrap();
    *der.last_mut().unwrap() ^= 1;
    let broken = sign(STANDARD.encode(&der).as_bytes()).expect(400).json();
    assert!(broken["message"].as_str().unwrap().contains("signature"), "{broken}");
    let weak = request(dir, "weak", "/CN=alice/O=Org/OU=Unit", "-newkey rsa:1024 -sha1");
    assert!(sign(&bare(&weak)).expect(400).text().contains("1024 bits"));
    for subject in ["/CN=alice", "/CN=alice/O=Org", "/CN=alice/O=Org/OU=Other", "/CN=alice/O=Org/OU=Unit/L=Town"] {
        let other = request(dir, "other", subject, "-newkey rsa:2048 -sha1");
        sign(&bare(&other)).expect(400);
    }
    for body in [&b""[..], b"hello", &[0xFF, 0x00]] {
        sign(body).expect(400);
    }
    sign(&vec![b'A'; 65 * 1024]).expect(413);
    assert_eq!(certificates(&server), 0, "nothing is stored");
    assert!(!server.data_dir().join("certs/clients").exists());
    // The good one is.
    sign(&bare(&good)).expect(200);
    // Guessing has an end; the right password then waits, too.
    for _ in 0..5 {
        door(&server).basic("bob", "wrong").post(SIGN, "text/plain", &bare(&bob)).expect(401);
    }
    let wait = door(&server).basic("bob", "wrong").post(SIGN, "text/plain", &bare(&bob)).expect(429);
    assert!(wait.header("retry-after").is_some(), "{:?}", wait.headers);
    assert_eq!(certificates(&server), 1);
}

#[test]
fn id12_08_an_enrolment_token_works_once() {
    let server = server();
    let made = server.cli_json(&["enroll", "token", "alice"]);
    let token = made["token"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let by_token = || door(&server).basic("alice", &token);
    by_token().get("/Marti/api/tls/config").expect(200);
    let pem = request(server.dir(), "phone", "/CN=alice/O=Org/OU=Unit", "-newkey rsa:2048 -sha1");
    // Somebody else's is nobody's.
    door(&server).basic("bob", &token).get("/Marti/api/tls/config").expect(401);
    by_token().post(&format!("{SIGN}?clientUid=A&version=5"), "text/plain", &bare(&pem)).expect(200);
    let again = by_token().post(&format!("{SIGN}?clientUid=A&version=5"), "text/plain", &bare(&pem)).expect(401);
    assert!(again.text().contains("used up"), "{}", again.text());
    assert_eq!(certificates(&server), 1);
    let log = server.logs().iter().map(ToString::to_string).collect::<String>();
    assert!(!log.contains(&token) && !log.contains(PASSWORD));
}

#[test]
fn keys_are_made_here_only_where_that_is_allowed() {
    let server = server();
    alice(&server).get("/Marti/api/tls/makeClientKeyStore").expect(403);
    let open = with_users(Server::build().secure().set("enrollment.server_side_keys", "true").start());
    alice(&open).get("/Marti/api/tls/makeClientKeyStore?cn=bob").expect(403);
    let reply = alice(&open).get("/Marti/api/tls/makeClientKeyStore?clientUid=X&password=secret-1").expect(200);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    fs::write(open.dir().join("k.p12"), &reply.body).unwrap();
    let (ok, text) = openssl(open.dir(), "pkcs12 -in k.p12 -passin pass:secret-1 -nodes");
    assert!(ok && text.contains("BEGIN PRIVATE KEY") && text.contains("friendlyName: alice"), "{text}");
    assert_eq!(open.cli_json(&["cert", "list"])[0]["client_uid"], "X");
    door(&open).get("/Marti/api/tls/makeClientKeyStore").expect(401);
}

#[test]
fn id12_14_what_is_given_as_a_truststore_holds_no_key() {
    let server = server();
    let out = server.dir().join("out");
    let out = out.to_str().unwrap();
    assert!(server.cli(&["cert", "issue", "carol", "--out", out]).status.success());
    assert!(server.cli(&["cert", "export", "ca", "--out", &format!("{out}/ca.pem")]).status.success());
    assert!(server.cli(&["cert", "ca-rotate"]).status.success());
    let mut found: Vec<PathBuf> = Vec::new();
    let mut places = vec![server.dir().to_owned()];
    while let Some(place) = places.pop() {
        for path in fs::read_dir(place).unwrap().flatten().map(|e| e.path()) {
            if path.is_dir() {
                places.push(path);
            } else if path.extension().is_some_and(|e| e == "p12") {
                found.push(path);
            }
        }
    }
    found.retain(|path| !path.ends_with("carol.p12"));
    assert_eq!(found.len(), 3, "{found:?}");
    for path in found {
        let (ok, text) = openssl(server.dir(), &format!("pkcs12 -in {} -passin pass:atakatak -nodes", path.display()));
        assert!(
            ok && text.contains("BEGIN CERTIFICATE") && !text.contains("PRIVATE KEY"),
            "{}: {text}",
            path.display()
        );
    }
}
