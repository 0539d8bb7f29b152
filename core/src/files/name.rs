//! Names of files as clients send them, made harmless: they are shown to people and written into headers and XML, and
//! never become a path of the server (marti-http.md 6.3, 6.7).
use percent::encoded;

/// Longest name in bytes.
const LONGEST: usize = 255;

/// The last part of a path, without control characters and quotes, at most 255 bytes. "" where nothing is left.
#[must_use]
pub fn clean(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept = last.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\'' | '`' | '\u{fffd}'));
    let mut out = String::new();
    for c in kept {
        if out.len() + c.len_utf8() > LONGEST {
            break;
        }
        out.push(c);
    }
    match out.trim() {
        "." | ".." => String::new(),
        name => name.to_owned(),
    }
}

/// Without what stands behind the last dot.
#[must_use]
pub fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// The type a name says, "" for one that says none.
#[must_use]
pub fn mime(name: &str) -> String {
    mime_guess::from_path(name).first_raw().unwrap_or_default().to_owned()
}

/// A content type fit for a header and for who reads it: `type/subtype` with parameters, else "".
#[must_use]
pub fn content_type(text: &str) -> String {
    let text = text.trim();
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
    let essence = text.split(';').next().unwrap_or_default().trim();
    let good = essence
        .split_once('/')
        .is_some_and(|(a, b)| !a.is_empty() && !b.is_empty() && a.bytes().all(token) && b.bytes().all(token));
    let fine = good && text.len() <= LONGEST && text.bytes().all(|b| (b' '..0x7f).contains(&b));
    if fine { text.to_owned() } else { String::new() }
}

/// `attachment` in both forms: ASCII for old readers, UTF-8 for the others (marti-http.md 6.7, RFC 6266).
#[must_use]
pub fn disposition(name: &str) -> String {
    let ascii: String = name
        .chars()
        .map(|c| if (' '..='~').contains(&c) && !matches!(c, '"' | '\\' | '%') { c } else { '_' })
        .collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{}", encoded(name))
}

mod percent {
    /// Everything but the characters RFC 5987 lets stand.
    pub fn encoded(text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere() {
        for (name, is) in [
            ("mp.zip", "mp.zip"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\x\\a b.zip", "a b.zip"),
            ("a\"b'c\r\nd\0.zip", "abcd.zip"),
            ("..", ""),
            (".", ""),
            ("a/", ""),
            ("  ä ö.jpg ", "ä ö.jpg"),
            ("", ""),
        ] {
            assert_eq!(clean(name), is, "{name:?}");
        }
        assert_eq!(clean(&"ä".repeat(300)).len(), 254);
        assert_eq!((stem("a.b.zip"), stem(".zip"), stem("a")), ("a.b", ".zip", "a"));
    }

    #[test]
    fn headers_stay_headers() {
        assert_eq!(disposition("a b.zip"), "attachment; filename=\"a b.zip\"; filename*=UTF-8''a%20b.zip");
        assert_eq!(disposition("ä%\".zip"), "attachment; filename=\"___.zip\"; filename*=UTF-8''%C3%A4%25%22.zip");
        for bad in ["", "text", "/x", "text/", "text/pl ain", "text/x\r\nSet-Cookie: a", "te<xt/html"] {
            assert_eq!(content_type(bad), "", "{bad:?}");
        }
        assert_eq!(content_type(" application/x-zip-compressed "), "application/x-zip-compressed");
        assert_eq!(content_type("text/plain; charset=utf-8"), "text/plain; charset=utf-8");
        assert_eq!((mime("a.JPG"), mime("a")), ("image/jpeg".into(), String::new()));
    }
}
