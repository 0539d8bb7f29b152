//! [`Spread`]: a figure measured several times: its median, and how far the measurements lie apart.

use std::fmt;

/// See the file's head.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    values: Vec<f64>,
}

impl Spread {
    /// One more measurement.
    pub fn add(&mut self, value: f64) {
        self.values.push(value);
        self.values.sort_by(f64::total_cmp);
    }

    /// The middle one, or the mean of the two in the middle; 0 when there is none.
    pub fn median(&self) -> f64 {
        let n = self.values.len();
        let at = |n: usize| self.values.get(n).copied().unwrap_or(0.0);
        if n % 2 == 1 { at(n / 2) } else { (at((n / 2).saturating_sub(1)) + at(n / 2)) / 2.0 }
    }
}

impl FromIterator<f64> for Spread {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut spread = Self::default();
        values.into_iter().for_each(|v| spread.add(v));
        spread
    }
}

/// `median (least … most)`, thousands in groups.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", figure(self.median()))?;
        match (self.values.first(), self.values.last()) {
            (Some(least), Some(most)) if self.values.len() > 1 => {
                write!(f, " ({} … {})", figure(*least), figure(*most))
            }
            _ => Ok(()),
        }
    }
}

/// Three digits that matter; big numbers in groups of thousands.
pub fn figure(value: f64) -> String {
    match value.abs() {
        v if v < 10.0 => format!("{value:.3}"),
        v if v < 1_000.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{value:.0}");
            let mut out = String::new();
            for (n, digit) in digits.chars().enumerate() {
                if n > 0 && (digits.len() - n).is_multiple_of(3) && digits.as_bytes()[n - 1] != b'-' {
                    out.push(' ');
                }
                out.push(digit);
            }
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_before_the_spread() {
        let spread: Spread = [3.0, 1.0, 2_000.0].into_iter().collect();
        assert_eq!(spread.to_string(), "3.000 (1.000 … 2 000)");
        assert_eq!(figure(1_234_567.0), "1 234 567");
    }
}
