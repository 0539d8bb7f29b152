//! Runs one call: the handler on a blocking thread under a slot, and after it the pulling of its answer into the spool.
//! The task lives apart from the client's connection: when the client goes, or its time is up, the handler returns first
//! and only then is the slot free. Order: handler, first chunk, head to the client, further chunks. Where the spool is
//! full the answer rests without a slot and thread, and takes both again later; the same where it outgrows memory and
//! enough long ones are being made. A panic, also of a destructor, ends the call and nothing else.
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use tokio::{sync::oneshot, task::spawn_blocking, time::timeout};

use super::{
    answer::{Answer, Content, HandlerError, Pull, Stored},
    call::Call,
    calls::{CallLimits, Flight, Slot},
    pack,
    refusal::Refusal,
    route::{Handler, Owner},
    spool::{Pushed, Reader, Spool},
};
use crate::app::background;

/// Everything a call needs.
pub(super) struct Job {
    pub handler: Arc<dyn Handler>,
    pub call: Call,
    pub limits: Arc<CallLimits>,
    pub slot: Slot,
    /// See `Route::long`.
    pub long: Arc<AtomicBool>,
    pub flight: Flight,
    /// The entity tag of bytes is wanted.
    pub tag: bool,
    /// The client takes gzip.
    pub gzip: bool,
}

/// An answer that begins.
pub(super) struct Head {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub content: Sent,
}

/// Its body, as it is sent.
pub(super) enum Sent {
    Empty,
    Bytes { bytes: Bytes, tag: Option<String> },
    File(Stored),
    Pulled(Reader),
}

/// Runs it until the answer begins.
pub(super) async fn run(job: Job) -> Result<Head, Refusal> {
    let owner = job.flight.generation.owner.clone();
    let first_byte = job.limits.settings().first_byte;
    let (tell, told) = oneshot::channel();
    tokio::spawn(drive(job, tell));
    match timeout(first_byte, told).await {
        Ok(Ok(head)) => head,
        Ok(Err(_)) => Err(Refusal::failed(&owner)),
        Err(_) => Err(Refusal::timeout(&owner)),
    }
}

/// What a handler has answered.
enum Begun {
    Whole(Head),
    Pull { status: StatusCode, headers: HeaderMap, first: Bytes, pull: Pull },
}

async fn drive(job: Job, tell: oneshot::Sender<Result<Head, Refusal>>) {
    let Job { handler, call, limits, slot, long, flight, tag, gzip } = job;
    let guard = Guard { owner: flight.generation.owner.clone(), what: format!("{} {}", call.method, call.pattern) };
    let inside = guard.clone();
    // A lost thread drops `tell`, which is answered as a failure.
    let Ok(begun) =
        spawn_blocking(move || background::gives_way(|| begin(&inside, &*handler, call, (tag, gzip)))).await
    else {
        return;
    };
    let (status, headers, first, pull) = match begun {
        Ok(Begun::Pull { status, headers, first, pull }) => (status, headers, first, pull),
        Ok(Begun::Whole(head)) => {
            drop((slot, flight));
            _ = tell.send(Ok(head));
            return;
        }
        Err(refusal) => {
            drop((slot, flight));
            _ = tell.send(Err(refusal));
            return;
        }
    };
    let (spool, reader) = Spool::new(flight.generation.space.clone());
    // Where nobody listens any more, the reader goes here and the pulling ends with its first chunk.
    _ = tell.send(Ok(Head { status, headers, content: Sent::Pulled(reader) }));
    pull_all(guard, &limits, (slot, &long), &flight, &spool, (first, pull)).await;
}

