//! How long the scheduler lets this thread have a core at a time (Linux 6.12 and later; elsewhere nothing happens).
//!
//! A thread that gives way forfeits what is left of its slice. With the usual 3 ms of it, one that gives way each fraction
//! of a millisecond would be left with next to nothing of a busy core; with a slice as short as that it keeps its share.
//! What must not happen: a thread changes its niceness or its policy by this.
#![allow(unsafe_code)]
use std::{io, time::Duration};

/// Sets it for this thread; zero = as usual.
pub(super) fn set(slice: Duration) -> io::Result<()> {
    let nice = rustix::process::getpriority_process(None)?;
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: 0,
        sched_flags: libc::SCHED_FLAG_KEEP_POLICY as u64,
        sched_nice: nice,
        sched_priority: 0,
        sched_runtime: u64::try_from(slice.as_nanos()).unwrap_or(u64::MAX),
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the call reads `attributes`, whose size is its first field, and nothing else of ours; it concerns the calling
    // thread only (0), and what the system does not know or allow it refuses.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn niceness_and_policy_stay() {
        let thread = || {
            super::super::background::step_back(7);
            set(Duration::from_micros(200)).unwrap();
            let nice = rustix::process::getpriority_process(None).unwrap();
            set(Duration::ZERO).unwrap();
            (nice, rustix::process::getpriority_process(None).unwrap())
        };
        let before = rustix::process::getpriority_process(None).unwrap();
        assert_eq!(std::thread::spawn(thread).join().unwrap(), (7.max(before), 7.max(before)));
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), before);
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let policy = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(38).unwrap().to_owned();
        set(Duration::from_micros(200)).unwrap();
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        assert_eq!(stat.rsplit_once(')').unwrap().1.split_whitespace().nth(38), Some(&*policy));
    }
}
