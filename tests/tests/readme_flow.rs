//! The README's way from an empty directory to two phones, word for word but for host and ports: `fts init`, the server,
//! `fts client add` twice; then two clients that have nothing but their packages see each other and exchange a data
//! package. Timed: it has to take less than two minutes from a built binary, and no file is edited.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fts_tests::{Client, Package, Web, binary};
use rustls::ALL_VERSIONS;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(120);
/// What a test must not use: fixed ports, and addresses others reach.
const LISTENERS: [&str; 6] = ["COT_TCP", "COT_TLS", "MARTI_HTTP", "MARTI_HTTPS", "ENROLLMENT", "REST"];

/// The lines of a block of the README.
fn block(name: &str) -> Vec<String> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let (_, rest) = readme.split_once(&format!("<!-- {name} -->")).unwrap();
    let (inside, _) = rest.split_once(&format!("<!-- /{name} -->")).unwrap();
    inside.lines().filter(|l| !l.is_empty() && !l.starts_with("```")).map(str::to_owned).collect()
}

fn command(home: &Path, line: &str) -> Command {
    let line = line.replace("192.0.2.10", "127.0.0.1");
    let args: Vec<_> = line.strip_prefix("target/release/fts").unwrap().split_whitespace().map(str::to_owned).collect();
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("FTS_")) {
        command.env_remove(name);
    }
    for listener in LISTENERS {
        command.env(format!("FTS_LISTENERS__{listener}__BIND"), "127.0.0.1");
        command.env(format!("FTS_LISTENERS__{listener}__PORT"), "0");
    }
    command.env("FTS_LISTENERS__ADMIN__PORT", "0").current_dir(home).args(args).stdin(Stdio::null());
    command
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn from_an_empty_directory_to_two_phones_that_exchange_a_package() {
    let (home, began) = (tempfile::tempdir().unwrap(), Instant::now());
    let run = |line: &str| {
        let out = command(home.path(), line).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{line}: {said}");
        said
    };
    let lines = block("tls");
    let (init, rest): (Vec<_>, Vec<_>) = lines.iter().partition(|l| l.contains("fts init"));
    assert!(init.len() == 1 && rest.len() == 2, "{lines:?}");
    let said = run(init[0]);
    assert!(said.contains("user admin, password ") && said.contains("Next: fts client add"), "{said}");
    let log = fs::File::create(home.path().join("log")).unwrap();
    let server = command(home.path(), "target/release/fts").stdout(log).stderr(Stdio::inherit()).spawn().unwrap();
    let _server = Running(server);
    let listeners = home.path().join("fts-data/run/listeners.json");
    let text = loop {
        if let Ok(text) = fs::read_to_string(&listeners) {
            break text;
        }
        assert!(began.elapsed() < LIMIT, "{}", fs::read_to_string(home.path().join("log")).unwrap());
        std::thread::yield_now();
    };
    let said: String = rest.iter().map(|line| run(line)).collect();
    assert_eq!(said.matches("checked by connecting with it").count(), 8, "{said}");

    let listeners: Value = serde_json::from_str(&text).unwrap();
    let at = |name: &str| (std::net::Ipv4Addr::LOCALHOST, listeners[name]["port"].as_u64().unwrap() as u16).into();
    let phone = |name: &str, client: &str| {
        let package = Package::open(&home.path().join(format!("{name}/{name}-{client}.zip")));
        package.pki(name).client(&package.ca(), ALL_VERSIONS)
    };
    let (alices, bobs) = (phone("alice", "atak"), phone("bob", "wintak"));
    let stream = |config| {
        let socket = std::net::TcpStream::connect::<std::net::SocketAddr>(at("cot_tls")).unwrap();
        Client::tls_over(socket, config).unwrap().greeted()
    };
    let mut alice = stream(alices.clone()).identify("ANDROID-A", "ALICE");
    let mut bob = stream(bobs.clone()).identify("ANDROID-B", "BOB");
    let is = |uid: &'static str| move |event: &fts_tests::Event| event.uid() == uid;
    alice.until(is("ANDROID-B"));
    bob.until(is("ANDROID-A"));

    // As ATAK does: upload, offer with the answer's URL, download.
    let content = b"PK-not-really-but-bytes-are-bytes".repeat(100);
    let hash = sha256(&content);
    let upload = format!("/Marti/sync/missionupload?hash={hash}&filename=plan.zip&creatorUid=ANDROID-A");
    let stored =
        Web::with(at("marti_https"), alices).form(&upload, "assetfile", "plan.zip", "application/zip", &content);
    assert_eq!(stored.status, 200, "{}", stored.text());
    let url = stored.text();
    let share = format!(
        "<fileshare filename=\"plan.zip\" senderUrl=\"{}\" sizeInBytes=\"{}\" sha256=\"{hash}\" senderUid=\"ANDROID-A\" senderCallsign=\"ALICE\" name=\"plan\"/><marti><dest callsign=\"BOB\"/></marti>",
        url.replace('&', "&amp;"),
        content.len()
    );
    alice.say("offer-1", "b-f-t-r", &share);
    let (offer, _) = bob.until(is("offer-1"));
    let told = offer.detail("fileshare").unwrap().attr("senderUrl").to_owned();
    let fetched = Web::with(at("marti_https"), bobs).get(&told[told.find("/Marti").unwrap()..]);
    assert_eq!((fetched.status, fetched.body == content), (200, true));
    let took = began.elapsed();
    println!("from an empty directory to an exchanged package: {:.1} s", took.as_secs_f64());
    assert!(took < LIMIT, "{took:?}");
}

fn sha256(content: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), content).unwrap();
    let out = fts_tests::openssl(&["dgst", "-sha256", "-r", file.path().to_str().unwrap()]).unwrap();
    out.split_whitespace().next().unwrap().to_owned()
}
