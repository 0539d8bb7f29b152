//! Sizes, durations and shares as people write them.
pub use fts_plugin_api::sdk::config::duration;

/// `512`, `"256KiB"`, `"400MB"` in bytes.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" | "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        _ => return None,
    };
    Some((number * factor) as u64)
}

/// A size, or a share of this machine's memory: `"25%"`.
pub fn share(text: &str) -> Option<u64> {
    match text.trim().strip_suffix('%') {
        Some(percent) => {
            let percent: f64 = percent.trim().parse().ok().filter(|p| (0.0..=100.0).contains(p))?;
            Some((memory() as f64 * percent / 100.0) as u64)
        }
        None => size(text),
    }
}

fn memory() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram as u64 * u64::from(info.mem_unit)
}

fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..at].parse().ok().filter(|n: &f64| n.is_finite())?;
    Some((number, text[at..].trim()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn units_as_written() {
        assert_eq!(size("256KiB"), Some(262_144));
        assert_eq!(size("400MB"), Some(400_000_000));
        assert_eq!((size("7"), size("7 parsecs"), size("-1")), (Some(7), None, None));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1_500)));
        assert_eq!(
            (duration("0"), duration("5"), duration("30d")),
            (Some(Duration::ZERO), None, Some(Duration::from_secs(2_592_000)))
        );
        assert!(share("25%").is_some_and(|b| b > 0) && share("101%").is_none());
    }
}
