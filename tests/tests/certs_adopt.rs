//! Taking over a FreeTAKServer's CA (identity.md 3.1, 12 line 10; operations.md 8, step 3): its clients connect as before,
//! its version 1 CRL counts, and the one written here is of version 2. The folder is made as FreeTAKServer makes it:
//! certificates that say nothing of their use (openssl makes version 3 only with some extension, so there is a comment;
//! one without any is tested beside the verifier), the CRL behind the CA in one file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, path::Path, process::Command, sync::Arc};

use fts_tests::{Client, DEADLINE, Pki, Server};
use rustls::{ALL_VERSIONS, ClientConfig};

fn openssl(dir: &Path, args: &str) -> String {
    let out = Command::new("openssl").args(args.split(' ')).current_dir(dir).output().expect("openssl is needed here");
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "openssl {args}: {text}");
    text
}

const CONFIG: &str = "\
[ca]\ndefault_ca = d\n[d]\ndatabase = index\nnew_certs_dir = .\nserial = serial\ndefault_md = sha256\ndefault_days = 365\n\
default_crl_days = 100\npolicy = p\nx509_extensions = x\n[x]\nnsComment = none\n[p]\ncommonName = supplied\nstateOrProvinceName = optional\ncountryName = optional\n\
organizationName = optional\norganizationalUnitName = optional\nlocalityName = optional\n\
[req]\ndistinguished_name = n\n[n]\n[v3_ca]\nbasicConstraints = CA:TRUE\nkeyUsage = keyCertSign, cRLSign\n";

/// `certs/` with a CA, `alice` and `mallory`, who is revoked.
fn fts_folder(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("o.cnf"), CONFIG).unwrap();
    fs::write(dir.join("index"), "").unwrap();
    // The first bit is set, so DER puts a zero byte before it.
    fs::write(dir.join("serial"), "F123456789ABCDEF\n").unwrap();
    let rest = "/ST=Nova_Scotia/C=CA/O=FreeTAKServer/OU=Core_Dev/L=Halifax";
    openssl(
        dir,
        &format!(
            "req -x509 -config o.cnf -extensions v3_ca -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 365 -subj /CN=12345678901234567890{rest}"
        ),
    );
    for name in ["alice", "mallory"] {
        openssl(
            dir,
            &format!(
                "req -new -config o.cnf -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}{rest}"
            ),
        );
        openssl(
            dir,
            &format!("ca -batch -notext -config o.cnf -cert ca.pem -keyfile ca.key -in {name}.csr -out {name}.pem"),
        );
    }
    openssl(dir, "ca -config o.cnf -cert ca.pem -keyfile ca.key -revoke mallory.pem");
    openssl(dir, "ca -gencrl -config o.cnf -cert ca.pem -keyfile ca.key -out FTS_CRL.json");
    let version = openssl(dir, "crl -in FTS_CRL.json -noout -text");
    assert!(version.contains("Version 1"), "{version}");
    let both = format!(
        "{}{}",
        fs::read_to_string(dir.join("ca.pem")).unwrap(),
        fs::read_to_string(dir.join("FTS_CRL.json")).unwrap()
    );
    fs::write(dir.join("ca.pem"), both).unwrap();
    // What else lies there.
    fs::remove_file(dir.join("index.attr")).unwrap_or_default();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.len() == 20 && name.ends_with(".pem") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    fs::write(dir.join("broken.pem"), "nothing").unwrap();
}

fn client(server: &Server, dir: &Path, name: &str) -> Arc<ClientConfig> {
    Pki { name: name.into(), dir: dir.to_owned() }.client(&server.data_dir().join("certs/ca.pem"), ALL_VERSIONS)
}

fn refused(server: &Server, config: Arc<ClientConfig>) -> bool {
    match Client::tls(server, "cot_tls", config) {
        Err(_) => true,
        Ok(mut client) => client.next_within(DEADLINE).is_err_and(|why| !why.starts_with("timeout")),
    }
}

