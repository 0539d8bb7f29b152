//! Answers a chat that says "ping".
use fts_plugin_api::{cot::Builder, export_plugin, sdk::*};

struct Ping;

impl Plugin for Ping {
    type Config = NoConfig;

    fn start(_: NoConfig, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
        reg.observe(Observer::reliable("b-t-f"), move |event, route| {
            if event.detail("remarks").is_none_or(|r| r.inner_text().trim() != "ping") {
                return Ok(());
            }
            let pong = Builder::new("b-t-f", host.now()).uid(host.uuid()).child("remarks", &[], "pong");
            host.cot().send(&pong.build().map_err(|e| Error::new(e.to_string()))?, Send::conn(route.source.conn))
        });
        Ok(Ping)
    }
}

export_plugin!(Ping);
