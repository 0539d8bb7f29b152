//! What the host knows of a plugin before they talk. Frozen for the major: the host checks it, and abi_stable lets the
//! consumer of a module be older than its implementer, never newer. Nothing here may refer to a type that grows.
use abi_stable::{
    StableAbi,
    library::LibHeader,
    sabi_trait,
    std_types::{RBox, RResult, RString, RVec},
};

/// Why a call across the boundary failed.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct Failure {
    /// One of [`failure`].
    pub code: u32,
    /// For people.
    pub message: RString,
    /// Where: file:line of a panic, the key path of a configuration error, else empty.
    pub place: RString,
}

/// Values of [`Failure::code`]. New ones may come; unknown ones read as OTHER.
pub mod failure {
    /// Anything else.
    pub const OTHER: u32 = 0;
    /// A panic was caught.
    pub const PANICKED: u32 = 1;
    /// The generation is over.
    pub const GONE: u32 = 2;
    /// Not now: over a rate or a limit.
    pub const BUSY: u32 = 3;
    /// Not from an intercept.
    pub const IN_INTERCEPT: u32 = 4;
    /// Not inside a transaction.
    pub const IN_TRANSACTION: u32 = 5;
    /// A capability is missing.
    pub const FORBIDDEN: u32 = 6;
    /// The configuration is wrong; `place` is the key path.
    pub const CONFIG: u32 = 7;
    /// The host's interface is too old.
    pub const TOO_OLD: u32 = 8;
    /// What was asked for is not there.
    pub const NOT_FOUND: u32 = 9;
    /// The provider is down.
    pub const UNAVAILABLE: u32 = 10;
    /// Calls go round in a circle.
    pub const CYCLE: u32 = 11;
    /// The arguments are wrong.
    pub const INVALID: u32 = 12;
    /// This host does not know the operation.
    pub const UNSUPPORTED: u32 = 13;
    /// The bounded buffer is full.
    pub const FULL: u32 = 14;
    /// The database refuses it: UNIQUE, NOT NULL, a foreign key.
    pub const CONSTRAINT: u32 = 15;
}

/// Why a plugin is stopped.
pub mod stop {
    /// The server ends.
    pub const SHUTDOWN: u32 = 0;
    /// An administrator disabled it.
    pub const DISABLE: u32 = 1;
    /// A new generation follows.
    pub const RELOAD: u32 = 2;
    /// It panicked too often, or its start failed half way.
    pub const FAILED: u32 = 3;
}

/// A started plugin.
#[sabi_trait]
pub trait PluginHandle: Send + Sync {
    /// Ends it: threads joined, nothing running afterwards. `reason` is one of [`stop`].
    fn stop(&self, reason: u32, deadline_ms: u64) -> RResult<(), Failure>;
    /// What the next generation gets: empty = nothing, else a 1 and the bytes.
    #[sabi(last_prefix_field)]
    fn save(&self) -> RResult<RVec<u8>, Failure>;
}

/// An owned [`PluginHandle`].
pub type HandleBox = PluginHandle_TO<'static, RBox<()>>;

/// The plugin's root module.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModule_Ref)))]
pub struct PluginModule {
    /// Starts it. Whether this is only the check of its configuration is asked through the host (`hello`).
    #[sabi(last_prefix_field)]
    pub start: extern "C" fn(host: &'static LibHeader, token: u64) -> RResult<HandleBox, Failure>,
}
