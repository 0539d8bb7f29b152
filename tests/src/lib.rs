//! The black-box harness: the real `fts` binary on free ports in a temp directory, and clients that talk to it as
//! phones and scripts do.
//!
//! A test starts a [`Server`], lets some [`Client`]s join and plays a conversation: alice sends, bob receives. Clients
//! parse with libraries that have nothing to do with the server's code (quick-xml, prost). "Nobody received it" is shown
//! by a [`fence`]: the sender then broadcasts a marker, and the silent client's next event must be that marker. Every
//! wait has a deadline and no test sleeps to synchronise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A harness fails by panicking: that is the test's failure.

mod admin;
mod client;
mod event;
mod package;
mod pki;
mod server;
mod text;
mod tree;
mod web;

pub use admin::Http;
pub use client::{Client, fence, join_all};
pub use event::Event;
pub use package::{Package, openssl, pkcs12};
pub use pki::{Pki, stranger};
pub use server::{ADMIN_PASSWORD, Builder, Server, binary, bundled};
pub use text::*;
pub use tree::{Element, Node, parse};
pub use web::{Reply, Web, Wire};

/// The TAK protocol's messages, generated from the field tables.
#[allow(missing_docs, clippy::all)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/atakmap.commoncommo.protobuf.v1.rs"));
}

/// How long anything may take before a test fails. Long: machines are shared; nothing waits this long unless it fails.
pub const DEADLINE: std::time::Duration = std::time::Duration::from_secs(20);
