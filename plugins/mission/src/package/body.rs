//! The zip file in a request: the body itself, whatever its type says, or the part `assetfile` of a form.
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use fts_plugin_api::sdk::{Error, Request};

use crate::{desk::Desk, refusal::Refusal, work::Work};

/// A form is taken apart in memory, bytes.
const FORM: usize = 64 << 20;

/// Where it lies.
pub enum Body {
    /// The host keeps it while the request runs.
    Spooled(PathBuf),
    /// A file of our own.
    Own(Work),
}

impl Body {
    /// To read it from.
    pub fn path(&self) -> &Path {
        match self {
            Self::Spooled(path) => path,
            Self::Own(work) => work.path(),
        }
    }
}

/// Of a request.
///
/// # Errors
/// 400: there is none; 413; the disk.
pub fn of(desk: &Desk, request: &mut Request) -> Result<Body, Refusal> {
    if request.body_len() == 0 {
        return Err(Refusal::Bad("Invalid Request Body: it is empty, a zip file is expected".into()));
    }
    let form = request.header("content-type").and_then(boundary);
    if form.is_none()
        && let Some(path) = request.spooled()?.path
    {
        return Ok(Body::Spooled(PathBuf::from(path)));
    }
    let bytes = request.bytes(FORM)?;
    let zip = match &form {
        None => &bytes[..],
        Some(boundary) => part(&bytes, boundary).ok_or_else(|| {
            Refusal::Bad("Invalid Request Body: the form has no file, a part named assetfile is expected".into())
        })?,
    };
    let work = Work::new(&desk.host)?;
    let mut file: File = OpenOptions::new().write(true).create_new(true).open(work.path()).map_err(Error::from)?;
    file.write_all(zip).map_err(Error::from)?;
    Ok(Body::Own(work))
}

/// Of `multipart/form-data; boundary=…`.
fn boundary(content_type: &str) -> Option<String> {
    let mut parts = content_type.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let named = |part: &str| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    };
    parts.find_map(named).filter(|boundary| !boundary.is_empty())
}

/// The part `assetfile`, else the first that is a file.
fn part<'a>(bytes: &'a [u8], boundary: &str) -> Option<&'a [u8]> {
    let mark = format!("--{boundary}");
    let mut first = None;
    let mut rest = &bytes[find(bytes, mark.as_bytes())? + mark.len()..];
    loop {
        let head_end = find(rest, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&rest[..head_end]).to_lowercase();
        let content = &rest[head_end + 4..];
        let Some(end) = find(content, format!("\r\n{mark}").as_bytes()) else { return first };
        let file = head.contains("filename=");
        if head.contains("name=\"assetfile\"") || head.contains("name=assetfile") {
            return Some(&content[..end]);
        }
        if file && first.is_none() {
            first = Some(&content[..end]);
        }
        rest = &content[end + 2 + mark.len()..];
        if rest.starts_with(b"--") {
            return first;
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let start = what.first()?;
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|b| b == start) {
        if bytes[from + at..].starts_with(what) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{boundary, part};

    #[test]
    fn the_file_of_a_form_is_found_whatever_is_in_it() {
        let mark = boundary("multipart/form-data; charset=utf-8; boundary=\"x-1\"").unwrap();
        let form = "--x-1\r\nContent-Disposition: form-data; name=\"hash\"\r\n\r\nabc\r\n--x-1\r\nContent-Disposition: \
            form-data; name=\"assetfile\"; filename=\"p.zip\"\r\n\r\nPK\r\n--x-not\r\n\r\n--x-1--\r\n";
        assert_eq!(part(form.as_bytes(), &mark), Some(&b"PK\r\n--x-not\r\n"[..]));
        let other = form.replace("assetfile", "file");
        assert_eq!(part(other.as_bytes(), &mark), Some(&b"PK\r\n--x-not\r\n"[..]));
        for broken in ["", "--x-1", "--x-1\r\n\r\n", "--x-1\r\nname=\"hash\"\r\n\r\nabc\r\n--x-1--"] {
            assert_eq!(part(broken.as_bytes(), &mark), None, "{broken:?}");
        }
        assert_eq!((boundary("application/zip"), boundary("multipart/form-data")), (None, None));
    }
}
