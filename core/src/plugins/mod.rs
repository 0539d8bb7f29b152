//! The plugin host: discover, load, handshake, lifecycle, worker, guard, quarantine; `services` = what a plugin may call.
pub mod services;
