//! Closures as the objects the host calls: each call under a guard, each closure sealed.
use std::{borrow::Cow, sync::Mutex};

use super::{Sealed, failure, guard, panicked};
use crate::{
    abi::{self, EventView, Failure, ObservedRef, RErr, RNone, ROk, RResult, RSlice, RSome, RVec, SourceRef, Verdict},
    message::{self, Judged, Poisoned, Taken},
    sdk::{Event, HttpError, Request, Response, Route, Source},
};

/// An intercept.
pub struct InterceptFn<F> {
    name: Cow<'static, str>,
    f: Sealed<F>,
}

impl<F: Fn(&Event<'_>, &Source<'_>) -> Option<Judged> + Send + Sync> InterceptFn<F> {
    /// None = pass.
    pub fn new(name: impl Into<Cow<'static, str>>, f: F) -> Self {
        Self { name: name.into(), f: Sealed::new(f) }
    }
}

impl<F: Fn(&Event<'_>, &Source<'_>) -> Option<Judged> + Send + Sync> abi::Intercept for InterceptFn<F> {
    fn intercept(&self, event: EventView<'_>, source: &SourceRef<'_>) -> Verdict {
        let judged = guard(&self.name, || Event::look(event, |event| (self.f)(event, &Source::new(source))).flatten());
        match judged {
            Ok(None) => Verdict { action: abi::verdict::PASS, data: RVec::new() },
            Ok(Some(judged)) => Verdict { action: abi::verdict::JUDGED, data: message::pack(&judged).into() },
            Err(panic) => Verdict { action: abi::verdict::PANICKED, data: message::pack(&panic).into() },
        }
    }
}

/// An observer: one event at a time.
pub struct ObserveFn<F> {
    name: Cow<'static, str>,
    f: Mutex<Sealed<F>>,
}

impl<F: FnMut(&Event<'_>, &Route<'_>) -> Result<(), String> + Send> ObserveFn<F> {
    /// An error is logged with the event's uid.
    pub fn new(name: impl Into<Cow<'static, str>>, f: F) -> Self {
        Self { name: name.into(), f: Mutex::new(Sealed::new(f)) }
    }
}

impl<F: FnMut(&Event<'_>, &Route<'_>) -> Result<(), String> + Send> abi::Observe for ObserveFn<F> {
    fn observe(&self, events: &ObservedRef<'_>) -> RResult<RVec<u8>, Failure> {
        let mut taken = Taken::default();
        // Only the worker calls, one batch at a time; a poisoned lock says nothing about the closure.
        let mut f = self.f.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for index in 0..events.len() {
            if !events.begin(index) {
                continue;
            }
            let done = guard(&self.name, || {
                Event::look(events.event(index), |event| f(event, &Route::new(events, index))).unwrap_or(Ok(()))
            });
            match done {
                Ok(Ok(())) => {}
                Ok(Err(why)) => tracing::warn!(handler = %self.name, "an event could not be handled: {why}"),
                Err(panic) => taken.poisoned.push(Poisoned { index, panic }),
            }
        }
        ROk(message::pack(&taken).into())
    }
}

/// Held events, as many as there are: the handler is given the numbers of a batch that are to be handled.
pub struct BatchFn<F> {
    name: Cow<'static, str>,
    f: Mutex<Sealed<F>>,
}

impl<F: FnMut(&ObservedRef<'_>, &[usize]) -> Result<(), String> + Send> BatchFn<F> {
    /// An error is logged.
    pub fn new(name: impl Into<Cow<'static, str>>, f: F) -> Self {
        Self { name: name.into(), f: Mutex::new(Sealed::new(f)) }
    }
}

