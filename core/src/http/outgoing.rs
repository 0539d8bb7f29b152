//! From a handler's answer to the response on the wire: entity tag, conditions, one range, length, HEAD. What a handler says
//! about lengths and the connection is left out; only a pull answer may name its length. Compression and the headers for
//! other origins (CORS) belong at the end of [`response`]; the admin listener has neither.
use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
};
use bytes::Bytes;
use futures_util::stream;

use super::{
    range::{Wanted, wanted},
    run::{Head, Sent},
    spool::{PIECE, Reader, read_piece},
    taken::Ends,
};

/// The response to a request with this method and these headers.
pub(super) fn response(method: &Method, asked: &HeaderMap, head: Head) -> Response<Body> {
    let Head { status, mut headers, content } = head;
    let reads = method == Method::GET || method == Method::HEAD;
    for name in [header::TRANSFER_ENCODING, header::CONNECTION] {
        headers.remove(name);
    }
    let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED || status.is_informational();
    match content {
        Sent::Pulled(reader) if !bodiless => {
            // The reader of a HEAD goes here, and with it the rest of the answer.
            let body = if method == Method::HEAD { Body::empty() } else { pulled(reader) };
            made(status, headers, body)
        }
        Sent::Bytes { bytes, tag } if !bodiless => {
            let len = bytes.len() as u64;
            let tagged = (reads && status == StatusCode::OK).then_some(tag).flatten();
            let part = move |from: u64, len: u64| Body::from(bytes.slice(from as usize..(from + len) as usize));
            measured(method, asked, (status, headers), (len, tagged), part)
        }
        Sent::File(file) if !bodiless => {
            let tagged = (reads && status == StatusCode::OK).then_some(file.tag).flatten();
            let (whole, base) = (file.len, file.from);
            // Of nothing the last byte is sent with the head.
            let mut end = (whole == 0 && method == Method::GET).then_some(0);
            let mut response = measured(method, asked, (status, headers), (whole, tagged), |from, len| {
                end = (from + len == whole).then_some(len);
                stored(Arc::new(file.file), base + from, len)
            });
            if let (Some(bytes), Some(then), true) = (end, file.taken, response.status().is_success()) {
                response.extensions_mut().insert(Ends { bytes, then });
            }
            response
        }
        _ => {
            // Only HEAD has a length without a body, and a handler for HEAD may know it.
            if method != Method::HEAD {
                headers.remove(header::CONTENT_LENGTH);
                // A type on nothing makes node-tak read nothing as JSON (marti-http.md 2.2).
                headers.remove(header::CONTENT_TYPE);
            }
            made(status, headers, Body::empty())
        }
    }
}

/// An answer of known length; with a tag it can be asked for in parts.
fn measured(
    method: &Method,
    asked: &HeaderMap,
    (mut status, mut headers): (StatusCode, HeaderMap),
    (len, tag): (u64, Option<String>),
    part: impl FnOnce(u64, u64) -> Body,
) -> Response<Body> {
    let (mut from, mut send) = (0, len);
    if let Some(tag) = tag {
        if let Ok(value) = HeaderValue::try_from(format!("\"{tag}\"")) {
            headers.entry(header::ETAG).or_insert(value);
        }
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        let (tag, modified) = (text(header::ETAG).unwrap_or_default(), text(header::LAST_MODIFIED));
        match wanted(asked, len, tag, modified, method == Method::GET) {
            Wanted::Whole => {}
            Wanted::Unchanged => {
                headers.remove(header::CONTENT_LENGTH);
                return made(StatusCode::NOT_MODIFIED, headers, Body::empty());
            }
            Wanted::Part { from: first, len: some } => {
                (from, send, status) = (first, some, StatusCode::PARTIAL_CONTENT);
                describe(&mut headers, &format!("bytes {first}-{}/{len}", first + some - 1));
            }
            Wanted::Outside => {
                (send, status) = (0, StatusCode::RANGE_NOT_SATISFIABLE);
                describe(&mut headers, &format!("bytes */{len}"));
            }
        }
    }
    headers.insert(header::CONTENT_LENGTH, send.into());
    let body = if method == Method::HEAD || send == 0 { Body::empty() } else { part(from, send) };
    made(status, headers, body)
}

fn describe(headers: &mut HeaderMap, range: &str) {
    if let Ok(value) = HeaderValue::from_str(range) {
        headers.insert(header::CONTENT_RANGE, value);
    }
}

fn made(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}

fn pulled(reader: Reader) -> Body {
    Body::from_stream(stream::unfold(reader, |mut reader| async { reader.next().await.map(|piece| (piece, reader)) }))
}

/// A part of a file, read piece by piece as the client takes it.
fn stored(file: Arc<std::fs::File>, from: u64, len: u64) -> Body {
    let end = from + len;
    let pieces = stream::unfold((file, from), move |(file, at)| async move {
        if at >= end {
            return None;
        }
        let len = (end - at).min(PIECE as u64);
        let piece: std::io::Result<Bytes> = read_piece(file.clone(), at, len as usize).await;
        // After an error there is nothing more; the connection is cut.
        let next = if piece.is_ok() { at + len } else { end };
        Some((piece, (file, next)))
    });
    Body::from_stream(pieces)
}
