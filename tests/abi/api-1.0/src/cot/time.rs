//! CoT times: read leniently (RULE-21), written in one form (RULE-22).
//!
//! ATAK's parser has fixed positions and wants `Z`; what it would refuse is rewritten on relay, everything else stays
//! as it came.

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// Whether a received time text can stay as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeForm {
    /// In the form ATAK's parser takes: relayed byte for byte.
    Atak,
    /// Understood, but must be rewritten with [`format_time`] on relay.
    Other,
}

/// First and last instant that can be written: years 1900 to 9999.
const FIRST: Millis = -2_208_988_800_000;
const LAST: Millis = 253_402_300_799_999;
/// ATAK keeps seconds in 32 bits without sign.
const ATAK_LAST: Millis = (u32::MAX as Millis) * 1_000 + 999;

/// Reads a CoT time. None when it cannot be understood (then it counts as missing, RULE-19).
pub fn parse_time(text: &str) -> Option<(Millis, TimeForm)> {
    let t = text.as_bytes();
    let number = |from: usize, len: usize| -> Option<i64> {
        t.get(from..from + len)?.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    };
    let is = |at: usize, allowed: &[u8]| t.get(at).is_some_and(|b| allowed.contains(b));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let sane =
        (1900..=9999).contains(&year) && (1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day);
    // A leap second is taken as the second after it.
    if !sane || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut millis = 0;
    if is(at, b".") {
        let digits = t[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 9 {
            return None;
        }
        for n in 0..3 {
            millis = millis * 10 + if n < digits { i64::from(t[at + 1 + n] - b'0') } else { 0 };
        }
        at += 1 + digits;
    }
    let dotted = at > 20;
    let offset = match t.get(at..)? {
        [] | b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), ..] => {
            let minutes_at = if is(at + 3, b":") { at + 4 } else { at + 3 };
            let (hours, minutes) = (number(at + 1, 2)?, number(minutes_at, 2)?);
            if t.len() != minutes_at + 2 || hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -60_000 } else { 60_000 }
        }
        _ => return None,
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let ms = seconds * 1_000 + millis - offset;
    let atak = t[10] == b'T'
        && t.last() == Some(&b'Z')
        && t.len() >= 20
        && (dotted || t.len() == 20)
        && (0..=ATAK_LAST).contains(&ms);
    (FIRST..=LAST).contains(&ms).then_some((ms, if atak { TimeForm::Atak } else { TimeForm::Other }))
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`, always 24 bytes (values outside of the years 1900 to 9999 are clamped).
pub fn format_time(at: Millis) -> String {
    let mut out = Vec::with_capacity(24);
    write_time(at, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// [`format_time`] to the end of `out`.
pub fn write_time(at: Millis, out: &mut Vec<u8>) {
    let at = at.clamp(FIRST, LAST);
    let (day, ms) = (at.div_euclid(86_400_000), at.rem_euclid(86_400_000));
    let (year, month, date) = civil(day);
    for (value, digits, after) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (date, 2, b'T'),
        (ms / 3_600_000, 2, b':'),
        (ms / 60_000 % 60, 2, b':'),
        (ms / 1_000 % 60, 2, b'.'),
        (ms % 1_000, 3, b'Z'),
    ] {
        let mut scale = 10_i64.pow(digits - 1);
        while scale > 0 {
            out.push(b'0' + (value / scale % 10) as u8);
            scale /= 10;
        }
        out.push(after);
    }
}

fn month_days(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar; years are counted from March, so that the leap day is last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The other way: (year, month, day).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_21_forms() {
        for (text, ms, form) in [
            ("2023-11-14T22:13:20Z", 1_700_000_000_000, TimeForm::Atak),
            ("2023-11-14T22:13:20.5Z", 1_700_000_000_500, TimeForm::Atak),
            ("2023-11-14T22:13:20.123456789Z", 1_700_000_000_123, TimeForm::Atak),
            ("2023-11-15T00:13:20+02:00", 1_700_000_000_000, TimeForm::Other),
            ("2023-11-14T20:13:20-0200", 1_700_000_000_000, TimeForm::Other),
            ("2023-11-14t22:13:20z", 1_700_000_000_000, TimeForm::Other),
            ("2023-11-14 22:13:20", 1_700_000_000_000, TimeForm::Other),
            ("2023-11-14T22:13:20.Z", 1_700_000_000_000, TimeForm::Other),
            ("1900-01-01T00:00:00Z", FIRST, TimeForm::Other),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000, TimeForm::Atak),
        ] {
            assert_eq!(parse_time(text), Some((ms, form)), "{text}");
        }
        for text in [
            "",
            "now",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-11-14T24:00:00Z",
            "2023-11-14T22:13:20.1234567890Z",
            "2023-11-14T22:13:20+2",
            "2023-11-14",
            "1899-12-31T23:59:59Z",
            "2023-11-14T22:13:20Zx",
            "é023-11-14T22:13:20Z",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn written_times_are_read_back(ms in FIRST..=LAST) {
            let text = format_time(ms);
            proptest::prop_assert_eq!(text.len(), 24);
            proptest::prop_assert_eq!(parse_time(&text).map(|(ms, _)| ms), Some(ms));
        }

        #[test]
        fn reading_never_panics(text in ".{0,40}") {
            let _ = parse_time(&text);
        }
    }
}
