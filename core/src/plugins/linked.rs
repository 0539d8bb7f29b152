//! Plugins that are part of the program: cargo features `bundle-<name>` link them in. They need no file and no layout
//! check; everything else (worker, guard, configuration, undoing) is the same.
use fts_plugin_api::abi::{Info, PluginModule_Ref};

/// One of them.
pub struct Linked {
    /// Its name.
    pub name: &'static str,
    /// What its file would say.
    pub info: Info,
    /// How to start it.
    pub module: fn() -> PluginModule_Ref,
}

/// All of them.
pub fn linked() -> Vec<Linked> {
    #[allow(unused_mut)]
    let mut all = Vec::new();
    #[cfg(feature = "bundle-emergency")]
    all.push(Linked { name: "emergency", info: fts_plugin_emergency::INFO, module: fts_plugin_emergency::module });
    all
}
