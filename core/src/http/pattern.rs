//! [`Pattern`]: the path of a route. `{name}` is one segment, `{name*}` the rest of the path (at least one character, only
//! at the end), everything else is literal. A parameter is a whole segment. Segments are compared as they stand on the
//! wire; parameters are percent-decoded afterwards, so an encoded slash in a name does not make two segments of it.
use std::fmt;

/// What a segment is; the order is the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Literal,
    Name,
    Rest,
}

/// A checked pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    shape: String,
    parts: Vec<Part>,
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum PatternError {
    #[error("a path begins with /")]
    NoSlash,
    #[error("a path has no empty segment (//)")]
    Empty,
    #[error("a path has no space, ?, # or control character")]
    Character,
    #[error("a parameter is a whole segment, {{name}} or at the end {{name*}}, and its name is letters, digits and _")]
    Parameter,
    #[error("{{name*}} stands only at the end")]
    Rest,
    #[error("the same parameter name stands twice")]
    Twice,
}

impl Pattern {
    /// Reads one.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let path = text.strip_prefix('/').ok_or(PatternError::NoSlash)?;
        if text.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'?' || b == b'#') {
            return Err(PatternError::Character);
        }
        let segments: Vec<&str> = path.split('/').collect();
        let (mut shape, mut parts, mut names) = (String::new(), Vec::new(), Vec::new());
        for (n, segment) in segments.iter().enumerate() {
            let last = n + 1 == segments.len();
            shape.push('/');
            let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) else {
                match segment {
                    s if s.contains(['{', '}']) => return Err(PatternError::Parameter),
                    s if s.is_empty() && !last => return Err(PatternError::Empty),
                    s => shape.push_str(s),
                }
                parts.push(Part::Literal);
                continue;
            };
            let rest = name.ends_with('*');
            let name = name.trim_end_matches('*');
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(PatternError::Parameter);
            }
            if rest && !last {
                return Err(PatternError::Rest);
            }
            if names.contains(&name) {
                return Err(PatternError::Twice);
            }
            names.push(name);
            shape.push_str(if rest { "{*}" } else { "{}" });
            parts.push(if rest { Part::Rest } else { Part::Name });
        }
        Ok(Self { text: text.to_owned(), shape, parts })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Without the names of parameters: two patterns of one shape match the same paths.
    pub fn shape(&self) -> &str {
        &self.shape
    }

    /// It ends with `{name*}`.
    pub fn has_rest(&self) -> bool {
        self.parts.last() == Some(&Part::Rest)
    }

    /// Of two patterns that match one path: this one is preferred. Looked at from the left, a literal segment wins over a
    /// parameter, and that over the rest of the path.
    pub fn wins_over(&self, other: &Self) -> bool {
        self.parts < other.parts
    }

    /// In the notation of the crate `matchit`.
    pub(super) fn for_matchit(&self) -> String {
        match self.text.rsplit_once('{') {
            Some((before, name)) if self.has_rest() => format!("{before}{{*{}", name.replace('*', "")),
            _ => self.text.clone(),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_checked() {
        for (text, wrong) in [
            ("Marti", PatternError::NoSlash),
            ("", PatternError::NoSlash),
            ("/a//b", PatternError::Empty),
            ("/a b", PatternError::Character),
            ("/a?x=1", PatternError::Character),
            ("/a/x{b}", PatternError::Parameter),
            ("/a/{}", PatternError::Parameter),
            ("/a/{b", PatternError::Parameter),
            ("/a/{b}{c}", PatternError::Parameter),
            ("/a/{b-c}", PatternError::Parameter),
            ("/{a*}/b", PatternError::Rest),
            ("/{a}/{a}", PatternError::Twice),
        ] {
            assert_eq!(Pattern::parse(text), Err(wrong), "{text}");
        }
        for text in ["/", "/a/", "/Marti/api/missions/{name}/contents", "/files/{path*}", "/{a}/{b_2}"] {
            assert_eq!(Pattern::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn shape_and_preference() {
        let parse = |t| Pattern::parse(t).unwrap();
        assert_eq!(parse("/a/{x}/c").shape(), parse("/a/{y}/c").shape());
        assert_ne!(parse("/a/{x*}").shape(), parse("/a/{x}").shape());
        assert_eq!(parse("/a/{x}/{rest*}").for_matchit(), "/a/{x}/{*rest}");
        assert!(parse("/a/b/{r*}").wins_over(&parse("/a/{x}/c")));
        assert!(parse("/a/{x}").wins_over(&parse("/a/{r*}")));
        assert!(!parse("/a/{r*}").wins_over(&parse("/a/{x}/c")));
    }
}
