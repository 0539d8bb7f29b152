//! What is said when the process dies: one line on standard error with the plugin that was in charge, and a line in
//! `run/crashes` that [`crate::plugins::quarantine`] reads at the next start. Then the signal does what it would have
//! done without us: same status, same core file, and the standard library's text about a stack that ran over.
//!
//! [`install`] opens the file and remembers the actions that stood before; the handler only reads atomics and a
//! thread-local, fills a buffer on its stack, and writes. It takes no lock and allocates nothing: the thread it runs on
//! may have been stopped in the middle of either.
#![allow(unsafe_code)]
use std::{
    fs::File,
    io,
    os::{fd::IntoRawFd, unix::fs::OpenOptionsExt},
    path::Path,
    ptr,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicI32, Ordering::SeqCst},
    },
};

use libc::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, c_int, c_void, siginfo_t};

use crate::plugins::charge;

const SIGNALS: [c_int; 5] = [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT];

/// What stood there before, in the order of [`SIGNALS`].
static BEFORE: OnceLock<[libc::sigaction; 5]> = OnceLock::new();
/// `run/crashes`, open for appending; -1 = not yet.
static CRASHES: AtomicI32 = AtomicI32::new(-1);
/// One process dies once: the abort that follows a stack that ran over is the same crash.
static SAID: AtomicBool = AtomicBool::new(false);

/// From now on a crash is attributed. Once per process, after [`crate::plugins::quarantine`] has read the file and
/// before the first plugin is loaded.
///
/// # Errors
/// The file cannot be opened, or the system does not take a handler.
pub fn install(run: &Path) -> io::Result<()> {
    let file = File::options().append(true).create(true).mode(0o600).open(run.join("crashes"))?;
    // Never closed: the handler has only the number. A second call leaves the first file open, which nobody minds.
    CRASHES.store(file.into_raw_fd(), SeqCst);
    if BEFORE.get().is_some() {
        return Ok(());
    }
    // SAFETY: all zeros is a valid `sigaction` (default action, empty mask); each is overwritten below.
    let mut before: [libc::sigaction; 5] = unsafe { std::mem::zeroed() };
    for (signal, before) in SIGNALS.iter().zip(&mut before) {
        // SAFETY: asks only; `before` is a valid place for the answer.
        checked(unsafe { libc::sigaction(*signal, ptr::null(), before) })?;
    }
    // The handler needs it from its first instruction on.
    BEFORE.get_or_init(|| before);
    for signal in SIGNALS {
        // SAFETY: as above.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler as *const () as usize;
        // On the other stack: this one may have run over. The standard library gives one to each thread it starts.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: `action` is whole, and `handler` has the signature SA_SIGINFO asks for and does only what is
        // async-signal-safe.
        checked(unsafe { libc::sigaction(signal, &action, ptr::null_mut()) })?;
    }
    Ok(())
}

fn checked(code: c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

extern "C" fn handler(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
    if !SAID.swap(true, SeqCst) {
        say(signal);
    }
    let before = BEFORE.get().and_then(|all| Some(&all[SIGNALS.iter().position(|s| *s == signal)?]));
    let action = before.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: sigaction is async-signal-safe, and `action` is null (asks only) or one the system gave us.
    unsafe { libc::sigaction(signal, action, ptr::null_mut()) };
    // SAFETY: with SA_SIGINFO the system passes a valid `info`.
    let sent = unsafe { (*info).si_code } <= 0;
    if sent {
        // Nobody would send it again. What the processor raised comes back by itself when this returns, and with the
        // address that failed, which the handler that stood here before looks at.
        // SAFETY: raise is async-signal-safe; the signal is blocked until this handler returns.
        unsafe { libc::raise(signal) };
    }
}

fn say(signal: c_int) {
    let mut line = Line::default();
    line.text("crash: signal ").number(signal.unsigned_abs().into());
    let Some(tag) = charge::current() else {
        line.text(", in no plugin").end(libc::STDERR_FILENO);
        return;
    };
    line.text(" in plugin ").text(tag.plugin).text(", handler ").text(tag.handler).end(libc::STDERR_FILENO);
    let crashes = CRASHES.load(SeqCst);
    if crashes >= 0 {
        Line::default().number(now()).text(" ").text(tag.plugin).text(" ").text(tag.handler).end(crashes);
    }
}

/// Unix time, ms.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: async-signal-safe; `time` is a valid place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut time) };
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

/// A line on the stack; what does not fit is cut off.
struct Line {
    bytes: [u8; 400],
    len: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { bytes: [0; 400], len: 0 }
    }
}

impl Line {
    fn text(&mut self, text: &str) -> &mut Self {
        // One place is left for the end of the line.
        for byte in text.bytes().take(self.bytes.len() - 1 - self.len) {
            self.bytes[self.len] = byte;
            self.len += 1;
        }
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        let mut scale = 10_u64.pow(number.checked_ilog10().unwrap_or(0));
        while scale > 0 {
            let digit = b'0' + (number / scale % 10) as u8;
            self.text(std::str::from_utf8(&[digit]).unwrap_or("?"));
            scale /= 10;
        }
        self
    }

    fn end(&mut self, to: c_int) {
        self.bytes[self.len] = b'\n';
        // SAFETY: write is async-signal-safe; the pointer and length are those of initialised bytes of this array.
        // There is nobody left to tell when it fails.
        unsafe { libc::write(to, self.bytes.as_ptr().cast(), self.len + 1) };
    }
}

#[cfg(test)]
#[path = "crash_tests.rs"]
mod tests;
