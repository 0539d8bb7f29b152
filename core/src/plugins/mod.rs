//! The plugin host: discover, load, handshake, lifecycle, worker, guard, quarantine; `services` = what a plugin may call.
pub mod charge;
pub mod elf;
pub mod file;
pub mod find;
pub mod fit;
pub mod quarantine;
pub mod refused;
pub mod services;
