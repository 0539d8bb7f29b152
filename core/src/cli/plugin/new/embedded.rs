//! What `fts plugin new` writes, inside the program: the template of a plugin, and the interface crate it is built on.
//!
//! The template's files are here; the interface crate is listed by `build/embed.rs` when the server is built. In a template
//! `{{name}}`, `{{lib}}` (the name with `_` for `-`) and `{{api}}` (major.minor of the interface) are replaced.

/// Path in the plugin's folder, and text.
pub(super) const TEMPLATE: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("src/lib.rs", include_str!("template/lib.rs.in")),
    ("config.toml", include_str!("template/config.toml.in")),
    ("tests/basic.rs", include_str!("template/basic.rs.in")),
    ("README.md", include_str!("template/README.md.in")),
    (".gitignore", include_str!("template/gitignore.in")),
];

/// The interface crate: `VERSION`, and `FILES` as (path in its folder, text).
pub(super) mod interface {
    include!(concat!(env!("OUT_DIR"), "/interface.rs"));
}
