//! Root modules: how each side finds the other's and checks it.
use abi_stable::{
    abi_stability::abi_checking::{CheckingGlobals, check_layout_compatibility_with_globals},
    globals::{Globals, initialize_globals_with},
    library::{__call_root_module_loader, LibHeader, RootModule, RootModuleResult},
    package_version_strings,
    prefix_type::PrefixTypeTrait,
    sabi_types::VersionStrings,
    std_types::{RBoxError, RResult},
    type_layout::TypeLayout,
};

use super::{Failure, HandleBox, HostModule, HostModule_Ref, PluginModule, PluginModule_Ref};

macro_rules! root {
    ($module:ty) => {
        impl RootModule for $module {
            abi_stable::declare_root_module_statics! { $module }
            const BASE_NAME: &'static str = "fts_plugin";
            const NAME: &'static str = "fts-plugin-api";
            const VERSION_STRINGS: VersionStrings = package_version_strings!();
        }
    };
}
root!(PluginModule_Ref);
root!(HostModule_Ref);

/// A plugin's module; [`crate::export_plugin!`] calls it.
pub fn plugin_module(start: extern "C" fn(&'static LibHeader, u64) -> RResult<HandleBox, Failure>) -> PluginModule_Ref {
    PluginModule { start }.leak_into_prefix()
}

/// Wraps the function that makes the module for the exported header; [`crate::export_plugin!`] calls it.
pub fn root_module(make: fn() -> PluginModule_Ref) -> RootModuleResult {
    __call_root_module_loader(make)
}

/// The header a host hands to `start`. Leaked: plugins keep it for ever.
pub fn header_of(module: HostModule) -> &'static LibHeader {
    Box::leak(Box::new(LibHeader::from_module(module.leak_into_prefix())))
}

/// Makes every layout check of this process start afresh; call it first thing in `main`.
///
/// abi_stable's own type map merges what every check saw and keeps the older plugin's type: a plugin 1.0 loaded first
/// would make every plugin 1.1 be refused (design/plugins.md 2). Plugins inherit this when their header is upgraded.
pub fn check_afresh() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| initialize_globals_with(Box::leak(Box::new(Globals { layout_checking: afresh }))));
}

extern "C" fn afresh(interface: &'static TypeLayout, object: &'static TypeLayout) -> RResult<(), RBoxError> {
    let check =
        || check_layout_compatibility_with_globals(interface, object, &CheckingGlobals::new()).map_err(RBoxError::new);
    std::panic::catch_unwind(check).unwrap_or_else(|_| Err(RBoxError::from_fmt(&"the layout check panicked"))).into()
}

/// A descriptor the host gave away.
pub(crate) fn owned_stream(fd: i32) -> std::os::unix::net::UnixStream {
    // SAFETY: the host made this socket for us, let go of it and told its number only here (`link.pair`).
    unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) }
}
