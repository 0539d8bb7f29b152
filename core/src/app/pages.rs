//! What only the start needed is given back: pages of the program's code that lie mapped in this process.
//!
//! Reading configuration, keys, tables and plugins runs through four fifths of the program, once. The system maps what a
//! page fault touches and its neighbourhood, and counts it as this process's memory for good. Once, some time after
//! readiness, the mapping of the code is emptied; what is used again comes back from the system's cache without a read.
//! Only the executable mapping of the program's own file: its pages are never written. Elsewhere than Linux: nothing.
#![allow(unsafe_code)]
use std::{fs, io, time::Duration};

use rustix::mm::{Advice, madvise};

/// After readiness; plugins and the canary have had their first turns by then.
const AFTER: Duration = Duration::from_secs(2);

/// Gives back once, later. A system that does not let us costs nothing but memory.
pub(super) async fn give_back() {
    tokio::time::sleep(AFTER).await;
    let done =
        code().and_then(|range| range.map_or(Ok(0), |(start, end)| drop_pages(start, end).map(|()| end - start)));
    match done {
        Ok(bytes) => tracing::debug!(bytes, "pages of the start given back"),
        Err(error) => tracing::debug!(%error, "pages of the start are kept"),
    }
}

/// Where the code of the program's own file is mapped.
fn code() -> io::Result<Option<(usize, usize)>> {
    let program = fs::read_link("/proc/self/exe")?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let program = program.to_string_lossy();
    Ok(maps.lines().find_map(|line| range(line, &program)))
}

/// `55d0-66e0 r-xp 00660000 fe:00 1015   /usr/bin/fts`, if it is this program's.
fn range(line: &str, program: &str) -> Option<(usize, usize)> {
    let (addresses, rest) = line.split_once(' ')?;
    let path = rest.strip_prefix("r-xp ")?.find('/').map(|at| &rest["r-xp ".len() + at..])?;
    let (start, end) = addresses.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    (path == program).then_some((number(start)?, number(end)?))
}

fn drop_pages(start: usize, end: usize) -> io::Result<()> {
    let at = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: the range is one mapping the kernel has just listed: executable, not writable, private, of a file. Such
    // pages are clean, so dropping them loses nothing: the next access reads the same bytes of the file. Nobody unmaps
    // or replaces the program's own code while it runs.
    unsafe { madvise(at, end - start, Advice::LinuxDontNeed) }.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_code_of_the_own_file() {
        let own = "/opt/a b/fts";
        let line = |perms, path| format!("55d0a000-55d0c000 {perms} 00660000 fe:00 1015654    {path}");
        assert_eq!(range(&line("r-xp", own), own), Some((0x55d0_a000, 0x55d0_c000)));
        for other in ["r--p", "rw-p", "rwxp", "r-xs"] {
            assert_eq!(range(&line(other, own), own), None, "{other}");
        }
        for other in ["/usr/lib/libc.so.6", "/opt/a b/fts (deleted)", "/opt/a b/fts2", "[vdso]", ""] {
            assert_eq!(range(&line("r-xp", other), own), None, "{other}");
        }
        assert_eq!(range("", own), None);
    }

    #[test]
    fn the_code_runs_on() {
        let (start, end) = code().unwrap().expect("this test is a program of its own");
        let here = only_the_code_of_the_own_file as *const () as usize;
        assert!((start..end).contains(&here), "{start:x} {here:x} {end:x}");
        drop_pages(start, end).unwrap();
        only_the_code_of_the_own_file();
    }
}
