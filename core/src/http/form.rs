//! A file in a form: `multipart/form-data` parsed while it arrives (marti-http.md 6.3, 6.4). One part becomes the body of
//! the call, spooled and hashed on the way like a body that came as it is: of the parts with one of the wanted names the
//! first that comes, else the first with a file name. A wanted part takes the place of a mere file that came before it;
//! all other parts are read and thrown away.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use multer::{Field, Multipart};

use super::{
    arrive::Arriving,
    body::{Body, BodyError, BodyLimits, Taken},
    call::Part,
};

/// Bytes of boundaries, headers and small fields a form may have besides its file.
pub(super) const AROUND: u64 = 1 << 20;
/// Bytes that may come without a part beginning or going on: headers of parts are held in memory.
const SILENT: usize = 256 * 1024;

/// The boundary, if it is a form.
pub(super) fn boundary(headers: &HeaderMap) -> Option<String> {
    multer::parse_boundary(headers.get(header::CONTENT_TYPE)?.to_str().ok()?).ok()
}

/// The part that is the file, and what the form says about it.
///
/// # Errors
/// No such part, a form that cannot be read, or what goes wrong with any body.
pub(super) async fn receive(
    arriving: Arriving<'_>,
    boundary: String,
    wanted: &[&str],
    limits: &BodyLimits,
    max: u64,
) -> Result<(Part, Body), BodyError> {
    let unused = Arc::new(AtomicUsize::new(0));
    let mut form = Multipart::new(breathing(arriving, unused.clone()), boundary);
    let mut found: Option<(Part, Body, bool)> = None;
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        unused.store(0, Ordering::Relaxed);
        let part = about(&field);
        let named = wanted.contains(&part.name.as_str());
        // Several parts of a wanted name: the first one counts.
        let better = match &found {
            Some((.., found_named)) => named && !found_named,
            None => named || part.file_name.is_some(),
        };
        if !better {
            while field.chunk().await.map_err(broken)?.is_some() {
                unused.store(0, Ordering::Relaxed);
            }
            continue;
        }
        let mut taken = Taken::new(limits, max);
        while let Some(piece) = field.chunk().await.map_err(broken)? {
            unused.store(0, Ordering::Relaxed);
            taken.take(&piece).await?;
        }
        found = Some((part, taken.whole().await?, named));
    }
    match found {
        Some((part, body, _)) => Ok((part, body)),
        None => Err(BodyError::NoFile),
    }
}

fn about(field: &Field<'_>) -> Part {
    Part {
        name: field.name().unwrap_or_default().to_owned(),
        file_name: field.file_name().map(str::to_owned),
        content_type: field.content_type().map(ToString::to_string),
    }
}

/// The pieces of a body, one at a time: the parser takes whatever is ready into its memory before it looks at it, and
/// would take a fast sender's whole file.
fn breathing(
    arriving: Arriving<'_>,
    unused: Arc<AtomicUsize>,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + '_ {
    let pieces = stream::unfold((arriving, unused), |(mut arriving, unused)| async move {
        let piece = match arriving.next().await.transpose()? {
            Ok(piece) if unused.fetch_add(piece.len(), Ordering::Relaxed) > SILENT => {
                Err(BodyError::Broken("the head of a part of the form is too long".into()))
            }
            other => other,
        };
        Some((piece, (arriving, unused)))
    });
    let mut rests = false;
    let mut pieces = Box::pin(pieces);
    stream::poll_fn(move |cx| {
        rests = !rests;
        if !rests {
            cx.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        let polled = pieces.poll_next_unpin(cx);
        // Only a piece is rested after.
        rests = polled.is_ready();
        polled
    })
}

fn broken(error: multer::Error) -> BodyError {
    match error {
        multer::Error::StreamReadFailed(inner) => match inner.downcast::<BodyError>() {
            Ok(ours) => *ours,
            Err(other) => BodyError::Broken(other.to_string()),
        },
        other => BodyError::Form(other.to_string()),
    }
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
