//! [`Pattern`]: the path of a route, by the same rules as the server's: `{name}` is one segment, `{name*}` the rest, and
//! looked at from the left a literal wins over a parameter and that over a rest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Literal,
    Name,
    Rest,
}

pub(super) struct Pattern {
    segments: Vec<String>,
    parts: Vec<Part>,
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let path = text.strip_prefix('/').ok_or("a path begins with /")?;
        if text.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'?' || b == b'#') {
            return Err("a path has no space, ?, # or control character");
        }
        let all: Vec<&str> = path.split('/').collect();
        let (mut segments, mut parts) = (Vec::<String>::new(), Vec::new());
        for (n, segment) in all.iter().enumerate() {
            let last = n + 1 == all.len();
            let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) else {
                if segment.contains(['{', '}']) {
                    return Err("a parameter is a whole segment, {name} or at the end {name*}");
                }
                if segment.is_empty() && !last {
                    return Err("a path has no empty segment (//)");
                }
                segments.push((*segment).to_owned());
                parts.push(Part::Literal);
                continue;
            };
            let rest = name.ends_with('*');
            let name = name.trim_end_matches('*');
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err("the name of a parameter is letters, digits and _");
            }
            if rest && !last {
                return Err("{name*} stands only at the end");
            }
            let taken = segments.iter().zip(&parts).any(|(s, p)| *p != Part::Literal && s == name);
            if taken {
                return Err("the same parameter name stands twice");
            }
            segments.push(name.to_owned());
            parts.push(if rest { Part::Rest } else { Part::Name });
        }
        Ok(Self { segments, parts })
    }

    /// Without the names of parameters: two patterns of one shape match the same paths.
    pub fn shape(&self) -> String {
        let shown = self.segments.iter().zip(&self.parts).map(|(segment, part)| match part {
            Part::Literal => segment.as_str(),
            Part::Name => "{}",
            Part::Rest => "{*}",
        });
        shown.collect::<Vec<_>>().join("/")
    }

    pub fn wins_over(&self, other: &Self) -> bool {
        self.parts < other.parts
    }

    /// The parameters, decoded; None = another path. A slash too many at the end does not matter.
    pub fn params(&self, path: &str) -> Option<Vec<(String, String)>> {
        self.exactly(path).or_else(|| self.exactly(path.strip_suffix('/').filter(|p| !p.is_empty())?))
    }

    fn exactly(&self, path: &str) -> Option<Vec<(String, String)>> {
        let mut left = path.strip_prefix('/')?;
        let mut params = Vec::new();
        for (n, (segment, part)) in self.segments.iter().zip(&self.parts).enumerate() {
            let last = n + 1 == self.segments.len();
            if *part == Part::Rest {
                return (!left.is_empty()).then(|| {
                    params.push((segment.clone(), decode(left)));
                    params
                });
            }
            let (found, rest) = match left.split_once('/') {
                Some((found, rest)) if !last => (found, rest),
                None if last => (left, ""),
                _ => return None,
            };
            match part {
                Part::Literal if found == segment => {}
                Part::Name if !found.is_empty() => params.push((segment.clone(), decode(found))),
                _ => return None,
            }
            left = rest;
        }
        Some(params)
    }
}

/// Percent-decoding; what is no code stays as it is.
pub(super) fn decode(text: &str) -> String {
    let (mut out, mut at) = (Vec::new(), 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|c| u8::from_str_radix(c, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A query string as names and values, decoded, in order.
pub(super) fn query(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|p| !p.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_segments_and_decodes_its_parameters() {
        let params = |pattern: &str, path: &str| Pattern::parse(pattern).unwrap().params(path);
        let one = |name: &str, value: &str| Some(vec![(name.to_owned(), value.to_owned())]);
        assert_eq!(params("/a/{x}", "/a/b%2Fc"), one("x", "b/c"));
        assert_eq!(params("/a/{x}", "/a/b/"), one("x", "b"));
        assert_eq!(params("/a/{x}", "/a"), None);
        assert_eq!(params("/a/{x}", "/a/b/c"), None);
        assert_eq!(params("/a/{x*}", "/a/b/c"), one("x", "b/c"));
        assert_eq!(params("/a/{x*}", "/a/"), None);
        assert_eq!(params("/", "/"), Some(vec![]));
        assert_eq!(params("/a/", "/a/"), Some(vec![]));
    }

    #[test]
    fn wrong_patterns_are_refused_and_literals_win() {
        for wrong in ["a", "/a//b", "/a b", "/a?x", "/x{a}", "/{}", "/{a*}/b", "/{a}/{a}"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
        let parse = |text| Pattern::parse(text).unwrap();
        assert!(parse("/a/b/{r*}").wins_over(&parse("/a/{x}/c")));
        assert!(parse("/a/{x}").wins_over(&parse("/a/{r*}")));
        assert_eq!(parse("/a/{x}").shape(), parse("/a/{y}").shape());
    }

    #[test]
    fn queries_are_decoded() {
        let pairs = query("a=1&b=x+y%21&a=2&c");
        let shown: Vec<_> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(shown, ["a=1", "b=x y!", "a=2", "c="]);
        assert_eq!(decode("100%"), "100%");
    }
}
