//! What a plugin must not do, and what stays compatible.
//!
//! # Not in a plugin
//!
//! 1. **Link SQLite** (rusqlite, sqlx, diesel): two copies on one file destroy it. Use [`data`](super::data).
//! 2. **Use tokio of the server**: yours is another copy, `tokio::spawn` panics. Who needs async makes a small runtime in
//!    `start`, gives it named threads, and shuts it down in `stop` with a limit. Handlers themselves are synchronous.
//! 3. **Bring TLS or OpenSSL**: [`links`](super::others#links) have it. A C library with a global init belongs to nobody or
//!    to the server.
//! 4. **Change what belongs to the process**: signal handlers, panic hook, current directory, environment, locale, umask,
//!    limits.
//! 5. **Export symbols** (`#[no_mangle]`): several plugins live in one program. `export_plugin!` makes the names it needs.
//! 6. **Abort, overflow the stack, use unsafe code wrongly**: that ends the server, and only a panic is caught.
//! 7. **Hold a lock while you call the host**: it may call you back. The rule for the server is the same: it holds none
//!    while it calls you.
//! 8. **Wait for your own worker** in a route, a provider or a service, or for another plugin that waits for you.
//! 9. **Install a log or tracing subscriber**: `tracing::info!` and the like arrive in the server's log with your
//!    name (put `tracing = "0.1"` into your `Cargo.toml`; `fts logs -f` shows them).
//! 10. **Expect thread-locals of the server**, or keep your state in statics: a file may be started several times, and the
//!     old code stays in memory after a reload.
//! 11. **Keep threads after `stop`**, or use the host in them: it answers `Gone`.
//!
//! # What stays compatible
//!
//! - A plugin built against 1.0 loads on every later server that speaks 1.x, whatever compilers both were built with. A
//!   server refuses a plugin of a newer minor than its own, and says so.
//! - So depend on the oldest minor you can live with: `fts-plugin-api = "~1.0"`, as the template does. `~1.0` takes fixes
//!   (1.0.x) and not 1.1.
//! - In a minor, messages get fields, the host gets operations, handlers get methods with defaults; enums that say so get
//!   variants, which is why yours needs a `_` arm. Nothing is renamed or changes its meaning.
//! - The same source also builds as an `rlib`: linked into a server it runs the same way, through the same checks.
//! - What you store is yours: the server never changes your tables.
