//! What the host offers. Checked by the SDK inside the plugin, so it may grow at the end.
use abi_stable::{
    StableAbi, sabi_trait,
    std_types::{RArc, RResult, RSlice, RStr, RVec},
};

use super::{CallerBox, Failure, HttpBox, InterceptBox, ObserveBox};

/// The host as one plugin generation sees it; every call is attributed to that generation and refused when it is over.
#[sabi_trait]
pub trait Host: Send + Sync + Clone {
    /// One operation by name (see [`crate::message::op`]); message in, message out.
    fn call(&self, operation: RStr<'_>, args: RSlice<'_, u8>) -> RResult<RVec<u8>, Failure>;
    /// Routes one event; `how` is a [`crate::message::SendHow`].
    fn send(&self, text: RSlice<'_, u8>, how: RSlice<'_, u8>) -> RResult<(), Failure>;
    /// One log line. Level: 1 error … 5 trace.
    fn log(&self, level: u32, target: RStr<'_>, message: RStr<'_>);
    /// The most detailed level that is written.
    fn level(&self) -> u32;
    /// ms UTC.
    fn now(&self) -> i64;
    /// Registers an intercept; `what` is a [`crate::message::InterceptSpec`].
    fn intercept(&self, what: RSlice<'_, u8>, handler: InterceptBox) -> RResult<(), Failure>;
    /// Registers an observer; `what` is a [`crate::message::ObserveSpec`].
    fn observe(&self, what: RSlice<'_, u8>, handler: ObserveBox) -> RResult<(), Failure>;
    /// Registers a route; `what` is a [`crate::message::RouteSpec`].
    fn route(&self, what: RSlice<'_, u8>, handler: HttpBox) -> RResult<(), Failure>;
    /// Registers anything else; `what` is a [`crate::message::CallerSpec`].
    #[sabi(last_prefix_field)]
    fn caller(&self, what: RSlice<'_, u8>, handler: CallerBox) -> RResult<(), Failure>;
}

/// The host of one generation.
pub type HostBox = Host_TO<'static, RArc<()>>;

/// The host's root module.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = HostModule_Ref)))]
pub struct HostModule {
    /// The host for the generation that this token was made for.
    #[sabi(last_prefix_field)]
    pub connect: extern "C" fn(token: u64) -> HostBox,
}
