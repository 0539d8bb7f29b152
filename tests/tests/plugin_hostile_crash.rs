//! A plugin that takes the whole process down (plugins.md 4): the crash is put down to it, and after two within ten
//! minutes the next start leaves it out and says why, until somebody lifts that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{fs, io::Write, net::TcpStream, os::unix::process::ExitStatusExt};

use fts_tests::{Builder, Client, Server};
use hostile_bed::{Talk, ask, assert_others_well, hostile, shown, state, trigger};

use crate::hostile_bed;

/// Lets it crash the server; the signal it died of.
fn crash(server: &mut Server, mode: &str) -> i32 {
    // Open until it is dead: the server need not do what nobody waits for any more.
    let mut stream;
    if mode.ends_with("-route") {
        stream = TcpStream::connect(server.address("admin")).unwrap();
        write!(stream, "GET /api/plugins/hostile/do HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    } else {
        Client::join(server, "CRASHER", "CRASHER").send(&trigger("crash"));
    }
    server.wait().signal().expect("died of a signal")
}

fn crashes(server: &Server) -> Vec<String> {
    let text = fs::read_to_string(server.data_dir().join("run/crashes")).unwrap();
    text.lines().map(|l| l.split_once(' ').unwrap().1.to_owned()).collect()
}

/// Crashes twice; the directory is as it is then.
fn crashed_twice(mode: &str, signal: i32, handler: &str) -> Server {
    let mut server = hostile(mode, "").start();
    assert_eq!(crash(&mut server, mode), signal);
    assert_eq!(crashes(&server), [format!("hostile {handler}")], "who was in charge");
    // Once is no habit.
    let mut again = hostile(mode, "").again(&server).start();
    assert_eq!(shown(&again)["state"], "running");
    assert_eq!(crash(&mut again, mode), signal);
    assert_eq!(crashes(&again).len(), 2);
    again
}

/// It is left out, says why, and nothing else misses it.
fn assert_left_out(server: &Server, handler: &str) {
    let now = shown(server);
    assert_eq!(now["state"], "quarantined");
    let told = now["report"].as_str().unwrap();
    let begin = format!("hostile: the server crashed in it twice within 10 minutes, last in {handler} at 20");
    let end = " — fts plugin enable hostile tries it again; fts run --no-quarantine or plugins.quarantine = false loads it all the same";
    assert!(told.starts_with(&begin) && told.ends_with(end), "{told}");
    assert_eq!(state(server, "quarantined")["msg"], told);
    assert_eq!(ask(server, "ok").status, 404);
    assert!(server.get("/readyz").body.contains("quarantined"));
    let talk = Talk::begin(server);
    assert_others_well(server);
    talk.end();
}

fn assert_runs(server: &Server) {
    assert_eq!(shown(server)["state"], "running");
    assert_eq!(ask(server, "ok").body, "ok");
}

fn next(server: &Server, mode: &str) -> Builder {
    hostile(mode, "").again(server)
}

#[test]
fn two_aborts_in_an_intercept_put_it_into_quarantine_until_it_is_enabled() {
    let (mode, handler) = ("abort-tap", "intercept b-x-h");
    let server = crashed_twice(mode, 6, handler);
    let mut out = next(&server, mode).start();
    assert_left_out(&out, handler);
    out.stop();
    // Both ways past it are for one start each.
    let mut all_the_same = next(&out, mode).arg("--no-quarantine").start();
    assert_runs(&all_the_same);
    all_the_same.stop();
    let mut by_table = next(&out, mode).set("plugins.quarantine", "false").start();
    assert_runs(&by_table);
    by_table.stop();
    let mut out = next(&out, mode).start();
    assert_left_out(&out, handler);
    // Enabled by hand it runs, now and at the next start.
    let done = out.cli(&["plugin", "enable", "hostile"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_runs(&out);
    out.stop();
    let mut free = next(&out, mode).start();
    assert_runs(&free);
    // With a clean slate: one crash more is one.
    assert_eq!(crash(&mut free, mode), 6);
    assert_runs(&next(&free, mode).start());
}

#[test]
fn two_null_reads_in_a_request_put_it_into_quarantine_until_the_admin_api_lifts_it() {
    let (mode, handler) = ("segv-route", "GET /api/plugins/hostile/do");
    let server = crashed_twice(mode, 11, handler);
    let mut out = next(&server, mode).start();
    assert_left_out(&out, handler);
    let done = out.admin("POST", "/admin/plugins/hostile/enable", "");
    assert_eq!(done.status, 200, "{}", done.body);
    assert_runs(&out);
    assert!(out.stop().success());
}

/// The event is in the journal: it comes again at the next start, before anybody could do anything about it. Twice given
/// after a crash, it is set aside, so that whoever lifts the quarantine does not find it there.
#[test]
fn an_event_that_crashes_its_observer_is_not_given_for_ever() {
    let mode = "abort-once";
    let mut server = hostile(mode, "").start();
    assert_eq!(crash(&mut server, mode), 6);
    let status = hostile(mode, "").command(server.dir()).output().unwrap().status;
    assert_eq!(status.signal(), Some(6), "it is given again, once");
    let out = next(&server, mode).start();
    assert_left_out(&out, "observe b-x-h");
    let done = out.admin("POST", "/admin/plugins/hostile/enable", "");
    assert_eq!(done.status, 200, "{}", done.body);
    assert_runs(&out);
    let poison = out.data_dir().join("plugin-data/hostile/poison");
    out.eventually("the event is set aside", || fs::read_dir(&poison).is_ok_and(|d| d.count() == 1));
    assert_runs(&out);
}
