//! Build, install, allow, reload.
//!
//! # Build
//!
//! ```text
//! cargo build --release      # target/release/libfts_plugin_demo.so
//! ```
//!
//! The package is called `fts-plugin-<name>`, the library `fts_plugin_<name>`; `export_plugin!` refuses anything else. Do
//! not set `panic = "abort"`: a plugin must unwind. Any Rust version that compiles this crate will do.
//!
//! ```text
//! fts plugin check target/release/libfts_plugin_demo.so   # what it says about itself, or why it would be refused
//! fts plugin test target/release/libfts_plugin_demo.so    # starts, wrong configurations, every handler; needs no server
//! ```
//!
//! # Try
//!
//! A server that runs takes it at once, until it restarts:
//!
//! ```text
//! install -D target/release/libfts_plugin_demo.so -t DATA_DIR/plugins/
//! fts --data-dir DATA_DIR plugin enable demo
//! fts --data-dir DATA_DIR logs -f                         # what it logs
//! ```
//!
//! After each change: build, `install`, `fts plugin reload demo`.
//!
//! # Install
//!
//! Put the file into `<data_dir>/plugins/` (make that folder), or a folder of `plugins.dirs`; neither file nor folder may be writable for
//! everybody. Then, in `fts.toml`:
//!
//! ```toml
//! [plugins]
//! enabled = ["emergency", "demo"]    # these and no others
//!
//! [plugins.demo]
//! capabilities = ["intercept"]       # what it asks for and you allow
//! word = "hello"
//! ```
//!
//! `fts plugin list` tells how the running ones fare, `fts plugin info demo` what one has registered. They ask the server
//! whose `--data-dir` you name.
//!
//! # Capabilities
//!
//! Name what you need in [`Plugin::CAPABILITIES`](crate::sdk::Plugin::CAPABILITIES); the operator grants it. Without any, a
//! plugin may observe, send, keep data and answer below `/api/plugins/<name>/`.
//!
//! | | allows |
//! |---|---|
//! | `intercept` | to see, change and stop events before they are routed |
//! | `bind-dest` | to own a kind of `<dest>` |
//! | `provide` | to provide a typed service |
//! | `remote-contacts` | to add contacts that are behind a link |
//! | `routes` | paths outside `/api/plugins/<name>/` |
//! | `open-routes` | routes without a login on enrollment, REST and admin |
//! | `listen`, `net` | to listen, to dial |
//! | `kick` | to end connections |
//! | `certs.issue` | to have client certificates made ([`host.certs()`](crate::sdk::Certs)) |
//! | `tokens` | random secrets and hashes of passwords ([`host.tokens()`](crate::sdk::Tokens)) |
//!
//! Another name is granted like these and allows nothing; `fts plugin info` says that the server does not know it.
//!
//! They keep mistakes small. They are no wall against malice: a library in the server's process can do what the server can.
//!
//! # Reload
//!
//! Replace the file (the server runs a copy of its own, so any way will do; a half-written file is refused) and run
//! `fts plugin reload demo`. The new file is loaded and checked
//! first; then events and requests wait, the old generation saves and stops, the new one starts. Clients stay connected,
//! nothing that is reliable is lost. Audiences, bindings and events for newcomers stay if the new `start` makes them again.
//! When it fails, the old one runs on. So `start` may run several times in one process: keep no state in statics.
//!
//! # When it panics
//!
//! The call fails, the log names plugin, handler, file and line. After the third panic within a minute the plugin is
//! stopped, and started again after 5 s, 30 s and 5 min; after that it waits for the operator.
