//! What a plugin may call.
pub mod links;
