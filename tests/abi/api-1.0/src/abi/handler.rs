//! What a plugin implements and the host calls. Registered through [`super::Host`]; may grow by defaulted methods.
use abi_stable::{
    StableAbi, sabi_trait,
    std_types::{RBox, ROption, RResult, RSlice, RSliceMut, RVec},
};

use super::{EventView, Failure, ObservedRef, SourceRef};

/// What an intercept says. `action` is one of [`verdict`]; `data` a [`crate::message::Judged`] unless it is PASS.
#[repr(C)]
#[derive(StableAbi)]
pub struct Verdict {
    /// See [`verdict`].
    pub action: u32,
    /// A [`crate::message::Judged`], or empty.
    pub data: RVec<u8>,
}

/// Values of [`Verdict::action`].
pub mod verdict {
    /// Nothing changes.
    pub const PASS: u32 = 0;
    /// See the message.
    pub const JUDGED: u32 = 1;
    /// The handler panicked; `data` is the [`crate::message::Panic`].
    pub const PANICKED: u32 = 2;
}

/// On the sender's task, before addressing.
#[sabi_trait]
pub trait Intercept: Send + Sync {
    /// Looks at one event.
    #[sabi(last_prefix_field)]
    fn intercept(&self, event: EventView<'_>, source: &SourceRef<'_>) -> Verdict;
}

/// An owned [`Intercept`].
pub type InterceptBox = Intercept_TO<'static, RBox<()>>;

/// On the plugin's worker, after routing.
#[sabi_trait]
pub trait Observe: Send + Sync {
    /// Takes events; the answer is a [`crate::message::Taken`].
    #[sabi(last_prefix_field)]
    fn observe(&self, events: &ObservedRef<'_>) -> RResult<RVec<u8>, Failure>;
}

/// An owned [`Observe`].
pub type ObserveBox = Observe_TO<'static, RBox<()>>;

/// Everything that is not hot: timers, client events, actions, socket events, providers, services, links, lifecycle.
#[sabi_trait]
pub trait Caller: Send + Sync {
    /// Message in, message out; which ones is said where it is registered.
    #[sabi(last_prefix_field)]
    fn call(&self, args: RSlice<'_, u8>) -> RResult<RVec<u8>, Failure>;
}

/// An owned [`Caller`].
pub type CallerBox = Caller_TO<'static, RBox<()>>;

/// A request's body; the host has received the whole of it.
#[sabi_trait]
pub trait Body: Send {
    /// Bytes.
    fn len(&self) -> u64;
    /// Reads on; 0 = the end.
    fn read(&mut self, into: RSliceMut<'_, u8>) -> RResult<usize, Failure>;
    /// A [`crate::message::Spooled`].
    #[sabi(last_prefix_field)]
    fn spooled(&mut self) -> RResult<RVec<u8>, Failure>;
}

/// An owned [`Body`].
pub type BodyBox = Body_TO<'static, RBox<()>>;

/// An answer that is made piece by piece.
#[sabi_trait]
pub trait Pull: Send {
    /// The next piece; None = the end.
    #[sabi(last_prefix_field)]
    fn next(&mut self) -> RResult<ROption<RVec<u8>>, Failure>;
}

/// An owned [`Pull`].
pub type PullBox = Pull_TO<'static, RBox<()>>;

/// An HTTP answer: head is a [`crate::message::ResponseHead`]; the body is `bytes`, or `pull` when there is one.
#[repr(C)]
#[derive(StableAbi)]
pub struct Reply {
    /// Status and headers.
    pub head: RVec<u8>,
    /// The body.
    pub bytes: RVec<u8>,
    /// Or how to get it.
    pub pull: ROption<PullBox>,
}

/// One route.
#[sabi_trait]
pub trait Http: Send + Sync {
    /// Answers a [`crate::message::RequestHead`].
    #[sabi(last_prefix_field)]
    fn handle(&self, head: RSlice<'_, u8>, body: BodyBox) -> RResult<Reply, Failure>;
}

/// An owned [`Http`].
pub type HttpBox = Http_TO<'static, RBox<()>>;
