//! Every black-box test, in one program: one link instead of seventy, and no core idles while the last test of a file ends.
//!
//! `cargo test -p fts-tests --test all chat::` runs those of one file. A new file is named here; a test below fails if not.
//! `*_bed` and the like are what several files share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // The test's failure.

mod abi;
mod accounts_bed;
mod emergencies;
mod hostile_bed;
mod http_bed;
mod mission_bed;
mod plugin_bed;
mod sync_bed;

mod accounts_cli;
mod auth_http;
mod auth_streams;
mod backup;
mod certs_adopt;
mod certs_below;
mod certs_life;
mod channels;
mod chat;
mod cli;
mod cli_config;
mod control;
mod db_cli;
mod doctor;
mod duplicates;
mod emergency;
mod emergency_api;
mod emergency_life;
mod emergency_reach;
mod enroll;
mod errorlog;
mod files_delete;
mod filters;
mod framing;
mod groups;
mod health;
mod history;
mod history_kill;
mod history_plugins;
mod hostile;
mod http_identity;
mod http_listeners;
mod http_routes;
mod http_rules;
mod iconset;
mod injector;
mod lifecycle;
mod listeners;
mod marti_status;
mod mission_cli;
mod mission_downloads;
mod mission_installation;
mod mission_kill;
mod mission_life;
mod mission_load;
mod mission_members;
mod mission_names;
mod mission_off;
mod mission_parts;
mod mission_privacy;
mod mission_relations;
mod mission_rights;
mod newcomer;
mod overflow;
mod oversize;
mod packages;
mod people;
mod plugin_abi;
mod plugin_admin;
mod plugin_bench;
mod plugin_cli;
mod plugin_contract;
mod plugin_hold;
mod plugin_hold_crash;
mod plugin_hostile;
mod plugin_hostile_crash;
mod plugin_hostile_load;
mod plugin_http;
mod plugin_identity;
mod plugin_life;
mod plugin_links;
mod plugin_outside;
mod plugin_pressure;
mod plugin_refused;
mod profiles;
mod protobuf;
mod readiness;
mod readme_flow;
mod reload;
mod revoke;
mod routing;
mod samples;
mod schema;
mod shutdown;
mod slow;
mod subscriptions;
mod sync_bulk;
mod sync_crash;
mod sync_groups;
mod sync_oversize;
mod sync_package;
mod sync_plugins;
mod sync_upload;
mod tls;
mod udp;
mod video;
mod why;

#[test]
fn every_file_is_named_here() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let here = include_str!("main.rs");
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.strip_suffix(".rs").filter(|m| *m != "main");
        assert!(
            module.is_none_or(|m| here.contains(&format!("\nmod {m};\n"))),
            "{name}: add `mod` to tests/tests/main.rs"
        );
    }
}
