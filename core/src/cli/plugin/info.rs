//! `fts plugin info`: everything of `/admin/plugins/{name}` on one page, in the order an operator asks: is it well, what is
//! it, what does it do, how is it set up.
use serde_json::Value;

use super::list;
use crate::{
    cli::output::{self, size, text},
    observe::clock,
    plugins::overrides,
};

/// The whole page.
pub fn page(plugin: &Value) -> String {
    let mut page = head(plugin);
    page += &section("routes", &["method", "path", "lets in", "listeners", "state"], rows(&plugin["routes"], route));
    page += &section(
        "handlers",
        &["handler", "calls", "p50 ms", "p99 ms", "panics"],
        rows(&plugin["handlers"], |h| ["name", "calls", "p50_ms", "p99_ms", "panics"].map(|k| text(&h[k])).to_vec()),
    );
    page += &section(
        "audiences",
        &["audience", "members", "connected"],
        rows(&plugin["audiences"], |a| ["name", "members", "connected"].map(|k| text(&a[k])).to_vec()),
    );
    page += &section(
        "destinations",
        &["kind", "names"],
        rows(&plugin["destinations"], |d| vec![text(&d["kind"]), text(&d["names"])]),
    );
    let config = config("", &plugin["config"], &plugin["override"]);
    page + &section("configuration", &[], config)
}

fn head(plugin: &Value) -> String {
    let (name, state) = (text(&plugin["name"]), text(&plugin["state"]));
    let since = plugin["since_ms"].as_i64().map_or(0, |since| (clock::now_ms() - since) / 1_000);
    let mut page = format!("{name} {} is {state}, for {}\n", text(&plugin["version"]), output::age(since.max(0)));
    let mut line = |label: &str, value: String| {
        if !value.is_empty() {
            page += &format!("{label:<13}{value}\n");
        }
    };
    line("about", text(&plugin["about"]));
    line("report", if state == "running" { String::new() } else { text(&plugin["report"]) });
    line("status", if state == "running" { list::remark(plugin) } else { String::new() });
    line("file", text(&plugin["file"]));
    line("sha256", text(&plugin["sha256"]));
    line("built with", built(&plugin["built"]));
    line("requires", words(&plugin["requires"]));
    line("uses", words(&plugin["uses"]));
    line("capabilities", words(&plugin["capabilities"]));
    let unknown = words(&plugin["unknown_capabilities"]);
    line("", if unknown.is_empty() { unknown } else { format!("(this server knows no {unknown})") });
    let number = |key: &str| plugin[key].as_u64().unwrap_or(0);
    let queue = &plugin["queue"];
    line(
        "queue",
        format!(
            "{} waiting ({}), {} dropped; {} held, {} undelivered",
            text(&queue["items"]),
            size(queue["bytes"].as_u64().unwrap_or(0)),
            text(&queue["dropped"]),
            number("held"),
            number("undelivered")
        ),
    );
    line("panics", text(&plugin["panics"]));
    line("contacts", if number("contacts") > 0 { format!("{} remote", number("contacts")) } else { String::new() });
    line("database", plugin["database_bytes"].as_u64().map(size).unwrap_or_default());
    let old = number("resident_generations");
    let ones = if old == 1 { "generation" } else { "generations" };
    let resident = format!(", {old} old {ones} resident ({})", size(number("resident_bytes")));
    let generation = plugin["generation"].as_u64().map(|n| n.to_string()).unwrap_or_else(|| "none".into());
    line("generation", generation + if old == 0 { "" } else { &resident });
    for warning in plugin["warnings"].as_array().into_iter().flatten() {
        line("warning", text(warning));
    }
    page
}

/// One line about how it was built.
pub fn built(built: &Value) -> String {
    if built.is_null() {
        return String::new();
    }
    let debug = if built["debug"] == true { ", debug build" } else { "" };
    let [api, sdk, rustc, target] = ["api", "sdk", "rustc", "target"].map(|key| text(&built[key]));
    format!("plugin API {api} (sdk {sdk}), {rustc}, {target}{debug}")
}

/// A list of words.
pub fn words(list: &Value) -> String {
    list.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ")
}

fn route(route: &Value) -> Vec<String> {
    let [method, pattern, auth, state] = ["method", "pattern", "auth", "state"].map(|key| text(&route[key]));
    vec![method, pattern, auth, words(&route["listeners"]), state]
}

fn rows(list: &Value, row: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    list.as_array().into_iter().flatten().map(row).collect()
}

fn section(title: &str, heading: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heading: Vec<String> = heading.iter().map(|h| (*h).to_owned()).collect();
    let all: Vec<Vec<String>> = Some(heading).filter(|h| !h.is_empty()).into_iter().chain(rows).collect();
    let indented: String = output::table(&all).lines().map(|l| format!("  {l}\n")).collect();
    format!("\n{title}\n{indented}")
}

/// `key = value` lines; behind what was set at run time stands that it was.
pub fn config(path: &str, table: &Value, over: &Value) -> Vec<Vec<String>> {
    let entries = table.as_object().into_iter().flatten();
    let lines = entries.flat_map(|(key, value)| {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Object(below) if !below.is_empty() => config(&path, value, &over[key]),
            _ => {
                let mut line = vec![format!("{path} = {value}")];
                line.extend(over.get(key).map(|_| format!("# {}", overrides::ORIGIN)));
                vec![line]
            }
        }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_has_what_there_is_and_nothing_else() {
        let page = page(&json!({
            "name": "kml", "state": "running", "version": "1.2.3", "since_ms": clock::now_ms(), "generation": 3,
            "status": {"level": "ok", "text": ""}, "panics": 0, "queue": {"items": 1, "bytes": 2_000, "dropped": 0},
            "file": "/x/kml.so", "built": {"api": "1.0", "sdk": "1.0.0", "rustc": "rustc 1.95", "target": "x", "debug": true},
            "requires": ["mission >= 1"], "routes": [], "resident_generations": 2, "resident_bytes": 1_310_000,
            "handlers": [{"name": "timer", "calls": 7, "p50_ms": 0.1, "p99_ms": 0.2, "panics": 0}],
            "config": {"a": 1, "v1": {"port": 2, "key": "***"}}, "override": {"v1": {"port": 2}},
            "warnings": ["contains SQLite"],
        }));
        for line in [
            "kml 1.2.3 is running, for 0s",
            "built with   plugin API 1.0 (sdk 1.0.0), rustc 1.95, x, debug build",
            "requires     mission >= 1",
            "queue        1 waiting (2.0 kB), 0 dropped; 0 held, 0 undelivered",
            "generation   3, 2 old generations resident (1.3 MB)",
            "warning      contains SQLite",
            "  timer    7      0.1     0.2     0",
            "  v1.port = 2     # runtime override",
            "  v1.key = \"***\"",
        ] {
            assert!(page.lines().any(|l| l == line), "{line}\nis not in\n{page}");
        }
        assert!(!page.contains("routes") && !page.contains("status"), "{page}");
    }
}
