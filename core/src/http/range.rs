//! Conditions and parts of an answer with a known length and entity tag (RFC 9110, 13 and 14): `If-None-Match`, `If-Range`,
//! one `Range`. Several ranges, other units and what cannot be read get the whole, as the standard allows.
use axum::http::{HeaderMap, HeaderName, header};

/// What of an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// 200.
    Whole,
    /// 206, these bytes.
    Part { from: u64, len: u64 },
    /// 304.
    Unchanged,
    /// 416.
    Outside,
}

/// What a GET or HEAD (`ranges` = false) asks for. `tag` with its quotes; `modified` = the answer's Last-Modified.
pub(super) fn wanted(asked: &HeaderMap, len: u64, tag: &str, modified: Option<&str>, ranges: bool) -> Wanted {
    if asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok()).any(|list| names(list, tag)) {
        return Wanted::Unchanged;
    }
    let text = |name: HeaderName| asked.get(name).and_then(|v| v.to_str().ok());
    // A weak tag does not promise the same bytes.
    let same =
        text(header::IF_RANGE).is_none_or(|kept| (kept == tag && !tag.starts_with("W/")) || Some(kept) == modified);
    match text(header::RANGE) {
        Some(range) if ranges && same => part(range, len),
        _ => Wanted::Whole,
    }
}

/// A list of entity tags has this one; weakness does not matter here.
fn names(list: &str, tag: &str) -> bool {
    let bare = |t: &str| t.trim().trim_start_matches("W/").to_owned();
    list.split(',').any(|one| one.trim() == "*" || bare(one) == bare(tag))
}

fn part(range: &str, len: u64) -> Wanted {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|r| r.trim().split_once('-')) else {
        return Wanted::Whole;
    };
    let number = |text: &str| match text {
        "" => Some(None),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok().map(Some),
        _ => None,
    };
    match (number(first), number(last)) {
        (Some(Some(from)), Some(to)) => match to {
            Some(to) if to < from => Wanted::Whole,
            _ if from >= len => Wanted::Outside,
            to => Wanted::Part { from, len: to.map_or(len, |to: u64| len.min(to.saturating_add(1))) - from },
        },
        (Some(None), Some(Some(0))) => Wanted::Outside,
        (Some(None), Some(Some(_))) if len == 0 => Wanted::Outside,
        (Some(None), Some(Some(last))) => Wanted::Part { from: len - len.min(last), len: len.min(last) },
        _ => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|(n, v)| (HeaderName::from_static(n), v.parse().unwrap())).collect()
    }

    #[test]
    fn ranges() {
        for (range, is) in [
            ("bytes=0-3", Wanted::Part { from: 0, len: 4 }),
            ("bytes=4-", Wanted::Part { from: 4, len: 6 }),
            ("bytes=9-99", Wanted::Part { from: 9, len: 1 }),
            ("bytes=0-18446744073709551615", Wanted::Part { from: 0, len: 10 }),
            ("bytes=-4", Wanted::Part { from: 6, len: 4 }),
            ("bytes=-99", Wanted::Part { from: 0, len: 10 }),
            ("bytes=10-", Wanted::Outside),
            ("bytes=-0", Wanted::Outside),
            ("bytes=3-1", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=+1-3", Wanted::Whole),
            ("lines=0-3", Wanted::Whole),
        ] {
            assert_eq!(wanted(&asked(&[("range", range)]), 10, "\"t\"", None, true), is, "{range}");
        }
        assert_eq!(wanted(&asked(&[("range", "bytes=-5")]), 0, "\"t\"", None, true), Wanted::Outside);
        assert_eq!(wanted(&asked(&[("range", "bytes=0-3")]), 10, "\"t\"", None, false), Wanted::Whole);
    }

    #[test]
    fn conditions() {
        let whole = |headers: &[_]| wanted(&asked(headers), 10, "\"t\"", Some("Mon, 01 Jan 2024 00:00:00 GMT"), true);
        for tags in ["\"t\"", "W/\"t\"", "\"a\", \"t\"", "*"] {
            assert_eq!(whole(&[("if-none-match", tags), ("range", "bytes=0-3")]), Wanted::Unchanged, "{tags}");
        }
        assert_eq!(whole(&[("if-none-match", "\"x\"")]), Wanted::Whole);
        let part = Wanted::Part { from: 0, len: 4 };
        assert_eq!(whole(&[("if-range", "\"t\""), ("range", "bytes=0-3")]), part);
        assert_eq!(whole(&[("if-range", "Mon, 01 Jan 2024 00:00:00 GMT"), ("range", "bytes=0-3")]), part);
        assert_eq!(whole(&[("if-range", "\"old\""), ("range", "bytes=0-3")]), Wanted::Whole);
    }
}
