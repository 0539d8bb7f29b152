//! Compression of answers (marti-http.md 2.3): gzip, only where the client lists it and only of JSON, XML, text and KML
//! that is made for the answer. Files are never compressed: clients hash what arrives, go on at an offset, and many are
//! archives anyway. It happens on the blocking thread of the handler.
use std::io::Write;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use super::answer::Pull;

/// Shorter answers would grow.
const LEAST: usize = 64;

/// The client lists gzip.
pub(super) fn wanted(asked: &HeaderMap) -> bool {
    let lists = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let never = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse::<f32>().is_ok_and(|q| q <= 0.0));
        matches!(name.trim().to_ascii_lowercase().as_str(), "gzip" | "x-gzip") && !never
    })
}

/// An answer with these headers may be compressed; says in them that it depends on the question.
pub(super) fn fits(status: StatusCode, headers: &mut HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let texts = kind.starts_with("text/") || kind.ends_with("+json") || kind.ends_with("+xml");
    let fits = (texts || matches!(kind.as_str(), "application/json" | "application/xml"))
        && status.is_success()
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !headers.contains_key(header::CONTENT_RANGE);
    if fits {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    fits
}

/// Compresses the whole of it; what is too short stays.
pub(super) fn bytes(bytes: Bytes, headers: &mut HeaderMap) -> Bytes {
    if bytes.len() < LEAST {
        return bytes;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    // Writing into memory does not fail.
    match encoder.write_all(&bytes).and_then(|()| encoder.finish()) {
        Ok(packed) => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            packed.into()
        }
        Err(_) => bytes,
    }
}

/// Compresses an answer while it is made. An error stays an error, so that nobody takes half of it for all.
pub(super) fn pull(mut pull: Pull, headers: &mut HeaderMap) -> Pull {
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.remove(header::CONTENT_LENGTH);
    let mut encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
    Box::new(std::iter::from_fn(move || {
        loop {
            let packing = encoder.as_mut()?;
            let done = match pull.next() {
                Some(Ok(chunk)) => packing.write_all(&chunk).map(|()| None),
                Some(Err(error)) => {
                    encoder = None;
                    return Some(Err(error));
                }
                None => encoder.take()?.finish().map(Some),
            };
            match done {
                Ok(Some(last)) => return Some(Ok(last.into())),
                Ok(None) if packed(&encoder) => {
                    let ready = encoder.as_mut().map(|e| std::mem::take(e.get_mut())).unwrap_or_default();
                    return Some(Ok(ready.into()));
                }
                Ok(None) => {}
                Err(error) => {
                    encoder = None;
                    return Some(Err(error.to_string()));
                }
            }
        }
    }))
}

/// There is enough to send.
fn packed(encoder: &Option<GzEncoder<Vec<u8>>>) -> bool {
    encoder.as_ref().is_some_and(|e| e.get_ref().len() >= 8 * 1024)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn unpacked(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(bytes).read_to_end(&mut text).unwrap();
        text
    }

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        [(name, value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn m15_04_only_who_lists_gzip_gets_it() {
        for (value, is) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("GZIP", true),
            ("x-gzip", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("*", false),
            ("identity, br", false),
            ("", false),
        ] {
            assert_eq!(wanted(&headers(header::ACCEPT_ENCODING, value)), is, "{value}");
        }
        assert!(!wanted(&HeaderMap::new()));
    }

    #[test]
    fn types_and_shapes() {
        for (kind, is) in [
            ("application/json", true),
            ("text/json", true),
            ("text/plain; charset=utf-8", true),
            ("application/vnd.google-earth.kml+xml", true),
            ("application/xml", true),
            ("application/zip", false),
            ("application/vnd.google-earth.kmz", false),
            ("image/png", false),
            ("", false),
        ] {
            let mut headers = headers(header::CONTENT_TYPE, kind);
            assert_eq!(fits(StatusCode::OK, &mut headers), is, "{kind}");
            assert_eq!(headers.contains_key(header::VARY), is, "{kind}");
        }
        let mut coded = headers(header::CONTENT_TYPE, "text/plain");
        coded.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
        assert!(!fits(StatusCode::OK, &mut coded));
        assert!(!fits(StatusCode::NOT_FOUND, &mut headers(header::CONTENT_TYPE, "text/plain")));
    }

    #[test]
    fn what_is_packed_is_what_was_said() {
        let text = Bytes::from("tak ".repeat(100));
        let mut told = HeaderMap::new();
        assert_eq!(unpacked(&bytes(text.clone(), &mut told)), text);
        assert_eq!(told[header::CONTENT_ENCODING], "gzip");
        let mut short = HeaderMap::new();
        assert_eq!((bytes("short".into(), &mut short), short.len()), ("short".into(), 0));
        let noise =
            |n: u32| Bytes::from((0..4_000_u32).map(|i| (i.wrapping_mul(n * 7 + 13) >> 5) as u8).collect::<Vec<_>>());
        let made: Vec<_> = (0..100).map(noise).collect();
        let mut pulled = pull(Box::new(made.clone().into_iter().map(Ok)), &mut told);
        let chunks: Vec<_> = pulled.by_ref().map(Result::unwrap).collect();
        assert!(chunks.len() > 2 && pulled.next().is_none());
        assert_eq!(unpacked(&chunks.concat()), made.concat());
        let broken = vec![Ok(Bytes::from("x")), Err("gone".to_owned()), Ok(Bytes::from("y"))];
        let ends: Vec<_> = pull(Box::new(broken.into_iter()), &mut HeaderMap::new()).collect();
        assert_eq!(ends, [Err("gone".to_owned())]);
    }
}