fn check(server: &Server, folder: &Path) {
    let mut alice = Client::tls(server, "cot_tls", client(server, folder, "alice")).unwrap().greeted();
    alice = alice.identify("ALICE", "ALICE");
    assert_eq!(server.client("ALICE")["user"], "alice");
    alice.sync();
    assert!(refused(server, client(server, folder, "mallory")));
    let text = openssl(&server.data_dir().join("certs"), "crl -in crl.pem -noout -text -CAfile ca.pem");
    assert!(text.contains("Version 2") && text.contains("F123456789ABCDF0") && text.contains("verify OK"), "{text}");
    openssl(&server.data_dir().join("certs"), "verify -CAfile ca.pem server.pem");
    let listed = server.cli_json(&["cert", "list"]);
    let state = |name: &str| {
        let row = listed.as_array().unwrap().iter().find(|c| c["cn"] == name).unwrap_or_else(|| panic!("{listed}"));
        (row["state"].as_str().unwrap().to_owned(), row["via"].as_str().unwrap().to_owned())
    };
    assert_eq!(state("alice"), ("active".into(), "import".into()));
    assert_eq!(state("mallory"), ("revoked".into(), "import".into()));
    // Now alice goes, too.
    assert!(server.cli(&["cert", "revoke", "--user", "alice"]).status.success());
    alice.expect_close();
    assert!(refused(server, client(server, folder, "alice")));
    // New ones come from the adopted CA.
    let bob = Pki::issue(server, "bob").client(&server.data_dir().join("certs/ca.pem"), ALL_VERSIONS);
    Client::tls(server, "cot_tls", bob).unwrap().greeted().sync();
}

#[test]
fn id12_10_a_free_tak_server_folder_is_taken_over_by_a_running_server() {
    let server = Server::build().tls().start();
    let folder = server.dir().join("fts-certs");
    fts_folder(&folder);
    let before: Vec<_> =
        fs::read_dir(&folder).unwrap().flatten().map(|e| (e.path(), fs::read(e.path()).unwrap())).collect();
    let out = server.cli(&["cert", "adopt", folder.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    assert!(
        said.contains("2 certificates and 1 revocations") && said.contains("1 files were no certificates"),
        "{said}"
    );
    assert!(before.iter().all(|(path, bytes)| fs::read(path).unwrap() == *bytes), "nothing there is changed");
    let names: Vec<_> =
        server.cli_json(&["cert", "list"]).as_array().unwrap().iter().map(|c| c["cn"].clone()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    check(&server, &folder);
}

#[test]
fn id12_10_the_same_without_a_server_and_by_files() {
    let mut server = Server::build().tls().start();
    assert!(server.stop().success());
    let folder = server.dir().join("fts-certs");
    fts_folder(&folder);
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    // A key of another CA is refused, and nothing has changed.
    let own = fs::read(server.data_dir().join("certs/ca.pem")).unwrap();
    let wrong = server.cli(&["cert", "adopt", "--ca", &file("ca.pem"), "--key", &file("alice.key")]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("do not belong together"), "{wrong:?}");
    assert_eq!(fs::read(server.data_dir().join("certs/ca.pem")).unwrap(), own);
    let out = server.cli(&["cert", "adopt", &folder.display().to_string()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let server = Server::build().tls().again(&server).start();
    check(&server, &folder);
}

#[test]
fn a_free_tak_server_crl_in_the_place_of_ours_locks_nobody_out() {
    // As an operator does it by hand: the files copied into the data directory before the first start.
    let dir = tempfile::tempdir().unwrap();
    fts_folder(dir.path());
    let mut first = Server::build().tls().start();
    assert!(first.stop().success());
    let certs = first.data_dir().join("certs");
    for (from, to) in [("ca.pem", "ca.pem"), ("ca.key", "ca.key"), ("FTS_CRL.json", "crl.pem")] {
        fs::copy(dir.path().join(from), certs.join(to)).unwrap();
    }
    let server = Server::build().tls().again(&first).start();
    let mut alice = Client::tls(&server, "cot_tls", client(&server, dir.path(), "alice")).unwrap().greeted();
    alice.sync();
    assert!(refused(&server, client(&server, dir.path(), "mallory")));
    let text = openssl(&certs, "crl -in crl.pem -noout -text");
    assert!(text.contains("Version 2"), "{text}");
}
