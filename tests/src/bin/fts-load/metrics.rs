//! [`Counters`]: the server's own view of a run, read from `GET /metrics` of its admin listener before and after.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Totals by metric name with labels, as Prometheus text has them.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    totals: BTreeMap<String, f64>,
}

impl Counters {
    /// Asks; empty when nobody answers.
    pub fn read(admin: SocketAddr) -> Self {
        Self::parse(&get(admin).unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.trim().parse().ok()?))
        };
        Self { totals: text.lines().filter(|l| l.starts_with("fts_")).filter_map(line).collect() }
    }

    /// What was counted since `before` under this metric, by its label value, nothing left out but zeros.
    pub fn since(&self, before: &Self, metric: &str) -> BTreeMap<String, u64> {
        let grown = self.totals.iter().filter(|(name, _)| name.split('{').next() == Some(metric));
        grown
            .map(|(name, total)| {
                let label = name.split('"').nth(1).unwrap_or("all").to_owned();
                (label, (total - before.totals.get(name).copied().unwrap_or(0.0)).max(0.0) as u64)
            })
            .filter(|(_, n)| *n > 0)
            .collect()
    }
}

fn get(admin: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&admin, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_by_label() {
        let before = Counters::parse("fts_cot_dropped_total{reason=\"conflated\"} 2\n");
        let after = Counters::parse(
            "# HELP x\nfts_cot_dropped_total{reason=\"conflated\"} 5\nfts_cot_dropped_total{reason=\"gone\"} 0\n",
        );
        let grown = after.since(&before, "fts_cot_dropped_total");
        assert_eq!(grown.into_iter().collect::<Vec<_>>(), [("conflated".to_owned(), 3)]);
    }
}
