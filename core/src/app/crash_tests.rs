//! Each test runs this program again: what dies is the child, which runs nothing but [`child`].
use std::{
    fs,
    os::unix::process::ExitStatusExt,
    process::{Command, Output, Stdio},
};

use super::*;
use crate::plugins::charge::{Tag, enter};

const HOW: &str = "FTS_TEST_CRASH";
const RUN: &str = "FTS_TEST_CRASH_RUN";

/// What the child does; a test that passes at once in the parent.
#[test]
fn child() {
    let (Ok(how), Ok(run)) = (std::env::var(HOW), std::env::var(RUN)) else { return };
    // A core file of each run would be kept by some systems.
    rustix::process::setrlimit(
        rustix::process::Resource::Core,
        rustix::process::Rlimit { current: Some(0), maximum: Some(0) },
    )
    .unwrap();
    install(Path::new(&run)).unwrap();
    let _in = (how != "alone").then(|| enter(Tag::of("mission", "observe b-t-f*")));
    match how.as_str() {
        "stack" => drop(std::hint::black_box(deeper(1))),
        // SAFETY: it is meant to fail: nothing is mapped at the beginning of the address space.
        "segv" => drop(unsafe { ptr::with_exposed_provenance::<u8>(64).read_volatile() }),
        // SAFETY: sends a signal to this thread, which ends the process.
        "sent" => drop(unsafe { libc::raise(SIGFPE) }),
        "other thread" => std::thread::spawn(|| std::process::abort()).join().unwrap(),
        _ => std::process::abort(),
    }
}

#[allow(unconditional_recursion)]
fn deeper(n: u64) -> u64 {
    let frame = std::hint::black_box([n; 512]);
    deeper(n + 1) + frame[n as usize % 512]
}

/// (what it said, what it wrote down, the signal it died of)
fn die(how: &str) -> (String, String, Option<i32>) {
    let dir = tempfile::tempdir().unwrap();
    let Output { status, stderr, .. } = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "app::crash::tests::child", "--nocapture", "--test-threads=1"])
        .env(HOW, how)
        .env(RUN, dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let written = fs::read_to_string(dir.path().join("crashes")).unwrap_or_default();
    (String::from_utf8_lossy(&stderr).into_owned(), written, status.signal())
}

fn one_line(written: &str) {
    let (at, rest) = written.split_once(' ').unwrap();
    assert_eq!(rest, "mission observe b-t-f*\n");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!(now.abs_diff(at.parse().unwrap()) < 60_000, "{at} is no time");
}

#[test]
fn a_crash_names_the_plugin_and_dies_of_its_signal() {
    for (how, signal) in [("segv", SIGSEGV), ("abort", SIGABRT), ("sent", SIGFPE)] {
        let (said, written, died) = die(how);
        assert!(
            said.contains(&format!("crash: signal {signal} in plugin mission, handler observe b-t-f*\n")),
            "{how}: {said}"
        );
        one_line(&written);
        assert_eq!(died, Some(signal), "{how}: {said}");
    }
}

#[test]
fn a_stack_that_ran_over_is_one_crash_and_still_called_so() {
    let (said, written, died) = die("stack");
    assert!(said.contains("crash: signal 11 in plugin mission"), "{said}");
    assert!(said.contains("has overflowed its stack"), "{said}");
    assert_eq!(said.matches("crash: signal").count(), 1, "{said}");
    one_line(&written);
    assert_eq!(died, Some(SIGABRT), "as without the handler");
}

#[test]
fn a_crash_outside_is_no_plugins_fault() {
    for how in ["alone", "other thread"] {
        let (said, written, died) = die(how);
        assert!(said.contains("crash: signal 6, in no plugin\n"), "{said}");
        assert_eq!((written.as_str(), died), ("", Some(SIGABRT)), "{how}");
    }
}

#[test]
fn a_line_is_cut_and_ended() {
    let mut line = Line::default();
    line.text(&"x".repeat(500)).number(5);
    assert_eq!(line.len, 399);
    let mut line = Line::default();
    line.number(0).text(" ").number(u64::MAX).text(" ").number(10);
    assert_eq!(&line.bytes[..line.len], b"0 18446744073709551615 10");
}
