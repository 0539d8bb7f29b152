//! `/readyz` and the database (operations.md 6.3, 13 line 13): who can keep nothing is not ready, and is again when it can.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::Server;

#[test]
fn op13_13_a_database_that_cannot_be_written_is_not_ready_and_is_again_when_it_can() {
    let server = Server::start();
    let ready = || server.get("/readyz");
    assert_eq!((ready().status, &ready().json()["checks"]["db"]), (200, &"ok".into()));
    // Without the file: what is committed would be gone with the process.
    let (file, away) = (server.data_dir().join("fts.db"), server.data_dir().join("away.db"));
    std::fs::rename(&file, &away).unwrap();
    let begun = std::time::Instant::now();
    server.eventually("not ready", || ready().status == 503);
    assert!(begun.elapsed() < std::time::Duration::from_secs(15));
    let said = ready().json();
    assert!(said["status"] == "failed" && said["checks"]["db"].as_str().unwrap().contains("fts.db"), "{said}");
    assert_eq!(server.get("/livez").status, 200, "it lives: nobody is to restart it for that");
    std::fs::rename(&away, &file).unwrap();
    server.eventually("ready again", || ready().status == 200);
    server.wait_log(|l| l["event"] == "db.unwritable" && l["level"] == "ERROR");
    server.wait_log(|l| l["event"] == "db.writable");
    // The directory's rights, where they bind whoever runs this: root may write everywhere.
    if rustix::process::geteuid().is_root() {
        return;
    }
    let rights = |mode| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(server.data_dir(), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    rights(0o500);
    server.eventually("not ready", || ready().status == 503);
    rights(0o700);
    server.eventually("ready again", || ready().status == 200);
}
