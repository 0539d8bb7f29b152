//! [`Object`]: the host as one generation sees it, behind the interface. Refusals first, in this order: the generation is
//! over, the test wants a failure, inside an intercept, inside a transaction.
use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{context, log::level, state::Shared};
use crate::{
    abi::{
        self, CallerBox, Failure, HttpBox, InterceptBox, ObserveBox, RErr, ROk, RResult, RSlice, RStr, RVec, failure,
    },
    message::{self, Phase, SendHow, op},
    shim::{self, failure as refuse},
};

#[derive(Clone)]
pub(super) struct Object {
    /// None = the token was wrong.
    pub shared: Option<Arc<Shared>>,
    pub generation: u64,
    pub phase: Phase,
}

/// What works in an intercept and in a transaction: memory.
const MEMORY: [&str; 13] = [
    op::HELLO,
    op::DECLARE,
    op::PANICKED,
    op::STATUS,
    op::METRIC,
    op::CLIENTS,
    op::AUDIENCE_CREATE,
    op::AUDIENCE_ADD,
    op::AUDIENCE_REMOVE,
    op::AUDIENCE_DELETE,
    op::AUDIENCE_MEMBERS,
    op::FIND,
    op::SERVER,
];
/// What belongs to a transaction.
const TRANSACTION: [&str; 4] = [op::SQL_EXEC, op::SQL_QUERY, op::SQL_COMMIT, op::SQL_ROLLBACK];
/// What may be done while only the configuration is checked.
const CHECK: [&str; 3] = [op::HELLO, op::DECLARE, op::SERVER];

impl Object {
    /// Refuses everything.
    pub fn gone() -> Self {
        Self { shared: None, generation: 0, phase: Phase::Check }
    }

    /// The mock, while the generation lives.
    pub fn shared(&self) -> Result<&Arc<Shared>, Failure> {
        let shared = self.shared.as_ref().filter(|s| s.live.load(Relaxed) == self.generation);
        shared.ok_or_else(|| refuse(failure::GONE, "this generation of the plugin is over"))
    }

    fn may(&self, operation: &str) -> Result<&Arc<Shared>, Failure> {
        let shared = self.shared()?;
        let fault = {
            let mut state = shared.lock();
            let at = state.faults.iter().position(|(of, _)| of == operation);
            at.map(|at| state.faults.remove(at).1)
        };
        if let Some(fault) = fault {
            return Err(fault);
        }
        let memory = MEMORY.contains(&operation);
        if context::current().intercept && !memory {
            return Err(refuse(failure::IN_INTERCEPT, format!("{operation} does not work in an intercept")));
        }
        if shared.database.in_transaction() && !memory && !TRANSACTION.contains(&operation) {
            return Err(refuse(failure::IN_TRANSACTION, format!("{operation} does not work inside a transaction")));
        }
        if self.phase == Phase::Check && !CHECK.contains(&operation) {
            return Err(refuse(failure::INVALID, format!("{operation} while only the configuration is checked")));
        }
        Ok(shared)
    }

    /// One answer; wakes up whoever waits for something to happen.
    fn answered<T>(&self, f: impl FnOnce() -> Result<T, Failure>) -> RResult<T, Failure> {
        let answer = match shim::guard(&"the mock", f) {
            Ok(answer) => answer,
            Err(panic) => Err(shim::panicked(panic)),
        };
        if let Some(shared) = &self.shared {
            shared.changed.notify_all();
        }
        match answer {
            Ok(answer) => ROk(answer),
            Err(failure) => RErr(failure),
        }
    }
}

impl abi::Host for Object {
    fn call(&self, operation: RStr<'_>, args: RSlice<'_, u8>) -> RResult<RVec<u8>, Failure> {
        self.answered(|| {
            let shared = self.may(operation.as_str())?;
            self.answer(shared, operation.as_str(), args.as_slice()).map(RVec::from)
        })
    }

    fn send(&self, text: RSlice<'_, u8>, how: RSlice<'_, u8>) -> RResult<(), Failure> {
        self.answered(|| {
            let shared = self.may("cot.send")?;
            let how: SendHow = message::unpack(how.as_slice()).map_err(|e| refuse(failure::INVALID, e.to_string()))?;
            shared.send(text.as_slice(), how, Shared::next_hop())
        })
    }

    fn log(&self, number: u32, target: RStr<'_>, message: RStr<'_>) {
        if let Some(shared) = &self.shared {
            shared.log.add(level(number), target.as_str(), message.to_string());
        }
    }

    fn level(&self) -> u32 {
        5
    }

    fn now(&self) -> i64 {
        self.shared.as_ref().map_or(0, |s| s.now())
    }

    fn intercept(&self, what: RSlice<'_, u8>, handler: InterceptBox) -> RResult<(), Failure> {
        self.answered(|| self.may("intercept")?.add_intercept(what.as_slice(), handler))
    }

    fn observe(&self, what: RSlice<'_, u8>, handler: ObserveBox) -> RResult<(), Failure> {
        self.answered(|| self.may("observe")?.add_observer(what.as_slice(), handler))
    }

    fn route(&self, what: RSlice<'_, u8>, handler: HttpBox) -> RResult<(), Failure> {
        self.answered(|| self.may("route")?.add_route(what.as_slice(), handler))
    }

    fn caller(&self, what: RSlice<'_, u8>, handler: CallerBox) -> RResult<(), Failure> {
        self.answered(|| self.may("caller")?.add_caller(what.as_slice(), handler))
    }
}