impl<F: FnMut(&ObservedRef<'_>, &[usize]) -> Result<(), String> + Send> abi::Observe for BatchFn<F> {
    fn observe(&self, events: &ObservedRef<'_>) -> RResult<RVec<u8>, Failure> {
        let mut taken = Taken::default();
        let mut f = self.f.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut give = |which: &[usize]| {
            let done = guard(&self.name, || f(events, which))?;
            if let Err(why) = done {
                tracing::warn!(handler = %self.name, "held events could not be handled: {why}");
            }
            Ok(())
        };
        let all: Vec<usize> = (0..events.len()).filter(|index| events.begin(*index)).collect();
        if all.is_empty() {
            return ROk(message::pack(&taken).into());
        }
        match give(&all) {
            Ok(()) => {}
            Err(panic) if all.len() == 1 => taken.poisoned.push(Poisoned { index: all[0], panic }),
            // One of them did it: each by itself, but those that were released before it.
            Err(_) => {
                for index in all {
                    if events.begin(index)
                        && let Err(panic) = give(&[index])
                    {
                        taken.poisoned.push(Poisoned { index, panic });
                    }
                }
            }
        }
        ROk(message::pack(&taken).into())
    }
}

/// A route.
pub struct HttpFn<F> {
    name: Cow<'static, str>,
    f: Sealed<F>,
}

impl<F: Fn(&mut Request) -> Result<Response, HttpError> + Send + Sync> HttpFn<F> {
    /// Called from many threads at once.
    pub fn new(name: impl Into<Cow<'static, str>>, f: F) -> Self {
        Self { name: name.into(), f: Sealed::new(f) }
    }
}

impl<F: Fn(&mut Request) -> Result<Response, HttpError> + Send + Sync> abi::Http for HttpFn<F> {
    fn handle(&self, head: RSlice<'_, u8>, body: abi::BodyBox) -> RResult<abi::Reply, Failure> {
        let answered = guard(&self.name, || {
            let head = message::unpack(head.as_slice()).map_err(|e| failure(abi::failure::INVALID, e.to_string()))?;
            let mut request = Request::new(head, body);
            let response = (self.f)(&mut request).unwrap_or_else(Response::from);
            Ok(response.into_reply(&self.name))
        });
        match answered {
            Ok(Ok(reply)) => ROk(reply),
            Ok(Err(failure)) => RErr(failure),
            Err(panic) => RErr(panicked(panic)),
        }
    }
}

/// The pieces of an answer.
pub(crate) struct PullFn<I> {
    pub(crate) name: String,
    pub(crate) pieces: Sealed<I>,
}

impl<I: Iterator<Item = Result<Vec<u8>, String>> + Send> abi::Pull for PullFn<I> {
    fn next(&mut self) -> RResult<abi::ROption<RVec<u8>>, Failure> {
        let pieces = &mut self.pieces;
        match guard(&self.name, || pieces.next()) {
            Ok(None) => ROk(RNone),
            Ok(Some(Ok(piece))) => ROk(RSome(piece.into())),
            Ok(Some(Err(why))) => RErr(failure(abi::failure::OTHER, why)),
            Err(panic) => RErr(panicked(panic)),
        }
    }
}

/// Anything else: message in, message out.
pub struct CallFn<F> {
    name: Cow<'static, str>,
    f: Sealed<F>,
}

impl<F: Fn(&[u8]) -> Result<Vec<u8>, Failure> + Send + Sync> CallFn<F> {
    /// See [`message::CallerKind`] for what goes in and comes out.
    pub fn new(name: impl Into<Cow<'static, str>>, f: F) -> Self {
        Self { name: name.into(), f: Sealed::new(f) }
    }
}

impl<F: Fn(&[u8]) -> Result<Vec<u8>, Failure> + Send + Sync> abi::Caller for CallFn<F> {
    fn call(&self, args: RSlice<'_, u8>) -> RResult<RVec<u8>, Failure> {
        match guard(&self.name, || (self.f)(args.as_slice())) {
            Ok(Ok(answer)) => ROk(answer.into()),
            Ok(Err(failure)) => RErr(failure),
            Err(panic) => RErr(panicked(panic)),
        }
    }
}
