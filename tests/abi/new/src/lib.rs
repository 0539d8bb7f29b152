//! The same as built against interface 1.1: what 1.1 added is used, and said when somebody asks for it.
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use fts_plugin_api::{export_plugin, sdk::*};
use serde::{Deserialize, Serialize};

/// The small host gives both plugins one table.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Config {
    sql: bool,
}

struct New;

impl Plugin for New {
    type Config = Config;
    const CAPABILITIES: &'static [&'static str] = &["intercept"];

    fn start(_: Config, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
        let seen = Arc::new(AtomicU64::new(0));
        let note = seen.clone();
        reg.intercept("b-t-f", Band::Rewrite, move |_, cx| {
            note.store(cx.source_extra(), Relaxed);
            Verdict::Pass
        });
        let of = host.clone();
        reg.service(move |method, args| match method {
            "greet" => Ok([b"new greets ", args].concat()),
            "relay" => of.call(&String::from_utf8_lossy(args), "greet", b"new"),
            "extra" => {
                let about = fts_plugin_api::abi::ABOUT.get().copied().flatten();
                Ok(format!("host {} about {about:?} since {} source {}", of.extra(), of.since(), seen.load(Relaxed))
                    .into())
            }
            _ => Err(Error::not_found(method.to_owned())),
        });
        Ok(New)
    }
}

export_plugin!(New);
