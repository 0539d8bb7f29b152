//! The binary interface between server and plugin, frozen for major 1. The only place that names abi_stable.
//!
//! Order of things: the server reads [`Info`] from the file, loads it, lets abi_stable check the layout of
//! [`PluginModule`] and calls its `start`; the SDK inside the plugin checks the layout of [`HostModule`] and connects.
//! From then on both sides call each other through the objects below. What must not happen: a type of std, serde or
//! tokio crosses; a panic crosses; one side frees the other's memory.
//!
//! # How it may change
//!
//! | change | allowed? |
//! |---|---|
//! | a field of a message ([`crate::message`]), with `#[serde(default)]` | yes, in a minor |
//! | an operation name of [`Host::call`] or a handler kind of [`Caller::call`] | yes, in a minor |
//! | a method after `last_prefix_field` of [`Host`], [`Intercept`], [`Observe`], [`Http`], [`Caller`], [`Source`], [`Observed`], [`Body`], [`Pull`] **with a default body** | yes, in a minor |
//! | the same without a default body | no: it passes the check and ends the process when an older object is called |
//! | a field after `last_prefix_field` of [`HostModule`], made optional | yes, in a minor |
//! | anything reachable from [`PluginModule`]: [`PluginHandle`], [`Failure`] | no, frozen for the major |
//! | a field of a struct that crosses by value ([`EventView`], [`Verdict`], [`Reply`], [`Span`], [`Child`]) | no |
//! | renaming this package, a type, a module or a field | no: names are part of the layout |
//! | a supertrait | no |
//!
//! Everything a plugin is asked later becomes a kind of [`Caller`], registered through the host, and so can grow.
#![allow(unsafe_code, non_local_definitions, improper_ctypes_definitions, non_camel_case_types, missing_docs)]
// The sabi_trait macro writes code clippy has opinions on.
#![allow(clippy::all)]

mod event;
mod handler;
mod host;
mod info;
mod module;
mod plugin;

pub use abi_stable::{
    library::{AbiHeaderRef, CheckTypeLayout, LibHeader, RootModuleResult},
    prefix_type::PrefixTypeTrait,
    sabi_trait::prelude::TD_Opaque,
    sabi_types::RRef,
    std_types::{RArc, RBox, RErr, RNone, ROk, ROption, RResult, RSlice, RSliceMut, RSome, RStr, RString, RVec},
};

pub(crate) use self::module::owned_stream;
pub use self::{
    event::{EventView, Observed, Observed_TO, ObservedRef, Source, Source_TO, SourceRef},
    handler::{
        Body, Body_TO, BodyBox, Caller, Caller_TO, CallerBox, Http, Http_TO, HttpBox, Intercept, Intercept_TO,
        InterceptBox, Observe, Observe_TO, ObserveBox, Pull, Pull_TO, PullBox, Reply, Verdict, verdict,
    },
    host::{Host, Host_TO, HostBox, HostModule, HostModule_Ref},
    info::{
        API_MAJOR, API_MINOR, Info, MAGIC, PANIC_ABORT, PANIC_UNWIND, RUSTC, SDK_VERSION, TARGET, exported_as,
        plugin_name,
    },
    module::{check_afresh, header_of, plugin_module, root_module},
    plugin::{Failure, HandleBox, PluginHandle, PluginHandle_TO, PluginModule, PluginModule_Ref, failure, stop},
};
pub use crate::cot::{Child, Span};
