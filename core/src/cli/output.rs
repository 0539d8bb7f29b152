//! Tables and times a tired operator can read.

/// Columns aligned to their widest cell; the first row is the heading.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |n: usize| rows.iter().filter_map(|r| r.get(n)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// `12:00:01.123` of a wall time in ms UTC.
pub fn clock(ms: i64) -> String {
    fts_plugin_api::cot::format_time(ms).get(11..23).unwrap_or_default().to_owned()
}

/// `3d 4h`, `5m 6s`.
pub fn age(seconds: i64) -> String {
    match seconds {
        86_400.. => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3_600),
        3_600.. => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
        60.. => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{seconds}s"),
    }
}

/// `512 B`, `24.0 kB`, `1.3 MB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        1_000_000.. => format!("{:.1} MB", bytes as f64 / 1e6),
        1_000.. => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{bytes} B"),
    }
}

/// A value of an answer: texts without quotes, nothing for null.
pub fn text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up_and_times_are_short() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["long".to_owned(), "c".to_owned()]];
        assert_eq!(table(&rows), "a     b\nlong  c\n");
        assert_eq!([size(0), size(24_000), size(1_310_000)], ["0 B", "24.0 kB", "1.3 MB"]);
        assert_eq!(
            (clock(1_700_000_000_123).as_str(), age(90).as_str(), age(90_000).as_str()),
            ("22:13:20.123", "1m 30s", "1d 1h")
        );
    }
}
