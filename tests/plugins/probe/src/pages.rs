//! Routes for requests as clients make them: a large answer out of the database, a body, the fallback it takes over.
use std::sync::Arc;

use fts_plugin_api::sdk::*;
use serde_json::json;

use crate::Probe;

/// Registers them.
pub fn register(reg: &mut Registrar<'_>, probe: &Arc<Probe>) {
    let of = probe.clone();
    // The whole table `bulk`, row by row from one snapshot.
    reg.route(GET, "/api/plugins/probe/bulk", Listeners::ADMIN, Auth::Open, move |_| {
        let mut cursor = of.host.sql().cursor("SELECT data FROM bulk ORDER BY id", &[])?;
        let next = move || cursor.next_row(|row| row.get::<Vec<u8>>("data")).map_err(|e| e.to_string()).transpose();
        Ok(Response::pieces("application/octet-stream", std::iter::from_fn(next)))
    });
    reg.route(POST, "/api/plugins/probe/body", Listeners::ADMIN, Auth::Open, |request| {
        let spooled = request.spooled()?;
        Ok(json!({"len": spooled.len, "sha256": spooled.sha256, "in_file": spooled.path.is_some()}))
    });
    let of = probe.clone();
    reg.route(GET, "/api/plugins/probe/quick", Listeners::ADMIN, Auth::Open, move |_| {
        of.fuses.burn("http");
        Ok("quick")
    });
    let of = probe.clone();
    reg.route(GET, "/api/plugins/probe/wait", Listeners::ADMIN, Auth::Open, move |_| {
        of.pause.at("answer");
        Ok("waited")
    });
    if probe.config.citrap {
        reg.route(GET, "/Marti/api/citrap", Listeners::MARTI | Listeners::ADMIN, Auth::User, |_| Ok(json!(["probe"])));
    }
}
