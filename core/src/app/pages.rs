//! What only the start needed is given back: pages of the program's code and constants that lie mapped in this process.
//!
//! Reading configuration, keys, tables and plugins runs through four fifths of the program, once. The system maps what a
//! page fault touches and its neighbourhood, and counts it as this process's memory for good. Once, some time after
//! readiness, these mappings are emptied; what is used again comes back from the system's cache without a read.
//! Only mappings of the program's own file that are never written: its code, and the part before it. What the loader
//! filled in with addresses is read-only as well, but lies behind the code: dropping that would be the end.
//!
//! With them goes what the allocator keeps of memory that is free again: plugins' files are looked through in memory, and
//! after a piece that large it gives nothing back by itself.
#![allow(unsafe_code)]
use std::{fs, io, time::Duration};

use rustix::mm::{Advice, madvise};

/// After readiness; plugins and the canary have had their first turns by then.
const AFTER: Duration = Duration::from_secs(2);

/// Gives back once, later. A system that does not let us costs nothing but memory.
pub(super) async fn give_back() {
    tokio::time::sleep(AFTER).await;
    trim();
    let done = unwritten().and_then(|all| all.into_iter().try_for_each(|(start, end)| drop_pages(start, end)));
    match done {
        Ok(()) => tracing::debug!("pages of the start given back"),
        Err(error) => tracing::debug!(%error, "pages of the start are kept"),
    }
}

/// Free memory goes back to the system.
#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: it takes a number and concerns pages of the allocator's in which nothing lives; every other thread may go on
    // allocating meanwhile.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim() {}

/// Where code and constants of the program's own file are mapped: addresses from, to.
fn unwritten() -> io::Result<Vec<(usize, usize)>> {
    let program = fs::read_link("/proc/self/exe")?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let program = program.to_string_lossy();
    Ok(maps.lines().filter_map(|line| range(line, &program)).collect())
}

/// `55d0-66e0 r-xp 00660000 fe:00 1015   /usr/bin/fts`, if it is this program's code, or what its file begins with.
fn range(line: &str, program: &str) -> Option<(usize, usize)> {
    let (addresses, rest) = line.split_once(' ')?;
    let (_, path) = rest.find('/').map(|at| rest.split_at(at))?;
    let unwritten = rest.starts_with("r-xp ") || rest.starts_with("r--p 00000000 ");
    let (start, end) = addresses.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    (unwritten && path == program).then_some((number(start)?, number(end)?))
}

fn drop_pages(start: usize, end: usize) -> io::Result<()> {
    let at = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: the range is one mapping the kernel has just listed: private, of the program's file, its code or what lies
    // before that in the file (headers, constants, unwind tables). Neither is ever made writable: the loader relocates
    // only `.data.rel.ro`, `.got` and `.data`, which are behind the code (no text relocations: the test looks). So the
    // pages are clean, and dropping them loses nothing: the next access finds the same bytes of the file.
    unsafe { madvise(at, end - start, Advice::LinuxDontNeed) }.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_never_written_of_the_own_file() {
        let own = "/opt/a b/fts";
        let line = |perms, path| format!("55d0a000-55d0c000 {perms} fe:00 1015654    {path}");
        for unwritten in ["r-xp 00660000", "r--p 00000000"] {
            assert_eq!(range(&line(unwritten, own), own), Some((0x55d0_a000, 0x55d0_c000)), "{unwritten}");
            for other in ["/usr/lib/libc.so.6", "/opt/a b/fts (deleted)", "/opt/a b/fts2", "[vdso]", ""] {
                assert_eq!(range(&line(unwritten, other), own), None, "{other}");
            }
        }
        for written in ["r--p 01975000", "rw-p 00000000", "rwxp 00660000", "r-xs 00660000"] {
            assert_eq!(range(&line(written, own), own), None, "{written}");
        }
        assert_eq!(range("", own), None);
    }

    /// Nothing there was written by the loader, and the program runs on.
    #[test]
    fn the_program_runs_on() {
        let all = unwritten().unwrap();
        let here = only_what_is_never_written_of_the_own_file as *const () as usize;
        assert!(all.iter().any(|(start, end)| (*start..*end).contains(&here)), "{all:x?} {here:x}");
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        for (start, end) in all {
            let about = maps.split_once(&format!("{start:08x}-{end:08x} ")).expect("the mapping").1;
            let own = about.lines().find(|l| l.starts_with("Anonymous:")).unwrap();
            assert!(own.ends_with(" 0 kB"), "{own}");
            drop_pages(start, end).unwrap();
        }
        only_what_is_never_written_of_the_own_file();
    }
}
