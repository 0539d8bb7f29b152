//! [`Plugin`]: what an author implements, and [`crate::export_plugin!`].
use serde::{Serialize, de::DeserializeOwned};

use super::{Host, Registrar, Result};
use crate::abi::stop;

/// Why a plugin is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The server ends.
    Shutdown,
    /// An administrator disabled it.
    Disable,
    /// A new generation follows; [`Plugin::save`] was called before.
    Reload,
    /// It failed.
    Failed,
}

impl From<u32> for StopReason {
    fn from(reason: u32) -> Self {
        match reason {
            stop::DISABLE => Self::Disable,
            stop::RELOAD => Self::Reload,
            stop::FAILED => Self::Failed,
            _ => Self::Shutdown,
        }
    }
}

/// A plugin. Export it with [`crate::export_plugin!`].
pub trait Plugin: Sized + Send + 'static {
    /// Its table `[plugins.<name>]`. Unknown keys are refused with file and line, whatever the type allows.
    type Config: DeserializeOwned + Serialize + Default;
    /// Plugins that must run first: `"mission"` or `"mission >= 1"`.
    const REQUIRES: &'static [&'static str] = &[];
    /// Plugins that are used when they are there; they start first, too.
    const USES: &'static [&'static str] = &[];
    /// Capabilities it needs; an operator grants them in the plugin's table.
    const CAPABILITIES: &'static [&'static str] = &[];
    /// Keys of the configuration nobody is shown.
    const SECRETS: &'static [&'static str] = &[];
    /// One line for people.
    const ABOUT: &'static str = "";

    /// What the type of the configuration cannot say. Called before any plugin starts.
    ///
    /// # Errors
    /// [`super::Error::config`] with the key and what is wrong.
    fn check(config: &Self::Config) -> Result<()> {
        let _ = config;
        Ok(())
    }

    /// Registers handlers and opens what it needs. May run more than once in one process (reload).
    ///
    /// # Errors
    /// The plugin is shown as failed with this text; the server goes on.
    fn start(config: Self::Config, reg: &mut Registrar<'_>, host: Host) -> Result<Self>;

    /// Ends threads and runtimes of one's own. No handler runs any more.
    fn stop(&mut self, reason: StopReason) {
        let _ = reason;
    }

    /// What the next generation finds in [`Host::saved`].
    fn save(&self) -> Option<Vec<u8>> {
        None
    }
}

/// Exports a [`Plugin`] under the names `fts_plugin_<name>_info` and `fts_plugin_<name>`.
///
/// The library must be called `fts_plugin_<name>` (`[lib] name`), the package `fts-plugin-<name>`: the server looks
/// for these names, and with them several plugins can be linked into one program. Also makes `pub fn module()`, which
/// such a program calls instead.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty) => {
        #[doc(hidden)]
        extern "C" fn __fts_start(
            host: &'static $crate::abi::LibHeader,
            token: u64,
        ) -> $crate::abi::RResult<$crate::abi::HandleBox, $crate::abi::Failure> {
            $crate::shim::start::<$plugin>(host, token)
        }

        /// The plugin, for a program it is linked into.
        pub fn module() -> $crate::abi::PluginModule_Ref {
            $crate::abi::plugin_module(__fts_start)
        }

        /// What the file says about itself.
        pub const INFO: $crate::abi::Info = $crate::abi::Info::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            if cfg!(panic = "abort") { $crate::abi::PANIC_ABORT } else { $crate::abi::PANIC_UNWIND },
            cfg!(debug_assertions),
        );

        #[doc(hidden)]
        #[allow(unsafe_code)]
        mod __fts_export {
            const _: () = assert!(
                $crate::abi::exported_as(env!("CARGO_CRATE_NAME"), env!("CARGO_PKG_NAME")),
                "a plugin's package is called fts-plugin-<name> and its library fts_plugin_<name>: set [lib] name in Cargo.toml"
            );

            // SAFETY: the name is this plugin's own.
            #[unsafe(export_name = concat!(env!("CARGO_CRATE_NAME"), "_info"))]
            pub static INFO: $crate::abi::Info = super::INFO;

            extern "C" fn root() -> $crate::abi::RootModuleResult {
                $crate::abi::root_module(super::module)
            }

            // SAFETY: the name is this plugin's own, and the type is what the server expects behind it.
            #[unsafe(export_name = env!("CARGO_CRATE_NAME"))]
            pub static HEADER: $crate::abi::LibHeader = unsafe {
                $crate::abi::LibHeader::from_constructor::<$crate::abi::PluginModule_Ref>(
                    root,
                    $crate::abi::CheckTypeLayout::Yes,
                )
            };
        }
    };
}