/// The blocking part until the answer begins.
fn begin(guard: &Guard, handler: &dyn Handler, call: Call, (tag, gzip): (bool, bool)) -> Result<Begun, Refusal> {
    let failed = || Refusal::failed(&guard.owner);
    let answer = guard.call(|| handler.handle(call)).ok_or_else(failed)?;
    let Answer { status, mut headers, content } = answer.map_err(Refusal::from)?;
    let packs = matches!(content, Content::Bytes(_) | Content::Pull(_)) && pack::fits(status, &mut headers) && gzip;
    let content = match content {
        Content::Bytes(bytes) if packs => Content::Bytes(pack::bytes(bytes, &mut headers)),
        Content::Pull(pull) if packs => Content::Pull(pack::pull(pull, &mut headers)),
        other => other,
    };
    let content = match content {
        Content::Empty => Sent::Empty,
        Content::Bytes(bytes) => {
            let tag = (tag && status == StatusCode::OK).then(|| sha256_hex(&bytes));
            Sent::Bytes { bytes, tag }
        }
        Content::File(file) => Sent::File(file),
        Content::Pull(mut pull) => match guard.call(|| pull.next()) {
            Some(Some(Ok(first))) => return Ok(Begun::Pull { status, headers, first, pull }),
            other => {
                guard.call(|| drop(pull));
                match other.ok_or_else(failed)? {
                    Some(Err(error)) => return Err(HandlerError::internal(error).into()),
                    _ => Sent::Empty,
                }
            }
        },
    };
    Ok(Begun::Whole(Head { status, headers, content }))
}

/// Until the end of the answer, or until nobody wants it.
async fn pull_all(
    guard: Guard,
    limits: &CallLimits,
    (slot, long): (Slot, &AtomicBool),
    flight: &Flight,
    spool: &Arc<Spool>,
    (first, pull): (Bytes, Pull),
) {
    let mut slot = Some(slot);
    let (mut chunk, mut pull) = (first, pull);
    loop {
        let (inside, to, cut) = (guard.clone(), spool.clone(), flight.cut.clone());
        let may = slot.as_ref().is_none_or(Slot::long);
        let part = spawn_blocking(move || {
            background::gives_way(|| pull_some(&inside, pull, &to, chunk, may, || cut.is_cancelled()))
        });
        let Ok(rest) = part.await else { return spool.end(Err("the answer broke off".into())) };
        let Some((next, left)) = rest else {
            if !spool.in_file() {
                long.store(false, Relaxed);
            }
            return;
        };
        (chunk, pull) = (next, left);
        long.store(true, Relaxed);
        drop(slot.take());
        let goes_on = async {
            if may && !spool.room(chunk.len()).await {
                return None;
            }
            limits.slot_for_long().await
        };
        slot = tokio::select! {
            slot = goes_on => slot,
            () = flight.cut.cancelled() => None,
        };
        // Also to let go of the iterator a thread is needed: its destructor is the plugin's.
        if slot.is_none() {
            spool.end(Err(STOPPED.into()));
        }
    }
}

const STOPPED: &str = "the answer was stopped";

/// Pulls until the end (None), until the spool is full, until it had its turn or, unless it may be `long`, until it outgrows
/// memory: also what a quick reader takes away at once was long in the making. Blocking.
fn pull_some(
    guard: &Guard,
    mut pull: Pull,
    spool: &Arc<Spool>,
    mut chunk: Bytes,
    long: bool,
    cut: impl Fn() -> bool,
) -> Option<(Bytes, Pull)> {
    let mut made = 0;
    let end = loop {
        if cut() {
            break Err(STOPPED.to_owned());
        }
        let with = made + chunk.len() as u64;
        if (!long && !spool.short(with, chunk.len())) || made > spool.turn() {
            return Some((chunk, pull));
        }
        made = with;
        match spool.push(chunk) {
            Pushed::Stored => {}
            Pushed::Full(chunk) => return Some((chunk, pull)),
            Pushed::Over => break Err(STOPPED.to_owned()),
        }
        chunk = match guard.call(|| pull.next()) {
            Some(Some(Ok(next))) => next,
            Some(Some(Err(error))) => break Err(error),
            Some(None) => break Ok(()),
            None => break Err("the handler failed".to_owned()),
        };
    };
    guard.call(|| drop(pull));
    spool.end(end);
    None
}

/// Catches panics of a handler's code.
#[derive(Clone)]
struct Guard {
    owner: Owner,
    what: String,
}

impl Guard {
    /// None: it panicked. The handler's state is the owner's business; the server shares none with it.
    fn call<T>(&self, code: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(code)) {
            Ok(value) => Some(value),
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
                // What was thrown may throw again when it is dropped.
                _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
                tracing::error!(event = "http.panic", owner = %self.owner, route = %self.what, panic = %text, "a handler panicked; its request failed");
                None
            }
        }
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}
