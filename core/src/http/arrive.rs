//! [`Arriving`]: the body of a request on its way in, piece by piece: under a minimum rate, and inflated where it comes as
//! gzip (marti-http.md 2.3). What is inflated comes in small pieces, so that a few bytes that make millions of zeros meet
//! the limit of the body before they fill the memory.
use std::{collections::VecDeque, io::Write, pin::Pin};

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::body::{BodyError, BodyLimits};

/// Compressed bytes inflated at once: they make a thousand times as many at most.
const SLICE: usize = 1024;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is. ATAK says `UTF-8`, which is no coding at all.
    Plain,
    /// Gzip.
    Gzip,
}

impl Coding {
    /// What the headers say; None = a coding that is not known here.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut coding = Self::Plain;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            for name in value.to_str().ok()?.split(',').map(str::trim) {
                match name.to_ascii_lowercase().as_str() {
                    "" | "identity" | "utf-8" | "utf8" => {}
                    "gzip" | "x-gzip" if coding == Self::Plain => coding = Self::Gzip,
                    _ => return None,
                }
            }
        }
        Some(coding)
    }
}

/// See the file's head.
pub(super) struct Arriving<'a> {
    body: axum::body::Body,
    limits: &'a BodyLimits,
    /// End of the window, and how many bytes had come when it began.
    until: Instant,
    before: u64,
    came: u64,
    inflate: Option<Inflate>,
}

struct Inflate {
    decoder: MultiGzDecoder<Vec<u8>>,
    left: VecDeque<Bytes>,
    ended: bool,
}

impl<'a> Arriving<'a> {
    /// A body of at most `max` bytes.
    ///
    /// # Errors
    /// It says itself that it is longer; nothing of it was read.
    pub fn new(body: axum::body::Body, limits: &'a BodyLimits, coding: Coding, max: u64) -> Result<Self, BodyError> {
        use hyper::body::Body as _;
        if body.size_hint().lower() > max {
            return Err(BodyError::TooLong { max });
        }
        let gzip = || Inflate { decoder: MultiGzDecoder::new(Vec::new()), left: VecDeque::new(), ended: false };
        let inflate = (coding == Coding::Gzip).then(gzip);
        Ok(Self { body, limits, until: Instant::now() + limits.window, before: 0, came: 0, inflate })
    }

    /// The next piece; None at the end.
    ///
    /// # Errors
    /// It broke off, came too slowly, or is not what it says.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            if let Some(inflate) = &mut self.inflate {
                match inflate.step()? {
                    Step::Piece(piece) => return Ok(Some(piece)),
                    Step::End => return Ok(None),
                    Step::Hungry => {}
                }
            }
            let piece = self.raw().await?;
            match &mut self.inflate {
                None => return Ok(piece),
                Some(inflate) => match piece {
                    Some(piece) => inflate.left.push_back(piece),
                    None => inflate.ended = true,
                },
            }
        }
    }

    async fn raw(&mut self) -> Result<Option<Bytes>, BodyError> {
        let enough = self.limits.min_rate * self.limits.window.as_millis() as u64 / 1_000;
        loop {
            match timeout_at(self.until, Pin::new(&mut self.body).frame()).await {
                Ok(Some(frame)) => {
                    let frame = frame.map_err(|e| BodyError::Broken(e.to_string()))?;
                    // Trailers are of no use to anybody here.
                    let Ok(piece) = frame.into_data() else { continue };
                    self.came += piece.len() as u64;
                    return Ok(Some(piece));
                }
                Ok(None) => return Ok(None),
                Err(_) if self.came - self.before < enough => {
                    return Err(BodyError::Slow { min_rate: self.limits.min_rate });
                }
                Err(_) => (self.until, self.before) = (Instant::now() + self.limits.window, self.came),
            }
        }
    }
}

enum Step {
    Piece(Bytes),
    /// More has to come first.
    Hungry,
    End,
}

impl Inflate {
    fn step(&mut self) -> Result<Step, BodyError> {
        let broken = |e: std::io::Error| BodyError::Broken(format!("it is not gzip: {e}"));
        loop {
            if !self.decoder.get_ref().is_empty() {
                return Ok(Step::Piece(std::mem::take(self.decoder.get_mut()).into()));
            }
            match self.left.front_mut() {
                Some(piece) => {
                    let slice = piece.split_to(piece.len().min(SLICE));
                    if piece.is_empty() {
                        self.left.pop_front();
                    }
                    self.decoder.write_all(&slice).map_err(broken)?;
                }
                None if self.ended => {
                    self.decoder.try_finish().map_err(broken)?;
                    if self.decoder.get_ref().is_empty() {
                        return Ok(Step::End);
                    }
                }
                None => return Ok(Step::Hungry),
            }
        }
    }
}
