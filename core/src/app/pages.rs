//! What only the start needed is given back: pages of code and constants, the program's and its plugins', that lie mapped
//! in this process.
//!
//! Reading configuration, keys, tables and plugins runs through four fifths of the program, once. The system maps what a
//! page fault touches and its neighbourhood, and counts it as this process's memory for good. Once, some time after
//! readiness, these mappings are emptied; what is used again comes back from the system's cache without a read.
//! Only mappings of files that cannot be written and in which nothing ever was: their code, and what their files begin with.
//! What the loader filled in with addresses is read-only as well, but lies behind the code: dropping that would be the end.
//!
//! With them goes what the allocator keeps of memory that is free again: plugins' files are looked through in memory.
//!
//! Long pieces are taken from the system and given back when they are free ([`long_pieces`]): left to itself the allocator
//! keeps them after the first, in each of its arenas, and every large answer that another thread makes adds to them.
#![allow(unsafe_code)]
use std::{fs, io, sync::Arc, time::Duration};

use rustix::mm::{Advice, madvise};

use crate::plugins::Plugins;

/// After readiness; plugins and the canary have had their first turns by then.
const AFTER: Duration = Duration::from_secs(2);

/// This long is long, bytes: what the allocator begins with. More than a receive buffer or a run of events has.
#[cfg(target_env = "gnu")]
const LONG: libc::c_int = 128 * 1024;

/// Before anything large is allocated.
#[cfg(target_env = "gnu")]
pub(super) fn long_pieces() {
    // SAFETY: both take numbers and change only what the allocator does from now on with pieces of its own.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LONG);
        // The end of a heap does not go back and forth with every answer.
        libc::mallopt(libc::M_TRIM_THRESHOLD, 32 * LONG);
    }
}

#[cfg(not(target_env = "gnu"))]
pub(super) fn long_pieces() {}

/// Gives back once, later. A system that does not let us costs nothing but memory.
pub(super) async fn give_back(plugins: Option<Arc<Plugins>>) {
    tokio::time::sleep(AFTER).await;
    let done = tokio::task::spawn_blocking(move || {
        trim();
        plugins.map_or_else(drop_all, |plugins| plugins.between_changes(drop_all))
    });
    match done.await {
        Ok(Ok(())) => tracing::debug!("pages of the start given back"),
        Ok(Err(error)) => tracing::debug!(%error, "pages of the start are kept"),
        Err(error) => tracing::debug!(%error, "pages of the start are kept"),
    }
}

fn drop_all() -> io::Result<()> {
    unwritten()?.into_iter().try_for_each(|(start, end)| drop_pages(start, end))
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

/// Where files are mapped that are as they are on the disk: addresses from, to.
fn unwritten() -> io::Result<Vec<(usize, usize)>> {
    Ok(ranges(&fs::read_to_string("/proc/self/smaps")?))
}

/// Of `55d0-66e0 r-xp 00660000 fe:00 1015   /usr/bin/fts` and the lines about it, which end with the next of that kind.
fn ranges(maps: &str) -> Vec<(usize, usize)> {
    let (mut found, mut now) = (Vec::new(), None);
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next()) {
            // Copies of its own, in kB: those in memory, then those that were put aside.
            (Some("Anonymous:"), Some(own)) if own != "0" => now = None,
            (Some("Swap:"), Some("0")) => found.extend(now.take()),
            (Some(addresses), Some(may)) if !addresses.ends_with(':') => {
                let first = words.next().is_some_and(|offset| offset.bytes().all(|b| b == b'0'));
                let unwritten = line.contains('/') && (may == "r-xp" || may == "r--p" && first);
                now = range(addresses).filter(|_| unwritten);
            }
            _ => {}
        }
    }
    found
}

fn range(addresses: &str) -> Option<(usize, usize)> {
    let (start, end) = addresses.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    Some((number(start)?, number(end)?))
}

fn drop_pages(start: usize, end: usize) -> io::Result<()> {
    let at = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: the range is one mapping the kernel has just listed: private, of a file, not writable, its code or what it
    // begins with (headers, constants, unwind tables), without one page of its own in memory or in swap. So every page in
    // it is the file's, and dropping them loses nothing: the next access finds the same bytes. A page gets a copy of its
    // own only by a write, which needs a mapping that may be written: the loader makes such for the time in which it
    // relocates, and that is over for the program and every plugin, as none is being loaded now (`between_changes`).
    // Libraries the C library loads by itself at this moment relocate nothing in these parts.
    unsafe { madvise(at, end - start, Advice::LinuxDontNeed) }.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_private_mappings_of_files_in_which_nothing_was_or_can_be_written() {
        let of = |about: &str, own: u32, swap: u32| {
            format!(
                "55d0a000-55d0c000 {about}\nSize: 8 kB\nAnonymous: {own} kB\nAnonHugePages: 0 kB\nSwap: {swap} kB\nSwapPss: 0 kB\n"
            )
        };
        let other = of("rw-p 00663000 fe:00 7    /opt/fts", 0, 0);
        for about in [
            "r-xp 00660000 fe:00 1015654    /opt/a b/fts",
            "r--p 00000000 fe:00 77         /data/run/plugins/mission.2.so (deleted)",
        ] {
            assert_eq!(ranges(&[&other, &of(about, 0, 0), &*other].concat()), [(0x55d0_a000, 0x55d0_c000)], "{about}");
            assert_eq!(ranges(&(of(about, 4, 0) + &other)), [], "a page of its own: {about}");
            assert_eq!(ranges(&(of(about, 0, 4) + &other)), [], "the same, in swap: {about}");
        }
        for about in [
            "r--p 00662000 fe:00 1015654    /opt/a b/fts",
            "rwxp 00000000 fe:00 1015654    /opt/a b/fts",
            "r--s 00000000 fe:00 78         /data/shared",
            "r--p 00000000 00:00 0          [vvar]",
            "r-xp 00000000 00:00 0",
        ] {
            assert_eq!(ranges(&of(about, 0, 0)), [], "{about}");
        }
        assert_eq!(ranges(""), []);
    }

    /// Nothing there was written by the loader, and the program runs on.
    #[test]
    fn the_program_runs_on() {
        let all = unwritten().unwrap();
        let here = only_private_mappings_of_files_in_which_nothing_was_or_can_be_written as *const () as usize;
        assert!(all.iter().any(|(start, end)| (*start..*end).contains(&here)), "{all:x?} {here:x}");
        drop_all().unwrap();
        only_private_mappings_of_files_in_which_nothing_was_or_can_be_written();
    }
}
