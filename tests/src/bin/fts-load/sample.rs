//! What processes cost: CPU time and resident memory from /proc, the generator's own CPU time, and which core runs whom.
//!
//! CPU time is the scheduler's own sum in nanoseconds (`schedstat`), so that a run of a few seconds is exact. Pinning
//! goes through the starting thread: a child inherits the affinity its parent has at that moment.

use std::{collections::HashMap, fs, io, time::Duration};

use parking_lot::Mutex;
use rustix::{
    process::{Pid, Resource, Rlimit, getrlimit, setpriority_process, setrlimit, setsid},
    thread::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_gettime},
};

/// CPU time a process has used, all its threads: also of those that have ended since somebody looked, which /proc no
/// longer knows.
#[derive(Debug, Default)]
pub struct Clock(Mutex<HashMap<String, u64>>);

impl Clock {
    /// Up to now.
    pub fn cpu(&self, pid: u32) -> Duration {
        let mut seen = self.0.lock();
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            if let Some(nanos) = text.split(' ').next().and_then(|n| n.parse().ok()) {
                seen.insert(task.file_name().to_string_lossy().into_owned(), nanos);
            }
        }
        Duration::from_nanos(seen.values().sum())
    }
}

/// CPU time this process has used.
pub fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Resident bytes of a process.
pub fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// Puts the current thread, and what it starts from now on, on these cores; an empty list = all cores.
///
/// # Errors
/// When the system refuses, for example because there is no such core.
pub fn pin(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    if cores.is_empty() {
        (0..CpuSet::MAX_CPU).for_each(|core| set.set(core));
    }
    cores.iter().filter(|core| **core < CpuSet::MAX_CPU).for_each(|core| set.set(*core));
    Ok(sched_setaffinity(None::<Pid>, &set)?)
}

/// Asks the scheduler to prefer this process, and what it starts, over everything else on the machine. Needs root.
///
/// # Errors
/// When the system refuses.
pub fn prefer() -> io::Result<()> {
    // A session of its own has a scheduling group of its own; as leader of a group we keep the one we are in.
    let _ = setsid();
    // Kernels without groups have no such file, and priority alone decides.
    let _ = fs::write("/proc/self/autogroup", "-19");
    Ok(setpriority_process(None, -19)?)
}

/// As many open files as the system allows; thousands of sockets need them.
pub fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Refused: then connecting says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_uses_time() {
        let pid = std::process::id();
        assert!(resident(pid) > 100_000);
        let clock = Clock::default();
        let before = clock.cpu(pid);
        while own_cpu() < Duration::from_millis(30) {}
        assert!(clock.cpu(pid) >= before);
    }
}
