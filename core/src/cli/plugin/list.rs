//! `fts plugin list|order` as tables.
use serde_json::Value;

use crate::cli::output::{self, text};

/// One line each; what is wrong with one stands at the end of its line.
pub fn plugins(plugins: &Value) -> String {
    let plugins = plugins.as_array().map(Vec::as_slice).unwrap_or_default();
    if plugins.is_empty() {
        return "no plugins: plugins.enabled names none that is there (fts config show); fts plugin enable NAME starts one\n".into();
    }
    let mut rows = vec![["plugin", "state", "version", "queue", "panics", ""].map(str::to_owned).to_vec()];
    for p in plugins {
        rows.push(vec![
            text(&p["name"]),
            text(&p["state"]),
            text(&p["version"]),
            text(&p["queue"]["items"]),
            text(&p["panics"]),
            remark(p),
        ]);
    }
    output::table(&rows)
}

/// The most urgent thing to say about one: stuck, why it does not run, its own status.
pub fn remark(plugin: &Value) -> String {
    if let Some(stuck) = plugin["stuck"].as_str() {
        return stuck.to_owned();
    }
    if plugin["state"] != "running" {
        return text(&plugin["report"]);
    }
    match (text(&plugin["status"]["level"]), text(&plugin["status"]["text"])) {
        (_, said) if said.is_empty() => String::new(),
        (level, said) if level == "ok" => said,
        (level, said) => format!("{level}: {said}"),
    }
}

/// Intercepts.
pub fn order(order: &Value) -> String {
    let order = order.as_array().map(Vec::as_slice).unwrap_or_default();
    if order.is_empty() {
        return "no intercepts\n".into();
    }
    let mut rows = vec![["", "band", "priority", "plugin", "events", ""].map(str::to_owned).to_vec()];
    for (n, i) in order.iter().enumerate() {
        let names = |key: &str| i[key].as_array().cloned().unwrap_or_default();
        let types = names("types").iter().map(text).collect::<Vec<_>>();
        let details = names("details").iter().map(|d| format!("<{}>", text(d))).collect::<Vec<_>>();
        rows.push(vec![
            (n + 1).to_string(),
            text(&i["band"]),
            text(&i["priority"]),
            text(&i["plugin"]),
            [types, details].concat().join(" "),
            if i["closed"] == true { "down: its events are dropped".into() } else { String::new() },
        ]);
    }
    output::table(&rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_stands_in_its_line() {
        let line = |plugin: Value| plugins(&json!([plugin])).lines().nth(1).unwrap().to_owned();
        let plugin = json!({"name": "kml", "state": "running", "report": "version 1", "version": "1.0.0", "panics": 2,
            "status": {"level": "warn", "text": "slow"}, "stuck": null, "queue": {"items": 3}});
        assert_eq!(line(plugin.clone()), "kml     running  1.0.0    3      2       warn: slow");
        let with = |key: &str, value: Value| {
            let mut plugin = plugin.clone();
            plugin[key] = value;
            line(plugin)
        };
        assert!(with("stuck", json!("stuck in x for 42 s")).ends_with("stuck in x for 42 s"));
        assert!(with("state", json!("refused")).ends_with("version 1"));
        assert!(plugins(&json!([])).starts_with("no plugins"));
    }
}
