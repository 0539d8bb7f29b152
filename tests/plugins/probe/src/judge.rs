//! One intercept in each band, for events with `<probe/>` in their detail. The attribute named like the band says what
//! it does: `<probe guard="drop" rewrite="replace" address="retarget:NAME" tap="also"/>`.
use std::sync::Arc;

use fts_plugin_api::{cot::Attr, sdk::*};
use serde_json::json;

use crate::{Probe, fuse};

/// Registers the four.
pub fn register(reg: &mut Registrar<'_>, probe: &Arc<Probe>) {
    for (band, name) in
        [(Band::Guard, "guard"), (Band::Rewrite, "rewrite"), (Band::Address, "address"), (Band::Tap, "tap")]
    {
        let probe = probe.clone();
        reg.intercept(details(["probe"]), band, move |event, cx| {
            probe.fuses.burn("intercept");
            let wish = event.detail("probe").and_then(|p| p.attr(name).map(|w| w.into_owned()));
            wish.map_or(Verdict::Pass, |wish| judge(&probe, name, &wish, event, cx))
        });
    }
    if probe.config.listens {
        let probe = probe.clone();
        reg.intercept_keyed("listener", nothing(), Band::Tap, 0, move |event, _| {
            probe.diary.note("heard", json!({"uid": event.uid()}));
            Verdict::Pass
        });
    }
}

fn judge(probe: &Probe, band: &str, wish: &str, event: &Event<'_>, cx: &Cx<'_>) -> Verdict {
    let host = &probe.host;
    probe.diary.note(
        "intercept",
        json!({"band": band, "wish": wish, "uid": event.uid(), "type": event.kind(), "from": cx.source()}),
    );
    let (what, whom) = wish.split_once(':').unwrap_or((wish, ""));
    match what {
        "drop" => Verdict::Drop("told to"),
        "consume" => Verdict::Consume,
        "replace" => Verdict::Replace(event.edit().append(&format!("<remarks>{band} was here</remarks>")).into_text()),
        "retype" => Verdict::Replace(event.edit().set(Attr::Type, whom).into_text()),
        "broken" => Verdict::Replace(b"<event".to_vec()),
        "retarget" => Verdict::Retarget(Send::callsign(whom)),
        "also" => {
            let more = host.cot().build("b-m-p-s-m").uid(format!("also-{}", event.uid())).build();
            if let Ok(more) = more {
                cx.also(&more, Send::all());
            }
            Verdict::Pass
        }
        "panic" => fuse::blow("intercept"),
        "spin" => {
            // Its own time, not the clock's.
            let until = std::time::Instant::now() + std::time::Duration::from_millis(whom.parse().unwrap_or(10));
            while std::time::Instant::now() < until {
                std::hint::spin_loop();
            }
            Verdict::Pass
        }
        "sql" => {
            // Everything that is more than memory, and what is memory.
            let code = |name: &str, done: Result<()>| {
                probe
                    .diary
                    .note("refused", json!({"call": name, "code": done.err().map(|e| format!("{:?}", e.code()))}))
            };
            code("sql", host.sql().query("SELECT 1", &[]).map(drop));
            code("kv", host.kv().get("x").map(drop));
            code("dir", host.dir().map(drop));
            code("call", host.call("twin", "echo", b"").map(drop));
            code("publish", host.publish("x", b"").map(drop));
            code("send", host.cot().send(&event.to_cot(), Send::all()));
            code("latest", host.history().latest("x").map(drop));
            code("clients", host.clients().all().map(drop));
            code("audience", host.clients().audience("from-intercept").map(drop));
            Verdict::Pass
        }
        _ => Verdict::Pass,
    }
}
