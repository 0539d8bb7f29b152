//! A plugin as it was built against interface 1.0: intercept, observer, route, database, service, and calls of others.
//! It runs on the real server and on the small host of `../host`, which has no database (`sql = false`).
use fts_plugin_api::{cot::Builder, export_plugin, sdk::*};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
#[serde(default)]
struct Config {
    sql: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { sql: true }
    }
}

struct Old;

fn count(host: &Host) -> Result<i64> {
    let rows = host.sql().query("SELECT count(*) AS n FROM said", &[])?;
    rows.first().map_or(Ok(0), |row| row.get("n"))
}

impl Plugin for Old {
    type Config = Config;
    const CAPABILITIES: &'static [&'static str] = &["intercept"];

    fn start(config: Config, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
        if config.sql {
            host.sql().migrate(&[(1, "CREATE TABLE said(text TEXT NOT NULL) STRICT")])?;
        }
        reg.intercept("b-t-f", Band::Rewrite, |event, _| {
            if event.text().contains("old-secret") { Verdict::Drop("secret") } else { Verdict::Pass }
        });
        let of = host.clone();
        reg.observe(Observer::reliable("b-t-f"), move |event, route| -> Result<()> {
            let said = event.detail("remarks").map(|r| r.inner_text().trim().to_owned()).unwrap_or_default();
            if said != "count" {
                return Ok(());
            }
            let n = if config.sql {
                of.sql().exec("INSERT INTO said VALUES (?1)", &[said.as_str().into()])?;
                count(&of)?
            } else {
                0
            };
            let answer = Builder::new("b-t-f", of.now()).uid(format!("old-{n}")).build();
            of.cot().send(&answer.map_err(|e| Error::new(e.to_string()))?, Send::conn(route.source.conn))
        });
        let of = host.clone();
        reg.route(GET, "/api/plugins/old/count", Listeners::ADMIN, Auth::Open, move |_| Ok(count(&of)?.to_string()));
        let of = host.clone();
        reg.route(GET, "/api/plugins/old/call/{plugin}/{method}", Listeners::ADMIN, Auth::Open, move |req| {
            let said = of.call(req.param("plugin"), req.param("method"), b"old");
            Ok(match said {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) => format!("{:?}: {error}", error.code()),
            })
        });
        let of = host.clone();
        reg.service(move |method, args| match method {
            "greet" => Ok([b"old greets ", args].concat()),
            "relay" => of.call(&String::from_utf8_lossy(args), "greet", b"old"),
            _ => Err(Error::not_found(method.to_owned())),
        });
        Ok(Old)
    }
}

export_plugin!(Old);
