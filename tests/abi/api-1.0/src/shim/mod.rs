//! Between author and interface: no panic crosses, every handle of the other side is wrapped.
//!
//! [`guard`] runs author code: a panic becomes a [`message::Panic`] with the place it happened at. [`Sealed`] does the
//! same for destructors. [`start`] is what `export_plugin!` puts behind `PluginModule::start`. The host uses [`guard`] for its
//! own callbacks. What must not happen: a panic reaches an `extern "C"` frame (that ends the process).
mod handlers;
mod hook;
mod logs;
mod sealed;
mod start;

pub(crate) use handlers::PullFn;
pub use handlers::{BatchFn, CallFn, HttpFn, InterceptFn, ObserveFn};
pub use hook::{guard, install};
pub use sealed::Sealed;
pub use start::start;

use crate::{abi, message};

/// A panic as a failure.
pub fn panicked(panic: message::Panic) -> abi::Failure {
    let message = format!("{} panicked: {}", panic.handler, panic.message);
    abi::Failure { code: abi::failure::PANICKED, message: message.into(), place: panic.place.into() }
}

/// A failure of this kind.
pub fn failure(code: u32, message: impl Into<String>) -> abi::Failure {
    abi::Failure { code, message: message.into().into(), place: abi::RString::new() }
}
